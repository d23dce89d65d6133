"""The last step of a move from pyop (`creance migrate pyop --finish`), after which there is no way back: no client
secret and no token that was moved can be read in the database any more.

Each document is changed or removed for itself, as it was read: a run that was interrupted is begun again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..client_secrets import hash_client_secret
from .documents import Kept, PyopDocuments
from .issued import Reason
from .migration import KINDS, Migration, access_token_of
from .tally import PAGE, Done, Moved

_OVER: Final = (Moved.BEFORE, Reason.EXPIRED, Reason.ENDED)
"""What nobody needs to read in pyop's databases any more."""


def count_plain_secrets(clients: PyopDocuments | Mapping[str, Any]) -> int:
    """How many registrations have a secret that can be read."""
    if isinstance(clients, Mapping):
        return sum(_secret_of(registered) is not None for registered in clients.values())
    return sum(_secret_of(kept.value) is not None for page in clients.pages(PAGE) for kept in page)


def hash_secrets(clients: PyopDocuments, done: Done) -> int:
    """Keep the hash of each client secret in the place of it; answers how many. Raises StoreUnavailable."""
    hashed = 0
    for page in clients.pages(PAGE):
        hashed += sum(_hash_secret(clients, kept) for kept in page)
        done(len(page))
    return hashed


def remove_tokens(migration: Migration, done: Done) -> dict[str, int]:
    """Remove the codes and tokens that were moved or are over; answers how many of each kind. What stays in place goes
    on being read there, and so the access token stays that a refresh token refers to. Raises StoreUnavailable.
    """
    removed = dict.fromkeys(KINDS, 0)
    needed: set[str | None] = set()
    for kind in KINDS:
        for page in migration.look(kind):
            if kind == "refresh_token":
                needed.update(access_token_of(kept) for kept, outcome in page if outcome not in _OVER)
            over = [kept.key for kept, outcome in page if outcome in _OVER]
            if kind == "access_token":
                over = [value for value in over if value not in needed]
            removed[kind] += migration.sources.tokens(kind).remove(over)
            done(len(page))
    return removed


def _hash_secret(clients: PyopDocuments, kept: Kept) -> bool:
    """Only these two fields are written, and only while the secret is what was read: what the operator's tools change
    at this moment stays, and another secret is hashed in its turn.
    """
    registered = kept.value
    while (secret := _secret_of(registered)) is not None:
        change = {
            "$set": {"data.client_secret_hash": hash_client_secret(str(secret))},
            "$unset": {"data.client_secret": ""},
        }
        if clients.change(kept.key, {"data.client_secret": secret}, change):
            return True
        registered = clients.of([kept.key]).get(kept.key)
    return False


def _secret_of(registered: Any) -> Any:
    """A secret, or None for none, or an empty one, which nobody can authenticate by."""
    return (registered.get("client_secret") or None) if isinstance(registered, Mapping) else None
