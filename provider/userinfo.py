"""Claims about the person that an access token speaks for (OpenID Connect Core 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .claims_request import requested_claims
from .errors import InsufficientScope, InvalidToken
from .users import released_claims

if TYPE_CHECKING:
    from .openid_provider import OpenIDProvider


def userinfo(provider: OpenIDProvider, access_token: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The claims of the token's scopes, and what plugins add. Raises InvalidToken, InsufficientScope."""
    token = provider.tokens.read_access_token(access_token)
    parties = provider.parties(token.grant) if token else None
    if token is None or parties is None:
        gone = "its client or its person is no longer there" if token else ""
        raise InvalidToken("the access token is unknown, expired or revoked", hint=gone)
    client, user = parties
    if "openid" not in token.scope or user is None:
        raise InsufficientScope("the access token was not granted the scope openid")
    provider.plugins.hook.check_resource_request(token=token, headers=headers)
    claims = released_claims(user, provider.scope_claims.claims_of(token.scope))
    if asked := token.grant.claims.get("userinfo"):
        claims |= requested_claims(asked, user.claims, provider.scope_claims.claims_of(client.scope))
    claims |= provider.plugins.merge("userinfo_claims", token=token, client=client, user=user)
    claims["sub"] = token.grant.subject
    return claims
