"""The session as JSON: who is logged in at this browser, for scripts of the issuer's own origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
from creance.provider import LoginRequired, Resource
from creance.provider.endpoints import answer_json, never_store

if TYPE_CHECKING:
    from . import Sessions


class SessionResource(Resource):
    """Looks, and changes nothing: to ask does not keep a session alive."""

    openapi = {
        "get": {
            "summary": "Who is logged in at this browser?",
            "responses": {
                "200": {
                    "description": "The session.",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["username", "sub", "auth_time", "expires_at", "amr"],
                                "properties": {
                                    "username": {"type": "string"},
                                    "sub": {"type": "string"},
                                    "auth_time": {"type": "integer", "description": "Seconds since the epoch."},
                                    "expires_at": {"type": "integer", "description": "The same; earlier if unused."},
                                    "amr": {"type": "array", "items": {"type": "string"}},
                                },
                                "additionalProperties": False,
                            }
                        }
                    },
                },
                "401": {"$ref": "#/components/responses/OAuthError"},
                "503": {"$ref": "#/components/responses/OAuthError"},
            },
        }
    }

    def __init__(self, plugin: Sessions) -> None:
        self._plugin = plugin

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The session, or 401."""
        never_store(resp)
        session = self._plugin.logins.current(self.reader.browser(req))
        if session is None:
            answer_json(resp, {"error": LoginRequired.error}, 401)
            return
        answer_json(
            resp,
            {
                "username": session.username,
                "sub": session.subject,
                "auth_time": int(session.auth_time),
                "expires_at": int(session.expires_at),
                "amr": list(session.amr),
            },
        )
