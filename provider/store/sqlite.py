"""The embedded store: one SQLite file on a local disk, for any number of threads and processes of one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from . import Collection, Document, Operation, StoreUnavailable, deadline, time_left
from .declarations import not_opened_with
from .embedded import EmbeddedStore
from .examination import Examination
from .sqlite_connection import Connection, Deadline, connect, unavailable, unusable
from .sqlite_copy import copy_database
from .sqlite_examination import examine_database, missing_parts
from .sqlite_file import (
    Identity,
    create,
    identity_of,
    path_of,
    refuse_network_file_system,
    refuse_unwritable,
    replaced,
)
from .sqlite_layout import lay_out, refuse_what_needs_change
from .sqlite_readers import Readers, Row
from .sqlite_restore import restore_database
from .sqlite_table import Table, document_of
from .sqlite_writer import Writer

T = TypeVar("T")

LEASES = "CREATE TABLE IF NOT EXISTS leases (name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL)"
CLAIM = """
INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :until)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE holder = excluded.holder OR until <= :now OR until > excluded.until + :doubtful
"""
DOUBTFUL = 3600.0
"""Seconds by which no lease outlasts another of its name, unless it was taken by a clock that was set back since."""

TRIAL = 0.5
"""Seconds that a probe waits for a write which tells whether writes succeed again."""


class SQLiteStore(EmbeddedStore):
    """Readers have connections of their own and never wait for a writer (WAL); writers take turns (see Writer).

    A commit is on the disk when a write returns (synchronous=FULL).
    """

    schemes = ("sqlite",)

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self.clock: Callable[[], float] = time.time
        self.collections: dict[str, Collection] = {}
        self._tables: dict[str, Table] = {}
        self._process: int | None = None
        self._identity: Identity | None = None
        self._before_migration: Path | None = None
        self._write_failure: str | None = None
        self._trial = threading.Lock()
        self._readers = Readers(path)
        self._writer = Writer(path)

    @classmethod
    def from_uri(cls, uri: str, *, folder: Path, timeout: float) -> SQLiteStore:
        """`sqlite:var/x.db` is relative to the folder, `sqlite:/abs/x.db` is not."""
        return cls(path_of(uri, folder), timeout)

    def open(self, collections: Iterable[Collection]) -> None:
        tables = [Table(collection) for collection in collections]
        statements = [LEASES, *(statement for table in tables for statement in table.layout())]
        self._refuse_another_process()
        refuse_network_file_system(self.path)
        create(self.path)
        refuse_unwritable(self.path)
        with self._opening(tables) as (connection, deadline):
            self._before_migration = lay_out(connection, self.path, statements, deadline) or self._before_migration

    def open_to_read(self, collections: Iterable[Collection]) -> None:
        self._refuse_another_process()
        with self._opening([Table(collection) for collection in collections]) as (connection, _):
            refuse_what_needs_change(connection, self.path)

    @contextmanager
    def _opening(self, tables: Sequence[Table]) -> Iterator[tuple[Connection, Deadline]]:
        """A connection that finds out whether the file can be used, as all that come after it."""
        self._process = os.getpid()
        identity = identity_of(self.path)
        deadline = Deadline(self.timeout)
        try:
            with closing(connect(self.path, deadline)) as connection:
                yield connection, deadline
        except sqlite3.Error as error:
            raise unusable(self.path, error) from error
        self._tables = {table.collection.name: table for table in tables}
        self.collections = {name: table.collection for name, table in self._tables.items()}
        if identity != self._identity:
            self.close()
            self._readers = Readers(self.path)
            self._writer = Writer(self.path, identity)
            self._identity = identity

    def close(self) -> None:
        if self._process != os.getpid():
            return  # not opened, or the copy that a fork made: its connections are the parent's
        self._identity = None
        self._readers.close()
        self._writer.close(Deadline(2 * self.timeout))  # those who wait for their turn give up before

    def describe(self) -> str:
        migrated = f", migrated now; as it was before: {self._before_migration}" if self._before_migration else ""
        return f"SQLite {sqlite3.sqlite_version}, {self.path}{migrated}"

    def at(self, file: Path) -> SQLiteStore:
        return SQLiteStore(file.absolute(), self.timeout)

    def back_up(self, target: Path, *, overwrite: bool = False) -> None:
        copy_database(self.path, target.absolute(), overwrite=overwrite)

    def restore(self, backup: Path, *, keep_issued: bool = False) -> Path | None:
        refuse_network_file_system(self.path)
        return restore_database(self.path, backup.absolute(), keep_issued=keep_issued)

    def missing(self, collections: Iterable[Collection]) -> list[str]:
        return missing_parts(self.path, [Table(collection) for collection in collections])

    def examine(self, collections: Iterable[Collection]) -> Examination:
        return examine_database(self.path, collections, self.clock())

    def get(self, collection: Collection, key: str) -> Document | None:
        return self._one(self._table(collection).get, key)

    def get_kept(self, collection: Collection, key: str) -> Document | None:
        return self._one(self._table(collection).get_kept, key)

    def find(self, collection: Collection, field: str, value: str, limit: int = 1000) -> list[Document]:
        bounds = {"value": value, "now": self.clock(), "limit": limit}
        return [document_of(row) for row in self._read(self._table(collection).find(field), bounds)]

    def page(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        return self._page(self._table(collection).page, after, limit)

    def page_kept(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        return self._page(self._table(collection).page_kept, after, limit)

    def put(self, collection: Collection, documents: Sequence[Document], *, overwrite: bool = False) -> list[Document]:
        step = self._table(collection).put(documents, overwrite=overwrite)
        return [document_of(row) for row in self._write(lambda connection: step(connection, self.clock()))]

    def write(self, operations: Sequence[Operation]) -> list[int | None]:
        steps = [self._table(operation.collection).plan(operation) for operation in operations]
        if not steps:
            return []

        def work(connection: sqlite3.Connection) -> list[int | None]:
            now = self.clock()
            return [step(connection, now) for step in steps]

        return self._write(work)

    def check_writable(self) -> None:
        """What the last write said; if it failed, another one is tried, by one probe at a time."""
        failure = self._write_failure
        if failure is None:
            return
        if not self._trial.acquire(blocking=False):
            raise StoreUnavailable(failure)
        try:
            with deadline(TRIAL):
                self.claim("writable", "anybody", self.clock())  # over as it begins; and what is equal is not written
        finally:
            self._trial.release()

    def claim(self, name: str, holder: str, until: float) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            lease = {"name": name, "holder": holder, "until": until, "now": self.clock(), "doubtful": DOUBTFUL}
            return connection.execute(CLAIM, lease).rowcount == 1

        return self._write(work)

    def sweep(self, limit: int = 1000) -> int:
        return sum(self._sweep(table, limit) for table in list(self._tables.values()))

    def _sweep(self, table: Table, limit: int) -> int:
        """A transaction for each collection: nobody waits for all of them."""
        bounds = {"now": self.clock(), "limit": limit}
        return self._write(lambda connection: connection.execute(table.sweep, bounds).rowcount)

    def _table(self, collection: Collection) -> Table:
        try:
            return self._tables[collection.name]
        except KeyError:
            raise not_opened_with(collection) from None

    def _one(self, query: str, key: str) -> Document | None:
        rows = self._read(query, {"key": key, "now": self.clock()})
        return document_of(rows[0]) if rows else None

    def _page(self, query: str, after: str | None, limit: int) -> list[Document]:
        bounds = {"after": after or "", "now": self.clock(), "limit": limit}
        return [document_of(row) for row in self._read(query, bounds)]

    def _read(self, query: str, parameters: Mapping[str, Any]) -> list[Row]:
        deadline = Deadline(time_left(self.timeout))
        self._ready()
        try:
            return self._readers.rows(query, parameters, deadline)
        except sqlite3.Error as error:
            raise unavailable(self.path, error) from error

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            answer = self._attempt(work)
        except StoreUnavailable as error:
            self._write_failure = str(error)
            raise
        self._write_failure = None
        return answer

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        deadline = Deadline(time_left(self.timeout))
        self._ready()
        try:
            return self._writer.do(work, deadline)
        except sqlite3.Error as error:
            raise unavailable(self.path, error) from error

    def _ready(self) -> None:
        """The file that was opened must be the one that is there.

        What is written to a file that was removed is lost. One that took its place waits for a restart: SQLite would
        write into it what the log of the old one holds.
        """
        self._refuse_another_process()
        if self._identity is None:
            raise StoreUnavailable(f"the database {self.path} is not open")
        if identity_of(self.path) != self._identity:
            raise StoreUnavailable(replaced(self.path))

    def _refuse_another_process(self) -> None:
        """Connections that a fork has copied would damage the file."""
        if self._process not in {None, os.getpid()}:
            raise RuntimeError("this store was opened before a fork: make one in each process")
