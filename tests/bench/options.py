"""What to measure: options of the command line, and the same by environment, for `make`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from .rows import ROWS, Row

F = TypeVar("F", bound=Callable[..., Any])

LOG_LINE = "log-line"
"""The row of a kind of its own."""
BESIDE_PYOP = "beside-pyop"
"""A table of its own."""
OTHERS = (LOG_LINE, BESIDE_PYOP)

_ROUNDS = 3
_MOST_WORKERS = 64


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and how long."""

    populations: tuple[int, ...]
    rows: tuple[type[Row], ...]
    log_line: bool
    beside_pyop: bool
    """Whether plain pyop is measured too, which knows neither several workers nor our stores."""
    count: int
    """Requests of a row and round, for rows with a share of 1."""
    rounds: int
    starts: int
    """How often the start is measured; 0 leaves it out."""
    environment: dict[str, str]
    """Settings of the server, as variables."""
    workers: tuple[int, ...]
    store: str


def bench_options(command: F) -> F:
    """The options that `make_options` takes."""
    for option in reversed(
        [
            click.option(
                "--bench",
                envvar="BENCH",
                type=click.Choice(["full", "quick"]),
                default="full",
                help="quick: 10 of each only, and fewer requests; within a minute.",
            ),
            click.option(
                "--workers",
                envvar="WORKERS",
                metavar="N,…",
                default="1",
                help="Workers that serve; of several numbers each is measured, in turns, and nothing else.",
            ),
            click.option(
                "--store",
                envvar="STORE",
                metavar="URI",
                default="",
                help="Another store than the embedded one; {} in it is a new name for each server.",
            ),
            click.option(
                "--rows",
                envvar="ROWS",
                metavar="NAME,…",
                default="",
                help=f"Only these: {', '.join([*(row.name for row in ROWS), *OTHERS])}.",
            ),
            click.option(
                "--count",
                envvar="COUNT",
                type=click.IntRange(1, 100_000),
                default=None,
                help="Requests of a row and round; cheap rows make more.",
            ),
            click.option(
                "--populations",
                envvar="POPULATIONS",
                metavar="N,…",
                default="",
                help="Users, clients, sessions and grants in the store.",
            ),
        ]
    ):
        command = option(command)
    return command


def make_options(*, bench: str, workers: str, store: str, rows: str, count: int | None, populations: str) -> Options:
    """The options as they are meant. Raises click.BadParameter."""
    quick = bench == "quick"
    numbers = _workers(workers)
    environment = {"CREANCE_HTTP__WORKERS": str(numbers[0])}
    if store:
        environment["CREANCE_STORE__URI"] = store
    names = listed(rows)
    can_be_beside_pyop = numbers == (1,) and not store
    if BESIDE_PYOP in names and not can_be_beside_pyop:
        raise click.BadParameter(f"{BESIDE_PYOP} is with one worker and the embedded store")
    return Options(
        populations=_populations(populations) or ((10,) if quick else (10, 100_000)),
        rows=tuple(named_rows([name for name in names if name not in OTHERS]) if names else ROWS),
        log_line=not names or LOG_LINE in names,
        beside_pyop=BESIDE_PYOP in names or (can_be_beside_pyop and not names and not quick),
        count=count or (150 if quick else 600),
        rounds=_ROUNDS,
        starts=0 if names else 3 if quick else 10,
        environment=environment,
        workers=numbers,
        store=store,
    )


def named_rows(names: Sequence[str]) -> list[type[Row]]:
    """Rows by their names, in the order of the table. Raises click.BadParameter."""
    known = {row.name for row in ROWS}
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"no row {', '.join(unknown)}; there are {', '.join(row.name for row in ROWS)}")
    return [row for row in ROWS if row.name in names]


def _workers(text: str) -> tuple[int, ...]:
    numbers = _numbers("workers", text)
    if not numbers or not all(0 < number <= _MOST_WORKERS for number in numbers):
        raise click.BadParameter(f"there are 1 to {_MOST_WORKERS} workers")
    return numbers


def _populations(text: str) -> tuple[int, ...]:
    populations = _numbers("populations", text)
    if any(population < 4 for population in populations):
        raise click.BadParameter("4 is the least population: one of each kind of client")
    return populations


def _numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word.replace("_", "")) for word in listed(text))
    except ValueError:
        raise click.BadParameter(f"{name} are numbers, as 1,2,4") from None


def listed(text: str) -> list[str]:
    """Names with commas between them."""
    return [word.strip() for word in text.split(",") if word.strip()]
