"""A mapping of a pyop provider: a dict, pyop's MongoDB or Redis wrapper, or whatever its host made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..asking_others import waiting
from ..store import StoreUnavailable


class Origin:
    """Reads and writes one mapping, by `[]` and `items`: pyop's own wrappers have little more.

    What it raises is an unreachable store, and says no more than the kind of error.
    """

    def __init__(self, name: str, mapping: Any) -> None:
        self._name = name
        self._mapping = mapping

    def get(self, key: str) -> Any:
        """The value, or None: also where the key is no text that a database can hold."""
        try:
            with self._reaching():
                return self._mapping[key]
        except (KeyError, UnicodeEncodeError):
            return None

    def put(self, key: str, value: Any) -> None:
        """Keep a value under a key, in place of what is there."""
        with self._reaching():
            self._mapping[key] = value

    def items(self) -> Iterator[tuple[str, Any]]:
        """All of it: for the move, and never for a request."""
        with self._reaching():
            pairs = iter(self._mapping.items())
        while (pair := self._next(pairs)) is not None:
            yield pair

    def _next(self, pairs: Iterator[tuple[str, Any]]) -> tuple[str, Any] | None:
        with self._reaching():
            return next(pairs, None)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            with waiting():
                yield
        except (KeyError, UnicodeEncodeError):
            raise
        except Exception as error:  # of whatever library is behind it; its text may hold what was asked for
            raise StoreUnavailable(f"{self._name} of the adopted provider: {type(error).__name__}") from error
