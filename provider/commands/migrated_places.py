"""Where `creance migrate pyop` reads and writes: a pyop provider's databases, its clients, and our store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..adopted.documents import PyopDatabase, PyopDocuments
from ..adopted.migration import COLLECTIONS
from ..errors import ConfigurationError
from ..secret_files import read_first_line
from ..store import Collection, Store, StoreRefused, make_store
from ..store.examination import ExaminableStore
from ..store.placement import PlacedStore
from .refusal import Refused
from .waiting import waiting_for

TIMEOUT: Final = 60.0
"""Seconds that one call may take: nobody waits for a page in a browser here."""
_DEFAULT_DATABASE: Final = "satosa"
"""Of a URI that names none, as in SATOSA's frontend."""
_GROUPS: Final = sorted({collection.placed_by for collection in COLLECTIONS})


def database_at(uri: str, which: str) -> PyopDatabase:
    """The database of a URI, or of `@FILE`, whose first line is one; `which` says whose. Raises ConfigurationError."""
    try:
        return PyopDatabase(_read_uri(uri, which), default_name=_DEFAULT_DATABASE, timeout=TIMEOUT)
    except ValueError as error:
        raise ConfigurationError(f"{which}: {error}") from None


def clients_at(given: str | None, database: PyopDatabase, name: str) -> PyopDocuments | Mapping[str, Any]:
    """The collection of that name, in this database or in the `given` one; or what is in the `given` file. Raises
    ConfigurationError.
    """
    if given is None:
        return database.collection(name)
    if given.startswith("@") or "://" in given:
        return database_at(given, "--clients").collection(name)
    try:
        clients = json.loads(Path(given).read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not JSON"
        raise ConfigurationError(f"--clients: {given} cannot be read: {why}") from None
    if not isinstance(clients, dict):
        raise ConfigurationError(f"--clients: {given} must be an object with a member for each client_id")
    return clients


def reach(*databases: PyopDatabase) -> None:
    """Raises StoreUnavailable where one does not answer."""
    for database in databases:
        with waiting_for(f"the database {database.name}", timeout=TIMEOUT):
            database.ping()


def store_at(uri: str, which: str, placement: Sequence[str]) -> Store:
    """Our store, as a provider has it with `store.uri` and `store.placement`. `placement`: each GROUP=URI. Raises
    ConfigurationError.
    """
    made: dict[str, Store] = {}
    rest = _made_once(uri, which, made)
    placed = {}
    for each in placement:
        group, _, place = each.partition("=")
        if group not in _GROUPS:
            raise ConfigurationError(
                f"--placement: {group!r} is no group that anything is moved to: those are {', '.join(_GROUPS)}"
            )
        placed[group] = _made_once(place, f"--placement {group}", made)
    return PlacedStore(rest, placed) if placed else rest


@contextmanager
def opened(store: Store, *, make: bool) -> Iterator[Store]:
    """The store, laid out if we may `make` it; else as it is, and an empty one where nothing is yet."""
    with ExitStack() as stack:
        stack.enter_context(closing(store))
        with waiting_for(store.describe(), timeout=TIMEOUT):
            if make:
                store.open(COLLECTIONS)
            found = store if make else _as_it_is(store, stack)
        yield found


def _made_once(uri: str, which: str, made: dict[str, Store]) -> Store:
    read = _read_uri(uri, which)
    try:
        return made.get(read) or made.setdefault(read, make_store(read, folder=Path.cwd(), timeout=TIMEOUT))
    except ValueError as error:
        raise ConfigurationError(f"{which}: {error}") from None


def _read_uri(uri: str, which: str) -> str:
    return read_first_line(Path(uri[1:]).absolute(), which) if uri.startswith("@") else uri


def _as_it_is(store: Store, stack: ExitStack) -> Store:
    """Each of its places opened to be read, or an empty one in its stead."""
    found: dict[str, Store] = {}
    for place, share in store.shares(COLLECTIONS):
        readable = place if share and _is_there(place, share) else _empty(stack)
        found |= dict.fromkeys((collection.placed_by for collection in share), readable)
    return PlacedStore(store, found)


def _empty(stack: ExitStack) -> Store:
    folder = stack.enter_context(TemporaryDirectory(prefix="creance-"))
    empty = make_store("sqlite:empty.db", folder=Path(folder), timeout=TIMEOUT)
    stack.enter_context(closing(empty)).open(COLLECTIONS)
    return empty


def _is_there(store: Store, collections: Sequence[Collection]) -> bool:
    """Whether it can be read without making anything. Raises StoreUnavailable, StoreRefused."""
    if not isinstance(store, ExaminableStore):
        raise Refused(f"{store.describe()}: this store cannot be looked at without opening it: use --apply")
    missing = store.missing(collections)
    if missing and store.on_this_machine:  # a file, which has a table for each collection
        return False
    try:
        store.open_to_read(collections)
    except StoreRefused:
        if not missing:
            raise
        return False
    return True
