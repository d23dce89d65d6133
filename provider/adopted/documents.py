"""What a pyop provider keeps in MongoDB: documents {lookup_key, data, last_modified}, as of its own `MongoWrapper`.

That one cannot be used with today's driver where a URI has credentials, a replica set, an authSource, a
percent-encoded password or `mongodb+srv`. Here the URI goes to `MongoClient` whole.
"""

from __future__ import annotations

import os
from collections.abc import Collection as Values
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final, NoReturn

import pymongo
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pyop.storage import StorageBase

from ..request_log import logger
from ..store.baton import baton
from ..store.mongodb_connection import Address, Row, database_of
from ..store.mongodb_errors import unavailable

_TIMEOUT: Final = 2.5
"""Seconds that one call may take."""
_EXPIRY: Final = "expiry"
"""pyop's name of the TTL index."""
_ANY_TEXT: Final = {"$gte": ""}
_LOOKED_UP_IN: Final = {"": "admin", "scram-sha-1": "admin", "scram-sha-256": "admin", "plain": "$external"}
"""Where `MongoClient` looks up the user of a URI without a database, by authMechanism; with others it is no matter."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A document of pyop's."""

    key: str
    value: Any
    last_modified: Any
    """When it was written, as pyop has it; whatever else somebody has put there."""


class PyopDatabase:
    """A database of pyop's collections. It connects when it is first used, in each process for itself."""

    def __init__(self, uri: str, *, default_name: str, timeout: float = _TIMEOUT) -> None:
        """`default_name`: of the database, where the URI names none. `timeout`: seconds that one call may take. Does
        no I/O; raises ValueError.
        """
        self.uri = with_database(uri, default_name)
        self._address = Address(self.uri, timeout)
        self.name = self._address.name
        """The database and its hosts, for people."""
        self._lock = Lock()
        self._process: int | None = None
        self._client: MongoClient[Row] | None = None

    def collection(self, name: str, ttl: int | None = None) -> PyopDocuments:
        """The mapping over a collection. `ttl`: seconds that a document is kept, None for ever."""
        return PyopDocuments(self, name, ttl)

    @contextmanager
    def reaching(self) -> Iterator[Database[Row]]:
        """Raises StoreUnavailable for all that the driver raises."""
        try:
            with baton.laid_down(), pymongo.timeout(self._address.timeout):
                yield self.connected()
        except PyMongoError as error:
            raise unavailable(self.name, error) from error

    def ping(self) -> None:
        """Raises StoreUnavailable where it does not answer."""
        with self.reaching() as database:
            database.client.admin.command("ping")

    def connected(self) -> Database[Row]:
        """The database by way of this process's client: what a fork has copied belongs to the parent."""
        with self._lock:
            if self._client is None or self._process != os.getpid():
                self._client, self._process = self._address.connect(), os.getpid()
            return database_of(self._client)

    def close(self) -> None:
        """End the connections of this process; a later use makes new ones."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None and self._process == os.getpid():
                client.close()


class PyopDocuments(StorageBase):
    """One collection, as a pyop host uses it. Every operation raises StoreUnavailable."""

    def __init__(self, database: PyopDatabase, name: str, ttl: int | None) -> None:
        if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int) or ttl < 0):
            raise ValueError("ttl must be a number of seconds, or None")
        self.database = database
        self._name = name
        self._ttl = ttl
        self._indexed_by: int | None = None

    @property
    def full_name(self) -> str:
        """The collection, its database and the hosts, for people."""
        return f"{self._name} of {self.database.name}"

    def __getitem__(self, key: str) -> Any:
        with self._collection() as collection:
            document = collection.find_one({"lookup_key": _encodable(key)})
        if document is None:
            raise KeyError(key)
        return document["data"]

    def __setitem__(self, key: str, value: Any) -> None:
        document = {"lookup_key": _encodable(key), "data": value, "last_modified": datetime.now(UTC)}
        with self._collection() as collection:
            self._make_indexes(collection)
            collection.replace_one({"lookup_key": key}, document, upsert=True)

    def __delitem__(self, key: str) -> None:
        with self._collection() as collection:
            collection.delete_one({"lookup_key": _encodable(key)})

    def __contains__(self, key: object) -> bool:
        try:
            with self._collection() as collection:
                return collection.find_one({"lookup_key": _encodable(key)}, {"_id": True}) is not None
        except KeyError:
            return False

    def items(self) -> Iterator[tuple[str, Any]]:
        """All of them, one after the other."""
        try:
            for document in self.database.connected()[self._name].find():
                yield document["lookup_key"], document["data"]
        except PyMongoError as error:
            raise unavailable(self.database.name, error) from error

    def pack(self, value: Any) -> NoReturn:
        """For providers without state alone."""
        raise NotImplementedError

    # For the move, and never for a request.

    def count(self) -> int:
        """How many there are."""
        with self._collection() as collection:
            return collection.count_documents({"lookup_key": _ANY_TEXT})

    def pages(self, size: int) -> Iterator[list[Kept]]:
        """All of them in the order of their keys, so many at once. Nothing is held open in between, and each page may
        be removed before the next one.
        """
        beyond: dict[str, Any] = _ANY_TEXT
        while page := self._page(beyond, size):
            yield page
            beyond = {"$gt": page[-1].key}

    def of(self, keys: Values[str]) -> dict[str, Any]:
        """The values of those keys that are there."""
        with self._collection() as collection:
            found = collection.find({"lookup_key": {"$in": list(keys)}}, batch_size=len(keys)) if keys else ()
            return {document["lookup_key"]: document.get("data") for document in found}

    def remove(self, keys: Values[str]) -> int:
        """Remove those of these keys; answers how many that were."""
        with self._collection() as collection:
            return collection.delete_many({"lookup_key": {"$in": list(keys)}}).deleted_count

    def change(self, key: str, unchanged: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
        """Change some fields of a document as long as these others are as they were read; answers whether it did."""
        with self._collection() as collection:
            return collection.update_one({"lookup_key": key, **unchanged}, change).modified_count == 1

    def _page(self, which: Mapping[str, Any], size: int) -> list[Kept]:
        with self._collection() as collection:
            found = collection.find({"lookup_key": which}, limit=size, batch_size=size).sort("lookup_key", 1)
            return [Kept(row["lookup_key"], row.get("data"), row.get("last_modified")) for row in found]

    @contextmanager
    def _collection(self) -> Iterator[Collection[Row]]:
        with self.database.reaching() as database:
            yield database[self._name]

    def _make_indexes(self, collection: Collection[Row]) -> None:
        """Before the first write of a process. One that expires otherwise is left as it is, and said in the log."""
        if self._indexed_by == os.getpid():
            return
        collection.create_index("lookup_key", unique=True)
        there = collection.index_information().get(_EXPIRY)
        if there is not None and self._ttl is not None and there.get("expireAfterSeconds") != self._ttl:
            logger.warning("index_differs", collection=collection.full_name, remedy=self._remedy(collection))
        elif self._ttl is not None:
            collection.create_index("last_modified", expireAfterSeconds=self._ttl, name=_EXPIRY)
        self._indexed_by = os.getpid()

    def _remedy(self, collection: Collection[Row]) -> str:
        database, index = collection.database.name, f'{{name: "{_EXPIRY}", expireAfterSeconds: {self._ttl}}}'
        return f'db.getSiblingDB("{database}").runCommand({{collMod: "{collection.name}", index: {index}}})'


def with_database(uri: str, name: str) -> str:
    """The URI with a database where it names none, so that all who read it agree. Its user goes on to be looked up
    where `MongoClient` would have done so without it.
    """
    place, _, options = uri.partition("?")
    scheme, _, rest = place.partition("://")
    authority, _, named = rest.partition("/")
    if named:
        return uri
    given = {option.lower(): value for option, _, value in (each.partition("=") for each in options.split("&"))}
    if "@" in authority and "authsource" not in given:
        looked_up_in = _LOOKED_UP_IN.get(given.get("authmechanism", "").lower())
        options = "&".join(filter(None, [options, looked_up_in and f"authSource={looked_up_in}"]))
    return f"{scheme}://{authority}/{name}{'?' if options else ''}{options}"


def _encodable(key: Any) -> str:
    """What a client sends may be no text that MongoDB can hold: then it is not there. Raises KeyError."""
    try:
        key.encode()
    except (AttributeError, UnicodeEncodeError):
        raise KeyError(key) from None
    return str(key)
