"""People's passwords: argon2id (RFC 9106), a bounded number at a time, and behind everything else that wants a core."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from .cores import everywhere
from .errors import TemporarilyUnavailable
from .registration import LONGEST_PASSWORD
from .store.baton import baton

PATIENCE: Final = 1.0
"""Seconds that a login waits for its turn, where the places are taken."""
_NICENESS: Final = 10
"""Of a thread that hashes: one that serves a token gets ten times its share of a core that both want."""


class Passwords:
    """Hashes and verifies. Each takes 19 MiB and some 20 ms of a core, so only a few run at once in a worker, by
    threads of their own that let others go first (Linux). A few more wait their turn; who comes then is refused at
    once. So tokens go on being issued, however many log in.
    """

    def __init__(self, places: int = 2, waiting: int = 6) -> None:
        """`places`: hashed at the same time; `waiting`: how many may wait for one of them."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._size = places
        self._room = BoundedSemaphore(places + waiting)
        self._places = BoundedSemaphore(places)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Made by the first login: in the process that serves, never before a fork."""
        return ThreadPoolExecutor(self._size, "creance-passwords", initializer=_let_others_go_first)

    @cached_property
    def _nobodys(self) -> str:
        """Verified against where there is no hash. Made by the first login, so that a start need not wait for it."""
        return self._hasher.hash(secrets.token_urlsafe(16))

    def hash(self, password: str) -> str:
        """The hash to keep, with its salt and parameters in it."""
        with baton.laid_down(), everywhere():
            return self._hasher.hash(password)

    def verify(self, password: str, kept: str | None) -> bool:
        """Whether the password is right. Where there is no hash it takes the same time, and is not.

        Raises TemporarilyUnavailable when all places are taken, also those to wait in. Who has a place is served,
        however long the thread takes to begin.
        """
        if len(password) > LONGEST_PASSWORD:
            return False
        with self._taken(self._room, patience=0), baton.laid_down(), self._taken(self._places, PATIENCE):
            return self._threads.submit(self._verify, password, kept).result()

    @staticmethod
    @contextmanager
    def _taken(places: BoundedSemaphore, patience: float) -> Iterator[None]:
        if not places.acquire(timeout=patience):
            raise _busy()
        try:
            yield
        finally:
            places.release()

    def _verify(self, password: str, kept: str | None) -> bool:
        try:
            with everywhere():
                nobodys = self._nobodys
                return self._hasher.verify(kept or nobodys, password) and kept is not None
        except (Argon2Error, InvalidHashError, UnicodeEncodeError):
            return False


def _busy() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("too many logins at the moment", hint="all places for password hashing taken")


def _let_others_go_first() -> None:
    """On Linux threads have priorities of their own. One that was lowered cannot be raised again: hence the threads."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS))
