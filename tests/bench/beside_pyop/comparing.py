"""Measures the three servers in turns, with a population of one size."""

from __future__ import annotations

from contextlib import ExitStack

from ..load import Sending
from ..population import Population
from ..progress import say
from ..server import Server
from ..signature import SignatureClock
from ..turns import Turns
from ..world import World
from .findings import Findings
from .host_server import HostServer
from .kinds import ADOPTED, CREANCE, PLAIN
from .plain_provider import people_and_apps
from .rows import ROWS

_MANY = 10_000
"""People at whom plain pyop, which looks through all of them at each request, gets a tenth of the requests."""


def compare_with_plain_pyop(
    filled: Server, population: Population, load: Sending, clock: SignatureClock, *, count: int, rounds: int
) -> Findings:
    """`filled`: a server that has stopped, and whose store has the population; it becomes the one of Creance. `count`
    requests make a round. Raises WrongAnswer.
    """
    size, environment = population.size, filled.environment
    say(f"beside plain pyop with {size:,} of each: starts")
    servers = {
        PLAIN: HostServer(PLAIN, size, filled.folder / "plain", environment=environment),
        CREANCE: HostServer(CREANCE, size, filled.folder, environment=environment, port=filled.port),
        ADOPTED: HostServer(ADOPTED, size, filled.folder / "adopted", environment=environment),
    }
    people = {PLAIN: people_and_apps(size), CREANCE: population, ADOPTED: people_and_apps(size)}
    with ExitStack() as running:
        for server in servers.values():
            running.enter_context(server)
        worlds = [
            World(server, load, people[kind], share=0.1 if kind == PLAIN and size >= _MANY else 1.0)
            for kind, server in servers.items()
        ]
        turns = Turns(worlds, ROWS, count)
        for number in range(rounds):
            say(f"beside plain pyop: round {number + 1} of {rounds}")
            turns.measure_round()
            clock.measure()
    return Findings(size, list(servers), turns.comparisons)
