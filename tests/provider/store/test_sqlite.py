"""The embedded store: all that a store promises, and what only a file promises."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from creance.provider.store import (
    AlreadyRedeemed,
    Collection,
    StoreRefused,
    StoreUnavailable,
    increment,
    insert,
    redeem,
    sqlite_file,
)
from creance.provider.store.sqlite import SQLiteStore
from creance.provider.store.sqlite_layout import APPLICATION_ID, LAYOUT_VERSION
from creance.provider.testing.store_conformance import StoreConformance, together

pytestmark = pytest.mark.default_store("is about the SQLite backend itself")

TOKENS = Collection("tokens", indexes=("user",))


class TestSQLite(StoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], SQLiteStore]:
        return lambda: SQLiteStore.from_uri("sqlite:var/creance.db", folder=tmp_path, timeout=20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "creance.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path, timeout=5)
    store.open([TOKENS])
    yield store
    store.close()


def open_at(path: Path) -> SQLiteStore:
    """Open, for a test that expects a refusal."""
    store = SQLiteStore(path, timeout=1)
    try:
        store.open([TOKENS])
    finally:
        store.close()
    return store


def one_line(error: pytest.ExceptionInfo[BaseException], path: Path) -> str:
    """What the operator reads: one line that names the file."""
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text
    return text


# The URI


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:var/x.db", "/srv/op/var/x.db"),
        ("sqlite:x.db", "/srv/op/x.db"),
        ("sqlite:../x.db", "/srv/x.db"),
        ("sqlite:/abs/x.db", "/abs/x.db"),
        ("SQLite:/abs/x.db", "/abs/x.db"),
        ("sqlite:/a folder/é 100%.db", "/a folder/é 100%.db"),
    ],
)
def test_a_uri_names_a_file(uri: str, path: str) -> None:
    assert SQLiteStore.from_uri(uri, folder=Path("/srv/op"), timeout=1).path == Path(path)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sqlite:", "names no file"),
        ("sqlite:/", "names no file"),
        ("sqlite:var/", "names no file"),
        ("sqlite:///abs/x.db", "write sqlite:/abs/x.db"),
        ("sqlite://host/x.db", "no host"),
        ("sqlite::memory:", "name a file"),
        ("sqlite:x.db?mode=memory", "no parameters"),
        ("sqlite:x.db#a", "no parameters"),
        ("sqlite:x\0.db", "NUL"),
        ("sqlite", "not a URI of SQLite"),
        ("", "not a URI of SQLite"),
        ("mongodb://host/x", "not a URI of SQLite"),
        ("x.db", "not a URI of SQLite"),
    ],
)
def test_any_other_uri_is_refused(uri: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SQLiteStore.from_uri(uri, folder=Path("/srv"), timeout=1)


def test_making_a_store_touches_nothing(tmp_path: Path) -> None:
    """from_uri: does no I/O."""
    SQLiteStore.from_uri("sqlite:var/x.db", folder=tmp_path, timeout=1).close()
    assert list(tmp_path.iterdir()) == []


def test_a_path_of_odd_characters_is_taken_as_it_is(tmp_path: Path) -> None:
    uri = "sqlite:a folder/100%25 'é\" & +.db"
    store = SQLiteStore.from_uri(uri, folder=tmp_path, timeout=5)
    store.open([TOKENS])
    store.write([insert(TOKENS, "k", {})])
    store.close()
    assert [entry.name for entry in (tmp_path / "a folder").iterdir()] == ["100%25 'é\" & +.db"]


# The file


def test_only_the_owner_can_read_what_is_made(store: SQLiteStore, path: Path) -> None:
    """Files are 0600, a folder that was missing is 0700, whatever the umask would allow."""
    store.write([insert(TOKENS, "k", {})])
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    assert modes == {"creance.db": 0o600, "creance.db-wal": 0o600, "creance.db-shm": 0o600}


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    open_at(tmp_path / "x.db")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_the_file_is_durable_and_says_whose_it_is(store: SQLiteStore, path: Path) -> None:
    """WAL, synchronous=FULL, and an application id, which `file` shows."""
    store.write([insert(TOKENS, "k", {})])
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert other.execute("PRAGMA user_version").fetchone() == (LAYOUT_VERSION,)
    other.close()
    writer = store._writer._connection
    assert writer is not None
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_orderly_end_leaves_one_file(store: SQLiteStore, path: Path) -> None:
    store.write([insert(TOKENS, "k", {})])
    store.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["creance.db"]


def test_no_request_reads_a_whole_table(store: SQLiteStore) -> None:
    """Growth: the cost of a request is flat in the number of documents."""
    table = store._tables["tokens"]
    bounds = dict.fromkeys(["key", "now", "limit", "after", "value", "version", "valid_until", "keep_until", "schema"])
    reads = [table.get, table.get_kept, table.page, table.sweep, table.find("user"), table.delete_where("user")]
    connection = sqlite3.connect(store.path)
    for sql in (*reads, table._replace_sql, table._redeem_sql, table._delete_sql, table._count_sql):
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bounds)]
        assert steps
        assert not [step for step in steps if step.startswith("SCAN")]
    connection.close()


# What is refused


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs"])
def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    folder = tmp_path / "far away"
    mount(tmp_path, monkeypatch, (folder, kind))
    with pytest.raises(StoreRefused) as caught:
        open_at(folder / "var" / "x.db")
    assert kind in one_line(caught, folder)
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "overlay", "tmpfs", "btrfs", "fuse.ntfs"])
def test_a_local_file_system_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    mount(tmp_path, monkeypatch, (tmp_path / "disk", kind))
    assert sqlite_file.file_system_of(tmp_path / "disk" / "x.db") == kind
    open_at(tmp_path / "disk" / "x.db")


def test_the_nearest_and_latest_mount_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    mounts = [(tmp_path / "a", "ext4"), (tmp_path / "a", "nfs4"), (tmp_path / "a" / "b", "xfs"), (tmp_path, "tmpfs")]
    mount(tmp_path, monkeypatch, *mounts)
    places = {"a/x.db": "nfs4", "a/b/c/x.db": "xfs", "a2/x.db": "tmpfs", "x.db": "tmpfs", "link/x.db": "nfs4"}
    assert {place: sqlite_file.file_system_of(tmp_path / place) for place in places} == places
    assert sqlite_file.file_system_of(Path("/x.db")) == "btrfs"


def test_without_a_mount_table_any_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "MOUNT_TABLE", tmp_path / "none")
    assert sqlite_file.file_system_of(tmp_path) == ""
    open_at(tmp_path / "x.db")


def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *mounts: tuple[Path, str]) -> None:
    """Have these in the mount table, as the kernel writes it (proc(5))."""
    lines = ["21 1 254:0 / / rw,relatime shared:1 - btrfs /dev/vda rw", "malformed", ""]
    for folder, kind in mounts:
        place = str(folder).replace(" ", "\\040")
        lines.append(f"40 21 0:44 / {place} rw,relatime shared:9 master:2 - {kind} server:/export rw,vers=4.2")
    table = tmp_path / "mountinfo"
    table.write_text("\n".join(lines))
    monkeypatch.setattr(sqlite_file, "MOUNT_TABLE", table)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"issuer = 'https://op.example'\n" * 500)
    with pytest.raises(StoreRefused) as caught:
        open_at(path)
    text = one_line(caught, path)
    assert "not a database" in text
    assert "puts a backup in its place; or move the file away" in text
    assert path.read_bytes().startswith(b"issuer")


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_damaged_database_is_refused(store: SQLiteStore, path: Path, damage: str) -> None:
    for n in range(200):
        store.write([insert(TOKENS, str(n), {"user": "alice", "a": "x" * 500})])
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:6000] if damage == "cut" else content[:100] + b"\xff" * (len(content) - 100))
    with pytest.raises(StoreRefused) as caught:
        open_at(path)
    assert "`creance store restore` puts a backup in its place" in one_line(caught, path)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreRefused) as caught:
        open_at(path)
    assert "another program" in one_line(caught, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.db"]


def test_a_newer_layout_is_refused(store: SQLiteStore, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StoreRefused) as caught:
        open_at(path)
    text = one_line(caught, path)
    assert "layout 99" in text
    assert f"layout {LAYOUT_VERSION}" in text


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").mkdir()
    with pytest.raises(StoreRefused) as caught:
        open_at(tmp_path / "x.db")
    one_line(caught, tmp_path / "x.db")


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    for path in (tmp_path / "var" / "x.db", tmp_path / "var" / "deeper" / "x.db"):
        with pytest.raises((StoreRefused, StoreUnavailable)) as caught:
            open_at(path)
        one_line(caught, path)


# Use


def test_a_lease_that_a_wrong_clock_made_holds_nobody_up(store: SQLiteStore) -> None:
    """claim: a clock that was years ahead for a moment must not stop background work for years."""
    now = time.time()
    store.clock = lambda: now + 1e8
    assert store.claim("sweep", "a worker of then", now + 1e8 + 30)
    store.clock = lambda: now
    assert store.claim("sweep", "a worker of now", now + 30)
    assert not store.claim("sweep", "another", now + 30)


def test_many_workers_make_the_file_at_once(tmp_path: Path) -> None:
    """open: SQLite refuses one of two that switch to the write-ahead log together; that one must try again."""

    def start(path: Path) -> None:
        store = SQLiteStore(path, timeout=20)
        store.open([TOKENS])
        store.write([increment(TOKENS, "n", valid_until=time.time() + 60)])
        store.close()

    for turn in range(15):
        path = tmp_path / f"{turn}.db"
        assert together(8, lambda _, path=path: start(path)) == [None] * 8
        store = open_at(path)
        store.open([TOKENS])
        assert [document.value for document in store.page(TOKENS)] == [{"count": 8}]
        store.close()


def test_threads_that_come_and_go_leave_no_connections(store: SQLiteStore, path: Path) -> None:
    """At most as many connections as readers at the same time; none after close."""

    def work(number: int) -> None:
        store.write([insert(TOKENS, str(number), {})])
        assert store.get(TOKENS, str(number)) is not None

    for number in range(60):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        thread.join()
    assert len(store._readers._idle) == 1
    assert 2 <= open_files(path) <= 6
    store.close()
    assert open_files(path) == 0
    assert store._readers._idle == []


def test_closing_while_others_read_and_write(path: Path) -> None:
    """close: whoever comes late is told StoreUnavailable, and no connection is left."""
    store = SQLiteStore(path, timeout=5)
    store.open([TOKENS])
    store.write([insert(TOKENS, "k", {})])
    wrong: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(100_000):
                assert store.get(TOKENS, "k") is not None
                store.write([insert(TOKENS, f"{number}.{turn}", {})])
        except StoreUnavailable:
            pass
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    store.close()
    for thread in threads:
        thread.join(timeout=30)
    assert not [thread for thread in threads if thread.is_alive()]
    assert wrong == []
    assert open_files(path) == 0


def open_files(path: Path) -> int:
    """How many descriptors of this process are on the files of the database."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += os.readlink(descriptor).startswith(str(path))
        except FileNotFoundError:
            continue
    return count


def test_a_fork_may_not_use_the_stores_of_its_parent(store: SQLiteStore) -> None:
    """Store: made where it is used, after a fork, never before."""
    store.write([insert(TOKENS, "k", {})])
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (
            lambda: store.get(TOKENS, "k"),
            lambda: store.write([insert(TOKENS, "child", {})]),
            lambda: store.open([TOKENS]),
        ):
            try:
                use()
            except RuntimeError:
                refused += 1
        store.close()
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert store.get(TOKENS, "child") is None
    store.write([insert(TOKENS, "parent", {})])
    assert store.get(TOKENS, "parent") is not None


def test_a_store_made_before_a_fork_is_opened_after_it(path: Path) -> None:
    store = SQLiteStore(path, timeout=5)
    child = os.fork()
    if child == 0:
        try:
            store.open([TOKENS])
            store.write([insert(TOKENS, "child", {}), redeem(TOKENS, "child", time.time() + 60)])
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.open([TOKENS])
    with pytest.raises(AlreadyRedeemed):
        store.write([redeem(TOKENS, "child", 0)])
    store.close()
