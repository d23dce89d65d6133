"""That what has ended leaves a large store, some of it at a time, while requests are answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from creance.provider.tokens import ACCESS_TOKENS

from .rows import Userinfo
from .stored import Stored
from .world import World

COLLECTION = ACCESS_TOKENS

_REQUESTS = 100
"""Between two looks at what is left."""
_PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Leaving:
    """How documents that had ended left."""

    documents: int
    left: int
    """Those that were still there when patience was at its end."""
    seconds: float
    """From the first that was missed to the last."""
    p99_meanwhile: float
    """Seconds that userinfo takes, but for one of a hundred."""
    p99_afterwards: float


def watch_leaving(world: World, stored: Stored) -> Leaving:
    """Ask for userinfo until nothing is left that has ended, and as often again."""
    row = Userinfo(world)
    all_of_them = left = stored.ended(COLLECTION.name)
    meanwhile: list[float] = []
    patience_ends = time.monotonic() + _PATIENCE
    began = time.monotonic()
    while left and time.monotonic() < patience_ends:
        latencies = row.run(_REQUESTS).latencies
        before, left = left, stored.ended(COLLECTION.name)
        if before == all_of_them:
            began = time.monotonic()  # none has left before this
        if left < all_of_them:
            meanwhile += latencies
    seconds = time.monotonic() - began
    afterwards = [latency for _ in range(len(meanwhile) // _REQUESTS) for latency in row.run(_REQUESTS).latencies]
    return Leaving(all_of_them, left, seconds, _p99(meanwhile), _p99(afterwards))


def _p99(latencies: Sequence[float]) -> float:
    return sorted(latencies)[len(latencies) * 99 // 100] if latencies else 0.0
