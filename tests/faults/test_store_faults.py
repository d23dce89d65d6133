"""What happens to the embedded store when things are stopped, taken away or full: nothing acknowledged is lost, nobody
waits for longer than the deadline, and when the trouble is over the next request works.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from creance.provider.store import Collection, StoreUnavailable, insert
from creance.provider.store.sqlite import SQLiteStore

from ..polling import once

pytestmark = pytest.mark.default_store("is about the SQLite backend itself")

TOKENS = Collection("tokens", indexes=("user",))
OTHER_PROCESS = Path(__file__).parents[1] / "provider" / "store" / "other_process.py"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "creance.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path, timeout=0.5)
    store.open([TOKENS])
    store.write([insert(TOKENS, "before", {"user": "alice"})])
    yield store
    store.close()


def start(role: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(OTHER_PROCESS), role, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def outcome(role: str, path: Path) -> str:
    """What a process says that runs to its end."""
    with start(role, path) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said.strip()


def keys(path: Path) -> set[str]:
    """The documents in a sound database."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {key for (key,) in connection.execute("SELECT key FROM c_tokens")}
    finally:
        connection.close()


def test_a_killed_process_loses_nothing_that_it_acknowledged(path: Path) -> None:
    """Acknowledged means durable; a write is there as a whole or not at all; who comes next goes on."""
    acknowledged: set[str] = set()
    for turn in range(4):
        with start("write", path) as process:
            assert process.stdout is not None
            acknowledged |= {process.stdout.readline().strip() for _ in range(6)}
            time.sleep(0.05 + 0.1 * turn)
            process.kill()
            said = process.stdout.read()
        acknowledged |= set(said.splitlines() if said.endswith("\n") else said.splitlines()[:-1])
        found = keys(path)
        assert {key[1:] for key in found if key.startswith("a")} == {key[1:] for key in found if key.startswith("b")}
        assert {f"a{number}" for number in acknowledged} <= found
    assert len(acknowledged) > 20
    store = SQLiteStore(path, timeout=5)
    store.open([TOKENS])
    number = acknowledged.pop()
    assert {document.key for document in store.find(TOKENS, "user", number)} == {f"a{number}", f"b{number}"}
    store.close()


def test_a_killed_process_does_not_hold_up_the_others(path: Path, store: SQLiteStore) -> None:
    """Its lock goes with it, in the middle of a write or not, and those who had the file open go on."""
    with start("write", path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    store.write([insert(TOKENS, "after", {"user": "alice"})])
    assert {document.key for document in store.find(TOKENS, "user", "alice")} == {"before", "after"}


def test_a_lock_of_another_process_is_waited_for_until_the_deadline(path: Path, store: SQLiteStore) -> None:
    """StoreUnavailable within the store's deadline; reads go on; when the lock is gone, so do writes."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def refused_in_time() -> bool:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="is locked by another process") as caught:
            store.write([insert(TOKENS, "k", {"secret": "value"})])
        took = time.monotonic() - began
        assert took > 0.3
        assert str(path) in str(caught.value)
        assert "value" not in str(caught.value)
        return took < 5

    assert once(refused_in_time)
    assert store.get(TOKENS, "before") is not None
    with pytest.raises(StoreUnavailable):
        store.claim("a", "b", 1)
    late = SQLiteStore(path, timeout=0.2)
    with pytest.raises(StoreUnavailable, match="is locked"):
        late.open([TOKENS])
    other.execute("COMMIT")
    other.close()
    store.write([insert(TOKENS, "k", {})])
    assert store.get(TOKENS, "k") is not None


def test_writers_of_one_process_wait_together_no_longer_than_the_deadline(path: Path, store: SQLiteStore) -> None:
    """The deadline of a call includes its waiting for the other threads of the process."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def attempt(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.write([insert(TOKENS, str(number), {})])
        return time.monotonic() - began

    def wait_together() -> bool:
        with ThreadPoolExecutor(12) as pool:
            return max(pool.map(attempt, range(12))) < 3  # one after the other they would wait for 6 seconds

    assert once(wait_together)
    other.close()
    store.write([insert(TOKENS, "after", {})])
    assert [document.key for document in store.page(TOKENS)] == ["after", "before"]


def test_whether_writes_succeed_is_asked_only_where_one_has_failed(path: Path, store: SQLiteStore) -> None:
    """check_writable: costs nothing while they succeed; otherwise it tries one, until one succeeds."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.check_writable()
    with pytest.raises(StoreUnavailable):
        store.write([insert(TOKENS, "k", {})])
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="is locked by another process"):
            store.check_writable()
    other.execute("COMMIT")
    store.check_writable()
    other.execute("BEGIN IMMEDIATE")
    store.check_writable()
    other.close()


def test_a_write_that_succeeds_ends_the_doubt(path: Path, store: SQLiteStore) -> None:
    """check_writable: what the last write said."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        store.write([insert(TOKENS, "k", {})])
    other.execute("COMMIT")
    store.write([insert(TOKENS, "k", {})])
    other.execute("BEGIN IMMEDIATE")
    store.check_writable()
    other.close()


def test_one_probe_at_a_time_waits_for_a_write(path: Path, store: SQLiteStore) -> None:
    """check_writable: whoever asks without end, from wherever, holds up no thread but one."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        store.write([insert(TOKENS, "k", {})])
    with store._trial, ThreadPoolExecutor(1) as pool, pytest.raises(StoreUnavailable, match="is locked by another"):
        pool.submit(store.check_writable).result(timeout=10)
    other.execute("COMMIT")
    other.close()
    with store._trial, ThreadPoolExecutor(1) as pool, pytest.raises(StoreUnavailable, match="is locked by another"):
        pool.submit(store.check_writable).result(timeout=10)  # nobody has tried since
    store.check_writable()


def test_a_full_disk_is_unavailable_and_nothing_is_lost(path: Path) -> None:
    """A limit on the size of files stands for the disk: the write that does not fit is refused whole."""
    said = outcome("fill", path).splitlines()
    assert said[0].startswith(f"the database {path} cannot ")
    found, expected = said[1].split()
    assert found == expected
    assert len(keys(path)) == int(found)


def test_a_full_database_is_unavailable(path: Path, store: SQLiteStore) -> None:
    """SQLITE_FULL, as a disk without space answers."""
    writer = store._writer._connection
    assert writer is not None
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        store.write([insert(TOKENS, "large", {"a": "x" * 100_000})])
    store.write([insert(TOKENS, "large", {"a": "x" * 100_000})])
    assert keys(path) == {"before", "large"}


def test_a_file_that_is_removed_is_not_written(path: Path, store: SQLiteStore) -> None:
    """A file without a name would take all that is written with it to the grave."""
    away = path.with_name("away.db")
    assert store.get(TOKENS, "before") is not None
    path.rename(away)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            store.write([insert(TOKENS, "ghost", {})])
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            store.get(TOKENS, "before")
    assert not path.exists()
    away.rename(path)
    store.write([insert(TOKENS, "after", {})])
    assert store.get(TOKENS, "before") is not None
    store.close()
    assert keys(path) == {"before", "after"}


def test_a_file_that_took_the_place_of_another_waits_for_a_restart(path: Path, store: SQLiteStore) -> None:
    """SQLite would write what the log of the old file holds into the new one; so neither is touched."""
    backup = path.with_name("backup.db")
    connection = sqlite3.connect(path)
    connection.execute("VACUUM INTO ?", (str(backup),))
    connection.close()
    store.write([insert(TOKENS, "later", {})])
    content = backup.read_bytes()
    backup.replace(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="was replaced while in use: stop, remove"):
            store.write([insert(TOKENS, "ghost", {})])
        with pytest.raises(StoreUnavailable, match="was replaced while in use"):
            store.get(TOKENS, "before")
    store.close()
    assert path.read_bytes() == content
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    store.open([TOKENS])
    assert store.get(TOKENS, "later") is None
    store.write([insert(TOKENS, "after", {})])
    store.close()
    assert keys(path) == {"before", "after"}


@pytest.mark.parametrize("content", [b"", b"not a database at all\n" * 100], ids=["empty", "nonsense"])
def test_a_file_that_is_lost_is_not_begun_anew_by_a_request(path: Path, store: SQLiteStore, content: bytes) -> None:
    """Whoever loses a database by mistake is told so, and does not go on without clients, keys and sessions."""
    away = path.with_name("away.db")
    path.rename(away)
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable):
        store.write([insert(TOKENS, "k", {})])
    with pytest.raises(StoreUnavailable):
        store.get(TOKENS, "before")
    assert path.read_bytes() == content
    away.replace(path)
    store.write([insert(TOKENS, "after", {})])
    assert store.get(TOKENS, "before") is not None


def test_a_removed_database_is_begun_anew_by_a_restart(path: Path, store: SQLiteStore) -> None:
    """With what is left of its log, too."""
    path.unlink()
    other = SQLiteStore(path, timeout=5)
    other.open([TOKENS])
    assert other.page(TOKENS) == []
    other.write([insert(TOKENS, "new", {})])
    with pytest.raises(StoreUnavailable):
        store.write([insert(TOKENS, "ghost", {})])
    store.close()
    assert [document.key for document in other.page(TOKENS)] == ["new"]
    other.close()
    assert keys(path) == {"new"}


def test_a_database_that_is_damaged_while_open_is_unavailable(path: Path, store: SQLiteStore) -> None:
    for number in range(300):
        store.write([insert(TOKENS, str(number), {"a": "x" * 500})])
    store.close()
    store.open([TOKENS])
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))
    with pytest.raises(StoreUnavailable, match="is damaged"):
        read_all(store, 300)


def read_all(store: SQLiteStore, count: int) -> None:
    for number in range(count):
        store.get(TOKENS, str(number))


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that another user can come to, unlike pytest's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_that_may_not_be_written_is_unavailable(public_folder: Path) -> None:
    path = public_folder / "creance.db"
    store = SQLiteStore(path, timeout=5)
    store.open([TOKENS])
    store.close()
    path.chmod(0o444)
    public_folder.chmod(0o777)
    said = outcome("unprivileged", path)
    assert said.startswith(f"StoreUnavailable the database {path} may not be written by this user")
    assert "\n" not in said


@pytest.mark.parametrize("place", ["creance.db", "var/creance.db"])
def test_a_folder_that_may_not_be_written_is_unavailable(public_folder: Path, place: str) -> None:
    public_folder.chmod(0o555)
    said = outcome("unprivileged", public_folder / place)
    assert said == f"StoreUnavailable cannot make the database {public_folder / place}: Permission denied"


def test_a_file_that_may_not_be_read_is_unavailable(public_folder: Path) -> None:
    path = public_folder / "creance.db"
    path.write_bytes(b"")
    path.chmod(0)
    said = outcome("unprivileged", path)
    assert said.startswith(f"StoreUnavailable the database {path} cannot be opened")


def test_processes_that_begin_together_share_one_database(path: Path) -> None:
    """open: idempotent, also with many workers at once; redeem: exactly one writer succeeds, across processes."""
    processes = [start("race", path) for _ in range(4)]
    said = []
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        said += process.communicate(timeout=60)[0].splitlines()
        assert process.returncode == 0
    codes = [f"code{number}" for number in range(25)]
    assert sorted(line for line in said if line.startswith("won")) == sorted(f"won {code}" for code in codes)
    assert len(said) == 4 * len(codes)
    assert len([key for key in keys(path) if "." in key]) == len(codes)
