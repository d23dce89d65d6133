"""A collection as a table of SQLite: its SQL, put together once, and what each operation does."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from . import (
    AlreadyExists,
    AlreadyRedeemed,
    Collection,
    Conflict,
    Delete,
    DeleteWhere,
    Document,
    Ensure,
    Expired,
    Increment,
    Insert,
    NotFound,
    Operation,
    Redeem,
    Replace,
    check_key,
    encode,
)
from .declarations import check_indexed
from .sqlite_readers import Row

Step = Callable[[sqlite3.Connection, float], int | None]
"""An operation, checked and encoded: what is left to do within the transaction, at a time."""

TABLE = """
CREATE TABLE IF NOT EXISTS <table> (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    valid_until REAL NOT NULL,
    keep_until REAL NOT NULL,
    redeemed_at REAL,
    schema INTEGER NOT NULL
)
"""
INDEX_KEEP = 'CREATE INDEX IF NOT EXISTS "i_<name>" ON <table> (keep_until)'
INDEX_FIELD = """CREATE INDEX IF NOT EXISTS "i_<name>.<field>" ON <table> (json_extract(value, '$.<field>'))"""

SELECT = "SELECT key, value, version, valid_until, keep_until, redeemed_at FROM <table>"
VALID = "redeemed_at IS NULL AND valid_until > :now"
GET = f"{SELECT} WHERE key = :key AND {VALID}"
GET_KEPT = f"{SELECT} WHERE key = :key AND keep_until > :now"
FIND = f"{SELECT} WHERE json_extract(value, '$.<field>') = :value AND {VALID} LIMIT :limit"
PAGE = f"{SELECT} WHERE key > :after AND {VALID} ORDER BY key LIMIT :limit"
PAGE_KEPT = f"{SELECT} WHERE key > :after AND keep_until > :now ORDER BY key LIMIT :limit"

_UPSERT = """
INSERT INTO <table> (key, value, version, valid_until, keep_until, redeemed_at, schema)
VALUES (:key, :value, :version, :valid_until, :keep_until, :redeemed_at, :schema)
ON CONFLICT (key) DO UPDATE SET
    value = excluded.value, version = excluded.version, valid_until = excluded.valid_until,
    keep_until = excluded.keep_until, redeemed_at = excluded.redeemed_at, schema = excluded.schema
"""
INSERT = f"{_UPSERT} WHERE keep_until <= :now"
PUT = f"{_UPSERT} WHERE :overwrite OR keep_until <= :now"
REPLACE = """
UPDATE <table> SET
    value = :value, version = version + 1, valid_until = :valid_until, keep_until = :keep_until, schema = :schema
WHERE key = :key AND version = :version AND redeemed_at IS NULL AND valid_until > :now
"""
REDEEM = """
UPDATE <table> SET redeemed_at = :now, keep_until = max(keep_until, :keep_until), version = version + 1
WHERE key = :key AND redeemed_at IS NULL AND valid_until > :now
"""
INCREMENT = """
INSERT INTO <table> (key, value, version, valid_until, keep_until, redeemed_at, schema)
VALUES (:key, json_object('count', :by), :version, :valid_until, :valid_until, NULL, :schema)
ON CONFLICT (key) DO UPDATE SET
    value = json_object('count', :by + CASE WHEN valid_until > :now THEN json_extract(value, '$.count') ELSE 0 END),
    version = version + 1,
    valid_until = CASE WHEN valid_until > :now THEN valid_until ELSE :valid_until END,
    keep_until = CASE WHEN valid_until > :now THEN keep_until ELSE :valid_until END
"""
COUNT = "SELECT json_extract(value, '$.count') FROM <table> WHERE key = :key"
DELETE = "DELETE FROM <table> WHERE key = :key"
DELETE_WHERE = "DELETE FROM <table> WHERE json_extract(value, '$.<field>') = :value"
SWEEP = "DELETE FROM <table> WHERE rowid IN (SELECT rowid FROM <table> WHERE keep_until <= :now LIMIT :limit)"


class Table:
    """One collection. Reads are SQL for the store to run; `plan` turns an operation into the step of a transaction."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.name = f"c_{collection.name}"
        self.get = self._sql(GET)
        self.get_kept = self._sql(GET_KEPT)
        self.page = self._sql(PAGE)
        self.page_kept = self._sql(PAGE_KEPT)
        self.sweep = self._sql(SWEEP)
        self._find = {field: self._sql(FIND, field) for field in collection.indexes}
        self._delete_where = {field: self._sql(DELETE_WHERE, field) for field in collection.indexes}
        self._insert_sql = self._sql(INSERT)
        self._put_sql = self._sql(PUT)
        self._replace_sql = self._sql(REPLACE)
        self._redeem_sql = self._sql(REDEEM)
        self._delete_sql = self._sql(DELETE)
        self._increment_sql = self._sql(INCREMENT)
        self._count_sql = self._sql(COUNT)

    def _sql(self, template: str, field: str = "") -> str:
        """The names may stand in SQL as they are: Collection takes only a-z, 0-9 and _."""
        name = self.collection.name
        return template.replace("<table>", f'"c_{name}"').replace("<name>", name).replace("<field>", field)

    def layout(self) -> Iterator[str]:
        """What makes the table and its indexes. An index declared later covers what was there before."""
        yield self._sql(TABLE)
        yield self._sql(INDEX_KEEP)
        for field in self.collection.indexes:
            yield self._sql(INDEX_FIELD, field)

    def indexes(self) -> list[str]:
        """The names of those that `layout` makes."""
        name = self.collection.name
        return [f"i_{name}", *(f"i_{name}.{field}" for field in self.collection.indexes)]

    def find(self, field: str) -> str:
        """Raises ValueError for a field that was not declared."""
        check_indexed(self.collection, field)
        return self._find[field]

    def delete_where(self, field: str) -> str:
        """Raises ValueError for a field that was not declared."""
        check_indexed(self.collection, field)
        return self._delete_where[field]

    def plan(self, operation: Operation) -> Step:
        """Check and encode, before any lock is taken. Raises BadDocument."""
        match operation:
            case Insert():
                return partial(self._insert, self._row(operation))
            case Ensure():
                return partial(self._ensure, self._row(operation))
            case Replace():
                return partial(self._replace, operation.document, self._times(operation) | self._content(operation))
            case Redeem():
                return partial(self._redeem, operation.key, operation.keep_until)
            case Delete():
                return partial(self._delete, operation.key)
            case DeleteWhere():
                return partial(self._remove_where, self.delete_where(operation.field), operation.value)
            case Increment():
                return partial(self._increment, self._counter(operation))

    def put(
        self, documents: Sequence[Document], *, overwrite: bool
    ) -> Callable[[sqlite3.Connection, float], list[Row]]:
        """What `Store.put` does, checked and encoded. It answers the rows that are in the way. Raises BadDocument."""
        rows = [
            self._row(document) | {"redeemed_at": document.redeemed_at, "overwrite": overwrite}
            for document in documents
        ]

        def step(connection: sqlite3.Connection, now: float) -> list[Row]:
            taken = [row for row in rows if not connection.execute(self._put_sql, row | {"now": now}).rowcount]
            return [connection.execute(self.get_kept, {"key": row["key"], "now": now}).fetchone() for row in taken]

        return step

    def _row(self, operation: Insert | Ensure | Document) -> dict[str, Any]:
        key = {"key": check_key(operation.key), "version": _first_version(), "redeemed_at": None}
        return key | self._times(operation) | self._content(operation)

    def _times(self, operation: Insert | Ensure | Replace | Document) -> dict[str, float]:
        """What is valid is kept."""
        return {
            "valid_until": operation.valid_until,
            "keep_until": max(operation.valid_until, operation.keep_until),
        }

    def _content(self, operation: Insert | Ensure | Replace | Document) -> dict[str, Any]:
        return {"value": encode(operation.value), "schema": self.collection.schema}

    def _counter(self, operation: Increment) -> dict[str, Any]:
        return {
            "key": check_key(operation.key),
            "by": operation.by,
            "version": _first_version(),
            "valid_until": operation.valid_until,
            "schema": self.collection.schema,
        }

    def _insert(self, row: dict[str, Any], connection: sqlite3.Connection, now: float) -> None:
        if not connection.execute(self._insert_sql, row | {"now": now}).rowcount:
            raise AlreadyExists(self.collection, row["key"])

    def _ensure(self, row: dict[str, Any], connection: sqlite3.Connection, now: float) -> None:
        connection.execute(self._insert_sql, row | {"now": now})

    def _replace(self, document: Document, row: dict[str, Any], connection: sqlite3.Connection, now: float) -> None:
        read = {"key": document.key, "version": document.version, "now": now}
        if not connection.execute(self._replace_sql, row | read).rowcount:
            raise Conflict(self.collection, document.key)

    def _redeem(self, key: str, keep_until: float, connection: sqlite3.Connection, now: float) -> None:
        try:
            spent = connection.execute(self._redeem_sql, {"key": key, "keep_until": keep_until, "now": now}).rowcount
        except UnicodeEncodeError:
            raise NotFound(self.collection, key) from None
        if not spent:
            raise self._why_not(key, connection, now)

    def _why_not(self, key: str, connection: sqlite3.Connection, now: float) -> NotFound | AlreadyRedeemed | Expired:
        row = connection.execute(self.get_kept, {"key": key, "now": now}).fetchone()
        if row is None:
            return NotFound(self.collection, key)
        document = document_of(row)
        reason = Expired if document.redeemed_at is None else AlreadyRedeemed
        return reason(self.collection, key, document)

    def _delete(self, key: str, connection: sqlite3.Connection, now: float) -> None:
        with suppress(UnicodeEncodeError):
            connection.execute(self._delete_sql, {"key": key})

    def _remove_where(self, statement: str, value: str, connection: sqlite3.Connection, now: float) -> int:
        try:
            return connection.execute(statement, {"value": value}).rowcount
        except UnicodeEncodeError:
            return 0

    def _increment(self, row: dict[str, Any], connection: sqlite3.Connection, now: float) -> int:
        connection.execute(self._increment_sql, row | {"now": now})
        count: int = connection.execute(self._count_sql, {"key": row["key"]}).fetchone()[0]
        return count


def document_of(row: Row) -> Document:
    key, value, version, valid_until, keep_until, redeemed_at = row
    return Document(key, json.loads(value), version, valid_until, keep_until, redeemed_at)


def _first_version() -> int:
    """Not the number of a document that had this key before: a late `replace` of that one must fail. No secret."""
    return random.getrandbits(52)
