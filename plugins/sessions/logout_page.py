"""The logout page: asks, then ends the session and what it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
from creance.provider.endpoints import FORM_REFUSALS, PAGE, PageResource, form_body

if TYPE_CHECKING:
    from . import Sessions


class LogoutResource(PageResource):
    """GET asks, POST does it: a link or an image of another site logs nobody out."""

    templates = "creance.plugins.sessions"
    openapi = {
        "get": {"summary": "Asks whether to log out", "responses": {"200": PAGE, "503": PAGE}},
        "post": {
            "summary": "Log out",
            "requestBody": form_body([], {}),
            "responses": {
                "303": {"description": "Logged out: to the page that says so."},
                **FORM_REFUSALS,
            },
        },
    }

    def __init__(self, plugin: Sessions) -> None:
        self._plugin = plugin

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The question, or, where nobody is logged in, that it is so."""
        browser = self.reader.browser(req)
        session = self._plugin.logins.current(browser)
        if session is None:
            self.pages.answer(req, resp, "logged_out.html", login=self.provider.url("login"))
        else:
            places = {"logout": self.provider.url("logout"), "home": self.provider.url("front_page")}
            self.show(req, resp, browser, "logout.html", username=session.username, **places)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Prove that the form is ours, end the session, and go to the page that says so."""
        form = self.read_form(req)
        browser = self.reader.browser(req)
        if self.refuse_forged(req, resp, form, browser, again=self.provider.url("logout")):
            return
        self._plugin.logins.log_out(browser)
        req.context.log.outcome = "logout"
        self.send_on(resp, browser, self.provider.url("logout"))
