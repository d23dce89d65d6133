"""Connections to the file of a SQLite store: how one is made, what the database must be, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from . import StoreError, StoreRefused, StoreUnavailable

APPLICATION_ID: Final = 0x43726561
"""Marks a database as ours, in its header."""

LAYOUT_VERSION: Final = 1
"""How the tables are made. A version that changes them brings the steps from the one before."""

_CAUSES: Final = {
    "SQLITE_BUSY": "is locked by another process",
    "SQLITE_LOCKED": "is locked",
    "SQLITE_FULL": "cannot grow: the disk is full",
    "SQLITE_READONLY": "may not be written by this user",
    "SQLITE_PERM": "may not be used by this user",
    "SQLITE_AUTH": "may not be used by this user",
    "SQLITE_CANTOPEN": "cannot be opened",
    "SQLITE_IOERR": "cannot be read or written",
    "SQLITE_CORRUPT": "is damaged",
    "SQLITE_NOTADB": "is not a database of SQLite, or is damaged",
}


class Deadline:
    """A moment that the steps of one call share."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds that remain; never below zero."""
        return max(0.0, self._end - time.monotonic())


class Connection(sqlite3.Connection):
    """A connection that knows how long it waits for the locks of others."""

    _patience: int = -1

    def wait_at_most(self, seconds: float) -> None:
        """Wait no longer for a lock, in steps of 50 ms: a call that has all its time left sets nothing anew."""
        patience = max(10, int(seconds * 20) * 50)
        if patience != self._patience:
            self.execute(f"PRAGMA busy_timeout = {patience}")
            self._patience = patience


def connect(path: Path, deadline: Deadline) -> Connection:
    """A connection for any one thread at a time. It never makes a file: a database that is gone stays gone."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        factory=Connection,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        connection.wait_at_most(deadline.left())
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def lay_out(connection: Connection, path: Path, statements: Iterable[str], deadline: Deadline) -> None:
    """Make the tables and indexes that are missing. Many processes may do so together.

    Nothing is written to a file that is not ours, or not of our time.
    """
    connection.wait_at_most(deadline.left())
    connection.execute("BEGIN IMMEDIATE")
    try:
        _judge(connection, path)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
    _use_write_ahead_log(connection, path, deadline)


def _judge(connection: Connection, path: Path) -> None:
    """Whose database is it, and which layout has it?"""
    application = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    if application == 0 and version == 0 and _number(connection, "SELECT count(*) FROM sqlite_master") == 0:
        return
    if application != APPLICATION_ID:
        raise StoreRefused(f"{path} is the database of another program: name another file")
    if version > LAYOUT_VERSION:
        raise StoreRefused(
            f"{path} has layout {version}, made by a newer version; this one knows layout {LAYOUT_VERSION}: "
            "install the newer version, or restore a backup"
        )


def _number(connection: Connection, query: str) -> Any:
    return connection.execute(query).fetchone()[0]


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


def roll_back(connection: Connection) -> None:
    """End a transaction that failed. Some errors have ended it already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def is_busy(error: sqlite3.Error) -> bool:
    """True where somebody else's lock was in the way, and the connection is as good as before."""
    return _name(error).startswith("SQLITE_BUSY")


def unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    """What an error of SQLite means to the operator: a cause and the path, no data."""
    return StoreUnavailable(f"the database {path} {_cause(error)} ({_name(error)})")


def unusable(path: Path, error: sqlite3.Error) -> StoreError:
    """The same while opening, where damage is found that waiting does not mend."""
    if _name(error).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StoreRefused(
            f"{path} {_cause(error)}: restore a backup, or move the file away (with those that end in -wal and -shm) "
            "to begin anew"
        )
    return unavailable(path, error)


def _cause(error: sqlite3.Error) -> str:
    return next((cause for prefix, cause in _CAUSES.items() if _name(error).startswith(prefix)), "cannot be used")


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
