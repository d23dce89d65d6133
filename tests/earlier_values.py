"""Bearer values as versions made them that put no time in front."""

from __future__ import annotations

import hashlib
import secrets

from creance.provider.store import Collection, Store, bearer_key, delete, insert


def as_issued_earlier(store: Store, collection: Collection, value: str) -> str:
    """Another value for what is stored under this one, both as an earlier version would have made and kept it."""
    document = store.get(collection, bearer_key(value))
    assert document is not None
    earlier = secrets.token_urlsafe(32)
    key = hashlib.sha256(earlier.encode()).hexdigest()
    kept = insert(collection, key, document.value, document.valid_until, document.keep_until)
    store.write([kept, delete(collection, document.key)])
    return earlier
