"""`creance store`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from ..errors import ConfigurationError
from ..keyring import SIGNING_KEYS
from ..openid_provider import OpenIDProvider
from ..sealing import Sealer, read_secret_file
from ..store import Collection, Store, StoreRefused, StoreUnavailable
from ..store.embedded import EmbeddedStore
from ..store.examination import ExaminableStore, Examination
from .invocation import Invocation, config_option, pass_invocation
from .refusal import Refused
from .store_copy import copy_command
from .table import print_table

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
@config_option
def store() -> None:
    """The databases: made, examined, copied; one that is a file is backed up and put back too."""


store.add_command(copy_command)


def _embedded(provider: OpenIDProvider) -> EmbeddedStore:
    if not isinstance(provider.store, EmbeddedStore):
        raise Refused(
            f"{provider.store.describe()}: only a store that is one file is looked after here; use the database's own "
            "tools"
        )
    return provider.store


@store.command()
@config_option
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Also where FILE is there already.")
@pass_invocation
def backup(invocation: Invocation, file: Path, force: bool) -> None:
    """Write all that the database holds at this moment to FILE, also while the provider serves.

    It is complete as soon as it has its name, and only its owner can read it.
    """
    provider = invocation.provider
    _embedded(provider).back_up(file, overwrite=force)
    click.echo(f"{file}: {file.stat().st_size} bytes, complete and sound")
    click.echo("It holds people's claims, hashes of passwords and tokens, and the signing keys, sealed: keep it safe.")
    click.echo(f"The secret that opens the keys is not in it: keep {_secret_file(provider)} too, in another place.")


@store.command()
@config_option
@click.argument("file", type=_FILE)
@click.option(
    "--keep-issued",
    is_flag=True,
    help="Bring back codes, tokens and sessions too. Those that were spent or revoked since the backup work again.",
)
@pass_invocation
def restore(invocation: Invocation, file: Path, keep_issued: bool) -> None:
    """Put the backup FILE in the place of the database. The provider must have been stopped.

    Users, clients and keys come back as they were. Everybody logs in anew: what was issued stays behind, since some of
    it may have been spent or revoked after the backup. The database that was there is kept beside it.
    """
    provider = invocation.provider
    aside = _embedded(provider).restore(file, keep_issued=keep_issued)
    click.echo(f"{file} is restored{', with all that was issued' if keep_issued else ''}")
    if aside is not None:
        click.echo(f"What was there before is {aside}")


@store.command()
@config_option
@click.argument("file", type=_FILE, required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@pass_invocation
def check(invocation: Invocation, file: Path | None, as_json: bool) -> None:
    """Read the whole database, or the backup FILE, and say what it holds and all that is wrong with it.

    Where [store.placement] names several, each of them in turn. Nothing is changed, and the provider may serve
    meanwhile. The exit code is 1 where something is wrong.
    """
    provider = invocation.provider
    asked = provider.store if file is None else _embedded(provider).at(file)
    shares = asked.shares(provider.collections)
    examined = [(store, _examine(provider, _examinable(store), share)) for store, share in shares]
    if as_json:
        members = [{"store": store.describe(), **asdict(examination)} for store, examination in examined]
        click.echo(json.dumps({"stores": members}, indent=2))
    else:
        for number, (store, examination) in enumerate(examined):
            _print(store, examination, apart=number > 0)
    problems = [problem for _, examination in examined for problem in examination.problems]
    if problems:
        raise Refused(*problems)


@store.command()
@config_option
@pass_invocation
def init(invocation: Invocation) -> None:
    """Make what the databases lack: files, tables, indexes. Nothing that is there is changed.

    `creance serve` does the same. This is for a database on which the account that serves may not: run it with the
    store's URI of one that may (CREANCE_STORE__URI), before the first start and after each upgrade.
    """
    provider = invocation.provider
    for place, share in provider.store.shares(provider.collections):
        missing = place.missing(share) if isinstance(place, ExaminableStore) else []
        try:
            place.open(share)
            click.echo(place.describe())
        finally:
            place.close()
        for part in missing:
            click.echo(f"made: {part}")
        click.echo("all is there that the provider needs")


def _examinable(store: Store) -> ExaminableStore:
    if not isinstance(store, ExaminableStore):
        raise Refused(f"{store.describe()}: this store cannot be examined here; use the database's own tools")
    return store


def _examine(provider: OpenIDProvider, store: ExaminableStore, share: Sequence[Collection]) -> Examination:
    examination = store.examine(share)
    if SIGNING_KEYS in share and not examination.problems:
        _examine_keys(provider, store, share, examination)
    return examination


def _examine_keys(
    provider: OpenIDProvider, examined: ExaminableStore, share: Sequence[Collection], examination: Examination
) -> None:
    """Whether the secret opens the keys: without it no backup is worth anything."""
    if not any(each.collection == SIGNING_KEYS.name and each.documents for each in examination.contents):
        examination.facts["keys"] = "none yet"
        return
    try:
        examined.open_to_read(share)
        sealer = Sealer(read_secret_file(_secret_file(provider)), provider.settings.issuer)
        provider.keyring_in(examined, sealer).ping()
        examination.facts["keys"] = f"opened by {_secret_file(provider)}"
    except StoreRefused as refusal:
        examination.facts["keys"] = f"not looked at: {refusal}"
    except (ConfigurationError, StoreUnavailable) as error:
        examination.problems.append(str(error))
    finally:
        examined.close()


def _secret_file(provider: OpenIDProvider) -> Path:
    return provider.settings.path(provider.settings.keys.secret_file)


def _print(examined: Store, examination: Examination, *, apart: bool) -> None:
    if apart:
        click.echo()
    click.echo(examined.describe())
    click.echo()
    print_table(("what", "found"), [(name, str(found)) for name, found in examination.facts.items()])
    click.echo()
    header = ("collection", "schema", "documents", "only kept", "to be swept")
    print_table(header, [tuple(map(_cell, asdict(contents).values())) for contents in examination.contents])


def _cell(value: str | int | None) -> str:
    return "" if value is None else str(value)
