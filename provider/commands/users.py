"""`creance users`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from ..configuration import explain
from ..errors import ConfigurationError
from ..openid_provider import OpenIDProvider
from ..registration import UserSettings
from ..user_import import UserImport
from ..users import User
from .assignment import assignments
from .invocation import Invocation, config_option, pass_invocation
from .progress import progress
from .table import print_table
from .terminal import read_secret
from .user_files import read_users


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
    """Give a user of the store another password. Their sessions end, and no browser remembers them."""
    with invocation.started_provider() as provider:
        if provider.users.find(username) is None:
            raise ConfigurationError(f"username {username} does not exist")
        provider.users.set_password(username, read_secret("Password"))
        ended = _end_sessions(provider, username)
    click.echo(f"{username} has another password{ended}")


@users.command()
@config_option
@click.argument("username")
@pass_invocation
def disable(invocation: Invocation, username: str) -> None:
    """Let a user of the store log in no more. Their sessions end, and what apps have of them."""
    with invocation.started_provider() as provider:
        provider.users.disable(username)
        ended = _end_sessions(provider, username)
        user = provider.users.find(username)
        if user is not None:
            provider.tokens.end_subject(user.subject)
    click.echo(f"{username} is disabled{ended}")


@users.command()
@config_option
@click.argument("username")
@pass_invocation
def enable(invocation: Invocation, username: str) -> None:
    """Let a disabled user of the store log in again. What ended when they were disabled does not come back."""
    with invocation.started_provider() as provider:
        provider.users.enable(username)
    click.echo(f"{username} is enabled")


@users.command("import")
@config_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["jsonl", "csv"]),
    help="What the file is, where its name does not end in .jsonl or .csv.",
)
@click.option("--plain-passwords", is_flag=True, help="Take passwords that are not hashed, in `password`.")
@click.option("--dry-run", is_flag=True, help="Only look whether all is right.")
@pass_invocation
def import_users(
    invocation: Invocation, file: Path, file_format: str | None, plain_passwords: bool, dry_run: bool
) -> None:
    """Add the users of a file to the store: all of them, or none where a line is wrong.

    JSON lines have an object a line, with the names of [[users]] in the configuration: username, password_hash,
    subject, claims, disabled. CSV has these as columns, and each other column is a claim. Users who are there already
    just so are passed over: an import can be done again.
    """
    rows = read_users(file, as_csv=_format_of(file, file_format) == "csv")
    with invocation.started_provider() as provider:
        users_of_file = UserImport(provider, plain_passwords=plain_passwords)
        if mistakes := users_of_file.check(rows):
            raise ConfigurationError(*mistakes)
        if not dry_run:
            with progress("adding users", len(users_of_file)) as done:
                for written in users_of_file.write():
                    done(written)
    there = f"; {users_of_file.already_there} were there already" if users_of_file.already_there else ""
    click.echo(f"{len(users_of_file)} users {'would be' if dry_run else 'are'} added{there}")


@users.command()
@config_option
@pass_invocation
def reindex(invocation: Invocation) -> None:
    """Write the users of the store anew, so that they can be found by what this version looks them up by.

    Needed once after an update from a version without login by e-mail address. Can be done at any time.
    """
    with invocation.started_provider() as provider:
        usernames = [user.username for user in provider.users.stored()]
        for username in usernames:
            provider.users.rewrite(username)
    click.echo(f"{len(usernames)} users are written anew")


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


def _end_sessions(provider: OpenIDProvider, username: str) -> str:
    """End them where something keeps them, and say how many there were."""
    ended = provider.browser_sessions.end_all(username) if provider.browser_sessions else 0
    return f"; {ended} of their sessions ended" if ended else ""


def _format_of(file: Path, chosen: str | None) -> str:
    suffix = file.suffix.lower().removeprefix(".")
    if chosen is None and suffix not in ("jsonl", "csv"):
        raise click.UsageError(f"{file.name} ends neither in .jsonl nor in .csv: say which it is by --format")
    return chosen or suffix
