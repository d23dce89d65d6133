"""The documents of a collection as MongoDB has them: their shape, and what reads ask for."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo.collection import Collection as MongoCollection

from . import FOREVER, Collection, Document, check_key, encode
from .declarations import check_indexed
from .mongodb_connection import Row

_FIELD: Final = re.compile("[a-z][a-z0-9_]*")
"""What a collection may declare an index on."""

_MOST_COLLECTIONS: Final = 10
"""What one sweep looks at is so many times what it may remove of a collection."""

_READ: Final = dict.fromkeys(["value", "count", "version", "valid_until", "keep_until", "redeemed_at"], 1)


class Documents:
    """The documents of one collection. All collections are one for MongoDB, which inserts into one at a time: what a
    request writes into several is one command. So `_id` is the collection and the key; a hashed shard key on it spreads
    them evenly.

        {_id: "access_tokens/6b04ad96-n4bQ…", value: "{…}", fields: {grant_id: "access_tokens/…", …}, version: 123,
         valid_until: 1800000000.5, keep_until: …, redeemed_at: null, expires_at: ISODate(…), schema: 1}

    The value is JSON in a text, so that it comes back exactly as it was: BSON has no integers beyond 64 bits, and the
    names of its fields are not free. A counter's `{"count": n}` is the field `count` instead, which can be added to.
    The texts of the value are also in `fields`, where an index finds them that only a later version declares.
    """

    def __init__(self, collection: Collection, held: MongoCollection[Row]) -> None:
        self.collection = collection
        self.held = held

    def get(self, key: str, now: float) -> Document | None:
        row = self.held.find_one({"_id": self.id_of(key), **valid(now)}, _READ) if is_text(key) else None
        return document_of(row) if row else None

    def get_kept(self, key: str, now: float) -> Document | None:
        kept = {"_id": self.id_of(key), "keep_until": {"$gt": now}}
        row = self.held.find_one(kept, _READ) if is_text(key) else None
        return document_of(row) if row else None

    def find(self, field: str, value: str, now: float, limit: int) -> list[Document]:
        """Raises ValueError for a field that was not declared."""
        query = {**self.where(field, value), **valid(now)}
        if not is_text(value):
            return []
        return [document_of(row) for row in self.held.find(query, _READ, limit=limit, batch_size=limit)]

    def page(self, after: str | None, now: float, limit: int) -> list[Document]:
        return self._page(after, valid(now), limit)

    def page_kept(self, after: str | None, now: float, limit: int) -> list[Document]:
        return self._page(after, {"keep_until": {"$gt": now}}, limit)

    def _page(self, after: str | None, which: Row, limit: int) -> list[Document]:
        if not is_text(after or ""):
            return []
        beyond = self.collection.name + chr(ord("/") + 1)
        query = {"_id": {"$gt": self.id_of(after or ""), "$lt": beyond}, **which}
        rows = self.held.find(query, _READ, limit=limit, batch_size=limit).sort("_id", 1)
        return [document_of(row) for row in rows]

    def id_of(self, key: str) -> str:
        return f"{self.collection.name}/{key}"

    def where(self, field: str, *values: str) -> Row:
        """Asks for those with one of these values. Raises ValueError for a field that was not declared."""
        check_indexed(self.collection, field)
        return {f"fields.{field}": {"$in": [self.id_of(value) for value in values if is_text(value)]}}

    def row(self, key: str, value: Mapping[str, Any], valid_until: float, keep_until: float) -> Row:
        """A whole document, with a version that no other has; what is valid is kept. Raises BadDocument."""
        keep_until = float(max(valid_until, keep_until))
        return {
            "_id": self.id_of(check_key(key)),
            **self._content(value),
            "version": new_version(),
            "valid_until": float(valid_until),
            "keep_until": keep_until,
            "redeemed_at": None,
            "expires_at": date_of(keep_until),
            "schema": self.collection.schema,
        }

    def _content(self, value: Mapping[str, Any]) -> Row:
        text = encode(value)
        count = value.get("count")
        if len(value) == 1 and type(count) is int and -(2**63) <= count < 2**63:
            return {"count": count}
        texts = {name: item for name, item in value.items() if isinstance(item, str) and _FIELD.fullmatch(name)}
        return {"value": text, "fields": {name: self.id_of(item) for name, item in texts.items()}}


def expired(held: MongoCollection[Row], now: float, limit: int) -> list[list[str]]:
    """The `_id` of documents that are no longer kept: at most so many of each collection, apart by collection."""
    found: dict[str, list[str]] = {}
    most = _MOST_COLLECTIONS * limit
    for row in held.find(_over(now), {"_id": 1}, limit=most, batch_size=most):
        found.setdefault(row["_id"].partition("/")[0], []).append(row["_id"])
    return [ids[:limit] for ids in found.values()]


def remove_expired(held: MongoCollection[Row], ids: Sequence[str], now: float) -> int:
    """Remove those, unless they were made anew; answers how many."""
    return held.delete_many({"_id": {"$in": list(ids)}, **_over(now)}).deleted_count


def _over(now: float) -> Row:
    return {"expires_at": {"$lte": datetime.fromtimestamp(now, UTC)}}


def valid(now: float) -> Row:
    """Asks for what is valid now."""
    return {"redeemed_at": None, "valid_until": {"$gt": now}}


def date_of(moment: float) -> datetime:
    """A moment for the server's sweeper: a date has milliseconds, and may not come before what it stands for."""
    rounded_up = math.ceil(min(max(moment, 0.0), FOREVER) * 1000)
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=rounded_up)


def new_version() -> int:
    """Marks one write: who finds it in a document knows that this write was done. It is never used twice."""
    return secrets.randbits(62)


def is_text(text: str) -> bool:
    """False for what no document can have: a lone surrogate."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def document_of(row: Row) -> Document:
    """What the contract calls a document."""
    return Document(
        key=row["_id"].partition("/")[2],
        value={"count": int(row["count"])} if "count" in row else json.loads(row["value"]),
        version=int(row["version"]),
        valid_until=row["valid_until"],
        keep_until=row["keep_until"],
        redeemed_at=row["redeemed_at"],
    )
