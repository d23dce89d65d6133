"""Connections to the file of a SQLite store: how one is made, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

from . import StoreError, StoreRefused, StoreUnavailable

_CAUSES: Final = {
    "SQLITE_BUSY": "is locked by another process",
    "SQLITE_LOCKED": "is locked",
    "SQLITE_FULL": "cannot grow: the disk is full",
    "SQLITE_READONLY_DIRECTORY": "lies in a folder that this user may not write",
    "SQLITE_READONLY": "may not be written by this user, or its disk is read-only",
    "SQLITE_PERM": "may not be used by this user",
    "SQLITE_AUTH": "may not be used by this user",
    "SQLITE_CANTOPEN": "cannot be opened: this user must be able to write it and its folder",
    "SQLITE_IOERR_SHMSIZE": "cannot begin: the disk is full",
    "SQLITE_IOERR": "cannot be read or written",
    "SQLITE_CORRUPT": "is damaged",
    "SQLITE_NOTADB": "is not a database of SQLite, or is damaged",
}
"""By the beginning of SQLite's own name of an error; the first that fits."""

CACHE: Final = 16_000
"""KiB of pages that a connection keeps. Each write goes through the upper levels of several indexes; of a million
documents these are more than SQLite's own 2,000 KiB, and would be read again each time.
"""

_WAY_OUT: Final = "`creance store check` says how much, `creance store restore` puts a backup in its place"


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
        connection.execute(f"PRAGMA cache_size = -{CACHE}")
    except BaseException:
        connection.close()
        raise
    return connection


def roll_back(connection: Connection) -> None:
    """End a transaction that failed. Some errors have ended it already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def is_busy(error: sqlite3.Error) -> bool:
    """True where somebody else's lock was in the way, and the connection is as good as before."""
    return _name(error).startswith("SQLITE_BUSY")


def unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    """What an error of SQLite means to the operator: a cause, the path and the way out, no data."""
    way_out = f": {_WAY_OUT}" if _is_damage(error) else ""
    return StoreUnavailable(f"the database {path} {cause_of(error)}{way_out}")


def unusable(path: Path, error: sqlite3.Error) -> StoreError:
    """The same while opening, where damage is found that waiting does not mend."""
    if _is_damage(error):
        return StoreRefused(
            f"the database {path} {cause_of(error)}: {_WAY_OUT}; or move the file away (with those that end in -wal "
            "and -shm) to begin anew"
        )
    return unavailable(path, error)


def cause_of(error: sqlite3.Error) -> str:
    """What an error of SQLite says of the database: "is damaged (SQLITE_CORRUPT)"."""
    cause = next((cause for prefix, cause in _CAUSES.items() if _name(error).startswith(prefix)), "cannot be used")
    return f"{cause} ({_name(error)})"


def _is_damage(error: sqlite3.Error) -> bool:
    return _name(error).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
