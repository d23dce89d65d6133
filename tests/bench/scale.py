"""`make bench-scale`: what a request costs beside a million people, against one where nobody else is in the store.

The same people make the same requests to two servers: in the store of one there is nobody else, in that of the other
there is a crowd. They are measured in turns. Then it is shown that what has ended leaves the large store.
"""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from creance.provider import OpenIDProvider

from .crowd import KINDS, Crowd, Filled
from .leaving import COLLECTION, Leaving, watch_leaving
from .load import Load, WrongAnswer
from .options import listed, named_rows
from .places import Place, mongodb_is_present, mongodb_place, sqlite_place
from .population import populate, variables
from .progress import say
from .round_trips import round_trips
from .rows import ROWS, Row
from .scale_report import ScaleReport
from .server import Server
from .signature import SignatureClock
from .turns import Comparison, Turns
from .world import World

_PATIENCE = {
    "CREANCE_LIFETIMES__ACCESS_TOKEN": "86400",
    "CREANCE_PLUGINS__SESSIONS__IDLE_TIMEOUT": "43200",
    "CREANCE_STORE__TIMEOUT": "60",
}
"""Nobody is logged out while the store is filled."""
_ENDED = 20
"""Of so many people one leaves a token that has ended."""
_COUNTED = 20
"""Requests of a kind whose round trips are counted."""


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """What to measure, and how long."""

    people: int
    active: int
    """People who make the requests, each at an app of their own; the others are made after them."""
    rows: Sequence[type[Row]]
    requests: int
    """Of a row and round, for rows with a share of 1."""
    rounds: int
    leaving: bool
    """Whether to wait until what has ended has left."""


class Scale:
    """One run at one kind of store."""

    def __init__(self, place: Place, options: ScaleOptions, folder: Path) -> None:
        self._place = place
        self._options = options
        self._people = min(options.people, place.most or options.people)
        self._servers = [Server(folder / name, environment=_PATIENCE | place.environment) for name in ("alone", "all")]
        self._stored = [place.stored(server) for server in self._servers]

    def run(self) -> ScaleReport:
        """Fill both, measure in turns, and let what has ended leave. Raises WrongAnswer."""
        clock = SignatureClock()
        clock.measure()
        with Load() as load, ExitStack() as at_the_end:
            worlds = [self._world(server, load) for server in self._servers]
            for stored in self._stored:
                at_the_end.callback(stored.drop)
            before = self._place.memory()
            crowd, filled = self._fill()
            after = self._place.memory()
            with self._servers[0], self._servers[1]:
                comparisons = self._compare(worlds, clock) if self._place.is_measured else []
                trips = [round_trips(world, self._options.rows, _COUNTED) for world in worlds]
                memory = [server.memory() for server in self._servers]
            leaving = self._leaving(crowd, worlds[1]) if self._options.leaving else None
            return ScaleReport(
                store=self._place.name,
                notes=self._place.notes,
                signature=clock.seconds,
                active=self._options.active,
                people=self._people,
                filled=filled,
                comparisons=comparisons,
                round_trips=trips,
                worker_memory=memory,
                database_memory=None if before is None or after is None else after - before,
                leaving=leaving,
            )

    def _world(self, server: Server, load: Load) -> World:
        say("people who make requests")
        return World(server, load, populate(server.configuration, self._options.active, server.environment))

    def _fill(self) -> tuple[Crowd, list[Filled]]:
        with self._opened() as provider:
            crowd = Crowd(provider.store, self._people, provider.users.subject_identifiers.create_public_identifier)
            measure = self._stored[1].bytes if self._place.is_measured else lambda: 0
            return crowd, [crowd.fill(provider.store, kind, self._place.batch, measure) for kind in KINDS]

    def _leaving(self, crowd: Crowd, world: World) -> Leaving:
        say("waiting for what has ended to leave")
        with self._opened() as provider:
            crowd.put_ended(provider.store, COLLECTION, max(1, self._people // _ENDED), self._place.batch)
        with self._servers[1]:
            return watch_leaving(world, self._stored[1])

    @contextmanager
    def _opened(self) -> Iterator[OpenIDProvider]:
        """The second server's provider with its store open, in this process; the server must not be running."""
        server = self._servers[1]
        with variables(server.environment):
            provider = OpenIDProvider.from_config(server.configuration)
        provider.store.open(provider.collections)
        gc.disable()  # it would look through each batch again and again
        try:
            yield provider
        finally:
            gc.enable()
            provider.store.close()

    def _compare(self, worlds: Sequence[World], clock: SignatureClock) -> list[Comparison]:
        turns = Turns(worlds, self._options.rows, self._options.requests)
        for number in range(self._options.rounds):
            say(f"round {number + 1} of {self._options.rounds}")
            turns.measure_round()
            clock.measure()
        return turns.comparisons


@click.command()
@click.option("--count", envvar="COUNT", type=click.IntRange(1), default=1_000_000, help="The others in the store.")
@click.option("--active", type=click.IntRange(4), default=1000, help="Those who make the requests.")
@click.option(
    "--store",
    envvar="STORE",
    type=click.Choice(["all", "sqlite", "mongodb"]),
    default="all",
    help="all: MongoDB only where a server is present, as the tests find one.",
)
@click.option("--rows", envvar="ROWS", metavar="NAME,…", default="", help="Only these; named as `make bench` does.")
@click.option("--requests", envvar="REQUESTS", type=click.IntRange(4), default=400, help="Of a row and round.")
@click.option("--rounds", envvar="ROUNDS", type=click.IntRange(1), default=7)
@click.option("--leaving/--no-leaving", default=True, help="Whether to wait until what has ended has left.")
@click.option("--json", "path", type=Path, default=Path("build/bench-scale.json"), help="Where it goes as JSON.")
def main(store: str, rows: str, path: Path, *, count: int, **named: Any) -> None:
    """Measure what a request costs in an empty store and in one with a million people."""
    options = ScaleOptions(people=count, rows=named_rows(listed(rows)) if rows else ROWS, **named)
    reports = []
    for place in _places(store):
        with place as there, tempfile.TemporaryDirectory() as folder:
            say(f"{there.name}, filled and measured")
            try:
                report = Scale(there, options, Path(folder)).run()
            except WrongAnswer as error:
                raise click.ClickException(f"a wrong answer: {error}") from None
        reports.append(report.to_dict())
        print("\n".join(["", *report.lines()]), flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(reports, indent=1) + "\n")


def _places(store: str) -> list[AbstractContextManager[Place]]:
    wanted = [] if store == "mongodb" else [sqlite_place()]
    if store == "mongodb" or (store == "all" and mongodb_is_present()):
        wanted.append(mongodb_place())
    return wanted


if __name__ == "__main__":
    main()
