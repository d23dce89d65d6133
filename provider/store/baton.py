"""Who runs, among the threads of a process: one at a time, as long as it waits for nothing.

Python runs one thread at a time in any case. Where many have something to do, each short call that lets go of the
interpreter (a look-up in SQLite, a few bytes from a socket) gives it to another thread and has to wait for it
afterwards: a request is passed over a dozen times, and most of its time is spent on that. So a request takes the baton
when it begins, and lays it down where it waits for a disk, a network or the hash of a password.

The baton is a courtesy, and no lock that anything relies on: who has waited too long for it runs without.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE: Final = 0.02
"""Seconds to wait for it: many times what a request takes that waits for nothing."""


class Baton:
    """There is one a process, as there is one interpreter."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._mutex = threading.Lock()
        self._wanted = 0
        self._resting: set[threading.Lock] = set()
        """Each wakes a thread that waits until nobody runs."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Run what is inside with the baton, if it can be had."""
        self._take()
        try:
            yield
        finally:
            self.lay_down()

    @contextmanager
    def laid_down(self) -> Iterator[None]:
        """Around a wait: others run meanwhile. Does nothing in a thread that does not have the baton."""
        if not self._has_it():
            yield
            return
        self.lay_down()
        try:
            yield
        finally:
            self._take()

    def lay_down(self) -> None:
        """Go on without it: for a request that has little left to do, once it has waited."""
        if not self._has_it():
            return
        self._thread.has_it = False
        self._lock.release()
        if self._resting and not self._wanted:
            self._wake_resting()

    def wait_until_nobody_runs(self, seconds: float) -> None:
        """Or for so many seconds: for what is best done for many at once. Only where it is laid down."""
        quiet = threading.Lock()
        quiet.acquire()
        with self._mutex:
            if not self._wanted and not self._lock.locked():
                return
            self._resting.add(quiet)
        quiet.acquire(timeout=seconds)
        with self._mutex:
            self._resting.discard(quiet)

    def _has_it(self) -> bool:
        return getattr(self._thread, "has_it", False)

    def _take(self) -> None:
        if self._lock.acquire(blocking=False):
            self._thread.has_it = True
            return
        with self._mutex:
            self._wanted += 1
        self._thread.has_it = self._lock.acquire(timeout=PATIENCE)
        with self._mutex:
            self._wanted -= 1

    def _wake_resting(self) -> None:
        with self._mutex:
            resting, self._resting = self._resting, set()
        for quiet in resting:
            quiet.release()


baton: Final = Baton()
