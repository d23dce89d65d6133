"""What a store tells of itself to who stands beside it: its size, and how much in it has ended."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pymongo import MongoClient

_DOCUMENTS = "creance_documents"


class Stored(Protocol):
    """A database as it is seen from outside."""

    def bytes(self) -> int:
        """Its documents and indexes."""

    def ended(self, collection: str) -> int:
        """How many documents of a collection wait for the sweep."""

    def drop(self) -> None:
        """Remove it."""


class SQLiteFile:
    """The file of an embedded store. What is in its log counts as if it were written back."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def bytes(self) -> int:
        return self._number("PRAGMA page_count") * self._number("PRAGMA page_size")

    def ended(self, collection: str) -> int:
        return self._number(f"SELECT count(*) FROM c_{collection} WHERE keep_until <= {time.time()!r}")

    def drop(self) -> None:
        """It goes with its folder."""

    def _number(self, query: str) -> int:
        with closing(sqlite3.connect(self._path, timeout=30)) as connection:
            number: int = connection.execute(query).fetchone()[0]
        return number


class MongoDBDatabase:
    """A database of a MongoDB server."""

    def __init__(self, uri: str) -> None:
        self._client = MongoClient[dict[str, Any]](uri)
        self._database = self._client.get_default_database()

    def bytes(self) -> int:
        """As on the disk, where the server says so: compressed, and with all indexes."""
        said = self._database.command("dbStats")
        return int(said.get("storageSize", 0) + said.get("indexSize", 0))

    def ended(self, collection: str) -> int:
        over = {"expires_at": {"$lte": datetime.now(UTC)}, "_id": {"$gt": f"{collection}/", "$lt": f"{collection}0"}}
        return self._database[_DOCUMENTS].count_documents(over)

    def drop(self) -> None:
        self._client.drop_database(self._database.name)
        self._client.close()
