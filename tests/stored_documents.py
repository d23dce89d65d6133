"""What a provider that runs has in its store, as somebody sees it who takes no part."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import redis
from pymongo import MongoClient


def stored_documents(configuration: Path) -> set[tuple[str, str, int]]:
    """Collection, key and version of each document in the store that a configuration file names."""
    uri = tomllib.loads(configuration.read_text("utf-8"))["store"]["uri"]
    if uri.startswith("mongodb"):
        return _documents_at(uri)
    if uri.startswith("redis"):
        return _documents_on(uri)
    return _documents_in(configuration.parent / uri.removeprefix("sqlite:"))


def _documents_at(uri: str) -> set[tuple[str, str, int]]:
    with MongoClient[dict[str, Any]](uri) as client:
        rows = client.get_default_database()["creance_documents"].find({}, {"version": 1})
        return {(*row["_id"].split("/", 1), row["version"]) for row in rows}


def _documents_on(uri: str) -> set[tuple[str, str, int]]:
    with closing(redis.Redis.from_url(uri)) as connection:
        names = [name.split(b":", 3) for name in connection.scan_iter("creance:document:*", count=1000)]
        texts = connection.mget(b":".join(name) for name in names)
        return {
            (collection.decode(), key.decode(), int(text.partition(b"\n")[0]))
            for (_, _, collection, key), text in zip(names, texts, strict=True)
            if text is not None  # it has gone meanwhile
        }


def _documents_in(file: Path) -> set[tuple[str, str, int]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'c_%'")
        return {
            (table.removeprefix("c_"), *row)
            for (table,) in tables.fetchall()
            for row in connection.execute(f'SELECT key, version FROM "{table}"')
        }
