"""What commands change, running workers see within ten seconds: over HTTP, against a started provider."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator

import pytest
from creance.provider.testing.running import RunningProvider

WITHIN = 10.0


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(tmp_path_factory.mktemp("op"), environment={"CREANCE_HTTP__WORKERS": "2"}) as provider:
        yield provider


def creance(op: RunningProvider, *arguments: str, typed: str = "") -> str:
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(op.configuration), *arguments]
    return subprocess.run(program, check=True, capture_output=True, text=True, input=typed).stdout


def seen(changed_at: float, true: Callable[[], bool]) -> None:
    """True ten seconds after the change at the latest, and from then on: of ten connections each worker has some."""
    while not all(true() for _ in range(10)):
        assert time.monotonic() < changed_at + WITHIN, "not seen in time"
        time.sleep(0.3)


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
    changed_at = time.monotonic()
    seen(changed_at, lambda: token_status() == 200)
    seen(changed_at, lambda: len(kids() - before) == 2)

    creance(op, "clients", "remove", "worker")
    seen(time.monotonic(), lambda: token_status() == 401)


def test_users_come_and_change_their_passwords(op: RunningProvider) -> None:
    def logs_in(password: str) -> bool:
        try:
            answer = op.client("app").authorize(user="carol", password=password)
        except AssertionError:  # the login page again
            return False
        return answer.code is not None

    def seen_within(true: Callable[[], bool]) -> None:
        changed_at = time.monotonic()
        while not (true() and true()):
            assert time.monotonic() < changed_at + WITHIN, "not seen in time"
            time.sleep(1)

    assert not logs_in("first")
    creance(op, "users", "add", "carol", typed="first\n")
    seen_within(lambda: logs_in("first"))
    creance(op, "users", "passwd", "carol", typed="second\n")
    seen_within(lambda: logs_in("second") and not logs_in("first"))
