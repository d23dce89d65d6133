"""The login page: who asks, user name and password, and on to where the person was going."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import falcon
from creance.provider import (
    Browser,
    Client,
    Event,
    OAuthError,
    Parameters,
    Resource,
    TemporarilyUnavailable,
    UnprovenRedirect,
    User,
    VisitLost,
)
from creance.provider.endpoints import redirect, set_cookies

from .descriptions import FORM_REFUSALS, PAGE, form_body
from .form_guard import read_form

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


@dataclass(frozen=True, slots=True)
class Asked:
    """What the login is for: an app's request, opened and proven again, or nothing but the login itself."""

    onward: str
    """Where the browser goes then: a URL of ours, always."""
    sealed: str = ""
    client: Client | None = None
    redirect_uri: str = ""
    parameters: Parameters | None = None
    started_at: float = 0.0

    @property
    def client_id(self) -> str | None:
        return self.client.client_id if self.client else None

    @property
    def destination(self) -> str:
        """The place of the redirect URI in words: host and port, or an app's own scheme (RFC 8252 7.1)."""
        parts = urlsplit(self.redirect_uri)
        return parts.netloc if parts.scheme in ("http", "https") else parts.scheme

    @property
    def login_hint(self) -> str:
        """OpenID Connect Core 3.1.2.1: the name that the app expects. Only ever put into the field."""
        return self.parameters.get("login_hint", "") if self.parameters else ""


class LoginResource(Resource):
    """GET shows the form, or sends on who need not log in; POST takes it."""

    templates = "creance.plugins.sessions"
    for_people = True
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
            username = asked.login_hint or (session.username if session else "")
            self._show(resp, browser, asked, username)
        elif asked.client is None:
            self._show_who(resp, browser, session)
        else:
            redirect(resp, asked.onward)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Prove that the form is ours, then the password; answer with a new session."""
        form = read_form(req, self.reader)
        browser = self.reader.browser(req)
        if self._refused(req, resp, form, browser):
            return
        asked = self._open(req, form, browser)
        user = self._authenticate(req, resp, form, browser, asked)
        if user is None:
            return
        self._plugin.log_in(user, asked.client_id, browser)
        req.context.log.outcome = "login"
        redirect(resp, asked.onward)
        set_cookies(resp, browser, secure=self.provider.cookie_names.secure)

    def _open(self, req: falcon.Request, parameters: Parameters, browser: Browser) -> Asked:
        """What the login is for. Raises UnprovenRedirect, which is shown as a page: nobody is sent anywhere by what
        cannot be opened.
        """
        sealed = parameters.get("request")
        if sealed is None:
            return Asked(onward=self.provider.url("login"))
        try:
            visit = self.provider.visits.open(sealed, browser)
        except VisitLost:
            raise UnprovenRedirect(
                "This login page was open for too long or in another browser, or this browser keeps no cookies."
            ) from None
        proven, client, redirect_uri = self.provider.authorization.prove(visit.parameters)
        req.context.log.client_id = client.client_id
        onward = self.provider.visits.resume_url(sealed)
        return Asked(onward, sealed, client, redirect_uri, proven, visit.started_at)

    def _needs_login(self, asked: Asked, session: Session) -> bool:
        """Whether the app wants a later login, or another person's. A request that is wrong by now needs none: the app
        is told by redirect.
        """
        if asked.client is None or asked.parameters is None:
            return False
        try:
            request = self.provider.authorization.read(
                asked.parameters, asked.client, asked.redirect_uri, asked.started_at
            )
        except OAuthError:
            return False
        return not self._plugin.is_enough(session, request)

    def _refused(self, req: falcon.Request, resp: falcon.Response, form: Parameters, browser: Browser) -> bool:
        """Whether the form is not from a page of ours. What another site sent is answered by a way to our page, and no
        cookie; a stale form by the form, with the name still in it.
        """
        refusal = self._plugin.forms.why_refused(req, form, browser)
        if refusal is None:
            return False
        req.context.log.error, req.context.log.hint = "invalid_request", refusal
        asked = None if self._plugin.forms.is_foreign(req) else self._try_to_open(req, form, browser)
        if asked is None:
            sealed = {"request": form["request"]} if "request" in form else {}
            again = self.provider.url("login") + (f"?{urlencode(sealed)}" if sealed else "")
            self.pages.answer(resp, "refused.html", status=403, again=again)
        else:
            self._show(resp, browser, asked, _name_in(form), problem=STALE, status=403)
        return True

    def _try_to_open(self, req: falcon.Request, form: Parameters, browser: Browser) -> Asked | None:
        try:
            return self._open(req, form, browser)
        except UnprovenRedirect:
            return None

    def _authenticate(
        self, req: falcon.Request, resp: falcon.Response, form: Parameters, browser: Browser, asked: Asked
    ) -> User | None:
        """The user whose password it is. Otherwise None, and the form is shown again: the same for a name that is not
        there, in the same time.
        """
        log, username = req.context.log, _name_in(form)
        if not username or "password" not in form:
            log.outcome = "refused"
            self._show(resp, browser, asked, username, problem=INCOMPLETE)
            return None
        try:
            user = self.provider.users.authenticate(username, form["password"])
        except TemporarilyUnavailable as error:
            log.error, log.hint = error.error, error.hint
            self._show(resp, browser, asked, username, problem=BUSY, status=503)
            resp.set_header("Retry-After", "2")
            return None
        if user is None:
            log.outcome, log.error = "refused", "login_failed"
            # No name: people type their password into that field too.
            self.provider.happened(Event("login_failed", asked.client_id))
            self._show(resp, browser, asked, username, problem=WRONG)
        return user

    def _show(
        self,
        resp: falcon.Response,
        browser: Browser,
        asked: Asked,
        username: str,
        *,
        problem: str = "",
        status: int = 200,
    ) -> None:
        """The form. CSP lets it lead back to the app's redirect URI."""
        self._answer(
            resp,
            browser,
            "login.html",
            status=status,
            leads_to=asked.redirect_uri or None,
            action=self.provider.url("login"),
            sealed=asked.sealed,
            app=asked.client.name if asked.client else "",
            destination=asked.destination,
            username=username,
            problem=problem,
        )

    def _show_who(self, resp: falcon.Response, browser: Browser, session: Session) -> None:
        """For who opens the login page without an app: that they are logged in, and a way out."""
        self._answer(resp, browser, "logged_in.html", username=session.username, logout=self.provider.url("logout"))

    def _answer(self, resp: falcon.Response, browser: Browser, template: str, **values: Any) -> None:
        csrf_token = self.provider.visits.csrf_token(browser)
        self.pages.answer(resp, template, csrf_token=csrf_token, **values)
        set_cookies(resp, browser, secure=self.provider.cookie_names.secure)


def _name_in(form: Parameters) -> str:
    return form.get("username", "")[:_LONGEST_NAME]
