"""Lines in the log that tell an operator which clients still do something: one an hour for each, not one a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from cachetools import TTLCache

from .request_log import logger

INTERVAL: Final = 3600.0
"""Seconds from one line about a client to the next."""
_CLIENTS: Final = 10_000
"""Clients that are remembered: beyond that, the line of one may come earlier."""
_NOBODY: Final = ""


class ClientNotices:
    """One kind of line. Each worker writes its own. Safe for many threads."""

    def __init__(self, event: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`event`: the name of the line."""
        self._event = event
        self._said: TTLCache[str, bool] = TTLCache(_CLIENTS, INTERVAL, clock)
        self._lock = Lock()

    def about(self, client_id: str, **members: str | bool) -> None:
        """Say it, unless it was said of this client within the hour. `members`: what else is in the line."""
        if self._is_due(client_id):
            logger.warning(self._event, client_id=client_id, **members)

    def about_nobody(self, **members: str | bool) -> None:
        """The same where no client is known: one line an hour for all of them together."""
        if self._is_due(_NOBODY):
            logger.info(self._event, **members)

    def _is_due(self, client_id: str) -> bool:
        with self._lock:
            if client_id in self._said:
                return False
            self._said[client_id] = True
            return True
