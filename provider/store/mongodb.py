"""The MongoDB store: for any number of workers, on any number of machines that share nothing but the database."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

import pymongo
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

from . import Collection, Document, Operation, StoreUnavailable, time_left
from .baton import baton
from .declarations import not_opened_with
from .examination import ExaminableStore, Examination
from .layout_refusals import not_laid_out
from .mongodb_connection import SCHEMES, Address, Row, database_of
from .mongodb_documents import Documents, expired, remove_expired
from .mongodb_errors import is_silence, unavailable, unusable
from .mongodb_examination import examine_database, missing_parts
from .mongodb_layout import DOCUMENTS, LEASES, layout_of, make_indexes, mark_layout, touch
from .mongodb_put import Put
from .mongodb_recovery import Recovery
from .mongodb_write import Write, persistently

T = TypeVar("T")

_LATENESS: Final = 0.5
"""Seconds by which pymongo may be late: while it waits for a server it looks at the clock no more often."""

_LAYOUT_TIMEOUT: Final = 600.0
"""Seconds that indexes on documents which are there already may take."""


class MongoDBStore(ExaminableStore):
    """No transaction is needed, so that any deployment will do: a replica set, a sharded cluster, a single server.

    A write is done step by step (`mongodb_write`); single use is one atomic operation on one document. Reads look at
    the time themselves, whatever the server's sweeper has done.
    """

    schemes = SCHEMES

    def __init__(self, address: Address) -> None:
        self.timeout = address.timeout
        self.clock: Callable[[], float] = time.time
        self.collections: dict[str, Collection] = {}
        self._address = address
        self._documents: dict[str, Documents] = {}
        self._process: int | None = None
        self._connected: _Connected | None = None
        self._version = ""
        self._write_failed = False

    @classmethod
    def from_uri(cls, uri: str, *, folder: Path, timeout: float) -> MongoDBStore:
        """Any URI that `MongoClient` takes; its database is `creance` where it names none."""
        return cls(Address(uri, timeout))

    def open(self, collections: Iterable[Collection]) -> None:
        self._open(collections, self._lay_out)

    def open_to_read(self, collections: Iterable[Collection]) -> None:
        self._open(collections, self._look_at_layout)

    def _open(self, collections: Iterable[Collection], prepare: Callable[[_Connected, list[Collection]], None]) -> None:
        self._refuse_another_process()
        self._process = os.getpid()
        declared = list(collections)
        connected = self._connected or _Connected(self._address.connect(), self.timeout)
        try:
            prepare(connected, declared)
        except BaseException as error:
            if connected is not self._connected:
                connected.close()
            if isinstance(error, PyMongoError):
                raise unusable(self._address.name, error) from error
            raise
        self._documents = {collection.name: Documents(collection, connected.documents) for collection in declared}
        self.collections = {collection.name: collection for collection in declared}
        self._connected = connected

    def _lay_out(self, connected: _Connected, collections: list[Collection]) -> None:
        with pymongo.timeout(self.timeout):
            self._version = f" {connected.client.server_info()['version']}"
            mark_layout(connected.database)
        with pymongo.timeout(_LAYOUT_TIMEOUT):
            make_indexes(connected.documents, chain(*(collection.indexes for collection in collections)))

    def _look_at_layout(self, connected: _Connected, collections: list[Collection]) -> None:
        """Raises StoreRefused where nothing is laid out. A key is found without the other indexes."""
        with pymongo.timeout(self.timeout):
            self._version = f" {connected.client.server_info()['version']}"
            if not layout_of(connected.database):
                raise not_laid_out(f"the database {self._address.name}")

    def missing(self, collections: Iterable[Collection]) -> list[str]:
        declared = list(collections)
        with self._looking() as client, pymongo.timeout(self.timeout):
            return missing_parts(database_of(client), declared)

    def examine(self, collections: Iterable[Collection]) -> Examination:
        declared = list(collections)
        with self._looking() as client:
            return examine_database(client, declared, self.clock())

    @contextmanager
    def _looking(self) -> Iterator[MongoClient[Row]]:
        """A connection of its own, for what needs no opening."""
        try:
            with self._address.connect() as client:
                with pymongo.timeout(self.timeout):
                    client.admin.command("ping")  # so that a server that is not there is not awaited for longer
                yield client
        except PyMongoError as error:
            raise unusable(self._address.name, error) from error

    def close(self) -> None:
        if self._process != os.getpid():
            return  # not opened, or the copy that a fork made: its connections are the parent's
        connected, self._connected = self._connected, None
        if connected is not None:
            connected.close()

    def describe(self) -> str:
        return f"MongoDB{self._version}, {self._address.name}"

    def get(self, collection: Collection, key: str) -> Document | None:
        return self._read(partial(self._of(collection).get, key, self.clock()))

    def get_kept(self, collection: Collection, key: str) -> Document | None:
        return self._read(partial(self._of(collection).get_kept, key, self.clock()))

    def find(self, collection: Collection, field: str, value: str, limit: int = 1000) -> list[Document]:
        return self._read(partial(self._of(collection).find, field, value, self.clock(), limit))

    def page(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        return self._read(partial(self._of(collection).page, after, self.clock(), limit))

    def page_kept(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        return self._read(partial(self._of(collection).page_kept, after, self.clock(), limit))

    def put(self, collection: Collection, documents: Sequence[Document], *, overwrite: bool = False) -> list[Document]:
        put = Put(self._of(collection), documents, overwrite=overwrite)
        return self._read(partial(put.do, self.clock())) if documents else []

    def write(self, operations: Sequence[Operation]) -> list[int | None]:
        write = Write(self._of, operations)
        if not operations:
            return []
        with self._reaching() as connected, self._noting_failure():
            return write.perform(self.clock, connected.recovery.later)

    def check_writable(self) -> None:
        """A server may go on to answer reads while it takes no more writes: over its quota, or with its disk full."""
        with self._reaching() as connected:
            if self._write_failed:
                with self._noting_failure():
                    touch(connected.database)

    def claim(self, name: str, holder: str, until: float) -> bool:
        """A holder that asks again, because the answer was lost, renews what it has."""
        free = {"_id": name, "$or": [{"holder": holder}, {"until": {"$lte": self.clock()}}]}
        lease = {"$set": {"holder": holder, "until": float(until)}}
        with self._reaching() as connected:
            leases = connected.database[LEASES]
            try:
                persistently(partial(leases.update_one, free, lease, upsert=True))
            except DuplicateKeyError:
                return False
            return True

    def sweep(self, limit: int = 1000) -> int:
        """The server's own sweeper (a TTL index) does the same; where that is switched off, only this does."""
        now = self.clock()
        with self._reaching() as connected:
            held = connected.documents
            batches = persistently(partial(expired, held, now, limit))
        return sum(self._read(partial(remove_expired, held, batch, now)) for batch in batches)

    def _of(self, collection: Collection) -> Documents:
        try:
            return self._documents[collection.name]
        except KeyError:
            raise not_opened_with(collection) from None

    def _read(self, work: Callable[[], T]) -> T:
        with self._reaching():
            return persistently(work)

    @contextmanager
    def _reaching(self) -> Iterator[_Connected]:
        """One deadline for a whole call. Raises StoreUnavailable for all that pymongo raises, and at once while the
        server is known not to answer.
        """
        seconds = time_left(self.timeout)
        self._refuse_another_process()
        connected, name = self._connected, self._address.name
        if connected is None:
            raise StoreUnavailable(f"the database {name} is not open")
        connected.recovery.check()
        if not seconds:
            raise StoreUnavailable(f"the database {name} was not asked: the request has used up its time")
        try:
            with baton.laid_down(), pymongo.timeout(seconds - min(_LATENESS, seconds / 2)):
                yield connected
        except PyMongoError as error:
            failure = unavailable(name, error)
            if is_silence(error) and seconds > self.timeout / 2:  # a call that began late proves nothing
                connected.recovery.lost(str(failure))
            raise failure from error

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        """Remembers how the last write has ended."""
        try:
            yield
        except PyMongoError:
            self._write_failed = True
            raise
        self._write_failed = False

    def _refuse_another_process(self) -> None:
        """Connections that a fork has copied belong to the parent."""
        if self._process not in {None, os.getpid()}:
            raise RuntimeError("this store was opened before a fork: make one in each process")


class _Connected:
    """What one process has while its store is open."""

    def __init__(self, client: MongoClient[Row], timeout: float) -> None:
        self.client = client
        self.database: Database[Row] = database_of(client)
        self.documents = self.database[DOCUMENTS]
        self.recovery = Recovery(partial(touch, self.database), timeout)

    def close(self) -> None:
        self.recovery.stop()
        self.client.close()
