"""Removes what has expired, a little at a time, in one worker at a time; and notes when the clock was set."""

from __future__ import annotations

import secrets
import time
from threading import Event, Thread

from .clock_watch import ClockWatch
from .request_log import logger, report_defect
from .store import Store, StoreUnavailable

INTERVAL = 30.0
"""Seconds between two sweeps."""
BATCH = 1000
"""Documents of a collection that one sweep removes at most; a full one is followed by the next at once."""

_SET_FORWARD = "what was issued before ends that much earlier, and what has ended is removed"
_SET_BACK = "what was issued before ends that much later"


class Housekeeping:
    """A thread of its own. Reads never return what has expired, so that being late harms nobody."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holder = secrets.token_hex(8)
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="creance-housekeeping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the sweep that was begun has ended."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        clock = ClockWatch()
        while not self._stopped.wait(INTERVAL):
            if moved := clock.moved():
                logger.warning("clock_set", seconds=round(moved), hint=_SET_FORWARD if moved > 0 else _SET_BACK)
            try:
                self.sweep()
            except StoreUnavailable:
                continue  # who asks for something meanwhile says so in the log
            except Exception as error:
                report_defect("housekeeping", error)

    def sweep(self) -> int:
        """Remove all that has expired, if no other worker is at it; answers how many documents."""
        removed = 0
        while not self._stopped.is_set() and self._store.claim("sweep", self._holder, time.time() + INTERVAL):
            batch = self._store.sweep(BATCH)
            removed += batch
            if batch < BATCH:
                break
        return removed
