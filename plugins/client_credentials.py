"""The client credentials grant (RFC 6749 4.4): a client acts for itself; no user, no refresh token, no ID token."""

from __future__ import annotations

import time
from collections.abc import Mapping

from creance.provider import (
    Event,
    Grant,
    GrantHandler,
    InvalidScope,
    Plugin,
    PluginSettings,
    TokenRequest,
    TokenResponse,
    UnauthorizedClient,
    hookimpl,
    split_scope,
)

_FOR_PEOPLE = frozenset({"openid", "offline_access"})


class ClientCredentials(Plugin[PluginSettings, PluginSettings]):
    """Access tokens whose `sub` is the client_id, which no user can have."""

    @hookimpl
    def grants(self) -> Mapping[str, GrantHandler]:
        """The grant_type of RFC 6749 4.4.2."""
        return {"client_credentials": self.issue}

    def issue(self, request: TokenRequest) -> TokenResponse:
        """RFC 6749 4.4.3. Raises UnauthorizedClient for a public client, InvalidScope."""
        client = request.client
        if client.public:
            raise UnauthorizedClient("only confidential clients may use client_credentials (RFC 6749 4.4)")
        scope = self.scope_of(request)
        grant = Grant(
            client.client_id,
            subject=client.client_id,
            scope=scope,
            granted_at=time.time(),
            client_registered_at=client.registered_at,
        )
        access = self.provider.new_access_token(grant, client, scope)
        response = self.provider.token_members(access)
        response |= self.provider.plugins.merge("token_response", request=request, grant=grant, response=response)
        self.provider.store.write([access.operation])
        self.provider.happened(Event("token", client.client_id, grant_id=grant.grant_id))
        return response

    @staticmethod
    def scope_of(request: TokenRequest) -> tuple[str, ...]:
        """RFC 6749 3.3: what is asked for, all of it or nothing; the registered scope where nothing is named."""
        registered = tuple(word for word in request.client.scope if word not in _FOR_PEOPLE)
        if "scope" not in request.parameters:
            return registered
        scope = split_scope(request.parameters["scope"])
        if not scope or not set(scope) <= set(registered):
            raise InvalidScope("scope is not a part of what the client is registered for")
        return scope
