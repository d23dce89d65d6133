"""A mapping of a pyop provider: a dict, pyop's MongoDB or Redis wrapper, or whatever its host made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..store import StoreUnavailable, time_not_counted
from ..store.baton import baton


class Origin:
    """Reads and writes one mapping, by `[]` and `items`: pyop's own wrappers have little more.

    What it raises is an unreachable store, and says no more than the kind of error.
    """

    def __init__(self, name: str, mapping: Any) -> None:
        self._name = name
        self._mapping = mapping

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._ask(lambda: self._mapping[key])

    def put(self, key: str, value: Any) -> None:
        """Keep a value under a key, in place of what is there."""
        self._ask(lambda: self._mapping.__setitem__(key, value))

    def items(self) -> Iterator[tuple[str, Any]]:
        """All of it: for the move, and never for a request."""
        yield from self._mapping.items()

    def _ask(self, call: Callable[[], Any]) -> Any:
        with baton.laid_down(), time_not_counted():
            try:
                return call()
            except KeyError:
                return None
            except Exception as error:  # of whatever library is behind it; its text may hold what was asked for
                raise StoreUnavailable(f"{self._name} of the adopted provider: {type(error).__name__}") from error
