"""A pyop provider as its hosts make one, and ours in its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from creance.provider import OpenIDProvider
from jwkest.jwk import RSAKey
from pyop.provider import Provider

from ..pyop_provider import (
    CALLBACK,
    CLIENTS,
    ISSUER,
    SALT,
    SECRET,
    USERS,
    Client,
    adopt,
    basic,
    claims_of,
    plain,
    plain_provider,
    signing_key,
)

__all__ = [
    "BYE",
    "CALLBACK",
    "CLIENTS",
    "ISSUER",
    "SALT",
    "SECRET",
    "USERS",
    "Client",
    "adopt",
    "basic",
    "claims_of",
    "plain",
    "plain_provider",
    "signing_key",
]

BYE = "https://app.example.org/bye"


@pytest.fixture
def pair(signing_key: RSAKey, adopt: Callable[..., OpenIDProvider]) -> tuple[Provider, OpenIDProvider]:
    """A plain provider, and ours in the place of another one that is the same."""
    one, two = plain_provider(signing_key), plain_provider(signing_key)
    for provider in (one, two):
        provider.clients["app"]["post_logout_redirect_uris"] = [BYE]
    return one, adopt(two)
