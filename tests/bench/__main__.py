"""`make bench`."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from .beside_pyop.comparing import compare_with_plain_pyop
from .beside_pyop.findings import Findings
from .growth import measure_growth
from .load import Load, WrongAnswer
from .log_line import measure_log_line
from .login_flood import token_latencies
from .measuring import Measurement, Round, measure, summary
from .options import Options, bench_options, make_options
from .population import populate
from .progress import say
from .report import Report
from .rows import Row
from .server import Server
from .signature import SignatureClock
from .startup import Figure, first_start, memory, start
from .workers import measure_workers
from .world import World


class Bench:
    """One run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = SignatureClock()
        self.measurements: list[Measurement] = []
        self.figures: list[Figure] = []
        self.filled: dict[int, float] = {}
        self.beside_pyop: list[Findings] = []

    def run(self) -> Report:
        """Measure everything."""
        self.clock.measure()
        with Load() as load:
            if self.options.starts:
                say("first starts")
                self.figures.append(first_start(self.options))
            for population in self.options.populations:
                with tempfile.TemporaryDirectory() as folder:
                    self._measure_with(population, Path(folder), load)
                self.clock.measure()
            if self.options.log_line:
                say("log line")
                self.measurements.append(measure_log_line(load, self.options))
        self.clock.measure()
        return Report(self.options, self.clock.seconds, self.measurements, self.figures, self.filled, self.beside_pyop)

    def _measure_with(self, size: int, folder: Path, load: Load) -> None:
        server = Server(folder, environment=self.options.environment)
        say(f"filling the store with {size:,} of each")
        population = populate(server.configuration, size, server.environment)
        self.filled[size] = population.seconds
        try:
            if self.options.starts:
                say("starts")
                self.figures.append(start(server, self.options, size))
            else:
                server.start()
            world = World(server, load, population)
            self.measurements += self._rows(world)
            if self.options.starts:
                say("logins, and tokens meanwhile")
                self.figures += token_latencies(world, self.options.count)
            self.figures.append(memory(server, size))
        finally:
            server.stop()
        if self.options.beside_pyop:
            count, rounds = max(8, self.options.count // 2), self.options.rounds
            found = compare_with_plain_pyop(server, population, load, self.clock, count=count, rounds=rounds)
            self.beside_pyop.append(found)

    def _rows(self, world: World) -> list[Measurement]:
        """All rows, several rounds: what disturbs for a while spoils one round of each and not one row."""
        rows = [row(world) for row in self.options.rows]
        say("warming up")
        for row in rows:
            row.run(max(8, self._count(row) // 4))
        rounds: dict[type[Row], list[Round]] = defaultdict(list)
        for number in range(self.options.rounds):
            say(f"round {number + 1} of {self.options.rounds}")
            for row in rows:
                rounds[type(row)].append(measure(row, self._count(row)))
            self.clock.measure()
        return [summary(row, world.population.size, each) for row, each in rounds.items()]

    def _count(self, row: Row) -> int:
        return max(4, round(self.options.count * row.share))


@click.command()
@bench_options
@click.option("--json", "path", type=Path, default=Path("build/bench.json"), help="Where the report goes as JSON.")
@click.option(
    "--growth",
    envvar="GROWTH",
    type=click.IntRange(0),
    default=0,
    help="Nothing but so many mixed requests, and the memory after each tenth of them.",
)
def main(path: Path, growth: int, **named: Any) -> None:
    """Measure what each kind of request costs."""
    options = make_options(**named)
    try:
        if growth:
            measure_growth(options, growth)
            return
        if len(options.workers) > 1:
            measure_workers(options)
            return
        report = Bench(options).run()
    except WrongAnswer as error:
        raise click.ClickException(f"a wrong answer: {error}") from None
    report.write(path)
    print("\n".join(["", *report.lines()]))


if __name__ == "__main__":
    main()
