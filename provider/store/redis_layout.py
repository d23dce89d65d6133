"""What is in a Redis beside the documents: the mark of the layout, and which indexed fields lead to all documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from . import Collection
from .layout_refusals import newer_layout
from .redis_connection import BEGINNING, Connected

LAYOUT_VERSION: Final = 1
"""Of how `redis.lua` keeps documents. A version that changes it brings the steps from the one before."""


def layout_of(connected: Connected) -> int:
    """The layout of the documents, 0 where there is none yet. Raises StoreRefused for a newer one."""
    version = int(connected.ask("GET", BEGINNING + b"layout") or 0)
    if version > LAYOUT_VERSION:
        raise newer_layout(f"the {connected.name}", version, LAYOUT_VERSION)
    return version


def mark_layout(connected: Connected) -> None:
    """Of which time are these documents? Raises StoreRefused for those of a newer version."""
    if not layout_of(connected):
        connected.ask("SETNX", BEGINNING + b"layout", str(LAYOUT_VERSION))
        layout_of(connected)


def make_indexes(connected: Connected, collection: Collection, now: bytes) -> None:
    """Also of older documents, where a field was not indexed before: any number of workers may be at it."""
    name = collection.name.encode()
    fields = [field.encode() for field in collection.indexes]
    if not connected.call("declare", now, name, *fields):
        return
    last: bytes | None = b""
    while last is not None:
        last = connected.call("index", now, name, last)
    connected.call("complete", now, name, *fields)


def missing_parts(connected: Connected, collections: Iterable[Collection]) -> Iterator[str]:
    """What an opening would make. Raises StoreRefused for what is there and must not be used."""
    if not layout_of(connected):
        yield "the layout's mark"
    for collection in collections:
        complete = connected.ask("SMEMBERS", BEGINNING + f"complete:{collection.name}".encode())
        for field in collection.indexes:
            if field.encode() not in complete:
                yield f"the index {field} of {collection.name}"


def collection_names(connected: Connected) -> set[str]:
    """Of all that documents were ever kept of."""
    return {name.decode() for name in connected.ask("SMEMBERS", BEGINNING + b"collections")}
