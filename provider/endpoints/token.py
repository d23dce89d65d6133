"""The token endpoint (RFC 6749 3.2)."""

from __future__ import annotations

import falcon

from ..clients import Client
from .answering import answer_json, never_store
from .back_channel import CLIENT_SECURITY, ERRORS, FORM_BODY, BackChannelResource


class TokenResource(BackChannelResource):
    """Reads the form, proves the client, counts, asks the grant, answers."""

    cross_origin = True
    openapi = {
        "post": {
            "summary": "Exchange a grant for tokens (RFC 6749 4.1.3, 4.4, 6)",
            "security": CLIENT_SECURITY,
            "requestBody": FORM_BODY,
            "responses": {
                "200": {
                    "description": "Tokens (RFC 6749 5.1).",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tokens"}}},
                },
                **ERRORS,
            },
        }
    }

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.answer(req, resp)

    def answer(self, req: falcon.Request, resp: falcon.Response) -> Client:
        """Answers the client that asked, and says which it is."""
        form, client = self.read_client_form(req)
        self.provider.client_limits.count_token_request(client, self.network_of(req))
        answer_json(resp, self.provider.token_for(client, form))
        never_store(resp)
        return client
