"""How the writes of one process reach the disk: many of them by one commit.

A durable commit costs several times what is written in it, so those who wait for the disk share the next one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from . import StoreUnavailable
from .baton import baton
from .sqlite_connection import Connection, Deadline, connect, is_busy, roll_back, unavailable
from .sqlite_file import Identity, identity_of, replaced
from .sqlite_turns import Turn, Turns

T = TypeVar("T")

MOST_IN_A_COMMIT: Final = 64
"""Who leads has a request of its own to answer, and does not work for others without end."""

GATHERING: Final = 0.002
"""Seconds to wait at most, where other requests are running, for those of them that want to write too."""


class Writer:
    """Does pieces of work, each of them wholly or not at all, and answers once they are durable.

    Work is a function of a connection that does all its reading and writing when it is called, and raises to have
    nothing of it remain. It may be called again after a rollback: the last call counts.
    """

    def __init__(self, path: Path, identity: Identity | None = None) -> None:
        self._path = path
        self._turns = Turns()
        self._identity = identity
        self._connection: Connection | None = None  # it and the identity belong to the thread that leads

    def do(self, work: Callable[[sqlite3.Connection], T], deadline: Deadline) -> T:
        """Answer what the work answers, once it is durable. Raises what it does, StoreUnavailable or sqlite3.Error."""
        turn = Turn(work)
        if self._turns.comes_to_lead(turn, deadline.left()):
            try:
                self._lead(turn, deadline)
            finally:
                self._turns.hand_over()
        result: T = turn.outcome()
        return result

    def close(self, deadline: Deadline) -> None:
        """Wait for the work that has begun, and disconnect. For good: whoever comes late is told so."""
        while not self._turns.comes_to_lead(turn := Turn(_nothing), deadline.left()):
            turn.outcome()  # another thread took it along
        try:
            self._identity = None
            self._disconnect()
        finally:
            self._turns.hand_over()

    def _lead(self, own: Turn, deadline: Deadline) -> None:
        """One transaction for all who came until it began. Where it cannot begin, only the own turn fails."""
        with baton.laid_down():
            baton.wait_until_nobody_runs(GATHERING)
            connection = self._begin(deadline)
        others = self._turns.take_along(MOST_IN_A_COMMIT - 1)
        try:
            self._transact(connection, [own, *others])
        except Exception as error:
            self._fail(others, error)
            raise
        except BaseException:  # this thread is to end; the others are not
            self._fail(others, StoreUnavailable(f"a write to the database {self._path} was interrupted"))
            raise
        finally:
            for turn in others:
                turn.decided = True
                turn.wake()

    def _transact(self, connection: Connection, turns: Sequence[Turn]) -> None:
        """All or nothing, unless one of them fails by itself: then each for itself, in one more transaction.

        Nearly every write succeeds, and none of them pays for a savepoint.
        """
        try:
            try:
                for turn in turns:
                    turn.succeed(turn.work(connection))
            except Exception:
                if len(turns) == 1:
                    raise
                roll_back(connection)
                connection.execute("BEGIN IMMEDIATE")
                for turn in turns:
                    self._attempt(connection, turn)
            with baton.laid_down():
                connection.execute("COMMIT")
        except BaseException as error:
            roll_back(connection)
            if isinstance(error, sqlite3.Error) and not is_busy(error):
                self._disconnect()
            raise
        if identity_of(self._path) != self._identity:
            raise StoreUnavailable(replaced(self._path))

    def _attempt(self, connection: Connection, turn: Turn) -> None:
        """A turn whose failure leaves the others alone, unless it ended the transaction of all."""
        connection.execute("SAVEPOINT turn")
        try:
            turn.succeed(turn.work(connection))
        except Exception as error:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO turn")
            turn.fail(error)
        connection.execute("RELEASE turn")

    def _fail(self, turns: Sequence[Turn], error: Exception) -> None:
        """Each thread gets an error of its own to raise."""
        for turn in turns:
            turn.fail(
                unavailable(self._path, error) if isinstance(error, sqlite3.Error) else StoreUnavailable(str(error))
            )

    def _begin(self, deadline: Deadline) -> Connection:
        if self._identity is None:
            raise StoreUnavailable(f"the database {self._path} is closed")
        try:
            if self._connection is None:
                self._connection = connect(self._path, deadline)
            self._connection.wait_at_most(deadline.left())
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if not is_busy(error):
                self._disconnect()
            raise
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _nothing(connection: sqlite3.Connection) -> Any:
    """The work of who only wants to lead."""
