"""What a request costs with one worker, and with several: `make bench WORKERS=1,2,4`.

More workers are for more requests, so each server has sixteen connections for each of its workers.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from .load import Load
from .options import Options
from .population import populate
from .progress import say
from .report import machine, measured_commit, others_took
from .server import Server
from .signature import SignatureClock
from .turns import Turns, table
from .world import World

_ROUNDS = 7
"""More than usual: with several workers it depends on the system which of them gets a connection."""
_PROMISE = 1.1
"""Times that a request may cost with more workers."""


def measure_workers(options: Options) -> None:
    """Measure servers that differ in nothing else, in turns. Raises WrongAnswer."""
    clock = SignatureClock()
    clock.measure()
    with Load() as load, tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        worlds = [_world(options, workers, Path(folder), load) for workers in options.workers]
        for world in worlds:
            running.enter_context(world.server)
        turns = Turns(worlds, options.rows, options.count)
        for number in range(_ROUNDS):
            say(f"round {number + 1} of {_ROUNDS}")
            turns.measure_round()
            clock.measure()
    print(f"Creance {measured_commit()}, {machine()}, {options.populations[0]:,} of each in the store")
    print(f"S = {clock.seconds * 1000:.4f} ms")
    print("\n".join(others_took(max(each.others for each in turns.comparisons))))
    titles = [f"{workers} workers" if workers > 1 else "1 worker" for workers in options.workers]
    print("\n".join(table(turns.comparisons, titles, clock.seconds, _PROMISE)))


def _world(options: Options, workers: int, folder: Path, load: Load) -> World:
    environment = options.environment | {"CREANCE_HTTP__WORKERS": str(workers)}
    server = Server(folder / str(workers), environment=environment)
    population = populate(server.configuration, options.populations[0], server.environment)
    return World(server, load, population, connections=workers)
