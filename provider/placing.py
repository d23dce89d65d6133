"""The stores that the configuration names, as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from .configuration import no_such
from .errors import ConfigurationError
from .secret_files import read_first_line
from .settings import Settings
from .store import Collection, Store, make_store
from .store.placement import PlacedStore


@dataclass(frozen=True)
class Place:
    """A store that the configuration names."""

    setting: str
    uri: SecretStr | Path
    """The URI, or the file whose first line it is."""
    group: str | None = None
    """The group of collections that lives there; None for all that live nowhere else."""

    def uri_in(self, settings: Settings) -> str:
        """Raises ConfigurationError where the file cannot be read."""
        if isinstance(self.uri, Path):
            return read_first_line(settings.path(self.uri), self.setting)
        return self.uri.get_secret_value()

    def make(self, uri: str, settings: Settings) -> Store:
        """Raises ConfigurationError for a URI that no store understands."""
        try:
            return make_store(uri, folder=settings.folder, timeout=settings.store.timeout)
        except ValueError as error:
            raise ConfigurationError(f"{self.setting}: {error}") from None


def places(settings: Settings) -> Iterator[Place]:
    """`store.uri`, or `store.uri_file`, and then those of `store.placement` and `store.placement_files`."""
    store = settings.store
    yield Place("store.uri", store.uri) if store.uri_file is None else Place("store.uri_file", store.uri_file)
    for group, uri in store.placement.items():
        yield Place(f"store.placement.{group}", uri, group)
    for group, file in store.placement_files.items():
        yield Place(f"store.placement_files.{group}", file, group)


def make_stores(settings: Settings, collections: Sequence[Collection]) -> Store:
    """The store of `store.uri`, and those of `store.placement` for the groups that live elsewhere.

    Raises ConfigurationError for a URI that no store understands, and for a group that there is not.
    """
    groups = sorted({collection.placed_by for collection in collections})
    mistakes: list[str] = []
    made: dict[str, Store] = {}
    placed: dict[str | None, Store] = {}
    for place in places(settings):
        if place.group not in (None, *groups):
            mistakes.append(f"{place.setting}: {no_such('group (is its plugin on?)', place.group or '', groups)}")
            continue
        try:
            uri = place.uri_in(settings)
            placed[place.group] = made.get(uri) or made.setdefault(uri, place.make(uri, settings))
        except ConfigurationError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigurationError(*mistakes)
    rest = placed.pop(None)
    elsewhere = {group: store for group, store in placed.items() if group is not None}
    return PlacedStore(rest, elsewhere) if elsewhere else rest
