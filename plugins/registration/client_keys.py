"""The keys that a client registers, by value or by reference (RFC 7591 2: jwks, jwks_uri): public ones alone.

Nothing here uses them. They are looked at all the same: a plugin that does need not ask itself what it was left with.
"""

from __future__ import annotations

from typing import Any

from creance.provider import InvalidClientMetadata
from creance.provider.signers import PRIVATE_MEMBERS

from .safe_fetching import SafeFetcher


def check_key_set(name: str, value: Any) -> None:
    """`name` is the field that it is registered by. Raises InvalidClientMetadata."""
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) and isinstance(key.get("kty"), str) for key in keys):
        raise InvalidClientMetadata(f"{name}: must be a JWK Set (RFC 7517 5)")
    if any(PRIVATE_MEMBERS.intersection(key) for key in keys):
        raise InvalidClientMetadata(f"{name}: has a key that is not public; it is known to others now, so replace it")


def prove_key_set(uri: str, fetcher: SafeFetcher) -> None:
    """The document at the URI is a set of public keys. Raises InvalidClientMetadata, TemporarilyUnavailable."""
    check_key_set("jwks_uri", fetcher.field("jwks_uri", uri))
