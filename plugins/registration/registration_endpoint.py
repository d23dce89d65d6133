"""The registration endpoint (RFC 7591 3), which is the client configuration endpoint too (RFC 7592 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import falcon
from creance.provider import EnvironHeaders, InvalidClientMetadata
from creance.provider.bearer import read_bearer_token
from creance.provider.endpoints import ERRORS, FORM_UNREAD, BackChannelResource, answer_json, never_store
from creance.provider.strict_json import parse_json_object

if TYPE_CHECKING:
    from . import Registration

_ERROR: Final = {"$ref": "#/components/responses/OAuthError"}
_SECURITY: Final[Any] = [{"bearer": []}]
_CLIENT: Final = {"name": "client_id", "in": "query", "required": True, "schema": {"type": "string"}}
_METADATA: Final = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "object", "description": "Client metadata (RFC 7591 2)."}}},
}
_INFORMATION: Final = {
    "description": "What is registered (RFC 7591 3.2.1, RFC 7592 3).",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["client_id", "registration_access_token", "registration_client_uri"],
                "properties": {
                    "client_id": {"type": "string"},
                    "client_secret": {"type": "string", "description": "Where it is new: it is told once."},
                    "client_secret_expires_at": {"type": "integer", "description": "Seconds since 1970; 0 is never."},
                    "registration_access_token": {"type": "string"},
                    "registration_client_uri": {"type": "string"},
                },
            }
        }
    },
}
_WITHOUT_BODY: Final = {
    status: answer for status, answer in {**ERRORS, "414": _ERROR}.items() if status not in FORM_UNREAD
}


class RegistrationResource(BackChannelResource):
    """POST registers a client; GET, PUT and DELETE are for the one that `client_id` names."""

    takes_access_token = True
    openapi = {
        "post": {
            "summary": "Register a client (RFC 7591 3, OpenID Connect Registration 3)",
            "security": _SECURITY,
            "requestBody": _METADATA,
            "responses": {"201": _INFORMATION, **ERRORS},
        },
        "get": {
            "summary": "What is registered (RFC 7592 2.1)",
            "security": _SECURITY,
            "parameters": [_CLIENT],
            "responses": {"200": _INFORMATION, **_WITHOUT_BODY},
        },
        "put": {
            "summary": "Register something else in its place (RFC 7592 2.2)",
            "security": _SECURITY,
            "parameters": [_CLIENT],
            "requestBody": _METADATA,
            "responses": {"200": _INFORMATION, **ERRORS, "414": _ERROR},
        },
        "delete": {
            "summary": "End the registration (RFC 7592 2.3)",
            "security": _SECURITY,
            "parameters": [_CLIENT],
            "responses": {"204": {"description": "The client is no more."}, **_WITHOUT_BODY},
        },
    }

    def __init__(self, plugin: Registration) -> None:
        self._plugin = plugin

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._count(req)
        holder = self._plugin.initial_access.holder_of(EnvironHeaders(req.env))
        registered = self._plugin.registrations.register(self._metadata(req), holder)
        req.context.log.client_id = registered["client_id"]
        answer_json(resp, registered, 201)
        never_store(resp)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        client_id, token = self._client(req)
        registered = self._plugin.registrations.read(client_id, token)
        req.context.log.client_id = client_id
        answer_json(resp, registered)
        never_store(resp)

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        client_id, token = self._client(req)
        registered = self._plugin.registrations.update(client_id, token, self._metadata(req))
        req.context.log.client_id = client_id
        answer_json(resp, registered)
        never_store(resp)

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        client_id, token = self._client(req)
        self._plugin.registrations.remove(client_id, token)
        req.context.log.client_id = client_id
        resp.status = 204
        never_store(resp)

    def _client(self, req: falcon.Request) -> tuple[str, str]:
        """Whose registration it is, and the registration access token; nothing is proven."""
        self._count(req)
        query = self.reader.query(req)
        query.refuse_problems()
        token = read_bearer_token(EnvironHeaders(req.env))
        return query.required("client_id"), token

    def _metadata(self, req: falcon.Request) -> dict[str, Any]:
        body = self.reader.json(req)
        try:
            return parse_json_object(body)
        except ValueError as error:
            raise InvalidClientMetadata(f"the body is {error}") from None

    def _count(self, req: falcon.Request) -> None:
        """Raises TooManyRequests."""
        self._plugin.requests.count("", self.network_of(req))
