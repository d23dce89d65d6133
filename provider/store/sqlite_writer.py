"""How the writes of one process take turns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from . import StoreUnavailable
from .sqlite_connection import Connection, Deadline, connect, is_busy, roll_back
from .sqlite_file import Identity, identity_of, replaced

T = TypeVar("T")


class Writer:
    """Does one piece of work after the other, each in a durable transaction of its own.

    Work is a function of a connection that does all its reading and writing when it is called, and raises to have
    nothing of it remain. Nobody outside of this file knows more, so that works may come to share a commit.
    """

    def __init__(self, path: Path, identity: Identity | None = None) -> None:
        self._path = path
        self._identity = identity
        self._turn = threading.Lock()
        self._connection: Connection | None = None

    def do(self, work: Callable[[sqlite3.Connection], T], deadline: Deadline) -> T:
        """Answer what the work answers, once it is durable. Raises what it does, StoreUnavailable or sqlite3.Error."""
        self._take_turn(deadline)
        try:
            return self._transact(work, deadline)
        except sqlite3.Error as error:
            if not is_busy(error):
                self._disconnect()
            raise
        finally:
            self._turn.release()

    def close(self, deadline: Deadline) -> None:
        """Wait for the work that has begun, and disconnect. For good: whoever comes late is told so."""
        self._take_turn(deadline)
        try:
            self._identity = None
            self._disconnect()
        finally:
            self._turn.release()

    def _take_turn(self, deadline: Deadline) -> None:
        if not self._turn.acquire(timeout=deadline.left()):
            raise StoreUnavailable(f"the database {self._path} is busy: the writes before this one took too long")

    def _transact(self, work: Callable[[sqlite3.Connection], T], deadline: Deadline) -> T:
        connection = self._connected(deadline)
        connection.wait_at_most(deadline.left())
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise
        if identity_of(self._path) != self._identity:
            raise StoreUnavailable(replaced(self._path))
        return result

    def _connected(self, deadline: Deadline) -> Connection:
        if self._identity is None:
            raise StoreUnavailable(f"the database {self._path} is closed")
        if self._connection is None:
            self._connection = connect(self._path, deadline)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
