"""What becomes of what a pyop provider keeps, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

from .issued import Reason

PAGE: Final = 500
"""Documents of pyop's that are read at once."""

Done = Callable[[int], object]
"""Is told how many documents more were dealt with."""


class Moved(StrEnum):
    """What is in our form, or can be."""

    BEFORE = "moved already"
    NOW = "moved now"
    NOT_YET = "to move"


Outcome = Moved | Reason
Tally = Counter[Outcome]


def tally_of(pages: Iterable[Sequence[tuple[Any, Outcome]]], done: Done) -> Tally:
    """How many have which outcome."""
    tally: Tally = Tally()
    for page in pages:
        tally.update(outcome for _, outcome in page)
        done(len(page))
    return tally


def left_in_place(tally: Tally) -> dict[Reason, int]:
    """How many stay where they are, by the reason."""
    return {reason: tally[reason] for reason in Reason if tally[reason]}
