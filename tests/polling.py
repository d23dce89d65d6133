"""Waiting for what must come to pass, in tests of what others do meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

ATTEMPTS = 5


def once(true: Callable[[], Any]) -> bool:
    """Whether one of a few attempts succeeds: for what a machine that stops for seconds spoils, and not each time."""
    return any(true() for _ in range(ATTEMPTS))


def eventually(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something is true, and answer it. Raises AssertionError where it takes longer."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)
    return found
