"""What a database holds, and whether it is sound."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from creance.provider.store import (
    FOREVER,
    Collection,
    StoreRefused,
    StoreUnavailable,
    increment,
    insert,
    redeem,
)
from creance.provider.store.examination import Contents
from creance.provider.store.sqlite import SQLiteStore
from creance.provider.store.sqlite_layout import LAYOUT_VERSION

pytestmark = pytest.mark.default_store("is about the SQLite backend itself")

TOKENS = Collection("tokens", indexes=("user",))
PEOPLE = Collection("people", indexes=("name",))
NEWER = Collection("people", indexes=("name",), schema=3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "creance.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path, timeout=5)
    store.open([TOKENS, PEOPLE])
    yield store
    store.close()


def change(path: Path, statement: str) -> None:
    """As nobody should: with SQLite's own tool."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(statement)
        connection.commit()


def test_what_is_there_is_counted(store: SQLiteStore) -> None:
    """examine: documents of each collection, those that are only kept, and those that a sweep will take."""
    now = time.time()
    store.write([insert(TOKENS, f"valid{number}", {}, now + 60) for number in range(3)])
    store.write([insert(TOKENS, "spent", {}, now + 60), redeem(TOKENS, "spent", now + 60)])
    store.write([insert(TOKENS, "expired", {}, now - 60, now + 60), insert(TOKENS, "gone", {}, now - 60)])
    store.write([increment(TOKENS, "counter", valid_until=now - 1)])
    examination = store.examine([TOKENS, PEOPLE])
    assert examination.problems == []
    assert examination.contents == [
        Contents("people", None, documents=0, kept=0, unswept=0),
        Contents("tokens", 1, documents=7, kept=2, unswept=2),
    ]
    store.sweep()
    assert store.examine([TOKENS]).contents[1] == Contents("tokens", 1, documents=5, kept=2, unswept=0)


def test_what_is_known_of_the_file(store: SQLiteStore, path: Path) -> None:
    """examine: size, free pages, journal mode, layout, integrity."""
    store.write([insert(PEOPLE, str(number), {"name": "x" * 500}) for number in range(200)])
    store.delete_where(PEOPLE, "name", "x" * 500)
    facts = store.examine([TOKENS]).facts
    assert facts["file size"] == path.stat().st_size
    assert int(facts["pages"]) > int(facts["free pages"]) > 10
    assert (facts["journal mode"], facts["layout"], facts["integrity"]) == ("wal", LAYOUT_VERSION, "ok")


def test_nothing_is_changed(store: SQLiteStore, path: Path) -> None:
    """examine, open_to_read: others read and write meanwhile, and nobody notices."""
    store.close()
    before = path.read_bytes()
    reader = SQLiteStore(path, timeout=5)
    reader.examine([TOKENS])
    reader.open_to_read([TOKENS])
    assert reader.get(TOKENS, "k") is None
    reader.close()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["creance.db"]


def test_a_lock_is_not_in_the_way(store: SQLiteStore, path: Path) -> None:
    """examine: readers never wait for a writer."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.examine([TOKENS]).problems == []
        other.execute("ROLLBACK")


def test_a_document_of_a_newer_schema_is_a_problem(store: SQLiteStore, path: Path) -> None:
    """Collection.schema: it is stored with each document; a version that does not know it must not go on."""
    store.write([insert(PEOPLE, "old", {}, FOREVER)])
    store.open([TOKENS, NEWER])
    store.write([insert(NEWER, "new", {}, FOREVER), insert(NEWER, "other", {}, FOREVER)])
    examination = store.examine([TOKENS, PEOPLE])
    assert [contents.schema for contents in examination.contents] == [1, 3, None]
    assert examination.problems == [
        "people has documents of schema 3 (2 of them), made by a newer version; this one knows schema 1: install the "
        "newer version, or restore a backup"
    ]
    assert store.examine([TOKENS, NEWER]).problems == []
    assert store.examine([TOKENS]).problems == []  # nobody here reads them: the collection of a plugin that is off


def drop_from_index(path: Path) -> None:
    change(path, "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'i_tokens') "
                 "WHERE name = 'i_tokens.user'")  # fmt: skip


def overwrite(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))


def overwrite_header(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(b"\xa5" * 100 + content[100:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6000])


@pytest.mark.parametrize("damage", [drop_from_index, overwrite, overwrite_header, cut])
def test_damage_is_a_problem(store: SQLiteStore, path: Path, damage: Callable[[Path], None]) -> None:
    """examine: every page, and every index held against its table."""
    store.write([insert(TOKENS, str(number), {"user": str(number), "a": "x" * 300}) for number in range(300)])
    store.close()
    damage(path)
    problems = SQLiteStore(path, timeout=5).examine([TOKENS]).problems
    assert 1 <= len(problems) <= 11
    assert all(str(path) in problem and "\n" not in problem for problem in problems)
    assert all("damaged" in problem for problem in problems)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("PRAGMA application_id = 7", "is the database of another program"),
        ("PRAGMA user_version = 99", "has layout 99, made by a newer version"),
    ],
)
def test_what_is_not_ours_is_a_problem(store: SQLiteStore, path: Path, statement: str, says: str) -> None:
    store.close()
    change(path, statement)
    (problem,) = store.examine([TOKENS]).problems
    assert says in problem


def test_a_file_that_is_not_there_is_not_made(path: Path) -> None:
    for look in (SQLiteStore(path, 1).examine, SQLiteStore(path, 1).open_to_read):
        with pytest.raises(StoreUnavailable, match="cannot be reached: No such file"):
            look([TOKENS])
    assert not path.exists()


def test_an_empty_file_is_not_laid_out(path: Path) -> None:
    """open_to_read: nothing is made."""
    path.write_bytes(b"")
    store = SQLiteStore(path, 1)
    with pytest.raises(StoreRefused, match="has layout 0: the next start makes it"):
        store.open_to_read([TOKENS])
    assert store.examine([TOKENS]).problems == []
    assert path.read_bytes() == b""
