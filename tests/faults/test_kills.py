"""`kill -9` under load, of a worker and of everything: what clients were told is true afterwards, no code gives tokens
twice, and the database is whole (DESIGN, The store: acknowledged means durable; redeem is the commit point).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Event

import pytest
import requests
from creance.provider.testing import AuthorizationAnswer, RelyingParty, RunningProvider, forms_of

from ..polling import eventually
from .killing import kill_all, workers

APPS = 4
ENVIRONMENT = {"CREANCE_HTTP__WORKERS": "2", "CREANCE_STORE__TIMEOUT": "20"}


class Unheard(Exception):
    """Whoever was asked has died. What became of the request nobody knows."""


@contextmanager
def hearing() -> Iterator[None]:
    """Raises Unheard where no answer comes."""
    try:
        yield
    except requests.RequestException as error:
        raise Unheard from error


class Login:
    """A code, and what an app was told when it used it."""

    def __init__(self, app: RelyingParty, code: AuthorizationAnswer) -> None:
        self.app = app
        self.code = code
        self.sent = False
        self.refresh_token: str | None = None
        self.in_doubt = False
        """Whether the refresh token was sent, and no answer came."""
        self.given: list[str] = []
        """Access tokens that were received."""
        self.revoked: list[str] = []

    def exchange(self) -> None:
        self.sent = True
        with hearing():
            answer = self.app.exchange(self.code)
        assert answer.status == 200, answer
        self.given.append(answer.access_token)
        self.refresh_token = answer.refresh_token

    def refresh(self) -> None:
        assert self.refresh_token is not None
        self.in_doubt = True
        with hearing():
            answer = self.app.refresh(self.refresh_token)
        assert answer.status == 200, answer
        self.in_doubt = False
        self.given.append(answer.access_token)
        self.refresh_token = answer.refresh_token

    def revoke(self) -> None:
        """The last access token. Where no answer comes it may be active or not."""
        token = self.given.pop()
        with hearing():
            assert self.app.revoke(token).status == 200
        self.revoked.append(token)

    def is_active(self, token: str) -> bool:
        return bool(self.app.introspect(token).active)

    def check(self, *, grace: bool) -> None:
        """All that was received is good, a retry is answered as it must be, and the code gives nothing any more."""
        if self.refresh_token is None and not self._exchange_at_last():
            return
        assert [token for token in self.given if not self.is_active(token)] == []
        assert [token for token in self.revoked if self.is_active(token)] == []
        if self._refresh_at_last(grace=grace):
            assert self.app.exchange(self.code).error == "invalid_grant"
        assert [token for token in (*self.given, self.refresh_token) if self.is_active(str(token))] == []

    def _exchange_at_last(self) -> bool:
        """Whether the code gives tokens now. It does if it was never sent; if it was, it may have been spent."""
        if self.sent:
            answer = self.app.exchange(self.code)
            if answer.status == 400:
                assert answer.error == "invalid_grant"
                return False
            self.given.append(answer.access_token)
            self.refresh_token = answer.refresh_token
        else:
            self.exchange()
        return True

    def _refresh_at_last(self, *, grace: bool) -> bool:
        """Whether the refresh token gives a successor, within the grace the same one each time. Without a grace, one
        that was sent before may have been spent: then this was a second use.
        """
        assert self.refresh_token is not None
        answer = self.app.refresh(self.refresh_token)
        if self.in_doubt and not grace and answer.status == 400:
            assert answer.error == "invalid_grant"
            return False
        assert answer.status == 200, answer
        assert self.is_active(answer.access_token)
        assert self.is_active(answer.refresh_token)
        if grace:
            assert self.app.refresh(self.refresh_token).refresh_token == answer.refresh_token
        self.given.append(answer.access_token)
        self.refresh_token = answer.refresh_token
        return True


class App:
    """Sends its user through the provider, over and over, and uses what it gets."""

    def __init__(self, op: RunningProvider) -> None:
        self.app = op.client("app", scope="openid offline_access")
        self.service = op.client("service")
        self.browser = op.browser()
        self.app.authorize(browser=self.browser)
        self.logins: list[Login] = []
        self.tokens: list[str] = []

    def visit(self, number: int) -> None:
        """One login; how far it goes differs."""
        with hearing():
            code = self.app.answer_at_once(self.browser)
        login = Login(self.app, code)
        self.logins.append(login)
        if number % 5 == 0:
            with hearing():
                self.tokens.append(self.service.client_credentials().access_token)
            return  # and this code is used later
        login.exchange()
        for _ in range(number % 3):
            login.refresh()
        if number % 4 == 1:
            login.revoke()

    def check(self, *, grace: bool) -> None:
        """Everything that it was told since the last time."""
        assert self.browser.get("/auth/session").status_code == 200
        assert [token for token in self.tokens if not self.service.introspect(token).active] == []
        for login in self.logins:
            login.check(grace=grace)
        self.tokens.clear()
        self.logins.clear()


class Person:
    """Logs in with a password, each time in a new browser; every other time out again."""

    def __init__(self, op: RunningProvider) -> None:
        self.op = op
        self.staying: list[dict[str, str]] = []
        """The cookies of sessions that were received."""
        self.gone: list[dict[str, str]] = []
        """The cookies of sessions that were ended."""

    def visit(self, number: int) -> None:
        """A login; its session counts as soon as its cookie is there, whatever comes after."""
        browser = self.op.browser()
        try:
            with hearing():
                browser.log_in(browser.get("/auth/login"), "alice")
        finally:
            cookies = browser.http.cookies.get_dict()
            if any(name.endswith("_session") for name in cookies):
                self.staying.append(cookies)
        if number % 2:
            self.staying.pop()  # where no answer comes it may have ended or not
            with hearing():
                (path, form), *_ = forms_of(browser.get("/auth/logout").text)
                assert browser.post(path, form).status_code == 303
            self.gone.append(cookies)

    def check(self, *, grace: bool) -> None:
        """A session that was received is there; one that was ended is not."""
        del grace
        assert {self._status(cookies) for cookies in self.staying} <= {200}
        assert {self._status(cookies) for cookies in self.gone} <= {401}
        self.staying.clear()
        self.gone.clear()

    def _status(self, cookies: dict[str, str]) -> int:
        return self.op.get("/auth/session", cookies=cookies).status_code


class Load:
    """Apps and people at a provider, who go on whatever happens to it."""

    def __init__(self, op: RunningProvider) -> None:
        self.visitors: Sequence[App | Person] = [*(App(op) for _ in range(APPS)), Person(op)]
        self.heard = [0] * len(self.visitors)
        self.unheard = 0
        self._stop = Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """As long as this lasts."""
        self._stop.clear()
        with ThreadPoolExecutor(len(self.visitors)) as pool:
            running = [pool.submit(self._visit, index) for index in range(len(self.visitors))]
            try:
                yield
            finally:
                self._stop.set()
            for visitor in running:
                visitor.result()

    def _visit(self, index: int) -> None:
        for number in count():
            if self._stop.wait(0):
                return
            try:
                self.visitors[index].visit(number)
                self.heard[index] += 1
            except Unheard:
                self.unheard += 1
                self._stop.wait(0.02)

    def check(self, *, grace: bool) -> None:
        for visitor in self.visitors:
            visitor.check(grace=grace)


until = partial(eventually, seconds=90)


def kill_a_worker(op: RunningProvider, load: Load) -> None:
    """Another takes its place, and meanwhile everybody is served."""
    before = workers(op)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(set(workers(op)) - {before[0]}) == 2)
    heard = list(load.heard)
    until(lambda: all(now > then for now, then in zip(load.heard, heard, strict=True)))


def kill_everything(op: RunningProvider, load: Load) -> None:
    """As when the machine loses its power."""
    del load
    kill_all(op)


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.long)])
@pytest.mark.parametrize("grace", [300, 0])
@pytest.mark.parametrize("kill", [kill_a_worker, kill_everything])
def test_what_was_answered_is_true_after_a_kill(
    run_provider: Callable[..., RunningProvider],
    kill: Callable[[RunningProvider, Load], None],
    grace: int,
    kills: int,
) -> None:
    """Issue 4: every token that a client received is valid after the restart, no code is honoured twice. RFC 9700
    4.14.2: a refresh whose answer was lost is told from a theft by the grace alone.
    """
    op = run_provider(environment={**ENVIRONMENT, "CREANCE_GRANTS__REFRESH_TOKEN_GRACE": str(grace)})
    load = Load(op)
    for number in count():
        if number >= kills and load.unheard:  # by luck a kill disturbs nobody
            break
        assert number < kills + 20, "nobody was disturbed"
        before = sum(load.heard)
        with load.running():
            until(lambda before=before: sum(load.heard) > before + 2)
            time.sleep(0.037 * (number % 10))
            kill(op, load)
        if kill is kill_everything:
            op.start()
        load.check(grace=grace > 0)
    assert sum(load.heard) > 2 * kills
    checked = [sys.executable, "-m", "creance.provider.commands", "--config", str(op.configuration), "store", "check"]
    assert subprocess.run(checked, stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert [line for line in op.log_lines() if line["event"] == "defect" or line.get("status", 0) >= 500] == []
