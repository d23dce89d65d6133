"""A pyop provider as its hosts make one, and ours in its place."""

from __future__ import annotations

from ..pyop_provider import CALLBACK, CLIENTS, ISSUER, SALT, SECRET, USERS, Client, adopt, plain, plain_provider
from ..pyop_provider import signing_key as signing_key

__all__ = ["CALLBACK", "CLIENTS", "ISSUER", "SALT", "SECRET", "USERS", "Client", "adopt", "plain", "plain_provider"]
