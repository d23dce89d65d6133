"""What apps and people see when the embedded store is locked, gone or full, or the provider is killed: the right answer
within the deadline, nothing lost, no code burnt, and the next request works when it is over (DESIGN, The store).
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from creance.provider.testing import Answer, AuthorizationAnswer, Browser, RelyingParty, RunningProvider
from creance.provider.testing import running as running_module

DEADLINE = 0.8
PATIENCE = DEADLINE + 1.2
"""What a request may take that waits for the store: the deadline, and what the machine needs besides."""

ENVIRONMENT = {"CREANCE_STORE__TIMEOUT": str(DEADLINE)}

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


@dataclass
class Scene:
    """A provider, an app, and a person who is logged in and has just been sent back to it."""

    op: RunningProvider
    app: RelyingParty
    service: RelyingParty
    browser: Browser
    code: AuthorizationAnswer
    tokens: Answer
    log_starts: int

    @property
    def database(self) -> Path:
        return self.op.folder / "var" / "creance.db"

    def token(self) -> Answer:
        return self.service.client_credentials()

    def begin(self, **changes: str | None) -> requests.Response:
        """The app's request in a browser that has a session: no redirect is followed."""
        parameters, _ = self.app.request(**changes)
        return self.browser.get(self.app.metadata["authorization_endpoint"], params=parameters)

    def logged(self) -> list[dict[str, Any]]:
        """The lines of the log since the scene began."""
        return self.op.log_lines()[self.log_starts :]


@pytest.fixture(scope="module")
def op(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    return run_provider(environment=ENVIRONMENT)


def scene_at(op: RunningProvider) -> Scene:
    app = op.client("app", scope="openid offline_access")
    browser = op.browser()
    tokens = app.exchange(app.authorize(browser=browser))
    code = app.authorize(browser=browser)
    assert tokens.status == 200
    return Scene(op, app, op.client("service"), browser, code, tokens, len(op.log_lines()))


@pytest.fixture
def scene(op: RunningProvider) -> Iterator[Scene]:
    """At the end everything works again, and nobody learnt from the log what they should not."""
    scene = scene_at(op)
    yield scene
    assert scene.token().status == 200
    assert scene.app.introspect(scene.tokens.access_token).active in (True, False)
    written = op.log_file.read_text()
    for secret in (scene.code.code, scene.code.code_verifier, scene.tokens.access_token, scene.tokens.refresh_token):
        assert secret not in written
    assert "Traceback" not in written
    assert [line for line in scene.logged() if line["event"] == "defect"] == []


@contextmanager
def locked(scene: Scene) -> Iterator[None]:
    """Another process is writing, and does not come to an end."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(scene.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "held\n"
        yield
    finally:
        other.stdin.close()
        other.wait(10)
        other.stdout.close()


@contextmanager
def gone(scene: Scene) -> Iterator[None]:
    """Somebody moved the file away."""
    away = scene.database.with_name("away.db")
    scene.database.rename(away)
    try:
        yield
        assert not scene.database.exists()  # and nothing has made another one
    finally:
        away.rename(scene.database)


@contextmanager
def replaced(scene: Scene) -> Iterator[None]:
    """Somebody put a backup in its place, while it was in use."""
    away, backup = scene.database.with_name("away.db"), scene.database.with_name("backup.db")
    with closing(sqlite3.connect(scene.database)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    content = backup.read_bytes()
    scene.database.rename(away)
    backup.rename(scene.database)
    try:
        yield
        assert scene.database.read_bytes() == content
    finally:
        away.replace(scene.database)


@contextmanager
def full(scene: Scene) -> Iterator[None]:
    """Files cannot grow any more, as on a disk without space."""
    with closing(sqlite3.connect(scene.database)) as connection:  # so that the next write makes the largest file larger
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("CREATE TABLE large AS SELECT zeroblob(2000000)")
        connection.execute("DROP TABLE large")
        limit = scene.database.with_name("creance.db-wal").stat().st_size
    assert scene.op.log_file.stat().st_size + 100_000 < limit  # the log still fits
    with ExitStack() as stack:
        for pid in workers(scene.op):
            before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            stack.callback(resource.prlimit, pid, resource.RLIMIT_FSIZE, before)
        yield


def workers(op: RunningProvider) -> list[int]:
    """The processes that serve."""
    assert op.process is not None
    children = Path(f"/proc/{op.process.pid}/task/{op.process.pid}/children").read_text().split()
    return [int(pid) for pid in children]


@contextmanager
def in_time() -> Iterator[None]:
    """One deadline a request."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE


NOTHING_WRITTEN = {"locked": locked, "full": full, "gone": gone, "replaced": replaced}
NOTHING_READ = {"gone": gone, "replaced": replaced}
CAUSES = {
    "locked": "is locked by another process (SQLITE_BUSY)",
    "full": "cannot be read or written (SQLITE_IOERR_WRITE)",
    "gone": "cannot be reached: No such file or directory",
    "replaced": "was replaced while in use: stop, remove its -wal and -shm files, and start again",
}
UNAVAILABLE = {
    "error": "temporarily_unavailable",
    "error_description": "the provider cannot answer now, try again later",
}


def check_unavailable(answer: Answer) -> None:
    """RFC 9110 15.6.4; JSON as of any other error, and to be tried again."""
    assert (answer.status, answer) == (503, UNAVAILABLE)
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_a_token_request_is_answered_503_within_the_deadline(scene: Scene, trouble: str) -> None:
    """RFC 6749 5.2, DESIGN: an unreachable backend is one typed error; the log names the cause, without data."""
    with NOTHING_WRITTEN[trouble](scene):
        with in_time():
            check_unavailable(scene.token())
        line = scene.logged()[-1]
    assert (line["status"], line["error"], line["outcome"]) == (503, "temporarily_unavailable", "failed")
    assert (line["client_id"], line["grant"]) == ("service", "client_credentials")
    assert line["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
    assert scene.token().status == 200


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_no_code_and_no_refresh_token_is_burnt_for_an_answer_that_could_not_be_given(
    scene: Scene, trouble: str
) -> None:
    """RFC 6749 4.1.2, DESIGN, The order of a token request: the exchange works afterwards, and once."""
    with NOTHING_WRITTEN[trouble](scene):
        with in_time():
            check_unavailable(scene.app.exchange(scene.code))
        with in_time():
            check_unavailable(scene.app.refresh(scene.tokens.refresh_token))
    exchanged = scene.app.exchange(scene.code)
    refreshed = scene.app.refresh(scene.tokens.refresh_token)
    assert (exchanged.status, refreshed.status) == (200, 200)
    assert scene.service.introspect(exchanged.access_token).active
    assert scene.service.introspect(refreshed.access_token).active
    assert scene.app.exchange(scene.code).error == "invalid_grant"


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_a_revocation_that_could_not_be_done_is_not_said_to_be(scene: Scene, trouble: str) -> None:
    """RFC 7009 2.2.1: with a 503 the client must assume that the token still exists."""
    with NOTHING_WRITTEN[trouble](scene), in_time():
        check_unavailable(scene.app.revoke(scene.tokens.access_token))
    assert scene.service.introspect(scene.tokens.access_token).active
    assert scene.app.revoke(scene.tokens.access_token).status == 200
    assert scene.service.introspect(scene.tokens.access_token) == {"active": False}


@pytest.mark.parametrize("trouble", NOTHING_READ)
def test_who_presents_a_token_is_answered_503_and_not_that_it_is_wrong(scene: Scene, trouble: str) -> None:
    """RFC 6750 3.1, RFC 7662 2.2: a token that cannot be looked up is not an invalid one."""
    with NOTHING_READ[trouble](scene):
        with in_time():
            check_unavailable(scene.app.userinfo(scene.tokens.access_token))
        assert scene.logged()[-1]["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
        with in_time():
            check_unavailable(scene.service.introspect(scene.tokens.access_token))
    assert scene.app.userinfo(scene.tokens.access_token).status == 200
    assert scene.service.introspect(scene.tokens.access_token).active


@pytest.mark.parametrize("trouble", ["locked", "full"])
def test_what_only_reads_goes_on_while_nothing_can_be_written(scene: Scene, trouble: str) -> None:
    """DESIGN, SQLite: readers never wait for a writer."""
    with NOTHING_WRITTEN[trouble](scene), in_time():
        assert scene.app.userinfo(scene.tokens.access_token).status == 200
        assert scene.service.introspect(scene.tokens.access_token).active
        assert scene.browser.get("/auth/session").status_code == 200
        assert scene.op.get("/health/ready").status_code == 200


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_at_the_authorization_endpoint_the_app_is_told_by_redirect(scene: Scene, trouble: str) -> None:
    """RFC 6749 4.1.2.1: temporarily_unavailable, with state and iss, once client and redirect URI are proven."""
    with NOTHING_WRITTEN[trouble](scene):
        for prompt in (None, "none"):
            with in_time():
                answer = scene.begin(state="the-state", prompt=prompt)
            back = AuthorizationAnswer(answer.headers["Location"], None, None, scene.app.redirect_uri)
            assert answer.headers["Location"].startswith(f"{scene.app.redirect_uri}?")
            assert back == {**UNAVAILABLE, "state": "the-state", "iss": scene.op.issuer}
        line = scene.logged()[-1]
        assert (line["status"], line["error"], line["client_id"]) == (303, "temporarily_unavailable", "app")
        assert line["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
    again = AuthorizationAnswer(scene.begin().headers["Location"], None, None, scene.app.redirect_uri)
    assert again.code


@pytest.mark.parametrize("trouble", NOTHING_READ)
def test_before_the_redirect_uri_is_proven_it_is_a_page(scene: Scene, trouble: str) -> None:
    """RFC 6749 4.1.2.1: a client that is not in the configuration cannot be looked up: nobody is sent anywhere."""
    with NOTHING_READ[trouble](scene):
        for redirect_uri in (scene.app.redirect_uri, "https://evil.example/"):
            with in_time():
                answer = scene.begin(client_id=f"of-the-store-{trouble}", redirect_uri=redirect_uri)
            assert answer.status_code == 503
            assert "Location" not in answer.headers
            assert answer.headers["Retry-After"] == "2"
            assert answer.headers["Content-Type"].startswith("text/html")
            assert "temporarily_unavailable" in answer.text
            assert str(scene.database) not in answer.text
    assert scene.begin(client_id=f"of-the-store-{trouble}").status_code == 400


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_a_login_that_cannot_be_kept_is_a_page_and_works_afterwards(scene: Scene, trouble: str) -> None:
    """DESIGN, A person's visit: nothing is stored before, so that the same form can be sent again."""
    browser = scene.op.browser()
    page = scene.app.begin(browser)
    with NOTHING_WRITTEN[trouble](scene):
        with in_time():
            answer = browser.log_in(page, "alice")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
        assert "wonderland" not in answer.text
        assert browser.get("/auth/session").status_code in (401, 503)
    back = browser.log_in(page, "alice")
    assert "code=" in back.headers["Location"]


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_a_logout_that_could_not_be_done_is_not_said_to_be(scene: Scene, trouble: str) -> None:
    """The session is still there, and can be ended afterwards."""
    page = scene.browser.get("/auth/logout")
    csrf_token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    with NOTHING_WRITTEN[trouble](scene), in_time():
        answer = scene.browser.post("/auth/logout", {"csrf_token": csrf_token})
        assert answer.status_code == 503
    assert scene.browser.get("/auth/session").status_code == 200
    assert scene.browser.post("/auth/logout", {"csrf_token": csrf_token}).status_code == 303
    assert scene.browser.get("/auth/session").status_code == 401


@pytest.mark.parametrize("trouble", NOTHING_READ)
def test_it_is_alive_and_not_ready(scene: Scene, trouble: str) -> None:
    """Issue 3, seen from outside: liveness asks nothing of the store; keys that are in memory are still good."""
    with NOTHING_READ[trouble](scene):
        with in_time():
            ready = scene.op.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "unavailable"})
        assert scene.logged()[-1]["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
        live = scene.op.get("/health/live")
        assert (live.status_code, live.json()) == (200, {"status": "alive"})
        for path in ("/jwks", "/.well-known/openid-configuration", "/", "/auth/login", "/openapi.json"):
            assert scene.op.get(path).status_code == 200
        assert scene.app.begin(scene.op.browser()).status_code == 200  # who has no session sees the login page
    ready = scene.op.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


def test_many_who_wait_for_a_lock_wait_together(scene: Scene) -> None:
    """One deadline a request, however many wait: as many as there are threads, and a few who do not need the lock."""
    with locked(scene), ThreadPoolExecutor(14) as pool:
        began = time.monotonic()
        waiting = [pool.submit(scene.op.client("service").client_credentials) for _ in range(12)]
        time.sleep(0.1)
        with in_time():
            assert scene.app.userinfo(scene.tokens.access_token).status == 200
        for request in waiting:
            check_unavailable(request.result())
        assert time.monotonic() - began < 2 * PATIENCE


def test_a_short_lock_is_waited_for(scene: Scene) -> None:
    """Whoever takes a backup or runs a command holds it for a moment: nobody notices."""
    with ThreadPoolExecutor(1) as pool:
        with locked(scene):
            request = pool.submit(scene.app.exchange, scene.code)
            time.sleep(DEADLINE / 4)
        assert request.result().status == 200


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


@pytest.mark.usefixtures("without_privileges")
def test_a_database_that_may_only_be_read_is_waited_for(run_provider: Callable[..., RunningProvider]) -> None:
    """A worker that cannot write says why and is tried again; afterwards everything is as it was."""
    scene = scene_at(run_provider(environment=ENVIRONMENT))
    files = list(scene.database.parent.glob("creance.db*"))
    for file in files:
        file.chmod(0o444)
    for pid in workers(scene.op):
        os.kill(pid, signal.SIGKILL)
    until(lambda: any(line["event"] == "worker_cannot_start" for line in scene.logged()))
    why = next(line["reason"] for line in scene.logged() if line["event"] == "worker_cannot_start")
    assert why.startswith(f"the database {scene.database} may not be written by this user")
    for file in files:
        file.chmod(0o600)
    until(lambda: reached(scene.op))
    assert scene.app.exchange(scene.code).status == 200
    assert scene.service.introspect(scene.tokens.access_token).active


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def reached(op: RunningProvider) -> bool:
    try:
        return op.get("/health/ready").ok
    except requests.ConnectionError:
        return False


# ----- Killed under load ---------------------------------------------------------------------------------------------


class Load:
    """Clients that go on asking until nobody answers any more, and note what they were told."""

    def __init__(self, op: RunningProvider, codes: list[AuthorizationAnswer]) -> None:
        self.op = op
        self.codes = codes
        self.issued: list[str] = []
        self.given: dict[str, str] = {}
        self.refused: list[str] = []
        self.unanswered: list[AuthorizationAnswer] = []
        self._pool = ThreadPoolExecutor(8)

    def start(self) -> None:
        self.running = [self._pool.submit(self._ask_for_tokens) for _ in range(4)]
        self.running += [self._pool.submit(self._exchange, self.codes[start::4]) for start in range(4)]

    def wait(self) -> None:
        for request in self.running:
            request.result()
        self._pool.shutdown()

    def _ask_for_tokens(self) -> None:
        service = self.op.client("service")
        try:
            while True:
                self.issued.append(service.client_credentials().access_token)
        except requests.RequestException:
            return

    def _exchange(self, codes: list[AuthorizationAnswer]) -> None:
        app = self.op.client("app")
        for code in codes:
            try:
                self._note(code, app.exchange(code))
            except requests.RequestException:
                self.unanswered.append(code)

    def exchange_again(self) -> None:
        """Those who were not answered try again: their code may have been spent, or not."""
        app = self.op.client("app")
        for code in self.unanswered:
            self._note(code, app.exchange(code))

    def _note(self, code: AuthorizationAnswer, answer: Answer) -> None:
        if answer.status == 200:
            assert code.code not in self.given
            self.given[code.code] = answer.access_token
        else:
            assert answer.error == "invalid_grant"
            self.refused.append(code.code)

    def check(self) -> None:
        """What was acknowledged is there; a code gave tokens once, if at all."""
        service, app = self.op.client("service"), self.op.client("app")
        for token in [*self.issued, *self.given.values()]:
            assert service.introspect(token).active
        for code in self.codes:
            assert app.exchange(code).error == "invalid_grant"
        for token in self.given.values():
            assert service.introspect(token) == {"active": False}  # they were replayed just now


def kill_under_load(op: RunningProvider, *, after: float, whole: bool) -> Load:
    browser = op.browser()
    app = op.client("app")
    load = Load(op, [app.authorize(browser=browser) for _ in range(40)])
    load.start()
    time.sleep(after)
    killed = workers(op)
    if whole:
        assert op.process is not None
        op.process.kill()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    load.wait()
    if whole:
        assert op.process is not None
        op.process.wait(20)
        op.start()
    until(lambda: reached(op))
    load.exchange_again()
    load.check()
    return load


@pytest.mark.parametrize("whole", [False, True], ids=["a worker", "all of it"])
def test_a_kill_under_load_loses_no_token_and_honours_no_code_twice(
    run_provider: Callable[..., RunningProvider], whole: bool
) -> None:
    """DESIGN, The store: acknowledged means durable; redeem is the commit point."""
    kill_several_times(run_provider(), 2, whole=whole)


@pytest.mark.long
@pytest.mark.parametrize("whole", [False, True], ids=["a worker", "all of it"])
def test_nor_do_many_kills(run_provider: Callable[..., RunningProvider], whole: bool) -> None:
    kill_several_times(run_provider(), 30, whole=whole)


def kill_several_times(op: RunningProvider, rounds: int, *, whole: bool) -> None:
    loads = [kill_under_load(op, after=0.04 + 0.03 * (turn % 4), whole=whole) for turn in range(rounds)]
    assert sum(len(load.issued) for load in loads) > rounds
    assert sum(len(load.given) for load in loads) > rounds
    assert sum(len(load.unanswered) for load in loads) > 0  # it was killed in the middle of something
