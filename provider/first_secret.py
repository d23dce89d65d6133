"""The secret of a first start, which is made where nothing was sealed with another one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .errors import ConfigurationError
from .keyring import holds_keys
from .sealing import make_secret_file
from .store import Collection, Store


def make_first_secret(path: Path, store: Store, collections: Iterable[Collection]) -> None:
    """Make the file of `keys.secret_file`. Raises ConfigurationError where it was lost: a new one would be a wrong one.

    With keys of the operator's own the store has none that it sealed; that it was in use is seen by whatever it holds.
    Another worker that starts at the same time makes the file before it writes anything.
    """
    has_keys = holds_keys(store)
    in_use = has_keys or any(store.page_kept(collection, limit=1) for collection in collections)
    if path.exists():
        return
    if has_keys:
        raise ConfigurationError(
            f"keys.secret_file: {path} is not there, and without its secret nothing opens the keys in the store: "
            "put it back"
        )
    if in_use:
        raise ConfigurationError(
            f"keys.secret_file: {path} is not there, and the store was in use with its secret: put it back. If it is "
            "lost, `creance secret new` prints another one for that file: pages that are open, remembered logins and "
            "known devices end with the old one"
        )
    make_secret_file(path)
