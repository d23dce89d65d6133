"""Token introspection (RFC 7662): what a token is good for, told to those who may know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import falcon
from creance.provider import (
    Client,
    Endpoint,
    InvalidClient,
    Parameters,
    Plugin,
    PluginSettings,
    Token,
    hookimpl,
)
from creance.provider.endpoints import CLIENT_SECURITY, ERRORS, FORM_BODY, BackChannelResource, answer_json, never_store

_INACTIVE = {"active": False}


class ClientSettings(PluginSettings):
    """Settings of `[clients.plugins.introspection]`."""

    sees: Literal["own", "audience", "any"] = "own"
    """`own`: tokens issued to this client; `audience`: also those whose `aud` names it; `any`: every access token, for
    a resource server that serves all clients."""


class Introspection(Plugin[PluginSettings, ClientSettings]):
    """The introspection endpoint. What may not be seen is exactly `{"active": false}`."""

    @hookimpl
    def endpoints(self) -> Sequence[Endpoint]:
        """RFC 7662 2."""
        resource = IntrospectionResource(self)
        return [
            Endpoint(
                "introspection", "/introspect", resource, metadata="introspection_endpoint", clients="confidential"
            )
        ]

    def introspect(self, client: Client, parameters: Parameters) -> dict[str, Any]:
        """RFC 7662 2.2. Raises InvalidClient for a public client, InvalidRequest without a token."""
        if client.public:
            raise InvalidClient("introspection needs client authentication (RFC 7662 2.1)")
        token = self.provider.tokens.find(parameters.required("token"), parameters.get("token_type_hint"))
        if token is None or self.provider.parties(token.grant) is None or not self.visible(token, client):
            return dict(_INACTIVE)
        return self.describe(token, client)

    def visible(self, token: Token, client: Client) -> bool:
        """Whether this client may know of it. A refresh token concerns nobody but its own client."""
        if token.grant.client_id == client.client_id:
            return True
        sees = self.client_settings(client).sees
        if token.kind == "refresh_token" or sees == "own":
            return False
        return sees == "any" or client.client_id in token.audience

    def describe(self, token: Token, client: Client) -> dict[str, Any]:
        """RFC 7662 2.2. A refresh token has no token_type: nothing can be asked for with it."""
        grant = token.grant
        described: dict[str, Any] = dict(token.claims)
        described |= self.provider.plugins.merge("introspection_claims", token=token, client=client)
        described |= {
            "active": True,
            "iss": self.provider.settings.issuer,
            "client_id": grant.client_id,
            "sub": grant.subject,
            "aud": list(token.audience) or [grant.client_id],
            "scope": " ".join(token.scope),
            "iat": int(token.issued_at),
            "exp": int(token.expires_at),
        }
        some = {
            "username": grant.username if self._may_know_username(token, client) else None,
            "token_type": "Bearer" if token.kind == "access_token" else None,
        }
        for name, value in some.items():
            described.pop(name, None)
            if value is not None:
                described[name] = value
        return described

    @staticmethod
    def _may_know_username(token: Token, client: Client) -> bool:
        """The name is the same for all clients, and nobody was asked for it: so an app learns it of its own tokens only
        where it is the operator's and sees the public `sub` (OpenID Connect Core 8.1). Who is set to see the tokens of
        others is trusted with it.
        """
        own = token.grant.client_id == client.client_id
        return not own or (client.settings.first_party and token.grant.user_subject is None)


class IntrospectionResource(BackChannelResource):
    """RFC 7662 2.1: a form from a client that proves who it is."""

    openapi = {
        "post": {
            "summary": "What is this token good for? (RFC 7662)",
            "security": CLIENT_SECURITY,
            "requestBody": FORM_BODY,
            "responses": {
                "200": {
                    "description": "RFC 7662 2.2",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["active"],
                                "properties": {"active": {"type": "boolean"}},
                            }
                        }
                    },
                },
                **ERRORS,
            },
        }
    }

    def __init__(self, plugin: Introspection) -> None:
        self._plugin = plugin

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form, client = self.read_client_form(req)
        answer_json(resp, self._plugin.introspect(client, form))
        never_store(resp)
