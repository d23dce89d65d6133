"""The command `creance`. One file for each command or family of commands."""

from __future__ import annotations

import click

from .check import check
from .clients import clients
from .group import CreanceGroup
from .hash import hash_command
from .health import health
from .init import init
from .invocation import Invocation, config_option
from .keys import keys
from .migrate import migrate
from .schema import schema
from .secret import secret
from .serve import serve
from .sessions import sessions
from .store import store
from .users import users

__all__ = ["Invocation", "creance", "main"]


@click.group(cls=CreanceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@config_option
@click.version_option(package_name="creance", message="%(prog)s %(version)s")
def creance() -> None:
    """An OpenID Provider from one configuration file.

    To try it: `creance init demo`, then `creance serve`.
    """


for command in (
    *(serve, health, check, schema, init, hash_command, secret),
    *(clients, users, sessions, keys, store, migrate),
):
    creance.add_command(command)


def main() -> None:
    """The entry point: exit code 0, 1 for what the configuration or the system refuses, 2 for a wrong command line."""
    creance(prog_name="creance")
