"""Counters of attempts in the store: the same for all workers, and still there after a restart.

A counter belongs to a window of time that begins and ends by the clock, and is in its key: so the end of a limit is
known without a look at the store, and a clock that is set leads to another window and never to a longer one. What may
be counted around the end of a window is twice the limit.

Who is counted is not to be read there: names and networks are hashed with a key of ours into so many buckets. So there
are never more counters than buckets, however many names an attacker tries, and nobody can choose whose bucket they are
in. Two in one bucket meet a limit early, never late.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .sealing import Sealer
from .store import Collection, Store, increment

ATTEMPT_COUNTERS: Final = Collection("attempt_counters")
BUCKETS: Final = 2**20
"""Of each limit. A core hashes some 50,000 passwords in 900 seconds: with 10 to a name they fill one bucket in 200."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many attempts there may be in a window."""

    name: str
    """That of its setting, for the log."""
    most: int
    window: int
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Counter:
    """The attempts of somebody in the window that it is now."""

    limit: Limit
    key: str
    ends: float
    """Seconds since the epoch."""

    @property
    def seconds_left(self) -> int:
        """Until the window ends; at least 1."""
        return max(1, math.ceil(self.ends - time.time()))


class AttemptCounters:
    """Counts in the store of a provider."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    def counter(self, limit: Limit, who: str) -> Counter:
        """The counter of `who`: any text."""
        digest = self._sealer.mac("attempts", f"{limit.name} {who}")
        bucket = int.from_bytes(base64.urlsafe_b64decode(digest + "="), "big") % BUCKETS
        shift = bucket * limit.window / BUCKETS  # not all windows end at the same moment
        number = math.floor((time.time() + shift) / limit.window)
        return Counter(limit, f"{limit.name} {bucket:05x} {number}", (number + 1) * limit.window - shift)

    def spent(self, counters: Sequence[Counter]) -> list[Counter]:
        """Those that are at their limit. Raises StoreUnavailable."""
        return [counter for counter in counters if self._count(counter) >= counter.limit.most]

    def add(self, counters: Sequence[Counter], by: int = 1) -> list[int]:
        """Count on all of them, in one write; answers what they are at now. Raises StoreUnavailable."""
        return [
            count or 0
            for count in self._store.write(
                [increment(ATTEMPT_COUNTERS, each.key, by, valid_until=each.ends) for each in counters]
            )
        ]

    def _count(self, counter: Counter) -> int:
        document = self._store.get(ATTEMPT_COUNTERS, counter.key)
        return int(document.value["count"]) if document else 0
