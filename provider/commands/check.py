"""`creance check`."""

from __future__ import annotations

import click

from ..openid_provider import OpenIDProvider
from ..sealing import read_secret_file
from .invocation import Invocation, config_option, pass_invocation


def _grants(provider: OpenIDProvider) -> set[str]:
    return {grant for client in provider.clients.configured() for grant in client.grant_types}


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
    if "authorization_code" in _grants(provider) and not provider.plugins.hook.authenticate.get_hookimpls():
        click.echo("note: nobody can log in: no plugin knows the user; [plugins.sessions] has a login page", err=True)
    click.echo(f"{invocation.configuration} is right: {settings.issuer}, with {', '.join(provider.plugins.plugins)}")
