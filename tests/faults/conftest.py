"""A provider over HTTP, an app and a person in front of it, and what can happen to its database meanwhile."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
import requests
from creance.provider.testing import Answer, AuthorizationAnswer, Browser, RelyingParty, RunningProvider
from creance.provider.testing import running as running_module

from ..polling import ATTEMPTS, eventually

Answered = TypeVar("Answered")

DEADLINE = 2.0
"""Seconds in which the store must answer."""
PATIENCE = DEADLINE * 2
"""What a request may take that waits for the store: the deadline, and what the machine needs besides."""

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""

UNAVAILABLE = {
    "error": "temporarily_unavailable",
    "error_description": "the provider cannot answer now, try again later",
}


@dataclass
class Scene:
    """A provider, an app, and a person who is logged in and has just been sent back to it."""

    deadline: ClassVar = DEADLINE

    op: RunningProvider
    app: RelyingParty = field(init=False)
    service: RelyingParty = field(init=False)
    browser: Browser = field(init=False)
    code: AuthorizationAnswer = field(init=False)
    tokens: Answer = field(init=False)
    log_starts: int = field(init=False)

    def __post_init__(self) -> None:
        self.app = self.op.client("app", scope="openid offline_access")
        self.service = self.op.client("service")
        self.browser = self.op.browser()
        self.tokens = self.app.exchange(self.app.authorize(browser=self.browser))
        self.code = self.app.authorize(browser=self.browser)
        assert self.tokens.status == 200
        self.log_starts = len(self.op.log_lines())

    @property
    def database(self) -> Path:
        return self.op.folder / "var" / "creance.db"

    def token(self) -> Answer:
        return self.service.client_credentials()

    def begin(self, **changes: str | None) -> requests.Response:
        """The app's request in a browser that has a session: no redirect is followed."""
        parameters, _ = self.app.request(**changes)
        return self.browser.get(self.app.metadata["authorization_endpoint"], params=parameters)

    def redirected(self, **changes: str | None) -> AuthorizationAnswer:
        """What the app is told, in its redirect URI."""
        location = self.begin(**changes).headers["Location"]
        assert location.startswith(f"{self.app.redirect_uri}?")
        return AuthorizationAnswer(location, None, None, self.app.redirect_uri)

    def readiness(self) -> int:
        return self.op.get("/health/ready").status_code

    def logged(self) -> list[dict[str, Any]]:
        """The lines of the log since the scene began."""
        return self.op.log_lines()[self.log_starts :]

    def last_request(self) -> dict[str, Any]:
        """What the log says of it, whatever else is logged meanwhile."""
        return [line for line in self.logged() if line["event"] == "request"][-1]

    def workers(self) -> list[int]:
        """The processes that serve."""
        assert self.op.process is not None
        children = Path(f"/proc/{self.op.process.pid}/task/{self.op.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def documents(self) -> dict[str, int]:
        """How many there are of what is issued, as another process reads it."""
        with closing(sqlite3.connect(self.database)) as connection:
            return {
                name: connection.execute(f"SELECT count(*) FROM c_{name}").fetchone()[0]
                for name in ("authorization_codes", "access_tokens", "refresh_tokens", "sessions")
            }

    @staticmethod
    def in_time(ask: Callable[..., Answered], *arguments: Any, **named: Any) -> Answered:
        """What is answered within one deadline a request. Asked again where it took longer: a busy machine may stop
        for seconds, and does not do so each time.
        """
        for _ in range(ATTEMPTS):
            began = time.monotonic()
            answer = ask(*arguments, **named)
            if time.monotonic() - began < PATIENCE:
                return answer
        raise AssertionError("not answered within the deadline")

    @staticmethod
    def check_unavailable(answer: Answer) -> None:
        """RFC 9110 15.6.4; JSON as of any other error, and to be tried again."""
        assert (answer.status, answer) == (503, UNAVAILABLE)
        assert answer.headers["Retry-After"] == "2"
        assert answer.headers["Cache-Control"] == "no-store"

    def check_in_order(self) -> None:
        """Everything works again, without a restart; and nobody learnt from the log what they should not."""
        assert self.token().status == 200
        assert self.readiness() == 200
        assert self.app.introspect(self.tokens.access_token).active in (True, False)
        written = self.op.log_file.read_text()
        for secret in (self.code.code, self.code.code_verifier, self.tokens.access_token, self.tokens.refresh_token):
            assert secret not in written
        assert "Traceback" not in written
        assert [line for line in self.logged() if line["event"] == "defect"] == []

    def trouble(self, name: str) -> AbstractContextManager[None]:
        """What happens to the database, by name; at its end it is over."""
        troubles = {"locked": self.locked, "gone": self.gone, "replaced": self.replaced, "full": self.full}
        return troubles[name]()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process is writing, and does not come to an end."""
        other = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(self.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == "held\n"
            yield
        finally:
            other.stdin.close()
            other.wait(60)
            other.stdout.close()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Somebody moved the file away."""
        away = self.database.with_name("away.db")
        self.database.rename(away)
        try:
            yield
            assert not self.database.exists()  # and nothing has made another one
        finally:
            away.rename(self.database)

    @contextmanager
    def replaced(self) -> Iterator[None]:
        """Somebody put a backup in its place, while it was in use."""
        away, backup = self.database.with_name("away.db"), self.database.with_name("backup.db")
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("VACUUM INTO ?", (str(backup),))
        content = backup.read_bytes()
        self.database.rename(away)
        backup.rename(self.database)
        try:
            yield
            assert self.database.read_bytes() == content
        finally:
            away.replace(self.database)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Files cannot grow any more, as on a disk without space."""
        with closing(sqlite3.connect(self.database)) as connection:  # the next write makes the largest file larger
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("CREATE TABLE large AS SELECT zeroblob(1000000)")
            connection.execute("DROP TABLE large")
            limit = self.database.with_name("creance.db-wal").stat().st_size
        assert self.op.log_file.stat().st_size + 100_000 < limit  # the log still fits
        with ExitStack() as stack:
            for pid in self.workers():
                before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                stack.callback(resource.prlimit, pid, resource.RLIMIT_FSIZE, before)
            yield


RunScene = Callable[..., Scene]


@pytest.fixture
def make_scene() -> Callable[[RunningProvider], Scene]:
    """Sets the scene in front of a provider that is running."""
    return Scene


@pytest.fixture(scope="module")
def run_scene(run_provider: Callable[..., RunningProvider]) -> RunScene:
    """Starts a provider of its own, and sets the scene in front of it."""

    def run(environment: dict[str, str] | None = None, **options: Any) -> Scene:
        environment = {"CREANCE_STORE__TIMEOUT": str(DEADLINE), **(environment or {})}
        return Scene(run_provider(environment=environment, **options))

    return run


@pytest.fixture(scope="module")
def waiting_op(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    """One provider for all tests of a module, whose store must answer soon."""
    return run_provider(environment={"CREANCE_STORE__TIMEOUT": str(DEADLINE)})


@pytest.fixture
def scene(waiting_op: RunningProvider) -> Iterator[Scene]:
    """At the end everything works again."""
    scene = Scene(waiting_op)
    yield scene
    scene.check_in_order()


@pytest.fixture
def without_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers that are started keep to the permissions of files, also where root runs the tests."""
    if os.geteuid() != 0:
        return
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv (util-linux)")
    drop = [setpriv, "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", "--"]
    popen = subprocess.Popen

    class WithoutPrivileges(popen):  # type: ignore[misc, valid-type]
        def __init__(self, arguments: list[str], **named: Any) -> None:
            super().__init__([*drop, *arguments], **named)

    monkeypatch.setattr(running_module.subprocess, "Popen", WithoutPrivileges)


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., None]:
    """`until(lambda: …)` waits for what must become true."""
    return eventually
