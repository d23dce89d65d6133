"""The Redis store: for any number of workers, on any number of machines, that share one Redis.

Redis does one thing at a time, and a script (`redis.lua`) is one thing: that is its transaction. Whether what it has
acknowledged outlives it is a matter of its settings (`redis_durability`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from . import Collection, DeleteWhere, Document, Operation, StoreUnavailable
from .declarations import check_indexed, not_opened_with
from .examination import ExaminableStore, Examination
from .layout_refusals import not_laid_out
from .redis_connection import BEGINNING, SCHEMES, Address, Connected
from .redis_documents import arguments_of, arguments_of_moved, document_of, documents_of, refusal_of, text_of, time_of
from .redis_durability import accept_durability, facts_of
from .redis_examination import examine_database
from .redis_layout import layout_of, make_indexes, mark_layout, missing_parts


class RedisStore(ExaminableStore):
    """Everything is in the server's memory. What has ended leaves it by `sweep`, and never by itself."""

    schemes = SCHEMES

    def __init__(self, address: Address) -> None:
        self.timeout = address.timeout
        self.clock: Callable[[], float] = time.time
        self.collections: dict[str, Collection] = {}
        self._address = address
        self._connected: Connected | None = None
        self._version = ""
        self._write_failed = False

    @classmethod
    def from_uri(cls, uri: str, *, folder: Path, timeout: float) -> RedisStore:
        """Any URI that `redis` takes, and `insecure_may_lose_writes=true`."""
        return cls(Address(uri, timeout))

    def open(self, collections: Iterable[Collection]) -> None:
        self._open(collections, self._lay_out)

    def open_to_read(self, collections: Iterable[Collection]) -> None:
        self._open(collections, self._look_at_layout)

    def _open(self, collections: Iterable[Collection], prepare: Callable[[Connected, list[Collection]], None]) -> None:
        declared = list(collections)
        connected = self._connected or Connected(self._address)
        try:
            prepare(connected, declared)
        except BaseException:
            self.close()
            connected.close()
            raise
        self._connected = connected
        self.collections = {collection.name: collection for collection in declared}

    def _lay_out(self, connected: Connected, collections: list[Collection]) -> None:
        facts = facts_of(connected)
        accept_durability(connected, facts)
        self._version = facts.get("redis_version", "")
        mark_layout(connected)
        for collection in collections:
            make_indexes(connected, collection, self._now())

    def _look_at_layout(self, connected: Connected, collections: list[Collection]) -> None:
        """Raises StoreRefused where nothing is laid out. A key is found without the other indexes."""
        self._version = facts_of(connected).get("redis_version", "")
        if not layout_of(connected):
            raise not_laid_out(f"the {connected.name}")

    def missing(self, collections: Iterable[Collection]) -> list[str]:
        with closing(Connected(self._address)) as connected:
            return list(missing_parts(connected, collections))

    def examine(self, collections: Iterable[Collection]) -> Examination:
        with closing(Connected(self._address)) as connected:
            return examine_database(connected, list(collections), self._now())

    def close(self) -> None:
        connected, self._connected = self._connected, None
        if connected is not None:
            connected.close()

    def describe(self) -> str:
        return f"{self._address.name}{self._version and f', version {self._version}'}"

    def get(self, collection: Collection, key: str) -> Document | None:
        now = self.clock()
        document = self._get(collection, key)
        if document is None or document.redeemed_at is not None or document.valid_until <= now:
            return None
        return document if document.keep_until > now else None

    def get_kept(self, collection: Collection, key: str) -> Document | None:
        document = self._get(collection, key)
        return document if document is not None and document.keep_until > self.clock() else None

    def _get(self, collection: Collection, key: str) -> Document | None:
        self._check_declared(collection)
        text = self._reached().ask("GET", BEGINNING + f"document:{collection.name}:".encode() + text_of(key))
        return document_of(key, text) if text is not None else None

    def find(self, collection: Collection, field: str, value: str, limit: int = 1000) -> list[Document]:
        self._check_declared(collection)
        check_indexed(collection, field)
        limited = str(limit).encode()
        return documents_of(self._call("find", collection, field.encode(), text_of(value), limited))

    def page(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        return self._page(collection, after, limit, b"valid")

    def page_kept(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        return self._page(collection, after, limit, b"kept")

    def _page(self, collection: Collection, after: str | None, limit: int, which: bytes) -> list[Document]:
        self._check_declared(collection)
        return documents_of(self._call("page", collection, text_of(after or ""), str(limit).encode(), which))

    def put(self, collection: Collection, documents: Sequence[Document], *, overwrite: bool = False) -> list[Document]:
        self._check_declared(collection)
        moved = list(arguments_of_moved(collection, documents))
        how = b"overwrite" if overwrite else b""
        return documents_of(self._call("put", collection, str(collection.schema).encode(), how, *moved))

    def write(self, operations: Sequence[Operation]) -> list[int | None]:
        for operation in operations:
            self._check_declared(operation.collection)
            if isinstance(operation, DeleteWhere):
                check_indexed(operation.collection, operation.field)
        arguments = [argument for operation in operations for argument in arguments_of(operation)]
        if not operations:
            return []
        try:
            outcome, *answer = self._reached().call("write", self._now(), *arguments)
        except StoreUnavailable:
            self._write_failed = True
            raise
        self._write_failed = False
        if outcome != b"done":
            raise refusal_of([outcome, *answer], operations)
        counts: list[int | None] = answer[0]
        return counts

    def check_writable(self) -> None:
        """A server may go on to answer reads while it takes no more writes: with its memory or its disk full."""
        if self._write_failed:
            self.claim("writable", "anybody", self.clock())
            self._write_failed = False

    def claim(self, name: str, holder: str, until: float) -> bool:
        claimed = self._reached().call("claim", self._now(), name.encode(), holder.encode(), time_of(until))
        return bool(claimed)

    def sweep(self, limit: int = 1000) -> int:
        """One collection after the other, so that others are answered in between."""
        return sum(self._call("sweep", collection, str(limit).encode()) for collection in self.collections.values())

    def _call(self, name: str, collection: Collection, *arguments: bytes) -> Any:
        return self._reached().call(name, self._now(), collection.name.encode(), *arguments)

    def _now(self) -> bytes:
        return time_of(self.clock())

    def _reached(self) -> Connected:
        if self._connected is None:
            raise StoreUnavailable(f"the {self._address.name} is not open")
        return self._connected

    def _check_declared(self, collection: Collection) -> None:
        if collection.name not in self.collections:
            raise not_opened_with(collection)
