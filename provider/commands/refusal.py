"""How a command says no."""

from __future__ import annotations

from typing import Any

import click


class Refused(click.ClickException):
    """What was asked for cannot be done: a line for each thing to mend, exit code 1."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self._lines = lines

    def show(self, file: Any = None) -> None:
        """On standard error, each line saying who speaks."""
        for line in self._lines:
            click.echo(f"creance: {line}", file=file, err=file is None)
