"""What a store can do besides whose data are a file of this machine: it is backed up and examined by us."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

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


class EmbeddedStore(Store):
    """A store that nobody else looks after. A server has tools of its own for all of this, and is a plain Store.

    `back_up`, `restore` and `examine` need no `open`; all of these raise StoreUnavailable and StoreRefused.
    """

    on_this_machine = True

    @abstractmethod
    def at(self, file: Path) -> Self:
        """The same kind of store on another file: a backup."""

    @abstractmethod
    def open_to_read(self, collections: Iterable[Collection]) -> None:
        """Open what is there as it is, and only if it needs no change: nothing is made, migrated or written."""

    @abstractmethod
    def back_up(self, target: Path, *, overwrite: bool = False) -> None:
        """Write all that is acknowledged at this moment, and nothing that is half done, to a file for its owner only.

        Others read and write meanwhile. The file is complete, sound and durable as soon as it has its name.
        """

    @abstractmethod
    def restore(self, backup: Path, *, keep_issued: bool = False) -> Path | None:
        """Put a backup in the place of what is there, while nobody uses it; answers where that is now.

        What was issued (whatever has an end: codes, tokens, sessions) stays behind, because some of it may have been
        spent or revoked since; `keep_issued` brings it back.
        """

    @abstractmethod
    def examine(self, collections: Iterable[Collection]) -> Examination:
        """Read all of it and say what is wrong. Nothing is changed; others read and write meanwhile."""
