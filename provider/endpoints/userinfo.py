"""The userinfo endpoint (OpenID Connect Core 5.3)."""

from __future__ import annotations

import falcon

from ..bearer import read_bearer_token
from ..headers import EnvironHeaders
from ..parameters import Parameters
from ..routes import Resource
from .answering import answer_json, never_store
from .reading import FORM, FORM_UNREAD

_RESPONSES = {
    "200": {
        "description": "Claims about the person.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Userinfo"}}},
    },
    "400": {"$ref": "#/components/responses/OAuthError"},
    "401": {"$ref": "#/components/responses/OAuthError"},
    "403": {"$ref": "#/components/responses/OAuthError"},
    "503": {"$ref": "#/components/responses/OAuthError"},
}


class UserinfoResource(Resource):
    """Reads the access token and answers the claims that it gives."""

    cross_origin = True
    takes_access_token = True
    openapi = {
        "get": {
            "summary": "Claims about the person (OpenID Connect Core 5.3.1)",
            "security": [{"bearer": []}],
            "responses": _RESPONSES,
        },
        "post": {
            "summary": "The same; the token may be in a form (RFC 6750 2.2)",
            "security": [{"bearer": []}, {}],
            "responses": {
                **_RESPONSES,
                **{status: {"$ref": "#/components/responses/OAuthError"} for status in FORM_UNREAD},
            },
        },
    }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.answer(req, resp, None)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        is_form = (req.content_type or "").lower().startswith(FORM)
        self.answer(req, resp, self.reader.form_only(req) if is_form else None)

    def answer(self, req: falcon.Request, resp: falcon.Response, parameters: Parameters | None) -> str:
        """Answers the claims that an access token gives, and says which token it was."""
        headers = EnvironHeaders(req.env)
        access_token = read_bearer_token(headers, parameters)
        answer_json(resp, self.provider.userinfo_response(access_token, headers))
        never_store(resp)
        return access_token
