"""Writes that share a commit: each is decided for itself, and each is durable before it is answered."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from creance.provider.store import AlreadyExists, Collection, StoreUnavailable, insert
from creance.provider.store.sqlite import SQLiteStore
from creance.provider.store.sqlite_connection import Deadline
from creance.provider.store.sqlite_writer import MOST_IN_A_COMMIT

from ...polling import once

pytestmark = pytest.mark.default_store("is about the SQLite backend itself")

TOKENS = Collection("tokens", indexes=("user",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "x.db", timeout=60)
    store.open([TOKENS])
    yield store
    store.close()


class Crowd:
    """Threads that are made to wait for one transaction, and then share the next."""

    def __init__(self, store: SQLiteStore) -> None:
        self._writer = store._writer
        self._pool = ThreadPoolExecutor(MOST_IN_A_COMMIT * 2)
        self._go_on = threading.Event()
        begun = threading.Event()

        def hold(connection: sqlite3.Connection) -> None:
            begun.set()
            assert self._go_on.wait(60)

        self._holder = self._pool.submit(self._writer.do, hold, Deadline(60))
        assert begun.wait(60)

    def send(self, task: Callable[[], object]) -> Future[object]:
        """A thread with this task, once it waits for its turn."""
        before = len(self._writer._turns._waiting)
        future = self._pool.submit(task)
        until = time.monotonic() + 60
        while len(self._writer._turns._waiting) == before and time.monotonic() < until:
            time.sleep(0.001)
        return future

    def let_go(self) -> None:
        self._go_on.set()
        self._holder.result(60)
        self._pool.shutdown()


def commits(store: SQLiteStore) -> list[str]:
    """The transactions that the writer ends from now on."""
    seen: list[str] = []
    connection = store._writer._connection
    assert connection is not None
    connection.set_trace_callback(lambda sql: seen.append(sql) if sql in ("COMMIT", "ROLLBACK") else None)
    return seen


def test_those_who_wait_share_one_commit(store: SQLiteStore) -> None:
    """DESIGN, the store: a commit is shared among the requests waiting."""
    crowd = Crowd(store)
    seen = commits(store)
    writes = [crowd.send(lambda number=number: store.write([insert(TOKENS, str(number), {})])) for number in range(20)]
    crowd.let_go()
    assert [write.result(60) for write in writes] == [[None]] * 20
    assert seen == ["COMMIT", "COMMIT"]  # of who held them up, and of all twenty
    assert len(store.page(TOKENS)) == 20


def test_a_write_that_is_refused_takes_nobody_with_it(store: SQLiteStore) -> None:
    """Each is all or nothing, and is decided by what is there when it is done: the first of two keys wins."""
    crowd = Crowd(store)

    def write(number: int) -> None:
        store.write([insert(TOKENS, f"own-{number}", {}), insert(TOKENS, f"key-{number // 2}", {"user": str(number)})])

    writes = [crowd.send(lambda number=number: write(number)) for number in range(10)]
    crowd.let_go()
    errors = [future.exception(60) for future in writes]
    assert [type(error) for error in errors] == [type(None), AlreadyExists] * 5
    assert {document.key for document in store.page(TOKENS)} == {
        *(f"own-{number}" for number in range(0, 10, 2)),
        *(f"key-{number}" for number in range(5)),
    }


def test_an_error_of_one_work_is_its_own(store: SQLiteStore) -> None:
    """Also one of SQLite that leaves the transaction as it is."""
    crowd = Crowd(store)
    good = crowd.send(lambda: store.write([insert(TOKENS, "good", {})]))
    bad = crowd.send(lambda: store._write(lambda connection: connection.execute("SELECT no_such_function()")))
    crowd.let_go()
    assert good.result(60) == [None]
    assert isinstance(bad.exception(60), StoreUnavailable)
    assert store.get(TOKENS, "good") is not None


def test_a_commit_that_fails_fails_all_of_them(store: SQLiteStore) -> None:
    """DESIGN, the store: a COMMIT error fails all; each hears of it, and nothing remains."""
    crowd = Crowd(store)
    connection = store._writer._connection
    assert connection is not None
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    large = {"a": "x" * 100_000}
    writes = [
        crowd.send(lambda number=number: store.write([insert(TOKENS, str(number), large)])) for number in range(5)
    ]
    crowd.let_go()
    errors = [write.exception(60) for write in writes]
    assert [type(error) for error in errors] == [StoreUnavailable] * 5
    assert {str(error) for error in errors} == {str(errors[0])}
    assert "the disk is full" in str(errors[0])
    assert len(set(map(id, errors))) == 5  # an error that several threads raise would mix up where they were
    assert store.page(TOKENS) == []
    store.write([insert(TOKENS, "after", {})])


def test_more_than_fit_in_one_commit_are_done_by_the_next(store: SQLiteStore) -> None:
    crowd = Crowd(store)
    seen = commits(store)
    number = MOST_IN_A_COMMIT + 5
    writes = [crowd.send(lambda key=key: store.write([insert(TOKENS, key, {})])) for key in map(str, range(number))]
    crowd.let_go()
    assert all(write.exception(60) is None for write in writes)
    assert seen == ["COMMIT"] * 3
    assert len(store.page(TOKENS)) == number


def test_who_waits_too_long_gives_up_and_is_never_done(store: SQLiteStore) -> None:
    """DESIGN, the store: a waiter may give up only what has not begun."""
    crowd = Crowd(store)
    store.timeout = 0.05
    late = crowd.send(lambda: store.write([insert(TOKENS, "late", {})]))
    error = late.exception(60)
    assert isinstance(error, StoreUnavailable)
    assert "busy" in str(error)
    store.timeout = 60
    crowd.let_go()
    store.write([insert(TOKENS, "after", {})])
    assert [document.key for document in store.page(TOKENS)] == ["after"]


def test_what_has_begun_is_answered_however_long_it_takes(store: SQLiteStore) -> None:
    """A write whose time is over while it is done was done: its answer says so."""

    def slow(connection: sqlite3.Connection) -> str:
        time.sleep(1)
        return "done"

    def both_are_answered() -> bool:
        """They are not where the machine stops before they have begun."""
        crowd, key = Crowd(store), str(time.monotonic_ns())
        store.timeout = 0.5
        first = crowd.send(lambda: store._write(slow))
        second = crowd.send(lambda: store.write([insert(TOKENS, key, {})]))
        crowd.let_go()
        if first.exception(60) or second.exception(60):
            return False
        assert (first.result(), second.result()) == ("done", [None])
        return store.get(TOKENS, key) is not None

    assert once(both_are_answered)


def test_closing_waits_for_its_turn_and_whoever_comes_late_is_told(store: SQLiteStore) -> None:
    crowd = Crowd(store)
    before = crowd.send(lambda: store.write([insert(TOKENS, "before", {})]))
    writer = store._writer
    closing = crowd.send(lambda: writer.close(Deadline(60)))
    crowd.let_go()
    assert before.result(60) == [None]
    assert closing.exception(60) is None
    assert writer._connection is None
    with pytest.raises(StoreUnavailable, match="is closed"):
        writer.do(lambda connection: None, Deadline(1))


def test_an_interrupted_thread_leaves_the_others_their_turn(store: SQLiteStore) -> None:
    """Ctrl+C in the thread that leads: the others are told at once, and the next one leads."""
    crowd = Crowd(store)

    def interrupted(connection: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    leads = crowd.send(lambda: store._write(interrupted))
    follows = crowd.send(lambda: store.write([insert(TOKENS, "k", {})]))
    crowd.let_go()
    assert isinstance(leads.exception(60), KeyboardInterrupt)
    assert isinstance(follows.exception(60), StoreUnavailable)
    assert "was interrupted" in str(follows.exception())
    store.write([insert(TOKENS, "k", {})])
