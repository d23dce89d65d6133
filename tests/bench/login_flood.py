"""How long a token request takes while a flood of logins comes in: passwords are made to be slow to check.

`python -m bench.login_flood` prints it alone. The names and passwords are right, so that no limit of logins strikes and
each attempt costs what it can; what is refused because all places for hashing are taken is counted and no mistake.
"""

from __future__ import annotations

import http.client
import itertools
import multiprocessing
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from .load import Address, Load
from .options import bench_options, make_options
from .population import PASSWORD, populate
from .rows import ClientCredentials, Exchange, LoginPage, Row
from .server import Server
from .startup import Figure
from .world import Form, World

ATTEMPTS_PER_SECOND = 50
BUDGET = 50.0
"""Milliseconds that a token request may take, flood or none."""
_LINES = 32
"""Connections of the flood: an attempt that is late does not keep the next one from being sent."""
_PERCENTILES = (50, 95, 99)


@contextmanager
def login_flood(address: Address, form: Form, usernames: Sequence[str], per_second: int) -> Iterator[Counter[int]]:
    """Attempts at a rate meanwhile, from a process of its own. The counter has the statuses, once it has ended."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_send, args=(theirs, address, form, usernames, per_second), daemon=True)
    process.start()
    statuses: Counter[int] = Counter()
    ours.recv()  # it has begun
    try:
        yield statuses
    finally:
        ours.send(None)
        statuses.update(ours.recv())
        process.join()


def _send(orders: Any, address: Address, form: Form, usernames: Sequence[str], per_second: int) -> None:
    statuses: Counter[int] = Counter()
    stopped = threading.Event()
    turns = zip(itertools.count(), itertools.cycle(usernames), strict=False)
    begun, mutex = time.monotonic(), threading.Lock()

    def line() -> None:
        connection = http.client.HTTPConnection(*address, timeout=60)
        while not stopped.is_set():
            with mutex:
                turn, username = next(turns)
            if stopped.wait(max(0.0, begun + turn / per_second - time.monotonic())):
                return
            connection.request("POST", "/auth/login", *_attempt(form, username))
            response = connection.getresponse()
            response.read()
            with mutex:
                statuses[response.status] += 1

    threads = [threading.Thread(target=line) for _ in range(_LINES)]
    for thread in threads:
        thread.start()
    orders.send(None)
    orders.recv()
    stopped.set()
    for thread in threads:
        thread.join()
    orders.send(statuses)


def _attempt(form: Form, username: str) -> tuple[str, dict[str, str]]:
    fields = {"csrf_token": form.csrf_token, "request": form.sealed, "username": username, "password": PASSWORD}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": form.visit.cookie}
    return urlencode(fields), headers


def token_latencies(world: World, count: int) -> list[Figure]:
    """One request after the other, with and without a flood beside it."""
    rows: list[Row] = [ClientCredentials(world), Exchange(world)]
    for row in rows:
        row.concurrency = 1
    LoginPage(world).run(1)
    form, usernames = world.forms[-1], world.population.usernames
    figures = _percentiles(rows, count, "alone")
    with login_flood(world.server.address, form, usernames, ATTEMPTS_PER_SECOND) as statuses:
        time.sleep(1)
        figures += _percentiles(rows, count, f"under {ATTEMPTS_PER_SECOND} logins a second")
    answered = sum(statuses.values())
    in_percent = 100 * statuses[303] / answered if answered else 0.0
    return [*figures, Figure("logins-under-flood", "logins that were let in", 100.0, "%", 0, in_percent)]


def _percentiles(rows: Sequence[Row], count: int, when: str) -> list[Figure]:
    figures = []
    for row in rows:
        latencies = sorted(row.run(count).latencies)
        for percentile in _PERCENTILES:
            value = latencies[len(latencies) * percentile // 100] * 1000
            figures.append(
                Figure(f"{row.name}-p{percentile}", f"{row.title}, {when}, p{percentile}", BUDGET, "ms", 0, value)
            )
    return figures


@click.command()
@bench_options
def main(**named: Any) -> None:
    """Measure nothing else."""
    options = make_options(**named)
    with tempfile.TemporaryDirectory() as folder, Load() as load:
        server = Server(Path(folder), environment=options.environment)
        population = populate(server.configuration, options.populations[0], server.environment)
        server.start()
        try:
            for figure in token_latencies(World(server, load, population), options.count):
                print(f"{figure.title:60}{figure.value:9.2f} {figure.unit}")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
