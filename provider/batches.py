"""Some at a time of what may be many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Parts of `size` items, the last of which may have fewer (`itertools.batched`, from Python 3.12 on)."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
