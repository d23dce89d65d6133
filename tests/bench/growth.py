"""Whether a worker's memory grows: many mixed requests, and its size after each tenth of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .load import Load
from .options import Options
from .population import populate
from .rows import (
    Authorization,
    ClientCredentials,
    Discovery,
    Exchange,
    Introspection,
    LoginRedirect,
    PasswordLogin,
    Refresh,
    Revocation,
    Row,
    Userinfo,
)
from .server import Server
from .world import World

_MIX: tuple[type[Row], ...] = (
    Authorization,
    Exchange,
    Refresh,
    Userinfo,
    ClientCredentials,
    Introspection,
    Discovery,
    LoginRedirect,
    PasswordLogin,
    Revocation,
    Userinfo,
)
_POPULATION = 1000
_SLICE = 100
"""Requests of a kind before the next kind comes."""


def measure_growth(options: Options, requests: int) -> None:
    """Make so many requests, and print the memory of the largest worker at each tenth."""
    with tempfile.TemporaryDirectory() as folder, Load() as load:
        server = Server(Path(folder), environment=options.environment)
        population = populate(server.configuration, _POPULATION, server.environment)
        with server:
            world = World(server, load, population)
            mix = [row(world) for row in _MIX]
            print(f"{'requests':>10}{'memory of a worker':>22}")
            print(f"{0:10,}{server.memory() / 2**20:18.1f} MiB", flush=True)
            done = 0
            for tenth in range(1, 11):
                while done < requests * tenth // 10:
                    done += sum(_run(row, max(1, min(_SLICE, requests // 100))) for row in mix)
                print(f"{done:10,}{server.memory() / 2**20:18.1f} MiB", flush=True)


def _run(row: Row, count: int) -> int:
    """So many requests of a row, or of a rare one fewer; answers how many."""
    count = max(1, round(count * row.share)) if row.share < 1 else count
    row.run(count)
    return count
