"""`creance check`."""

from __future__ import annotations

import click

from ..sealing import read_secret_file
from .invocation import Invocation, config_option, pass_invocation


@click.command()
@config_option
@pass_invocation
def check(invocation: Invocation) -> None:
    """Read the configuration and say all that is wrong with it, without serving.

    Nothing is written and the store is not opened.
    """
    provider = invocation.provider
    settings = provider.settings
    secret_file = settings.path(settings.keys.secret_file)
    if secret_file.exists():
        read_secret_file(secret_file)
    click.echo(f"{invocation.configuration} is right: {settings.issuer}, with {', '.join(provider.plugins.plugins)}")
