"""What the line costs that each request has in the log."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from .load import Load
from .measuring import Measurement, measure
from .options import LOG_LINE, Options
from .population import Population
from .rows import Live
from .server import Server
from .world import World

_BUDGET = 0.1
"""In S."""


def measure_log_line(load: Load, options: Options) -> Measurement:
    """The cheapest request with the log on, less the same with it off, in turns."""
    count = round(options.count * Live.share)
    with (
        tempfile.TemporaryDirectory() as quiet,
        tempfile.TemporaryDirectory() as logging,
        Server(Path(quiet), environment=options.environment) as off,
        Server(Path(logging), environment=options.environment, log_requests=True) as on,
    ):
        rows = [Live(World(server, load, Population(0, ""))) for server in (off, on)]
        for row in rows:
            row.run(count // 2)
        rounds = [[measure(row, count) for row in rows] for _ in range(options.rounds)]
        if len(on.log_lines()) < count * options.rounds:
            raise RuntimeError("the log has fewer lines than there were requests")
    costs = [with_log.cpu - without.cpu for without, with_log in rounds]
    return Measurement(
        name=LOG_LINE,
        title="a request's line in the log",
        budget=_BUDGET,
        population=0,
        requests=count * options.rounds,
        cpu=statistics.median(costs),
        spread=(max(costs) - min(costs)) / 2 / statistics.median(costs),
        per_second=0.0,
        p50=0.0,
        p99=0.0,
        others=max(0.0, statistics.mean(each.others for pair in rounds for each in pair)),
    )
