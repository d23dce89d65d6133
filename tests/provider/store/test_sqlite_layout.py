"""Databases of older layouts: used as they are, or migrated after a copy was made, wholly or not at all."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from creance.provider import OpenIDProvider
from creance.provider.store import Collection, StoreRefused, StoreUnavailable, insert, sqlite_layout
from creance.provider.store.sqlite import SQLiteStore
from creance.provider.store.sqlite_layout import APPLICATION_ID, LAYOUT_VERSION
from creance.provider.testing.store_conformance import together

pytestmark = pytest.mark.default_store("is about the SQLite backend itself")

FIRST = Path(__file__).with_name("layout_1.sql")
SECRET = "the-secret-of-a-test-and-of-nothing-else"
TOKENS = Collection("tokens", indexes=("user",))
NEXT = LAYOUT_VERSION + 1

Step = Callable[[sqlite3.Connection], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "creance.db"


@pytest.fixture
def before(path: Path) -> list[str]:
    """A database of today's layout with a document in it; its content as SQL."""
    store = SQLiteStore(path, timeout=20)
    store.open([TOKENS])
    store.write([insert(TOKENS, "k", {"user": "alice"})])
    store.close()
    return content_of(path)


@pytest.fixture
def migrate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has tomorrow's version: `migrate(step, …)`, a step for each layout that comes after today's."""

    def have(*steps: Step) -> None:
        monkeypatch.setattr(sqlite_layout, "LAYOUT_VERSION", LAYOUT_VERSION + len(steps))
        migrations = sqlite_layout.MIGRATIONS | {LAYOUT_VERSION + number: step for number, step in enumerate(steps)}
        monkeypatch.setattr(sqlite_layout, "MIGRATIONS", migrations)

    return have


@pytest.fixture
def open_it(path: Path) -> Iterator[Callable[[], SQLiteStore]]:
    stores: list[SQLiteStore] = []

    def open_one() -> SQLiteStore:
        store = SQLiteStore(path, timeout=20)
        stores.append(store)
        store.open([TOKENS])
        return store

    yield open_one
    for store in stores:
        store.close()


def content_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [*connection.iterdump()]


def layout_of(path: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(path)) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        return application, layout


def copies(path: Path) -> list[str]:
    """The names of what was kept beside the database."""
    return sorted(file.name.removeprefix(path.name) for file in path.parent.glob(f"{path.name}.*"))


def rename_user(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE c_tokens SET value = json_set(value, '$.user', 'bob')")


# Databases that were made before


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """What the first version made."""
    path = tmp_path / "var" / "creance.db"
    path.parent.mkdir()
    path.with_name("secret").write_text(SECRET)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST.read_text())
    assert layout_of(path) == (APPLICATION_ID, 1)
    return path


def test_a_provider_goes_on_with_the_database_of_the_first_version(
    first: Path, make_settings: Callable[..., Any]
) -> None:
    """Issue 4, faults: an older one is migrated. People, tokens and keys are who and what they were."""
    kids = set(re.findall(r'"kid":"([\w-]+)"', FIRST.read_text()))
    provider = OpenIDProvider(make_settings())
    provider.start()
    try:
        assert len(kids) == 2
        assert kids == {key.kid for key in provider.keyring.keys()}  # noqa: SIM118
        assert provider.users.authenticate("carol", "a password") is not None
        token = provider.tokens.read_access_token("the-access-token")
        assert token is not None
        assert provider.parties(token.grant) is not None
        assert provider.tokens.read_usable_refresh_token("the-refresh-token") is not None
        provider.tokens.revoke_grant(token.grant.grant_id)
        assert provider.tokens.read_access_token("the-access-token") is None
    finally:
        provider.stop()
    assert layout_of(first) == (APPLICATION_ID, LAYOUT_VERSION)
    assert copies(first) == ([f".before-layout-{LAYOUT_VERSION}"] if LAYOUT_VERSION > 1 else [])


def test_what_was_migrated_is_laid_out_as_what_is_new(
    first: Path, tmp_path: Path, make_settings: Callable[..., Any]
) -> None:
    """MIGRATIONS: no index is left over, and none is missing, whichever version a database began with."""

    def layout(path: Path) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as connection:
            return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))

    collections = OpenIDProvider(make_settings(plugins={"sessions": {}})).collections
    new = tmp_path / "new.db"
    for path in (first, new):
        store = SQLiteStore(path, timeout=20)
        store.open(collections)
        store.close()
    assert layout(first) == layout(new)


def test_every_older_layout_has_its_step() -> None:
    """LAYOUT_VERSION: a version that changes the tables brings the step from the one before."""
    assert sorted(sqlite_layout.MIGRATIONS) == [*range(1, LAYOUT_VERSION)]


# The next layout


def test_an_older_layout_is_migrated_after_a_copy_was_made(
    path: Path, before: list[str], migrate: Callable[..., None], open_it: Callable[[], SQLiteStore]
) -> None:
    """Issue 4, faults: the copy is the database as it was, for its owner only, and the log's first line names it."""
    migrate(rename_user)
    store = open_it()
    (document,) = store.find(TOKENS, "user", "bob")
    assert document.key == "k"
    assert layout_of(path) == (APPLICATION_ID, NEXT)
    copy = path.with_name(f"{path.name}.before-layout-{NEXT}")
    assert copies(path) == [f".before-layout-{NEXT}"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert content_of(copy) == before
    assert layout_of(copy) == (APPLICATION_ID, LAYOUT_VERSION)
    assert store.describe().endswith(f"{path}, migrated now; as it was before: {copy}")


def test_it_is_migrated_once(
    path: Path, before: list[str], migrate: Callable[..., None], open_it: Callable[[], SQLiteStore]
) -> None:
    migrate(rename_user)
    open_it().close()
    store = open_it()
    assert store.describe().endswith(f", {path}")
    assert copies(path) == [f".before-layout-{NEXT}"]


def test_all_steps_are_taken_in_their_order(
    path: Path, before: list[str], migrate: Callable[..., None], open_it: Callable[[], SQLiteStore]
) -> None:
    """A version may be skipped: one copy, of what there was."""
    taken = []
    migrate(lambda _: taken.append("first"), lambda _: taken.append("second"))
    open_it()
    assert taken == ["first", "second"]
    assert layout_of(path) == (APPLICATION_ID, LAYOUT_VERSION + 2)
    assert copies(path) == [f".before-layout-{LAYOUT_VERSION + 2}"]


def test_an_index_that_is_no_longer_declared_as_before_is_made_anew(
    path: Path, before: list[str], migrate: Callable[..., None], open_it: Callable[[], SQLiteStore]
) -> None:
    """MIGRATIONS: a step drops; what every opening makes where it is missing is made by the opening."""

    def drop_indexes(connection: sqlite3.Connection) -> None:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        for (name,) in names:
            connection.execute(f'DROP INDEX "{name}"')

    migrate(drop_indexes)
    assert [document.key for document in open_it().find(TOKENS, "user", "alice")] == ["k"]
    assert content_of(path) == before


def test_a_step_that_fails_changes_nothing(
    path: Path, before: list[str], migrate: Callable[..., None], open_it: Callable[[], SQLiteStore]
) -> None:
    """One transaction: the older version can go on, and no copy is left that nobody needs."""

    def fail(connection: sqlite3.Connection) -> None:
        rename_user(connection)
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    migrate(fail)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="cannot be used"):
            open_it()
    assert content_of(path) == before
    assert layout_of(path) == (APPLICATION_ID, LAYOUT_VERSION)
    assert copies(path) == []
    migrate(rename_user)
    assert open_it().find(TOKENS, "user", "bob")


def test_a_migration_that_is_killed_changes_nothing(
    path: Path, before: list[str], migrate: Callable[..., None], open_it: Callable[[], SQLiteStore]
) -> None:
    """The older layout is there; the copy that was made is kept, and the next attempt makes its own."""

    def be_killed(connection: sqlite3.Connection) -> None:
        rename_user(connection)
        os.kill(os.getpid(), signal.SIGKILL)

    migrate(be_killed)
    child = os.fork()
    if child == 0:
        open_it()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert content_of(path) == before
    assert layout_of(path) == (APPLICATION_ID, LAYOUT_VERSION)
    first = path.with_name(f"{path.name}.before-layout-{NEXT}")
    kept = first.read_bytes()
    migrate(rename_user)
    assert open_it().find(TOKENS, "user", "bob")
    assert copies(path) == [f".before-layout-{NEXT}", f".before-layout-{NEXT}-2"]
    assert first.read_bytes() == kept
    assert content_of(path.with_name(f"{path.name}.before-layout-{NEXT}-2")) == before


def test_without_a_copy_nothing_is_migrated(
    path: Path, before: list[str], migrate: Callable[..., None], open_it: Callable[[], SQLiteStore]
) -> None:
    """A disk without space, a folder that may not be written: here, something in its place that is no file."""
    obstacle = path.with_name(f"{path.name}.before-layout-{NEXT}.partial")
    obstacle.mkdir()
    migrate(rename_user)
    with pytest.raises(StoreUnavailable, match="cannot be written: Is a directory"):
        open_it()
    assert content_of(path) == before
    assert layout_of(path) == (APPLICATION_ID, LAYOUT_VERSION)
    obstacle.rmdir()
    assert open_it().find(TOKENS, "user", "bob")


def test_many_that_open_it_at_once_wait_for_the_first(
    path: Path, before: list[str], migrate: Callable[..., None], open_it: Callable[[], SQLiteStore]
) -> None:
    """open: idempotent, also with many workers at once."""
    taken = []
    migrate(lambda _: taken.append("step"))
    assert [type(outcome) for outcome in together(8, lambda _: open_it())] == [SQLiteStore] * 8
    assert taken == ["step"]
    assert copies(path) == [f".before-layout-{NEXT}"]


def test_who_only_reads_migrates_nothing(path: Path, before: list[str], migrate: Callable[..., None]) -> None:
    """open_to_read: nothing is made, migrated or written."""
    migrate(rename_user)
    store = SQLiteStore(path, timeout=5)
    with pytest.raises(StoreRefused, match=f"has layout {LAYOUT_VERSION}: the next start makes it layout {NEXT}"):
        store.open_to_read([TOKENS])
    store.close()
    assert content_of(path) == before
    assert layout_of(path) == (APPLICATION_ID, LAYOUT_VERSION)


def test_the_older_version_refuses_what_was_migrated(
    path: Path, before: list[str], migrate: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 4, faults: a newer schema is refused; the way back is the copy."""
    migrate(rename_user)
    store = SQLiteStore(path, timeout=5)
    store.open([TOKENS])
    store.close()
    monkeypatch.undo()
    store = SQLiteStore(path, timeout=5)
    with pytest.raises(StoreRefused, match=f"has layout {NEXT}, made by a newer version") as refused:
        store.open([TOKENS])
    assert "install the newer version, or restore a backup" in str(refused.value)
    store.restore(path.with_name(f"{path.name}.before-layout-{NEXT}"), keep_issued=True)
    store.open([TOKENS])
    assert store.find(TOKENS, "user", "alice")
    store.close()
