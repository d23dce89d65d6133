"""Token revocation (RFC 7009): a client says that it is done with a token."""

from __future__ import annotations

from collections.abc import Sequence

import falcon
from creance.provider import (
    Client,
    Endpoint,
    Event,
    Parameters,
    Plugin,
    PluginSettings,
    hookimpl,
)
from creance.provider.endpoints import CLIENT_SECURITY, ERRORS, FORM_BODY, BackChannelResource, never_store


class Revocation(Plugin[PluginSettings, PluginSettings]):
    """The revocation endpoint. A refresh token takes its whole grant with it."""

    @hookimpl
    def endpoints(self) -> Sequence[Endpoint]:
        """RFC 7009 2."""
        resource = RevocationResource(self)
        return [Endpoint("revocation", "/revoke", resource, metadata="revocation_endpoint", clients="all")]

    def revoke(self, client: Client, parameters: Parameters) -> None:
        """RFC 7009 2.1: end a token of this client. An unknown one, or somebody else's, is left as it is."""
        value = parameters.required("token")
        token = self.provider.tokens.find(value, parameters.get("token_type_hint"), spent=True)  # that names its grant
        if token is None or token.grant.client_id != client.client_id:
            return
        if token.kind == "refresh_token":
            self.provider.tokens.revoke_grant(token.grant.grant_id)
        else:
            self.provider.tokens.revoke_access_token(value)
        grant = token.grant
        self.provider.happened(Event("revocation", client.client_id, grant.username, grant.grant_id))


class RevocationResource(BackChannelResource):
    """RFC 7009 2.1: a form from the client that the token was issued to."""

    cross_origin = True
    openapi = {
        "post": {
            "summary": "End a token (RFC 7009)",
            "security": CLIENT_SECURITY,
            "requestBody": FORM_BODY,
            "responses": {
                "200": {"description": "The token is not valid, whether or not it ever was."},
                **ERRORS,
            },
        }
    }

    def __init__(self, plugin: Revocation) -> None:
        self._plugin = plugin

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form, client = self.read_client_form(req)
        self._plugin.revoke(client, form)
        resp.status = 200
        resp.content_type = falcon.MEDIA_TEXT  # with nothing in it: not JSON, which clients would try to read
        never_store(resp)
