"""Backups of a database in use, and their way back."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from creance.provider.store import (
    AlreadyRedeemed,
    Collection,
    NotFound,
    StoreRefused,
    StoreUnavailable,
    increment,
    insert,
    redeem,
    sqlite_copy,
)
from creance.provider.store.sqlite import SQLiteStore

pytestmark = pytest.mark.default_store("is about the SQLite backend itself")

TOKENS = Collection("tokens", indexes=("user",))
PEOPLE = Collection("people")
COLLECTIONS = (TOKENS, PEOPLE)


def soon(seconds: float = 600) -> float:
    return time.time() + seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "creance.db"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    """With a person, a token, and a code that was spent."""
    store = SQLiteStore(path, timeout=20)
    store.open(COLLECTIONS)
    store.write([insert(PEOPLE, "alice", {}), insert(TOKENS, "token", {"user": "alice"}, soon())])
    store.write([insert(TOKENS, "code", {"user": "alice"}, soon()), redeem(TOKENS, "code", soon())])
    yield store
    store.close()


def keys(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {key for (key,) in connection.execute("SELECT key FROM c_tokens")}


# Backups


def test_a_backup_is_one_file_for_its_owner(store: SQLiteStore, backup: Path) -> None:
    """back_up: complete, sound, 0600, whatever the umask allows; and nothing is left beside it."""
    before = os.umask(0)
    try:
        store.back_up(backup)
    finally:
        os.umask(before)
    assert keys(backup) == {"token", "code"}
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert [file.name for file in backup.parent.iterdir() if file.is_file()] == ["backup.db"]


def test_a_backup_holds_nothing_that_was_removed(store: SQLiteStore, backup: Path) -> None:
    """back_up: what people asked to have removed is not in the free pages of a copy."""
    store.write([insert(TOKENS, str(number), {"user": "bob", "a": "x" * 500}) for number in range(500)])
    assert store.delete_where(TOKENS, "user", "bob") == 500
    store.back_up(backup)
    assert free_pages(store.path) > 50
    assert free_pages(backup) == 0


def free_pages(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def test_a_backup_is_of_one_moment_while_others_write(store: SQLiteStore, tmp_path: Path) -> None:
    """back_up: all that is acknowledged, and nothing that is half done; writers go on meanwhile."""
    stop = threading.Event()
    acknowledged: list[int] = []

    def write() -> None:
        number = 0
        while not stop.is_set():
            pair = [insert(TOKENS, f"{half}{number}", {"user": "bob", "a": "x" * 2000}) for half in ("a", "b")]
            store.write(pair)
            acknowledged.append(number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(10):
            while len(acknowledged) < 20 * turn:
                time.sleep(0.001)
            known = len(acknowledged)
            backup = tmp_path / f"{turn}.db"
            store.back_up(backup)
            found = keys(backup)
            firsts, seconds = ({key[1:] for key in found if key[0] == half and key[1:].isdigit()} for half in "ab")
            assert firsts == seconds
            assert {str(number) for number in range(known)} <= firsts
    finally:
        stop.set()
        writer.join()


def test_a_backup_needs_no_open_store(store: SQLiteStore, path: Path, backup: Path) -> None:
    """back_up: another process, the command, does it; stopped or killed, all of it is there."""
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    SQLiteStore(path, timeout=1).back_up(backup)
    assert keys(backup) == {"token", "code"}


def test_what_is_there_is_overwritten_only_on_demand(store: SQLiteStore, backup: Path) -> None:
    backup.write_text("the one of yesterday")
    with pytest.raises(StoreRefused, match="is there already, and stays as it is"):
        store.back_up(backup)
    assert backup.read_text() == "the one of yesterday"
    store.back_up(backup, overwrite=True)
    assert keys(backup) == {"token", "code"}


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("way", ["itself", "link"])
def test_the_database_is_not_its_own_backup(store: SQLiteStore, path: Path, ending: str, way: str) -> None:
    target = path.with_name(path.name + ending)
    if way == "link":
        link = path.parent.parent / "link.db"
        link.symlink_to(target)
        target = link
    with pytest.raises(StoreRefused, match="is the database itself"):
        store.back_up(target, overwrite=True)
    assert keys(path) == {"token", "code"}


def test_nor_is_it_taken_for_one_that_was_interrupted(tmp_path: Path, backup: Path) -> None:
    """`x.partial` is a poor name for a database, and no reason to lose it."""
    store = SQLiteStore(tmp_path / "x.partial", timeout=5)
    store.open(COLLECTIONS)
    store.write([insert(TOKENS, "k", {})])
    with pytest.raises(StoreRefused, match="is the database itself"):
        store.back_up(tmp_path / "x", overwrite=True)
    store.close()
    assert keys(tmp_path / "x.partial") == {"k"}


def test_an_interrupted_backup_is_begun_anew(store: SQLiteStore, backup: Path) -> None:
    """A file with another name than the one that was asked for: nobody takes it for a backup."""
    partial = backup.with_name("backup.db.partial")
    partial.write_bytes(b"half of a database" * 1000)
    partial.chmod(0o644)
    store.back_up(backup)
    assert keys(backup) == {"token", "code"}
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert not partial.exists()


def test_two_backups_into_one_file_do_not_mix(
    store: SQLiteStore, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is refused as long as the first is being written."""
    true_copy = sqlite_copy._copy
    refused: list[StoreUnavailable] = []

    def copy(source: Path, partial: Path) -> None:
        true_copy(source, partial)
        with pytest.raises(StoreUnavailable, match="is being written by another backup") as caught:
            store.back_up(backup)
        refused.append(caught.value)

    monkeypatch.setattr(sqlite_copy, "_copy", copy)
    store.back_up(backup)
    assert len(refused) == 1
    assert keys(backup) == {"token", "code"}


def test_a_link_that_somebody_laid_is_not_followed(store: SQLiteStore, backup: Path, tmp_path: Path) -> None:
    """In a folder that others write to, the place of the partial file may be theirs."""
    theirs = tmp_path / "theirs"
    theirs.write_text("")
    backup.with_name("backup.db.partial").symlink_to(theirs)
    with pytest.raises(StoreUnavailable, match=r"cannot be written: Too many levels of symbolic links"):
        store.back_up(backup)
    assert theirs.read_text() == ""


@pytest.mark.parametrize("target", ["no/folder/backup.db", "var", "var/creance.db/backup.db"])
def test_what_cannot_be_written_is_said(store: SQLiteStore, tmp_path: Path, target: str) -> None:
    with pytest.raises((StoreUnavailable, StoreRefused)) as refused:
        store.back_up(tmp_path / target, overwrite=True)
    assert str(tmp_path / target) in str(refused.value)
    assert not list(tmp_path.glob("*.partial"))


def test_nothing_is_made_where_there_is_no_database(tmp_path: Path, backup: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached: No such file"):
        SQLiteStore(tmp_path / "none.db", timeout=1).back_up(backup)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_gives_no_backup(store: SQLiteStore, path: Path, backup: Path) -> None:
    """back_up: sound as soon as it has its name; yesterday's is not overwritten by it."""
    store.write([insert(TOKENS, str(number), {"a": "x" * 500}) for number in range(300)])
    store.close()
    backup.write_text("the one of yesterday")
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))
    with pytest.raises((StoreRefused, StoreUnavailable), match="damaged"):
        store.back_up(backup, overwrite=True)
    assert backup.read_text() == "the one of yesterday"
    assert [file.name for file in backup.parent.iterdir() if file.is_file()] == ["backup.db"]


# The way back


def reopened(path: Path) -> SQLiteStore:
    store = SQLiteStore(path, timeout=20)
    store.open(COLLECTIONS)
    return store


def test_a_backup_comes_back_without_what_was_issued(store: SQLiteStore, path: Path, backup: Path) -> None:
    """restore: what was revoked or spent after the backup must not work again; who is registered stays."""
    store.claim("sweep", "a worker of before", soon(3600))
    store.write([increment(TOKENS, "counter", valid_until=soon())])
    store.back_up(backup)
    store.write([insert(PEOPLE, "bob", {})])
    store.close()
    aside = store.restore(backup)
    assert aside == path.with_name("creance.db.before-restore")
    with closing(reopened(path)) as restored:
        assert restored.get(PEOPLE, "alice") is not None
        assert restored.get(PEOPLE, "bob") is None
        assert restored.page(TOKENS) == []
        with pytest.raises(NotFound):
            restored.write([redeem(TOKENS, "code", soon())])
        assert restored.claim("sweep", "a worker of now", soon())
    with closing(reopened(aside)) as before:
        assert before.get(PEOPLE, "bob") is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in path.parent.iterdir()) == ["creance.db", "creance.db.before-restore"]


def test_a_backup_comes_back_with_what_was_issued_on_demand(store: SQLiteStore, path: Path, backup: Path) -> None:
    """restore, keep_issued: after a disk was lost a moment after the backup, nobody has to log in anew."""
    store.back_up(backup)
    store.write([insert(TOKENS, "later", {})])
    store.close()
    store.restore(backup, keep_issued=True)
    with closing(reopened(path)) as restored:
        assert restored.get(TOKENS, "token") is not None
        assert restored.get(TOKENS, "later") is None
        with pytest.raises(AlreadyRedeemed):
            restored.write([redeem(TOKENS, "code", soon())])


def test_a_backup_comes_back_where_there_is_nothing(
    store: SQLiteStore, path: Path, backup: Path, tmp_path: Path
) -> None:
    """restore: another machine, or a disk that was lost."""
    store.back_up(backup)
    elsewhere = SQLiteStore(tmp_path / "elsewhere" / "var" / "x.db", timeout=5)
    assert elsewhere.restore(backup) is None
    assert keys(elsewhere.path) == set()
    assert stat.S_IMODE(elsewhere.path.parent.stat().st_mode) == 0o700
    assert [file.name for file in elsewhere.path.parent.iterdir()] == ["x.db"]


def test_the_log_of_another_database_is_not_read_into_it(store: SQLiteStore, path: Path, backup: Path) -> None:
    """SQLite takes any log of the right name for that of the database; restoring by hand falls into this."""
    store.back_up(backup)
    store.write([insert(TOKENS, str(number), {"a": "x" * 1000}) for number in range(100)])
    left = {ending: path.with_name(path.name + ending).read_bytes() for ending in ("-wal", "-shm")}
    store.close()
    path.unlink()
    for ending, content in left.items():
        path.with_name(path.name + ending).write_bytes(content)
    store.restore(backup, keep_issued=True)
    assert keys(path) == {"token", "code"}
    assert path.with_name("creance.db.before-restore-wal").read_bytes() == left["-wal"]


def test_what_was_killed_is_set_aside_with_all_that_it_acknowledged(path: Path, backup: Path) -> None:
    """restore: what was there is kept, as it was."""
    child = os.fork()
    if child == 0:
        store = reopened(path)
        store.write([insert(TOKENS, "k", {})])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    store = SQLiteStore(path, timeout=5)
    store.back_up(backup)
    aside = store.restore(backup)
    assert aside is not None
    assert keys(aside) == {"k"}


def test_what_was_set_aside_before_stays(store: SQLiteStore, path: Path, backup: Path) -> None:
    store.back_up(backup)
    store.close()
    names = [store.restore(backup) for _ in range(3)]
    assert names == [path.with_name(f"creance.db.before-restore{number}") for number in ("", "-2", "-3")]
    assert all(name is not None and name.exists() for name in names)


def test_a_database_in_use_is_not_replaced(store: SQLiteStore, path: Path, backup: Path) -> None:
    """restore: while nobody uses it. Whoever does goes on as before."""
    store.back_up(backup)
    with pytest.raises(StoreUnavailable, match="is in use: stop the provider first"):
        SQLiteStore(path, timeout=1).restore(backup)
    store.write([insert(TOKENS, "after", {})])
    assert keys(path) == {"token", "code", "after"}
    assert sorted(file.name for file in path.parent.iterdir()) == ["creance.db", "creance.db-shm", "creance.db-wal"]


def test_a_damaged_database_is_replaced(store: SQLiteStore, path: Path, backup: Path) -> None:
    """restore: that is what backups are for."""
    store.back_up(backup)
    store.close()
    path.write_bytes(b"\xa5" * 50_000)
    aside = store.restore(backup, keep_issued=True)
    assert keys(path) == {"token", "code"}
    assert aside is not None
    assert aside.read_bytes() == b"\xa5" * 50_000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no backup: it is empty"),
        (b"issuer = 'https://op.example'\n" * 500, "is no backup: it is not a database of SQLite, or is damaged"),
        (None, "is the database of another program"),
    ],
    ids=["empty", "nonsense", "another program"],
)
def test_what_is_no_backup_is_refused(
    store: SQLiteStore, path: Path, backup: Path, content: bytes | None, says: str
) -> None:
    if content is None:
        with closing(sqlite3.connect(backup)) as connection:
            connection.execute("CREATE TABLE theirs (a)")
    else:
        backup.write_bytes(content)
    store.close()
    with pytest.raises(StoreRefused, match=says):
        store.restore(backup)
    assert keys(path) == {"token", "code"}
    assert [file.name for file in path.parent.iterdir()] == ["creance.db"]


def test_a_damaged_backup_is_refused(store: SQLiteStore, path: Path, backup: Path) -> None:
    """restore: before anything is set aside."""
    store.write([insert(TOKENS, str(number), {"a": "x" * 500}) for number in range(300)])
    store.back_up(backup)
    store.close()
    content = backup.read_bytes()
    backup.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))
    with pytest.raises((StoreRefused, StoreUnavailable), match="damaged"):
        store.restore(backup)
    assert "token" in keys(path)
    assert [file.name for file in path.parent.iterdir()] == ["creance.db"]


def test_a_copy_of_the_file_is_a_backup_too(store: SQLiteStore, path: Path, backup: Path) -> None:
    """restore: what was copied while nobody used it. (While somebody does, its log is missing from it.)"""
    store.close()
    shutil.copy(path, backup)
    store.restore(backup, keep_issued=True)
    assert keys(path) == {"token", "code"}


def test_a_backup_that_is_not_there_is_said(store: SQLiteStore, backup: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached: No such file"):
        store.restore(backup)


def test_root_restores_for_the_user_that_serves(store: SQLiteStore, path: Path, backup: Path) -> None:
    """restore: else the provider could not open it any more."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    store.back_up(backup)
    store.close()
    os.chown(path, 65534, 65534)
    store.restore(backup)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    path.unlink()
    os.chown(path.parent, 65534, 65534)
    store.restore(backup)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
