"""The claims of ID tokens: about the login, the request and the person (OpenID Connect Core 2, 3.1.3.6)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from creance.provider import (
    Claims,
    Client,
    Grant,
    Plugin,
    PluginSettings,
    ServerError,
    User,
    hookimpl,
    released_claims,
    requested_claims,
)

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


class Settings(PluginSettings):
    """Settings of `[plugins.id_token_claims]`."""

    user_claims: Literal["id_token", "userinfo"] = "id_token"
    """Where the claims of the scopes profile, email, address and phone are given: in the ID token and at userinfo, or
    at userinfo only."""


class ClientSettings(PluginSettings):
    """Settings of `[clients.plugins.id_token_claims]`."""

    user_claims: Literal["id_token", "userinfo"] | None = None
    """The same for this client; unset: as `[plugins.id_token_claims]` says."""


class IDTokenClaims(Plugin[Settings, ClientSettings]):
    """What makes an ID token safe to rely on; `iss`, `sub`, `aud`, `exp` and `iat` are the provider's own."""

    default_on = True

    @hookimpl
    def id_token_claims(
        self,
        grant: Grant,
        client: Client,
        user: User,
        scope: tuple[str, ...],
        access_token: str | None,
        algorithm: str,
        refreshed: bool,
        front_channel: Mapping[str, str] | None,
    ) -> Claims:
        """OpenID Connect Core 2. A refreshed ID token has the same auth_time and no nonce (12.2)."""
        claims: dict[str, Any] = {}
        if self.gives_user_claims(client, front_channel):
            claims |= released_claims(user, self.provider.scope_claims.claims_of(scope))
        if asked := grant.claims.get("id_token"):
            claims |= requested_claims(asked, user.claims, self.provider.scope_claims.claims_of(client.scope))
        claims["azp"] = client.client_id
        if grant.auth_time is not None:
            claims["auth_time"] = int(grant.auth_time)
        elif client.settings.require_auth_time:
            raise ServerError(
                "the provider is misconfigured", hint="require_auth_time, and the host gives no auth_time"
            )
        if grant.acr is not None:
            claims["acr"] = grant.acr
        if grant.amr:
            claims["amr"] = list(grant.amr)
        if grant.session_id is not None:  # by it an app asks for this session's end (RP-Initiated Logout 2)
            claims["sid"] = self.provider.subjects.session_of(client, grant.session_id)
        if grant.nonce is not None and not refreshed:
            claims["nonce"] = grant.nonce
        if access_token is not None:
            claims["at_hash"] = left_hash(access_token, algorithm)
        if front_channel is not None and "code" in front_channel:
            claims["c_hash"] = left_hash(front_channel["code"], algorithm)
        return claims

    def gives_user_claims(self, client: Client, front_channel: Mapping[str, str] | None) -> bool:
        """Whether the claims of the scopes are in this client's ID tokens. In one of the authorization endpoint they
        are where there is no other way to them (OpenID Connect Core 5.4), and only there.
        """
        if front_channel is not None:
            return not front_channel
        return (self.client_settings(client).user_claims or self.settings.user_claims) == "id_token"


def left_hash(value: str, algorithm: str) -> str:
    """OpenID Connect Core 3.1.3.6, 3.3.2.11: the left half of a value's hash, by that of the signature's algorithm."""
    digest = _HASHES[algorithm[-3:]](value.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
