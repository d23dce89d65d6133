"""Taking back what an app was given."""

from __future__ import annotations

import falcon
from creance.provider import Event
from creance.provider.endpoints import FORM_REFUSALS, form_body

from .notices import APP_REVOKED
from .visitor import AccountPage


class AppsResource(AccountPage):
    """POST ends the access of one app."""

    openapi = {
        "post": {
            "summary": "End the access of an app",
            "requestBody": form_body(["client_id"], {"client_id": {"type": "string"}}),
            "responses": {
                "303": {
                    "description": "It has none any more: to the account page, which says so. Or to the login page."
                },
                **FORM_REFUSALS,
            },
        }
    }

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Forget the consent first: the app, which a live session could give new access at any moment, has to ask from
        then on. Then end what it has. Should the store fail in between, the app is still listed, to be tried again.
        """
        taken = self.form_of(req, resp)
        if taken is None:
            return
        visitor, form = taken
        user, client_id = visitor.user, form.required("client_id")
        self.provider.consents.forget(user.username, client_id)
        self.provider.tokens.revoke_client(user.subject, client_id)
        self.provider.happened(Event("revocation", client_id, user.username))
        req.context.log.outcome = "app_revoked"
        self.send_home(resp, visitor.browser, APP_REVOKED)
