"""`creance users`."""

from __future__ import annotations

from typing import Any

import click
from pydantic import ValidationError

from ..configuration import explain
from ..errors import ConfigurationError
from ..registration import UserSettings
from ..users import User
from .assignment import assignments
from .invocation import Invocation, config_option, pass_invocation
from .table import print_table
from .terminal import read_secret


@click.group()
@config_option
def users() -> None:
    """People who can log in. Those of the configuration file are changed there."""


@users.command()
@config_option
@click.argument("username")
@click.option(
    "--claim",
    "claims",
    callback=assignments,
    multiple=True,
    metavar="NAME=VALUE",
    help="What clients may learn, as email=alice@example.org or email_verified=true. Any number of times.",
)
@click.option("--subject", help="The sub that clients see; made from the username where it is not given.")
@pass_invocation
def add(invocation: Invocation, username: str, claims: dict[str, Any], subject: str | None) -> None:
    """Add a user to the store. The password is read from the terminal, or as one line from standard input."""
    with invocation.started_provider() as provider:
        try:
            settings = UserSettings(username=username, claims=claims, subject=subject)
        except ValidationError as error:
            raise ConfigurationError(*explain(error, UserSettings, "user")) from None
        if provider.users.find(username) is not None:
            raise ConfigurationError(f"username {username} exists already")
        if subject is not None and provider.clients.find(subject) is not None:
            raise ConfigurationError(f"subject {subject} is the client_id of a client")
        user = provider.users.create_user(username, read_secret("Password"), settings.claims, subject)
    click.echo(f"{user.username} can log in; the sub is {user.subject}")


@users.command()
@config_option
@click.argument("username")
@pass_invocation
def passwd(invocation: Invocation, username: str) -> None:
    """Give a user of the store another password."""
    with invocation.started_provider() as provider:
        if provider.users.find(username) is None:
            raise ConfigurationError(f"username {username} does not exist")
        provider.users.set_password(username, read_secret("Password"))
    click.echo(f"{username} has another password")


@users.command("list")
@config_option
@pass_invocation
def list_users(invocation: Invocation) -> None:
    """List the users of the configuration and of the store."""

    def row(user: User, where: str) -> tuple[str, ...]:
        return user.username, user.subject, "disabled" if user.disabled else "enabled", where

    with invocation.started_provider() as provider:
        rows = [row(user, "configuration") for user in provider.users.configured()]
        rows += [row(user, "store") for user in provider.users.stored()]
    print_table(("username", "sub", "state", "where"), rows)
