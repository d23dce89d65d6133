"""The time of day of providers that run in processes of their own: a test sets it, and need not wait."""

from __future__ import annotations

import time
from pathlib import Path

SITECUSTOMIZE = """
import os, time

def read():
    with open(os.environ["CLOCK_AHEAD_FILE"]) as file:
        return true_time() + float(file.read())

true_time, time.time = time.time, read
"""
"""Imported by Python itself as it starts: the clock of every process of the provider is a file of the test's."""


class ProviderClock:
    """How far the time of day of providers with its `environment` is ahead of ours; below zero it is behind."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        self._file = folder / "ahead"
        self.environment = {"PYTHONPATH": str(folder), "CLOCK_AHEAD_FILE": str(self._file)}
        self.set(0)

    def set(self, ahead: float) -> None:
        """Seconds from our own time, from now on."""
        written = self._file.with_name("next")
        written.write_text(str(ahead))
        written.replace(self._file)
        self.ahead = ahead

    def advance(self, seconds: float) -> None:
        """From where it is."""
        self.set(self.ahead + seconds)

    def time(self) -> float:
        """What these providers take for now, in seconds since the epoch."""
        return time.time() + self.ahead
