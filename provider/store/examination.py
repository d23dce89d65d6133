"""What is in a store, what is wrong with it, and what is missing in it: for operators."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from . import Collection, Store


@dataclass(frozen=True, slots=True)
class Contents:
    """What is there of one collection: its documents of one schema."""

    collection: str
    schema: int | None
    """The version of their shape; None where there are none."""
    documents: int
    kept: int
    """Those of them that are no longer valid: kept to recognise a second use."""
    unswept: int
    """Those that are not even kept any more, and wait for the next sweep."""


@dataclass(slots=True)
class Examination:
    """What was found, and what is wrong with it: a line for each problem, none where all is well."""

    facts: dict[str, str | int] = field(default_factory=dict)
    contents: list[Contents] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class ExaminableStore(Store):
    """A store that can be looked at as it is. `examine`, `missing` and `open_to_read` need no `open`, and make nothing;
    all of these raise StoreUnavailable and StoreRefused.
    """

    @abstractmethod
    def open_to_read(self, collections: Iterable[Collection]) -> None:
        """Open what is there as it is, and only if it needs no change: nothing is made, migrated or written."""

    @abstractmethod
    def missing(self, collections: Iterable[Collection]) -> list[str]:
        """What `open` would have to make: a few words for each, none where all is there."""

    @abstractmethod
    def examine(self, collections: Iterable[Collection]) -> Examination:
        """Read all of it and say what is wrong. Nothing is changed; others read and write meanwhile."""


def missing_problems(parts: Iterable[str]) -> Iterator[str]:
    """A problem for each part that an opening would have to make."""
    for part in parts:
        yield f"{part} is missing: creance store init makes it"


def newer_documents(contents: Sequence[Contents], collections: Iterable[Collection]) -> Iterator[str]:
    """A problem for each shape of documents that this version does not know."""
    known = {collection.name: collection.schema for collection in collections}
    for found in contents:
        schema = known.get(found.collection, found.schema)
        if found.schema is not None and schema is not None and found.schema > schema:
            yield (
                f"{found.collection} has documents of schema {found.schema} ({found.documents} of them), made by a "
                f"newer version; this one knows schema {schema}: install the newer version, or restore a backup"
            )
