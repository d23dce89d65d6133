"""Whether somebody sets the time of day: what was issued before then ends later, or earlier, than it was meant to."""

from __future__ import annotations

import time

TOLERANCE = 2.0
"""Seconds. A clock that is merely kept right moves by less between two looks."""


class ClockWatch:
    """Compares the time of day with a clock that nobody can set."""

    def __init__(self) -> None:
        self._ahead = _ahead()

    def moved(self) -> float:
        """Seconds by which the time of day was set forward (below zero: back) since the last look; 0 if it was not.

        A machine that slept is one whose clock was set forward.
        """
        ahead = _ahead()
        moved, self._ahead = ahead - self._ahead, ahead
        return moved if abs(moved) > TOLERANCE else 0.0


def _ahead() -> float:
    """By how much the time of day is ahead of the other clock; looked at anew where the machine paused in between."""
    while True:
        before, now, after = time.monotonic(), time.time(), time.monotonic()
        if after - before < TOLERANCE / 4:
            return now - before
