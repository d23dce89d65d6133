"""`creance store copy`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from ..configuration import no_such
from ..errors import ConfigurationError
from ..keyring import SIGNING_KEYS, refuse_other_keys
from ..openid_provider import OpenIDProvider
from ..secret_files import read_first_line
from ..store import Collection, Store, make_store
from ..store.copying import compare, copy, count
from ..store.examination import ExaminableStore
from .invocation import Invocation, config_option, pass_invocation
from .progress import progress
from .refusal import Refused
from .table import print_table
from .waiting import waiting_for

TIMEOUT = 60.0
"""Seconds that one call may take: nobody waits for a page in a browser here."""


@click.command("copy")
@config_option
@click.argument("source_uri", metavar="FROM")
@click.argument("target_uri", metavar="TO")
@click.option(
    "--group",
    "groups",
    metavar="GROUP",
    multiple=True,
    help="Copy these collections only, as store.placement names them (sessions, tokens); may be given several times.",
)
@click.option("--overwrite", is_flag=True, help="Replace documents of TO that are not as those of FROM.")
@pass_invocation
def copy_command(
    invocation: Invocation, source_uri: str, target_uri: str, groups: tuple[str, ...], overwrite: bool
) -> None:
    """Copy a provider, or groups of its collections, from one store to another, and compare them. The provider must
    have been stopped.

    FROM and TO are URIs as store.uri has them, or @FILE, whose first line is one: a command line is no place for a
    password. Everything comes along as it is, also what is spent and kept only to recognise a second use. A copy that
    was interrupted goes on where it was when it is asked for again.
    """
    provider = invocation.provider
    collections = _named(provider.collections, groups)
    source, target = _store_at(provider, source_uri, "FROM"), _store_at(provider, target_uri, "TO")
    try:
        _open_source(source, provider.collections)
        with waiting_for(target.describe(), timeout=TIMEOUT):
            target.open(dict.fromkeys([SIGNING_KEYS, *collections]))
        if source.describe() == target.describe():
            raise Refused(f"FROM and TO are the same: {source.describe()}")
        refuse_other_keys(source, target, provider.settings.issuer, copied=SIGNING_KEYS in collections)
        click.echo(f"From {source.describe()}")
        click.echo(f"to {target.describe()}")
        click.echo("The provider must have been stopped: what it writes meanwhile is lost, or makes the copy fail.")
        _copy(source, target, collections, overwrite=overwrite)
    finally:
        source.close()
        target.close()
    secret = provider.settings.path(provider.settings.keys.secret_file)
    click.echo(f"Both hold the same. Name TO in the configuration, keep {secret} as it is, and start.")


def _named(collections: Sequence[Collection], groups: Sequence[str]) -> Sequence[Collection]:
    """Those of these groups; all where no group is named. Raises Refused for a group that there is not."""
    known = sorted({collection.placed_by for collection in collections})
    unknown = [group for group in groups if group not in known]
    if unknown:
        raise Refused(*(f"{group}: {no_such('group (is its plugin on?)', group, known)}" for group in unknown))
    return [collection for collection in collections if not groups or collection.placed_by in groups]


def _store_at(provider: OpenIDProvider, uri: str, which: str) -> Store:
    if uri.startswith("@"):
        uri = read_first_line(Path(uri[1:]).absolute(), which)
    folder = provider.settings.folder
    try:
        return make_store(uri, folder=folder, timeout=TIMEOUT)
    except ValueError as error:
        raise ConfigurationError(f"{which}: {error}") from None


def _open_source(source: Store, collections: Sequence[Collection]) -> None:
    """One that is there already, sound, and of a version that we know."""
    with waiting_for(source.describe(), timeout=TIMEOUT):
        if isinstance(source, ExaminableStore):
            source.open_to_read(collections)
        source.open(collections)  # a plugin may be new: what its collections need is made
    if isinstance(source, ExaminableStore):
        _examine(source, collections)


def _examine(source: ExaminableStore, collections: Sequence[Collection]) -> None:
    """Raises Refused where something is wrong with it; says what will not come along."""
    examination = source.examine(collections)
    if examination.problems:
        raise Refused(*examination.problems)
    declared = {collection.name for collection in collections}
    for contents in examination.contents:
        if contents.documents and contents.collection not in declared:
            click.echo(
                f"{contents.collection}: {contents.documents} documents are left behind: no plugin of this "
                "configuration has them"
            )


def _copy(source: Store, target: Store, collections: Sequence[Collection], *, overwrite: bool) -> None:
    documents = sum(count(source, collection) for collection in collections)
    with progress("copying", documents) as done:
        copied = [copy(source, target, collection, overwrite=overwrite, done=done) for collection in collections]
    with progress("comparing", 2 * documents) as done:
        summaries = list(map(partial(compare, source, target, done=done), collections))
    rows = [
        (collection.name, str(number), str(summary.documents), summary.digest[:16])
        for collection, number, summary in zip(collections, copied, summaries, strict=True)
    ]
    print_table(("collection", "copied now", "the same", "digest"), rows)
