"""A backup that is taken while apps ask without end, and a provider that goes on from it, over HTTP. What that means
for what was revoked since the backup is in docs/operating.md, and here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from creance.provider.testing import Answer, AuthorizationAnswer, RunningProvider

pytestmark = pytest.mark.default_store("backs up a file")

ENVIRONMENT = {"CREANCE_HTTP__WORKERS": "2", "CREANCE_LIFETIMES__AUTHORIZATION_CODE": "600"}


def creance(op: RunningProvider, *arguments: object) -> str:
    """What a command says that succeeds."""
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(op.configuration)]
    done = subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Load:
    """Apps that go on asking, and note what they were given."""

    def __init__(self, op: RunningProvider) -> None:
        self.op = op
        self.tokens: list[str] = []
        self.spent: list[AuthorizationAnswer] = []
        self.rotated: list[Answer] = []
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for ask in (self._tokens, self._tokens, self._logins, self._logins)]
            try:
                yield
            finally:
                self._stop.set()
            for asked in asking:
                asked.result()

    def _tokens(self) -> None:
        service = self.op.client("service")
        while not self._stop.is_set():
            given = service.client_credentials()
            assert given.status == 200
            self.tokens.append(given.access_token)

    def _logins(self) -> None:
        app, browser = self.op.client("app", scope="openid offline_access"), self.op.browser()
        while not self._stop.is_set():
            code = app.authorize(browser=browser)
            given = app.exchange(code)
            assert given.status == 200
            self.tokens.append(given.access_token)
            self.spent.append(code)
            refreshed = app.refresh(given.refresh_token)
            assert refreshed.status == 200
            self.tokens.append(refreshed.access_token)
            self.rotated.append(refreshed)


def by_command(op: RunningProvider, backup: Path) -> None:
    creance(op, "store", "restore", "--keep-issued", backup)


def by_hand(op: RunningProvider, backup: Path) -> None:
    """As docs/operating.md says."""
    database = op.folder / "var" / "creance.db"
    for ending in ("", "-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    shutil.copyfile(backup, database)
    database.chmod(0o600)


class Backup:
    """A provider under load, and a backup from the midst of it."""

    def __init__(self, op: RunningProvider, until: Callable[..., None]) -> None:
        self.op = op
        self.file = op.folder / "backup.db"
        self.load = Load(op)
        self.app = op.client("app", scope="openid offline_access")
        self.service = op.client("service")
        self.browser = op.browser()
        self.revoked_before = self.service.client_credentials().access_token
        self.revoked_after = self.service.client_credentials().access_token
        self.unspent = self.app.authorize(browser=self.browser)
        self.service.revoke(self.revoked_before)
        with self.load.running():
            until(lambda: len(self.load.spent) > 10 and len(self.load.tokens) > 100)
            self.tokens, self.spent = list(self.load.tokens), list(self.load.spent)
            self.rotated = list(self.load.rotated)
            creance(op, "store", "backup", self.file)
            known = len(self.load.tokens)
            until(lambda: len(self.load.tokens) > known + 20)
        self.service.revoke(self.revoked_after)
        op.stop()

    def check_integrity(self) -> None:
        assert "integrity     ok" in creance(self.op, "store", "check")


@pytest.fixture
def backup(run_provider: Callable[..., RunningProvider], until: Callable[..., None]) -> Backup:
    return Backup(run_provider(environment=ENVIRONMENT), until)


@pytest.mark.parametrize("way", [by_command, by_hand])
def test_all_that_was_acknowledged_before_the_backup_began_is_there(backup: Backup, way: Callable[..., None]) -> None:
    """Issue 4, backup: tokens are valid, codes are not honoured twice, people stay logged in. What was revoked since
    works again, which is why this is not what `creance store restore` does by itself.
    """
    assert "integrity     ok" in creance(backup.op, "store", "check", backup.file)
    way(backup.op, backup.file)
    backup.op.start()
    assert len(backup.tokens) > 100
    assert all(backup.service.introspect(token).active for token in backup.tokens)
    assert backup.service.introspect(backup.revoked_before) == {"active": False}
    assert backup.service.introspect(backup.revoked_after).active
    assert backup.browser.get("/auth/session").status_code == 200
    assert all(backup.app.refresh(given.refresh_token).status == 200 for given in backup.rotated)
    assert backup.app.exchange(backup.unspent).status == 200
    assert backup.app.exchange(backup.unspent).error == "invalid_grant"
    for code in backup.spent:
        assert backup.app.exchange(code).error == "invalid_grant"
    backup.check_integrity()


def test_nothing_that_was_issued_comes_back_by_itself(backup: Backup) -> None:
    """RFC 7009 2, RFC 6749 4.1.2: what was revoked or spent since the backup does not work again; everybody can log in,
    apps keep their secrets, and ID tokens are verified by the same keys.
    """
    creance(backup.op, "store", "restore", backup.file)
    backup.op.start()
    for token in (backup.revoked_before, backup.revoked_after, *backup.tokens[:50]):
        assert backup.service.introspect(token) == {"active": False}
    for code in (backup.unspent, *backup.spent, *backup.load.spent):
        assert backup.app.exchange(code).error == "invalid_grant"
    for given in backup.load.rotated:
        assert backup.app.refresh(given.refresh_token).error == "invalid_grant"
    assert backup.browser.get("/auth/session").status_code == 401
    assert backup.app.verify(backup.rotated[0].id_token)["sub"]
    anew = backup.app.log_in()
    assert backup.service.introspect(anew.access_token).active
    backup.check_integrity()


@pytest.mark.long
def test_many_backups_under_load(
    run_provider: Callable[..., RunningProvider], until: Callable[..., None], tmp_path: Path
) -> None:
    """Each of them holds what was acknowledged before it began, whatever is being written meanwhile."""
    op = run_provider(environment=ENVIRONMENT)
    load = Load(op)
    known: list[list[str]] = []
    with load.running():
        for turn in range(20):
            until(lambda turn=turn: len(load.tokens) > 50 * turn)
            known.append(list(load.tokens))
            creance(op, "store", "backup", tmp_path / f"{turn}.db")
    op.stop()
    for turn, tokens in enumerate(known):
        by_hand(op, tmp_path / f"{turn}.db")
        op.start()
        service = op.client("service")
        assert all(service.introspect(token).active for token in tokens[-200:])
        op.stop()
