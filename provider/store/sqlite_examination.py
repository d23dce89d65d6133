"""What a database holds, and whether it is sound."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from . import Collection, StoreRefused
from .embedded import Contents, Examination
from .sqlite_connection import Deadline, connect, unusable
from .sqlite_copy import PATIENCE
from .sqlite_file import identity_of
from .sqlite_layout import collection_of, layout_of, number, tables_of

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
            examination.problems += _newer(examination.contents, collections)
    except StoreRefused as refusal:
        examination.problems.append(str(refusal))
    except sqlite3.Error as error:
        examination.problems.append(str(unusable(path, error)))
    return examination


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


def _newer(contents: Sequence[Contents], collections: Iterable[Collection]) -> Iterator[str]:
    """Documents of a shape that this version does not know."""
    known = {collection.name: collection.schema for collection in collections}
    for found in contents:
        schema = known.get(found.collection, found.schema)
        if found.schema is not None and schema is not None and found.schema > schema:
            yield (
                f"{found.collection} has documents of schema {found.schema} ({found.documents} of them), made by a "
                f"newer version; this one knows schema {schema}: install the newer version, or restore a backup"
            )
