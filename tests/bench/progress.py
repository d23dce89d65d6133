"""What is being done, on the error output: no part of any report."""

from __future__ import annotations

import sys
import time


def say(text: str) -> None:
    """What is being done."""
    print(f"… {text}", file=sys.stderr, flush=True)


class Progress:
    """How far something is: one line, written anew; on what is no terminal a line each quarter."""

    def __init__(self, title: str, whole: int) -> None:
        self._title = title
        self._whole = whole
        self._begun = time.monotonic()
        self._quarters = 0

    def at(self, done: int) -> None:
        """Say how much is done."""
        speed = done / max(1e-9, time.monotonic() - self._begun)
        line = f"… {self._title}: {done:,} of {self._whole:,} ({speed:,.0f}/s)"
        quarters = 4 * done // self._whole
        if sys.stderr.isatty():
            print(f"\r{line:<78}", end="\n" if done >= self._whole else "", file=sys.stderr, flush=True)
        elif quarters > self._quarters:
            print(line, file=sys.stderr, flush=True)
        self._quarters = quarters
