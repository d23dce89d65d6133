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
            account=self._url_of("account"),
            login=self._url_of("login"),
        )

    on_head = on_get

    def _url_of(self, endpoint: str) -> str | None:
        """Where the plugin that has it is on."""
        there = any(each.name == endpoint for each in self.provider.endpoints)
        return self.provider.url(endpoint) if there else None
