"""Health, for operators: is the process alive, and can it serve?"""

from __future__ import annotations

import falcon

from ..errors import ConfigurationError
from ..routes import Resource
from ..store import StoreUnavailable
from .answering import answer_json, never_store

_RESPONSE = {
    "description": "How it is.",
    "content": {
        "application/json": {
            "schema": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
        }
    },
}


class LiveResource(Resource):
    """The process answers: nothing else is asked."""

    openapi = {"get": {"summary": "Is the process alive?", "responses": {"200": _RESPONSE}}}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer_json(resp, {"status": "alive"})
        never_store(resp)

    on_head = on_get


class ReadyResource(Resource):
    """The store answers too, and takes what is written, so that requests can be served."""

    openapi = {"get": {"summary": "Can it serve?", "responses": {"200": _RESPONSE, "503": _RESPONSE}}}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        try:
            self.provider.keyring.ping()
            self.provider.store.check_writable()
        except (StoreUnavailable, ConfigurationError) as error:
            req.context.log.hint = str(error)
            answer_json(resp, {"status": "unavailable"}, 503)
        else:
            answer_json(resp, {"status": "ready"})
        never_store(resp)

    on_head = on_get
