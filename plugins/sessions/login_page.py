"""The login page: who asks, user name and password, and on to where the person was going."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import falcon
from creance.provider import (
    Browser,
    Event,
    OAuthError,
    Parameters,
    TemporarilyUnavailable,
    UnprovenRedirect,
    User,
)
from creance.provider.endpoints import FORM_REFUSALS, PAGE, Asked, PageResource, form_body, redirect

if TYPE_CHECKING:
    from . import Sessions
    from .session_store import Session

_LONGEST_NAME = 256
"""Characters: one more than any user name has, so that what is cut off names nobody."""

INCOMPLETE = "Type your user name and your password."
WRONG = "The user name or the password is not right."
BUSY = "Too many people are logging in at this moment. Wait a little, then try again."
STALE = "The form was not complete, or too old. Nothing has happened: try again."

_FORM = form_body(
    ["username", "password"],
    {
        "username": {"type": "string"},
        "password": {"type": "string", "format": "password"},
        "request": {"type": "string", "description": "From the page: what the app asked for, sealed."},
    },
)


class LoginResource(PageResource):
    """GET shows the form, or sends on who need not log in; POST takes it."""

    templates = "creance.plugins.sessions"
    openapi = {
        "get": {
            "summary": "The login page",
            "parameters": [
                {
                    "name": "request",
                    "in": "query",
                    "description": "What the app asked for, sealed.",
                    "schema": {"type": "string"},
                }
            ],
            "responses": {
                "200": PAGE,
                "303": {"description": "Logged in already: on to where the person was going."},
                "400": PAGE,
                "414": PAGE,
                "503": PAGE,
            },
        },
        "post": {
            "summary": "Log in with user name and password",
            "requestBody": _FORM,
            "responses": {
                "200": {**PAGE, "description": "The form again: user name or password were wrong or missing."},
                "303": {"description": "Logged in: on to where the person was going."},
                **FORM_REFUSALS,
            },
        },
    }

    def __init__(self, plugin: Sessions) -> None:
        self._plugin = plugin

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Open the request, look whether a login is needed, and show the form."""
        query = self.reader.query(req)
        query.refuse_problems()
        browser = self.reader.browser(req)
        asked = self._open(req, query, browser)
        session = self._plugin.current(browser)
        if session is None or self._needs_login(asked, session):
            username = (asked.login_hint if asked else "") or (session.username if session else "")
            self._show(req, resp, browser, asked, username)
        elif asked is None:
            self._show_who(req, resp, browser, session)
        else:
            redirect(resp, self._onward(asked))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Prove that the form is ours, then the password; answer with a new session."""
        form = self.read_form(req)
        browser = self.reader.browser(req)
        if self._refused(req, resp, form, browser):
            return
        asked = self._open(req, form, browser)
        user = self._authenticate(req, resp, form, browser, asked)
        if user is None:
            return
        self._plugin.log_in(user, asked.client.client_id if asked else None, browser)
        req.context.log.outcome = "login"
        self.send_on(resp, browser, self._onward(asked))

    def _open(self, req: falcon.Request, parameters: Parameters, browser: Browser) -> Asked | None:
        """What the login is for; None for who just logs in. Raises UnprovenRedirect."""
        sealed = parameters.get("request")
        return self.open_asked(req, sealed, browser) if sealed is not None else None

    def _needs_login(self, asked: Asked | None, session: Session) -> bool:
        """Whether the app wants a later login, or another person's. A request that is wrong by now needs none: the app
        is told by redirect.
        """
        if asked is None:
            return False
        try:
            request = asked.read(self.provider)
        except OAuthError:
            return False
        return not self._plugin.is_enough(session, request)

    def _refused(self, req: falcon.Request, resp: falcon.Response, form: Parameters, browser: Browser) -> bool:
        """Whether the form is not from a page of ours. What another site sent is answered by a way to our page, and no
        cookie; a stale form by the form, with the name still in it.
        """
        refusal = self.forms.why_refused(req, form, browser)
        if refusal is None:
            return False
        try:
            asked = self._open(req, form, browser)
        except UnprovenRedirect:
            asked = None
        if self.forms.is_foreign(req) or (asked is None and "request" in form):
            sealed = {"request": form["request"]} if "request" in form else {}
            again = self.provider.url("login") + (f"?{urlencode(sealed)}" if sealed else "")
            self.show_refusal(req, resp, refusal, again=again)
        else:
            req.context.log.error, req.context.log.hint = "invalid_request", refusal
            self._show(req, resp, browser, asked, _name_in(form), problem=STALE, status=403)
        return True

    def _authenticate(
        self, req: falcon.Request, resp: falcon.Response, form: Parameters, browser: Browser, asked: Asked | None
    ) -> User | None:
        """The user whose password it is. Otherwise None, and the form is shown again: the same for a name that is not
        there, in the same time.
        """
        log, username = req.context.log, _name_in(form)
        if not username or "password" not in form:
            log.outcome = "refused"
            self._show(req, resp, browser, asked, username, problem=INCOMPLETE)
            return None
        try:
            user = self.provider.users.authenticate(username, form["password"])
        except TemporarilyUnavailable as error:
            log.error, log.hint = error.error, error.hint
            self._show(req, resp, browser, asked, username, problem=BUSY, status=503)
            resp.set_header("Retry-After", "2")
            return None
        if user is None:
            log.outcome, log.error = "refused", "login_failed"
            # No name: people type their password into that field too.
            self.provider.happened(Event("login_failed", asked.client.client_id if asked else None))
            self._show(req, resp, browser, asked, username, problem=WRONG)
        return user

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        browser: Browser,
        asked: Asked | None,
        username: str,
        *,
        problem: str = "",
        status: int = 200,
    ) -> None:
        """The form. CSP lets it lead back to the app's redirect URI."""
        self.show(
            req,
            resp,
            browser,
            "login.html",
            status=status,
            leads_to=asked.redirect_uri if asked else None,
            ui_locales=asked.ui_locales if asked else "",
            action=self.provider.url("login"),
            asked=asked,
            username=username,
            problem=problem,
        )

    def _onward(self, asked: Asked | None) -> str:
        """Where the browser goes then: a URL of ours, always."""
        return self.provider.visits.resume_url(asked.sealed) if asked else self.provider.url("login")

    def _show_who(self, req: falcon.Request, resp: falcon.Response, browser: Browser, session: Session) -> None:
        """For who opens the login page without an app: that they are logged in, and a way out."""
        self.show(req, resp, browser, "logged_in.html", username=session.username, logout=self.provider.url("logout"))


def _name_in(form: Parameters) -> str:
    return form.get("username", "")[:_LONGEST_NAME]
