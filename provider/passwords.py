"""People's passwords: argon2id (RFC 9106), a bounded number at a time."""

from __future__ import annotations

import secrets
from functools import cached_property
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from .cores import everywhere
from .errors import TemporarilyUnavailable
from .registration import LONGEST_PASSWORD
from .store.baton import baton


class Passwords:
    """Hashes and verifies. Each takes 19 MiB and some 20 ms of a core, so only a few run at once in a worker: when all
    places are taken the next is refused at once, and tokens go on being issued.
    """

    def __init__(self, places: int = 4) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._places = BoundedSemaphore(places)

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

        Raises TemporarilyUnavailable when all places are taken.
        """
        if len(password) > LONGEST_PASSWORD:
            return False
        if not self._places.acquire(blocking=False):
            raise TemporarilyUnavailable("too many logins at the moment", hint="all places for password hashing taken")
        try:
            with baton.laid_down(), everywhere():
                nobodys = self._nobodys
                return self._hasher.verify(kept or nobodys, password) and kept is not None
        except (Argon2Error, InvalidHashError, UnicodeEncodeError):
            return False
        finally:
            self._places.release()
