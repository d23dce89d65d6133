"""The token and userinfo endpoints for clients that put into URLs what belongs in a header or a body (RFC 6749 3.2, RFC
6750 2.3), where the operator allows it for a while. The log names each that does it.
"""

from __future__ import annotations

from typing import Final

import falcon

from ..client_notices import ClientNotices
from ..parameters import Parameters
from .back_channel import CLIENT_SECURITY
from .token import TokenResource
from .userinfo import UserinfoResource

_EVENT: Final = "credentials_in_url"


class TokenByURLResource(TokenResource):
    """The token endpoint, by GET too."""

    openapi = {
        **TokenResource.openapi,
        "get": {
            "summary": "The same, with all parameters in the URL: not safe",
            "security": CLIENT_SECURITY,
            "parameters": [{"name": "grant_type", "in": "query", "required": True, "schema": {"type": "string"}}],
            "responses": {
                **{status: TokenResource.openapi["post"]["responses"][status] for status in ("200", "400", "401")},
                **{status: {"$ref": "#/components/responses/OAuthError"} for status in ("414", "429", "503")},
            },
        },
    }

    def __init__(self) -> None:
        self._notices = ClientNotices(_EVENT)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._notices.about(self.answer(req, resp).client_id, endpoint="token")

    def read_form(self, req: falcon.Request) -> Parameters:
        """By GET it is the query."""
        return self.reader.query_only(req) if req.method == "GET" else super().read_form(req)


class UserinfoByURLResource(UserinfoResource):
    """The userinfo endpoint, with an access token in the query too."""

    def __init__(self) -> None:
        self._notices = ClientNotices(_EVENT)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        query = self.reader.query_only(req)
        access_token = self.answer(req, resp, query)
        if "access_token" in query and (token := self.provider.tokens.read_access_token(access_token)):
            self._notices.about(token.grant.client_id, endpoint="userinfo")
