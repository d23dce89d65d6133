"""The front page: what this provider is, and how to point an app at it."""

from __future__ import annotations

import falcon

from ..routes import Resource


class FrontPageResource(Resource):
    """A page for whoever opens the issuer in a browser."""

    for_people = True
    openapi = {
        "get": {"summary": "What this provider is", "responses": {"200": {"$ref": "#/components/responses/Page"}}}
    }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.pages.answer(
            req,
            resp,
            "front_page.html",
            issuer=self.provider.settings.issuer,
            discovery=self.provider.url("openid_configuration"),
            account=self.provider.url_if_on("account"),
            login=self.provider.url_if_on("login"),
        )

    on_head = on_get
