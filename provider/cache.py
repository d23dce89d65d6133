"""A small cache for what changes rarely: bounded in number and in age."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import TTLCache

V = TypeVar("V")

SECONDS = 5
"""How long a change made by another process may stay unseen here; documented to operators as 10 with room to spare."""


class ReadThrough(Generic[V]):
    """Remembers what `read` answered for a key, None included, for some seconds. Safe for many threads."""

    def __init__(self, read: Callable[[str], V], *, size: int = 10_000, seconds: float = SECONDS) -> None:
        self._read = read
        self._cache: TTLCache[str, V] = TTLCache(size, seconds)
        self._lock = Lock()
        self._changes = 0

    def __call__(self, key: str) -> V:
        with self._lock:
            if key in self._cache:
                return self._cache[key]
            changes = self._changes
        value = self._read(key)
        with self._lock:
            if changes == self._changes:  # otherwise it may have been read before it was changed
                self._cache[key] = value
        return value

    def forget(self, key: str) -> None:
        """Read this key anew the next time: it was changed here."""
        with self._lock:
            self._changes += 1
            self._cache.pop(key, None)
