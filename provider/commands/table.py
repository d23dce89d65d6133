"""Lists, in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The rows below their header. One that is not there is a dash, so that columns stay apart for programs too."""
    lines = [header, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def moment(seconds: float | None) -> str:
    """A time as people and programs read it; empty where there is none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds is not None else ""
