"""What a database holds, and whether it is sound."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from . import Collection, StoreRefused
from .examination import Contents, Examination, newer_documents
from .sqlite_connection import Deadline, connect, unusable
from .sqlite_copy import PATIENCE
from .sqlite_file import identity_of
from .sqlite_layout import collection_of, layout_of, number, tables_of
from .sqlite_table import Table

MOST_DAMAGES: Final = 10
"""Of a damaged file every page may be one."""

FACTS: Final = {
    "pages": "PRAGMA page_count",
    "free pages": "PRAGMA freelist_count",
    "journal mode": "PRAGMA journal_mode",
    "layout": "PRAGMA user_version",
}
COUNT = """
SELECT schema, count(*), sum(keep_until > :now AND (redeemed_at IS NOT NULL OR valid_until <= :now)),
       sum(keep_until <= :now)
FROM "<table>" GROUP BY schema ORDER BY schema
"""


def examine_database(path: Path, collections: Iterable[Collection], now: float) -> Examination:
    """Read all of it as it is at one moment. `now` says what has expired. Raises StoreUnavailable where there is no
    file.
    """
    identity_of(path)
    examination = Examination({"file size": path.stat().st_size})
    try:
        with closing(connect(path, Deadline(PATIENCE))) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            examination.facts |= {fact: number(connection, query) for fact, query in FACTS.items()}
            layout_of(connection, path)
            examination.problems += _damages(connection, path)
            examination.facts["integrity"] = "damaged" if examination.problems else "ok"
            examination.contents += _contents(connection, now)
            examination.problems += newer_documents(examination.contents, collections)
    except StoreRefused as refusal:
        examination.problems.append(str(refusal))
    except sqlite3.Error as error:
        examination.problems.append(str(unusable(path, error)))
    return examination


def missing_parts(path: Path, tables: Sequence[Table]) -> list[str]:
    """What an opening would make."""
    if not path.exists():
        return [f"the file {path}"]
    try:
        with closing(connect(path, Deadline(PATIENCE))) as connection:
            connection.execute("PRAGMA query_only = ON")
            layout_of(connection, path)
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    wanted = [*(("the table", table.name) for table in tables)]
    wanted += [("the index", index) for table in tables for index in table.indexes()]
    return [f"{kind} {name}" for kind, name in wanted if name not in there]


def _damages(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    """Every page, and every index held against its table."""
    for (said,) in connection.execute(f"PRAGMA integrity_check({MOST_DAMAGES})"):
        if said != "ok":
            yield f"the database {path} is damaged: {' '.join(said.split())}"


def _contents(connection: sqlite3.Connection, now: float) -> Iterator[Contents]:
    for table in tables_of(connection):
        rows = connection.execute(COUNT.replace("<table>", table), {"now": now}).fetchall()
        for schema, documents, kept, unswept in rows or [(None, 0, 0, 0)]:
            yield Contents(collection_of(table), schema, documents, kept, unswept)
