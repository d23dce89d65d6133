"""The connections that reads of one process use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .sqlite_connection import Connection, Deadline, connect

Row = tuple[Any, ...]
"""What any SELECT answers."""


class Readers:
    """As many connections as ever read at the same time, however many threads come and go.

    The one used last is used next: its pages are in memory. No lock is needed: a list's `pop` and `append` are atomic.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Connection] = []
        self._closed = False

    def rows(self, query: str, parameters: Mapping[str, Any], deadline: Deadline) -> list[Row]:
        """All rows of a query. A text that is not Unicode is in no row. Raises sqlite3.Error."""
        connection = self._take(deadline)
        try:
            connection.wait_at_most(deadline.left())
            rows: list[Row] = connection.execute(query, parameters).fetchall()
        except UnicodeEncodeError:
            rows = []
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if self._closed:
            self._close_idle()
        return rows

    def close(self) -> None:
        """Disconnect what is idle now, and what is in use as soon as it is not. For good."""
        self._closed = True
        self._close_idle()

    def _take(self, deadline: Deadline) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._path, deadline)

    def _close_idle(self) -> None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()
