"""What endpoints have in common that a client calls by itself, with a form, and proves who it is."""

from __future__ import annotations

from typing import Any, Final

import falcon

from ..clients import Client
from ..headers import EnvironHeaders
from ..networks import network_of
from ..parameters import Parameters
from ..routes import Resource
from .reading import FORM_UNREAD

FORM_BODY: Final[Any] = {"$ref": "#/components/requestBodies/Form"}
CLIENT_SECURITY: Final[Any] = [{"client_secret_basic": []}, {}]
ERRORS: Final[Any] = {
    status: {"$ref": "#/components/responses/OAuthError"} for status in ("400", "401", *FORM_UNREAD, "429", "503")
}


class BackChannelResource(Resource):
    """Base of such an endpoint's resource."""

    def read_client_form(self, req: falcon.Request) -> tuple[Parameters, Client]:
        """The form, and the client that has proven who it is. Raises OAuthError."""
        form = self.read_form(req)
        req.context.log.grant = form.get("grant_type") if form.get("grant_type") in self.provider.token_grants else None
        client = self.provider.client_limits.authenticate(form, EnvironHeaders(req.env), self.network_of(req))
        req.context.log.client_id = client.client_id
        return form, client

    def read_form(self, req: falcon.Request) -> Parameters:
        """The parameters. Raises InvalidRequest."""
        return self.reader.form_only(req)

    def network_of(self, req: falcon.Request) -> str:
        """What is counted as one for limits."""
        return network_of(self.reader.remote_address(req))
