"""The ID token (OpenID Connect Core 2): claims from plugins, under those that are the provider's own, signed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from .clients import Client
from .errors import ServerError
from .grants import Grant
from .plugin_registry import PluginRegistry
from .signing_keys import SigningKeys
from .users import User


class IDTokens:
    """Makes ID tokens for code exchange and refresh, and for what plugins give."""

    def __init__(
        self, plugins: PluginRegistry, keyring: SigningKeys, *, issuer: str, lifetime: int, algorithms: Sequence[str]
    ) -> None:
        self._plugins = plugins
        self._keyring = keyring
        self._issuer = issuer
        self._lifetime = lifetime
        self._algorithms = algorithms

    def issue(
        self,
        grant: Grant,
        client: Client,
        user: User,
        scope: tuple[str, ...],
        access_token: str | None,
        *,
        refreshed: bool = False,
        front_channel: Mapping[str, str] | None = None,
    ) -> str:
        """A signed ID token. `refreshed`: it comes with a refresh (OpenID Connect Core 12.2). `front_channel`: what an
        authorization response has beside it (3.2.2.5, 3.3.2.5).
        """
        algorithm = client.settings.id_token_signed_response_alg or self._algorithms[0]
        if algorithm not in self._algorithms:  # a client of the store, registered when it was
            raise ServerError("the provider is misconfigured", hint=f"{algorithm} is not among keys.algorithms")
        claims = self._plugins.merge(
            "id_token_claims",
            grant=grant,
            client=client,
            user=user,
            scope=scope,
            access_token=access_token,
            algorithm=algorithm,
            refreshed=refreshed,
            front_channel=front_channel,
        )
        claims |= grant.host_claims
        now = int(time.time())
        claims |= {
            "iss": self._issuer,
            "sub": grant.subject,
            "aud": client.client_id,
            "exp": now + self._lifetime,
            "iat": now,
        }
        return self._keyring.sign(algorithm, claims)
