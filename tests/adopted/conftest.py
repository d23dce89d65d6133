"""A pyop provider as its hosts make one, and ours in its place."""

from __future__ import annotations

from ..pyop_provider import (
    CALLBACK,
    CLIENTS,
    ISSUER,
    SALT,
    SECRET,
    USERS,
    Client,
    adopt,
    claims_of,
    plain,
    plain_provider,
    signing_key,
)

__all__ = [
    "CALLBACK",
    "CLIENTS",
    "ISSUER",
    "SALT",
    "SECRET",
    "USERS",
    "Client",
    "adopt",
    "claims_of",
    "plain",
    "plain_provider",
    "signing_key",
]
