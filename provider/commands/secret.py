"""`creance secret`."""

from __future__ import annotations

import click

from ..sealing import new_secret


@click.group()
def secret() -> None:
    """The secrets that seal what the store holds."""


@secret.command("new")
def new() -> None:
    """Print a fresh secret, as one line for keys.secret_file.

    To change the secret put the new one in front of the old one, which still opens what it sealed.
    """
    click.echo(new_secret())
