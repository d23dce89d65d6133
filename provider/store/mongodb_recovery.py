"""What happens after a failure: a circuit breaker, and what failed writes have left behind."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import pymongo
from pymongo.errors import PyMongoError

from . import StoreUnavailable
from .mongodb_errors import is_silence

_MOST_LEFTOVERS: Final = 10_000
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts to reach the server."""


class Recovery:
    """While the server does not answer, every call is refused at once, and one thread, which lasts as long as that,
    asks again and again. When it is answered it removes what was left behind; then calls go through again.
    """

    def __init__(self, probe: Callable[[], object], timeout: float) -> None:
        """`probe` asks the server for something; `timeout` is the time in seconds for each attempt."""
        self._probe = probe
        self._timeout = timeout
        self._cause: str | None = None
        self._leftovers: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._changing = threading.Lock()
        self._stopped = threading.Event()

    def check(self) -> None:
        """Raises StoreUnavailable while the server does not answer, with the cause that was seen first."""
        cause = self._cause
        if cause is not None:
            raise StoreUnavailable(cause)

    def lost(self, cause: str) -> None:
        """The server does not answer. From now on nobody waits for it."""
        with self._changing:
            self._cause = self._cause or cause
            self._begin()

    def later(self, undos: Sequence[Callable[[], None]]) -> None:
        """To be done, in this order, as soon as the server answers. Each recognises what it is about, and may be done
        again. Beyond some thousands nothing more is taken down: what stays behind expires.
        """
        with self._changing:
            self._leftovers.extend(undos[: _MOST_LEFTOVERS - len(self._leftovers)])
            if self._leftovers:
                self._begin()

    def stop(self) -> None:
        """For good. Returns when the attempt that was begun has ended."""
        with self._changing:
            self._stopped.set()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _begin(self) -> None:
        if self._thread is None and not self._stopped.is_set():
            self._thread = threading.Thread(target=self._recover, name="creance-mongodb-recovery", daemon=True)
            self._thread.start()

    def _recover(self) -> None:
        pause = _FIRST_PAUSE
        while not (self._reached() and self._finished()):
            if self._stopped.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _reached(self) -> bool:
        """True when the server has answered, and all that was left behind is done."""
        if not self._answered(self._probe):
            return False
        while self._leftovers:
            if not self._answered(self._leftovers[0]):
                return False
            self._leftovers.popleft()
        return True

    def _answered(self, ask: Callable[[], object]) -> bool:
        """A refusal is an answer too: what a server does not let us remove stays."""
        try:
            with pymongo.timeout(self._timeout):
                ask()
        except PyMongoError as error:
            return not is_silence(error)
        return True

    def _finished(self) -> bool:
        with self._changing:
            if self._leftovers:
                return False
            self._cause = self._thread = None
            return True
