"""The token endpoint (RFC 6749 3.2)."""

from __future__ import annotations

import falcon

from ..headers import EnvironHeaders
from ..routes import Resource
from .answering import answer_json, never_store


class TokenResource(Resource):
    """Reads the form, proves the client, asks the grant, answers."""

    cross_origin = True
    openapi = {
        "post": {
            "summary": "Exchange a grant for tokens (RFC 6749 4.1.3, 4.4, 6)",
            "security": [{"client_secret_basic": []}, {}],
            "requestBody": {"$ref": "#/components/requestBodies/Form"},
            "responses": {
                "200": {
                    "description": "Tokens (RFC 6749 5.1).",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tokens"}}},
                },
                "400": {"$ref": "#/components/responses/OAuthError"},
                "401": {"$ref": "#/components/responses/OAuthError"},
                "413": {"$ref": "#/components/responses/OAuthError"},
                "415": {"$ref": "#/components/responses/OAuthError"},
                "503": {"$ref": "#/components/responses/OAuthError"},
            },
        }
    }

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form = self.reader.form_only(req)
        req.context.log.grant = form.get("grant_type") if form.get("grant_type") in self.provider.token_grants else None
        client = self.provider.client_authentication.authenticate(form, EnvironHeaders(req.env))
        req.context.log.client_id = client.client_id
        answer_json(resp, self.provider.token_for(client, form))
        never_store(resp)
