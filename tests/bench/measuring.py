"""Measures a row: the CPU time of all the server's processes before and after, over several rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .processes import cpu_seconds, machine_cpu_seconds
from .rows import Row


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a row."""

    cpu: float
    """Seconds of a request, over all processes of the server."""
    per_second: float
    latencies: Sequence[float]
    others: float
    """Cores that were taken by what is neither the server nor the load."""


def measure(row: Row, count: int) -> Round:
    """Make so many requests. Raises WrongAnswer, also where a process of the server ended meanwhile."""
    server, work = row.world.server, row.work(count)
    processes, others, before = server.processes, _others(row), server.cpu_seconds()
    begun = time.monotonic()
    outcome = row.world.load.run(work)
    spent = server.cpu_seconds() - before
    others = (_others(row) - others) / (time.monotonic() - begun)
    if server.processes != processes:
        raise RuntimeError(f"processes of the server ended or began during {row.name}")
    row.learn(outcome.captured)
    return Round(spent / count, count / outcome.seconds, outcome.latencies, others)


def _others(row: Row) -> float:
    """CPU time of all that is not ours."""
    ours = row.world.server.cpu_seconds() + cpu_seconds(row.world.load.process) + time.process_time()
    return machine_cpu_seconds() - ours


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a kind of request costs, the median of several rounds."""

    name: str
    title: str
    budget: float | None
    """In S."""
    population: int
    requests: int
    cpu: float
    """Seconds of a request."""
    spread: float
    """The widest of the rounds from the median, as a part of it."""
    per_second: float
    p50: float
    p99: float
    """Seconds."""
    others: float
    """Cores that others took meanwhile."""


def summary(row: type[Row], population: int, rounds: Sequence[Round]) -> Measurement:
    """The rounds of a row in one."""
    cpu = statistics.median(each.cpu for each in rounds)
    latencies = sorted(latency for each in rounds for latency in each.latencies)
    return Measurement(
        name=row.name,
        title=row.title,
        budget=row.budget,
        population=population,
        requests=len(latencies),
        cpu=cpu,
        spread=max(abs(each.cpu - cpu) for each in rounds) / cpu,
        per_second=statistics.median(each.per_second for each in rounds),
        p50=latencies[len(latencies) // 2],
        p99=latencies[len(latencies) * 99 // 100],
        others=max(0.0, statistics.mean(each.others for each in rounds)),
    )
