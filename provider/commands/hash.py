"""`creance hash`."""

from __future__ import annotations

import click

from ..client_secrets import hash_client_secret
from ..passwords import Passwords
from .terminal import read_secret


@click.command("hash")
@click.option("--client-secret", is_flag=True, help="Hash the secret of a client instead of a person's password.")
def hash_command(client_secret: bool) -> None:
    """Turn a password into the line to paste into the configuration.

    It is read twice from the terminal, without an echo, or as one line from standard input.
    """
    if client_secret:
        click.echo(f'client_secret_hash = "{hash_client_secret(read_secret("Client secret"))}"')
    else:
        click.echo(f'password_hash = "{Passwords().hash(read_secret("Password"))}"')
