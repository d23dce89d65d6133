"""The embedded store: one SQLite file on a local disk, for any number of threads and processes of one machine."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from . import Collection, Document, Operation, Store, StoreUnavailable, time_left
from .sqlite_connection import Deadline, connect, lay_out, unavailable, unusable
from .sqlite_file import Identity, create, identity_of, path_of, refuse_network_file_system, replaced
from .sqlite_readers import Readers, Row
from .sqlite_table import Table, document_of
from .sqlite_writer import Writer

T = TypeVar("T")

LEASES = "CREATE TABLE IF NOT EXISTS leases (name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL)"
CLAIM = """
INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :until)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE holder = excluded.holder OR until <= :now
"""


class SQLiteStore(Store):
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
        self._readers = Readers(path)
        self._writer = Writer(path)

    @classmethod
    def from_uri(cls, uri: str, *, folder: Path, timeout: float) -> SQLiteStore:
        """`sqlite:var/x.db` is relative to the folder, `sqlite:/abs/x.db` is not."""
        return cls(path_of(uri, folder), timeout)

    def open(self, collections: Iterable[Collection]) -> None:
        tables = {collection.name: Table(collection) for collection in collections}
        self._refuse_another_process()
        self._process = os.getpid()
        refuse_network_file_system(self.path)
        create(self.path)
        statements = [LEASES, *(statement for table in tables.values() for statement in table.layout())]
        identity = identity_of(self.path)
        deadline = Deadline(self.timeout)
        try:
            with closing(connect(self.path, deadline)) as connection:
                lay_out(connection, self.path, statements, deadline)
        except sqlite3.Error as error:
            raise unusable(self.path, error) from error
        self._tables = tables
        self.collections = {name: table.collection for name, table in tables.items()}
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
        return f"SQLite {sqlite3.sqlite_version}, {self.path}"

    def get(self, collection: Collection, key: str) -> Document | None:
        rows = self._read(self._table(collection).get, {"key": key, "now": self.clock()})
        return document_of(rows[0]) if rows else None

    def get_kept(self, collection: Collection, key: str) -> Document | None:
        rows = self._read(self._table(collection).get_kept, {"key": key, "now": self.clock()})
        return document_of(rows[0]) if rows else None

    def find(self, collection: Collection, field: str, value: str, limit: int = 1000) -> list[Document]:
        bounds = {"value": value, "now": self.clock(), "limit": limit}
        return [document_of(row) for row in self._read(self._table(collection).find(field), bounds)]

    def page(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        bounds = {"after": after or "", "now": self.clock(), "limit": limit}
        return [document_of(row) for row in self._read(self._table(collection).page, bounds)]

    def write(self, operations: Sequence[Operation]) -> list[int | None]:
        steps = [self._table(operation.collection).plan(operation) for operation in operations]
        if not steps:
            return []

        def work(connection: sqlite3.Connection) -> list[int | None]:
            now = self.clock()
            return [step(connection, now) for step in steps]

        return self._write(work)

    def claim(self, name: str, holder: str, until: float) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            lease = {"name": name, "holder": holder, "until": until, "now": self.clock()}
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
            raise ValueError(f"the store was not opened with the collection {collection.name!r}") from None

    def _read(self, query: str, parameters: Mapping[str, Any]) -> list[Row]:
        deadline = Deadline(time_left(self.timeout))
        self._ready()
        try:
            return self._readers.rows(query, parameters, deadline)
        except sqlite3.Error as error:
            raise unavailable(self.path, error) from error

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
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
