"""Client secrets: kept as SHA-256, compared in constant time.

Generated secrets have 256 bits, so that a fast hash is as good as a slow one; argon2id is for people's passwords only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any

_PREFIX = "sha256:"
_NOBODYS = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
"""Compared against where there is no client, so that an unknown client takes the time of a wrong secret."""


def new_client_secret() -> str:
    """A fresh secret of 256 bits."""
    return secrets.token_urlsafe(32)


def hash_client_secret(secret: str) -> str:
    """The form in which a secret is kept: `sha256:` and 64 hexadecimal digits."""
    return _PREFIX + hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def client_secret_matches(secret: str, kept: str | None) -> bool:
    """Whether a secret is the one kept; takes the same time where nothing is kept. No secret at all never is."""
    expected = kept if kept is not None else _PREFIX + _NOBODYS
    same = hmac.compare_digest(hash_client_secret(secret), expected)
    return same and kept is not None and secret != ""


def is_client_secret_hash(kept: Any) -> bool:
    """Whether something has the form that `hash_client_secret` gives."""
    return isinstance(kept, str) and re.fullmatch(f"{_PREFIX}[0-9a-f]{{64}}", kept) is not None
