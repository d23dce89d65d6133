"""The layout of a database: whose it is, how its tables are made, and how it gets from one version to the next."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from . import StoreRefused
from .layout_refusals import newer_layout
from .sqlite_connection import Connection, Deadline, is_busy, roll_back
from .sqlite_copy import copy_database
from .sqlite_file import free_name

APPLICATION_ID: Final = 0x43726561
"""Marks a database as ours, in its header."""

LAYOUT_VERSION: Final = 1
"""How the tables are made. A version that changes them brings the step from the one before."""

MIGRATIONS: Final[Mapping[int, Callable[[Connection], None]]] = {}
"""By the layout that a step starts from: what makes the next one of it, in the transaction of the opening. What every
opening makes where it is missing, tables and indexes, need not be made by a step."""


def lay_out(connection: Connection, path: Path, statements: Iterable[str], deadline: Deadline) -> Path | None:
    """Make the tables and indexes that are missing, and bring an older layout to ours: all of it, or nothing.

    Many processes may do so together: the first one does it, the others wait. Nothing is written to a file that is not
    ours, or newer. Answers the copy that was made of an older one, which stays beside it.
    """
    connection.wait_at_most(deadline.left())
    connection.execute("BEGIN IMMEDIATE")
    copy = None
    try:
        layout = layout_of(connection, path)
        if 0 < layout < LAYOUT_VERSION:
            copy = free_name(path, f".before-layout-{LAYOUT_VERSION}")
            copy_database(path, copy)
            _migrate(connection, layout)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        if copy is not None:
            copy.unlink(missing_ok=True)  # nothing was changed, and the next attempt makes another
        raise
    _use_write_ahead_log(connection, path, deadline)
    return copy


def layout_of(connection: sqlite3.Connection, path: Path) -> int:
    """The layout of a database that is ours; 0 where it is empty. Raises StoreRefused for any other, or a newer one."""
    application = number(connection, "PRAGMA application_id")
    layout = number(connection, "PRAGMA user_version")
    if application == 0 and layout == 0 and number(connection, "SELECT count(*) FROM sqlite_master") == 0:
        return 0
    if application != APPLICATION_ID:
        raise StoreRefused(f"{path} is the database of another program: name another file")
    if layout > LAYOUT_VERSION:
        raise newer_layout(path, layout, LAYOUT_VERSION)
    return int(layout)


def refuse_what_needs_change(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreRefused for a database that an opening would lay out or migrate."""
    layout = layout_of(connection, path)
    if layout != LAYOUT_VERSION:
        raise StoreRefused(f"{path} has layout {layout}: the next start makes it layout {LAYOUT_VERSION}")


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """The tables of collections, declared or not."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'c_*' ORDER BY name")
    return [name for (name,) in names]


def collection_of(table: str) -> str:
    """The name of the collection that a table holds."""
    return table.removeprefix("c_")


def number(connection: sqlite3.Connection, query: str) -> Any:
    """The one value that a query answers."""
    return connection.execute(query).fetchone()[0]


def _migrate(connection: Connection, layout: int) -> None:
    for version in range(layout, LAYOUT_VERSION):
        MIGRATIONS[version](connection)


def _use_write_ahead_log(connection: Connection, path: Path, deadline: Deadline) -> None:
    """Where two connections switch at the same time, SQLite answers one of them "busy" without any wait."""
    while True:
        connection.wait_at_most(deadline.left())
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if not is_busy(error) or not deadline.left():
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise StoreRefused(f"{path} is on a file system without shared memory, which SQLite needs: use a local disk")
