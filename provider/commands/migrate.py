"""`creance migrate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from ..adopted.documents import PyopDatabase, PyopDocuments
from ..adopted.finishing import count_plain_secrets, hash_secrets, remove_tokens
from ..adopted.issued import Reason
from ..adopted.migrated_people import MigratedPeople
from ..adopted.migration import KINDS, Migration, Page, Sources
from ..adopted.tally import Moved, Outcome, Tally, left_in_place, tally_of
from ..secret_files import read_first_line
from .migrated_places import clients_at, database_at, opened, reach, store_at
from .progress import progress
from .refusal import Refused
from .table import print_table

_NAMES: Final = {
    "refresh_token": "refresh tokens",
    "authorization_code": "authorization codes",
    "access_token": "access tokens",
}
_SUBJECTS: Final = "subject identifiers"
_HASH_THEM: Final = (
    "write client_secret_hash in the place of each client_secret, with what `creance hash --client-secret` gives."
)

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def migrate() -> None:
    """What another provider keeps, moved into our form."""


@migrate.command()
@click.argument("uri", metavar="URI")
@click.option("--to", "to", metavar="URI", help="Our store, where the provider has settings.store.uri. [as URI]")
@click.option(
    "--placement",
    metavar="GROUP=URI",
    multiple=True,
    help="Where the provider has settings.store.placement; may be given several times.",
)
@click.option("--clients", "clients", metavar="URI|FILE", help="The database of the clients, or SATOSA's cdb.json.")
@click.option("--salt-file", type=_FILE, help="Its first line is the salt (SATOSA's sub_hash_salt).")
@click.option("--mirror-public", is_flag=True, help="The public sub is the user name (SATOSA's sub_mirror_public).")
@click.option("--authorization-codes", "codes", metavar="NAME", default="authz_codes", show_default=True)
@click.option("--access-tokens", metavar="NAME", default="access_tokens", show_default=True)
@click.option("--refresh-tokens", metavar="NAME", default="refresh_tokens", show_default=True)
@click.option("--subject-identifiers", metavar="NAME", default="subject_identifiers", show_default=True)
@click.option("--client-collection", metavar="NAME", default="clients", show_default=True)
@click.option("--apply", "moves", is_flag=True, help="Move. Without it nothing at all is written.")
@click.option("--finish", "finishes", is_flag=True, help="The last step: after it there is no way back to pyop.")
@click.option("--yes", is_flag=True, help="With --finish: ask nothing.")
def pyop(
    uri: str,
    to: str | None,
    placement: tuple[str, ...],
    clients: str | None,
    salt_file: Path | None,
    mirror_public: bool,
    codes: str,
    access_tokens: str,
    refresh_tokens: str,
    subject_identifiers: str,
    client_collection: str,
    moves: bool,
    finishes: bool,
    yes: bool,
) -> None:
    """Move at once what a pyop provider keeps in the MongoDB of URI: its codes, tokens and subject identifiers. Without
    --apply or --finish only say what would be done.

    URI is one of mongodb:// or mongodb+srv://, as db_uri of SATOSA's frontend, or @FILE, whose first line is one: a
    command line is no place for a password. Workers of ours may serve meanwhile, those of the plain provider must have
    been stopped. A run that was interrupted goes on when it is asked for again. Clients are read where they are.
    """
    if moves and finishes:
        raise click.UsageError("--apply and --finish are two steps: look at what was moved before the last one")
    database = database_at(uri, "URI")
    store = store_at(to or database.uri, "--to" if to else "URI", placement)
    sources = Sources(
        authorization_codes=database.collection(codes),
        access_tokens=database.collection(access_tokens),
        refresh_tokens=database.collection(refresh_tokens),
        subject_identifiers=database.collection(subject_identifiers),
        clients=clients_at(clients, database, client_collection),
    )
    salt = None if salt_file is None else read_first_line(salt_file, "--salt-file")
    people = MigratedPeople(salt, mirrors_public=mirror_public)
    of_clients = [sources.clients.database] if isinstance(sources.clients, PyopDocuments) else []
    databases = list(dict.fromkeys([database, *of_clients]))
    try:
        reach(*databases)
        with opened(store, make=moves) as ours:
            click.echo(f"From MongoDB, {database.name}")
            click.echo(f"to {store.describe()}")
            migration = Migration(sources, ours, people)
            if moves:
                _apply(migration)
            elif finishes:
                _finish(migration, database, asked=not yes)
                _say_whose_secrets_stay(sources.clients, clients)
            else:
                _look(migration)
    finally:
        for each in databases:
            each.close()


# The three steps.


def _look(migration: Migration) -> None:
    tallies = _survey(migration)
    _print(tallies, Moved.NOT_YET)
    _say_what_is_missing(migration, tallies)
    if not _to_move(migration, tallies):
        click.echo("All is moved that can be. The last step is --finish, when there is to be no way back to pyop.")
        return
    click.echo("Nothing was written. Stop the plain provider, and move with --apply.")


def _apply(migration: Migration) -> None:
    tallies = _go_through(migration, migration.move, move=True)
    _print(tallies, Moved.NOW)
    _say_what_is_missing(migration, tallies)
    click.echo("pyop's own documents are as they were: one can go back to it until --finish.")


def _finish(migration: Migration, database: PyopDatabase, *, asked: bool) -> None:
    tallies = _survey(migration)
    if waiting := _to_move(migration, tallies):
        raise Refused(
            f"{waiting} are still to be moved: do that first, by the same command with --apply in the place of --finish"
        )
    _print(tallies, Moved.NOT_YET)
    clients = migration.sources.clients
    click.echo("After this step there is no way back to pyop:")
    if isinstance(clients, PyopDocuments):
        click.echo(
            f"- {count_plain_secrets(clients)} client secrets are replaced by their hashes in {clients.full_name};"
        )
    click.echo(f"- codes and tokens that were moved or have expired are removed from {database.name}.")
    click.echo("What is left in place stays, and goes on being read there. Take a backup first.")
    if asked:
        _confirm(database)
    if isinstance(clients, PyopDocuments):
        with progress("client secrets", clients.count()) as done:
            click.echo(f"{hash_secrets(clients, done)} client secrets hashed")
    with progress("removing", sum(migration.sources.tokens(kind).count() for kind in KINDS)) as done:
        removed = remove_tokens(migration, done)
    for kind, number in removed.items():
        click.echo(f"{number} {_NAMES[kind]} removed")


def _survey(migration: Migration) -> dict[str, Tally]:
    return _go_through(migration, migration.look, move=False)


def _go_through(migration: Migration, pages: Callable[[str], Iterator[Page]], *, move: bool) -> dict[str, Tally]:
    """`pages`: what deals with the tokens of a kind. Subject identifiers come first: tokens need them."""
    tallies = {}
    with progress(_SUBJECTS, migration.sources.subject_identifiers.count()) as done:
        tallies[_SUBJECTS] = migration.subjects(done, move=move)
    for kind in KINDS:
        with progress(_NAMES[kind], migration.sources.tokens(kind).count()) as done:
            tallies[_NAMES[kind]] = tally_of(pages(kind), done)
    return tallies


def _to_move(migration: Migration, tallies: Mapping[str, Tally]) -> str:
    """What is good and not in our form yet, in words; empty where nothing is."""
    good: list[Outcome] = [Moved.NOT_YET]
    if not migration.people.have_salt:
        good.append(Reason.SALT_NEEDED)
    found = [f"{number} {name}" for name, tally in tallies.items() if (number := sum(tally[each] for each in good))]
    if not found and not migration.subjects_are_complete():
        found = ["subject identifiers"]
    return ", ".join(found)


def _confirm(database: PyopDatabase) -> None:
    name = database.name.partition(" at ")[0]
    if (
        click.prompt(f"Type the name of the database, {name}, to go on", err=True, default="", show_default=False)
        != name
    ):
        raise Refused("nothing was changed")


def _print(tallies: Mapping[str, Tally], last: Moved) -> None:
    rows = [
        (name, str(tally.total()), str(tally[Moved.BEFORE]), str(tally[last]), _reasons(tally))
        for name, tally in tallies.items()
    ]
    print_table(("kind", "found", str(Moved.BEFORE), str(last), "left in place"), rows)


def _reasons(tally: Tally) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in left_in_place(tally).items()) or "0"


def _say_what_is_missing(migration: Migration, tallies: Mapping[str, Tally]) -> None:
    clients = migration.sources.clients
    number = clients.count() if isinstance(clients, PyopDocuments) else len(clients)
    plain = f"{count_plain_secrets(clients)} have a secret that can be read"
    click.echo(f"{number} clients are read where they are; {plain}.")
    left = sum(tallies.values(), Tally())
    if left[Reason.SALT_NEEDED]:
        click.echo("Whose token it is can be told only with the salt that made the sub: --salt-file, --mirror-public.")
    if left[Reason.ANOTHER_SALT]:
        click.echo(
            "The salt of --salt-file does not give the sub that these clients see: it is another one, or they had "
            "another redirect_uri."
        )
    if left[Reason.CLIENT_UNKNOWN]:
        click.echo("Clients that are elsewhere: --clients. Those of the provider's own settings are not known here.")


def _say_whose_secrets_stay(clients: PyopDocuments | Mapping[str, Any], file: str | None) -> None:
    """What is in a file is the operator's to write. `file`: that of `--clients`."""
    if not isinstance(clients, PyopDocuments):
        click.echo(f"{count_plain_secrets(clients)} client secrets can still be read in {file}: {_HASH_THEM}")
    elif not clients.count():
        click.echo(
            f"No client is in {clients.full_name}. Secrets in a file, as cdb.json, can still be read: {_HASH_THEM}"
        )
