"""`creance keys`."""

from __future__ import annotations

import click

from .invocation import Invocation, config_option, pass_invocation
from .table import moment, print_table


@click.group()
@config_option
def keys() -> None:
    """The keys that sign ID tokens."""


@keys.command("list")
@config_option
@pass_invocation
def list_keys(invocation: Invocation) -> None:
    """List the keys: next is published ahead, active signs, retired only verifies.

    Of keys that are given, published ones do not sign; earlier are the provider's own, from before.
    """
    with invocation.started_provider() as provider:
        rows = [
            (key.kid, key.algorithm, key.state, moment(key.created_at), moment(key.retired_at))
            for key in provider.keyring.keys()  # noqa: SIM118
        ]
    print_table(("kid", "algorithm", "state", "created", "retired"), rows)


@keys.command()
@config_option
@click.option(
    "--immediately",
    is_flag=True,
    help="Also where clients may not have seen the next key yet.",
)
@click.option(
    "--withdraw",
    is_flag=True,
    help="Remove the keys that signed until now, at once: they are no longer secret. What they signed is void.",
)
@pass_invocation
def rotate(invocation: Invocation, immediately: bool, withdraw: bool) -> None:
    """Sign with the next keys from now on, and publish those that come after them.

    Running workers follow within ten seconds. What the old keys signed can be verified until it expires, unless they
    are withdrawn.
    """
    with invocation.started_provider() as provider:
        provider.keyring.rotate(immediately=immediately, withdraw=withdraw)
        for key in provider.keyring.keys():  # noqa: SIM118
            if key.state == "active":
                click.echo(f"{key.algorithm}: {key.kid} signs now")
