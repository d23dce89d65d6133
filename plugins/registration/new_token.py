"""`creance registration-token`."""

from __future__ import annotations

import click
from creance.provider.client_secrets import hash_client_secret, new_client_secret
from creance.provider.commands.invocation import config_option


@click.command("registration-token")
@config_option
def registration_token() -> None:
    """Make an initial access token, for whoever may register clients, and print it with its hash.

    The hash goes into plugins.registration.initial_access_token_hashes, or into the file of
    initial_access_tokens_file; the token is kept nowhere.
    """
    token = new_client_secret()
    click.echo(f'initial_access_token = "{token}"')
    click.echo(f'initial_access_token_hashes = ["{hash_client_secret(token)}"]')
