"""The logout page: asks, then ends the session and what it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
from creance.provider import Browser, Resource
from creance.provider.endpoints import redirect, set_cookies

from .descriptions import FORM_REFUSALS, PAGE, form_body
from .form_guard import read_form

if TYPE_CHECKING:
    from . import Sessions


class LogoutResource(Resource):
    """GET asks, POST does it: a link or an image of another site logs nobody out."""

    templates = "creance.plugins.sessions"
    for_people = True
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
        self._show(resp, self.reader.browser(req))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Prove that the form is ours, end the session, and go to the page that says so."""
        form = read_form(req, self.reader)
        browser = self.reader.browser(req)
        refusal = self._plugin.forms.why_refused(req, form, browser)
        if refusal is not None:
            req.context.log.error, req.context.log.hint = "invalid_request", refusal
            self.pages.answer(resp, "refused.html", status=403, again=self.provider.url("logout"))
            return
        self._plugin.log_out(browser)
        req.context.log.outcome = "logout"
        redirect(resp, self.provider.url("logout"))
        set_cookies(resp, browser, secure=self.provider.cookie_names.secure)

    def _show(self, resp: falcon.Response, browser: Browser) -> None:
        session = self._plugin.current(browser)
        if session is None:
            self.pages.answer(resp, "logged_out.html", login=self.provider.url("login"))
            return
        csrf_token = self.provider.visits.csrf_token(browser)
        logout = self.provider.url("logout")
        self.pages.answer(resp, "logout.html", username=session.username, logout=logout, csrf_token=csrf_token)
        set_cookies(resp, browser, secure=self.provider.cookie_names.secure)
