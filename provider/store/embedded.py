"""What a store can do besides whose data are a file of this machine: it is backed up by us, and put back."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Self

from .examination import ExaminableStore


class EmbeddedStore(ExaminableStore):
    """A store that nobody else looks after. A server has tools of its own for this.

    `back_up` and `restore` need no `open`; they raise StoreUnavailable and StoreRefused.
    """

    on_this_machine = True

    @abstractmethod
    def at(self, file: Path) -> Self:
        """The same kind of store on another file: a backup."""

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
