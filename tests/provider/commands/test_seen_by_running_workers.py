"""What is changed at one place all running workers see, over HTTP against four of them: within ten seconds what
commands change of clients, users and keys, and at once what a worker changes of tokens and sessions.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator

import pytest
from creance.provider import cache, keyring
from creance.provider.testing import RunningProvider, forms_of
from joserfc import jws

from ...polling import eventually

WITHIN = 10.0
"""Seconds, as docs/operating.md says under "Several workers"."""
WORKERS = 4
CONNECTIONS = 48
"""The system gives each new one to any of the workers: that so many miss one of them happens once in 250,000 times."""


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(
        tmp_path_factory.mktemp("op"), environment={"CREANCE_HTTP__WORKERS": str(WORKERS)}
    ) as provider:
        yield provider


def creance(op: RunningProvider, *arguments: str, typed: str = "") -> str:
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(op.configuration), *arguments]
    return subprocess.run(program, check=True, capture_output=True, text=True, input=typed).stdout


def by_all(true: Callable[[], bool]) -> bool:
    """Whether it is so for each worker: each call makes a connection of its own."""
    return all(true() for _ in range(CONNECTIONS))


def seen(true: Callable[[], bool]) -> None:
    """True some time after the change, for each worker."""
    eventually(lambda: by_all(true))


def test_nobody_keeps_for_longer_what_commands_change() -> None:
    """docs/operating.md, Several workers: the time that a busy machine needs comes on top."""
    assert max(cache.SECONDS, keyring.REFRESH) < WITHIN


def test_what_commands_change_is_seen_by_every_worker(op: RunningProvider) -> None:
    secret = ""

    def token_status() -> int:
        return op.post("/token", {"grant_type": "client_credentials"}, auth=("worker", secret or "none")).status_code

    def kids() -> set[str]:
        return {key["kid"] for key in op.get("/jwks").json()["keys"]}

    assert token_status() == 401
    before = kids()
    added = creance(op, "clients", "add", "worker", "--grant-type", "client_credentials", "--scope", "read")
    secret = tomllib.loads(added)["client_secret"]
    creance(op, "keys", "rotate", "--immediately")
    seen(lambda: token_status() == 200)
    seen(lambda: len(kids() - before) == 2)

    creance(op, "clients", "remove", "worker")
    seen(lambda: token_status() == 401)


def test_users_come_and_change_their_passwords(op: RunningProvider) -> None:
    def logs_in(password: str) -> bool:
        try:
            answer = op.client("app").authorize(user="carol", password=password)
        except AssertionError:  # the login page again
            return False
        return answer.code is not None

    assert not logs_in("first")
    creance(op, "users", "add", "carol", typed="first\n")
    eventually(lambda: logs_in("first") and logs_in("first"))
    creance(op, "users", "passwd", "carol", typed="second\n")
    eventually(lambda: logs_in("second") and not logs_in("first"))


def test_a_rotated_key_signs_in_every_worker(op: RunningProvider) -> None:
    """OpenID Connect Core 10.1.1: with the key that is active now, in each worker, and each has published it."""
    rotated = creance(op, "keys", "rotate", "--immediately").splitlines()
    active = {line.split()[1] for line in rotated}
    refresh_token = op.client("app", scope="openid offline_access").log_in().refresh_token

    def signs_with_it() -> bool:
        nonlocal refresh_token
        app = op.client("app")
        answer = app.refresh(refresh_token)
        refresh_token = answer.refresh_token
        assert app.verify(answer.id_token), "whichever key signs, whoever is asked for the JWKS"
        return str(jws.extract_compact(answer.id_token.encode()).headers()["kid"]) in active

    assert len(active) == 2
    seen(signs_with_it)


def test_what_one_worker_revokes_none_takes_any_more(op: RunningProvider) -> None:
    """RFC 7009 2: takes place immediately; and what the grant gave goes with it."""
    app = op.client("app", scope="openid offline_access")
    tokens = app.log_in()

    def userinfo() -> int:
        return op.get("/userinfo", headers={"Authorization": f"Bearer {tokens.access_token}"}).status_code

    assert by_all(lambda: userinfo() == 200)
    assert app.revoke(tokens.refresh_token).status == 200
    assert by_all(lambda: userinfo() == 401)
    assert by_all(lambda: op.client("app").refresh(tokens.refresh_token).error == "invalid_grant")


def test_a_session_that_one_worker_began_all_honour_until_one_ends_it(op: RunningProvider) -> None:
    """OpenID Connect Session Management 1.0 2, RP-Initiated Logout 1.0 2: one login, one logout."""
    browser = op.browser()
    op.client("app").authorize(user="alice", browser=browser)
    cookies = dict(browser.http.cookies)

    def session() -> int:
        return op.get("/auth/session", cookies=cookies).status_code

    assert by_all(lambda: session() == 200)
    (action, fields), *_ = forms_of(browser.get("/auth/logout").text)
    assert browser.post(action, fields).status_code == 303
    assert by_all(lambda: session() == 401)
