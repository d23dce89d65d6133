"""How long a start takes, and how much memory a worker has."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .options import Options
from .server import Server

START_BUDGET = 1.0
"""Seconds from the start of the process to the first answer of discovery."""
MEMORY_BUDGET = 150.0
"""MiB of a worker, after load."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A row that is no request."""

    name: str
    title: str
    budget: float
    unit: str
    population: int
    value: float


def first_start(options: Options) -> Figure:
    """Where nothing is there yet: keys are made, and the database."""
    seconds = []
    for _ in range(options.starts):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(_start_and_stop(Server(Path(folder), environment=options.environment)))
    return Figure("first-start", "first start, keys are made", START_BUDGET, "s", 0, statistics.median(seconds))


def start(server: Server, options: Options, population: int) -> Figure:
    """Where all is there. The server runs afterwards."""
    seconds = [_start_and_stop(server) for _ in range(options.starts - 1)]
    server.start()
    seconds.append(server.start_seconds)
    return Figure("start", "start", START_BUDGET, "s", population, statistics.median(seconds))


def memory(server: Server, population: int) -> Figure:
    """The largest worker of a server that was under load."""
    return Figure("memory", "memory of a worker, after load", MEMORY_BUDGET, "MiB", population, server.memory() / 2**20)


def _start_and_stop(server: Server) -> float:
    server.start()
    server.stop()
    return server.start_seconds
