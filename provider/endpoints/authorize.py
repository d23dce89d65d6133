"""The authorization endpoint (RFC 6749 3.1, OpenID Connect Core 3.1.2), and the way back to it from our own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import falcon

from ..authorization import Redirect
from ..browser import Browser
from ..errors import StartAgain
from ..parameters import Parameters
from ..routes import Resource
from ..visits import VisitLost
from .answering import redirect, set_cookies
from .reading import FORM_UNREAD

if TYPE_CHECKING:
    from ..openid_provider import OpenIDProvider

_PARAMETERS = [
    {"name": "client_id", "in": "query", "schema": {"type": "string"}},
    {"name": "redirect_uri", "in": "query", "schema": {"type": "string"}},
    {"name": "response_type", "in": "query", "schema": {"type": "string", "examples": ["code"]}},
    {"name": "scope", "in": "query", "schema": {"type": "string"}},
    {"name": "state", "in": "query", "schema": {"type": "string"}},
    {"name": "nonce", "in": "query", "schema": {"type": "string"}},
    {"name": "code_challenge", "in": "query", "schema": {"type": "string"}},
    {"name": "code_challenge_method", "in": "query", "schema": {"type": "string", "enum": ["S256"]}},
    {"name": "prompt", "in": "query", "schema": {"type": "string"}},
    {"name": "max_age", "in": "query", "schema": {"type": "integer"}},
    {"name": "id_token_hint", "in": "query", "schema": {"type": "string"}},
]
_PAGE = {"$ref": "#/components/responses/Page"}
_ANSWERS = {
    "303": {"description": "To the login page, or back to the app with a code or an error."},
    "400": _PAGE,
    "503": _PAGE,
}


class AuthorizationResource(Resource):
    """Reads the request, lets the provider answer, and redirects."""

    for_people = True
    openapi = {
        "get": {
            "summary": "Ask a person to log in (RFC 6749 4.1.1)",
            "parameters": _PARAMETERS,
            "responses": {**_ANSWERS, "414": _PAGE},
        },
        "post": {
            "summary": "The same, by form (OpenID Connect Core 3.1.2.1)",
            "requestBody": {"$ref": "#/components/requestBodies/Form"},
            "responses": {**_ANSWERS, **dict.fromkeys(FORM_UNREAD, _PAGE)},
        },
    }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """RFC 6749 3.1: the parameters are in the query."""
        self._answer(req, resp, self.reader.query(req), self.reader.browser(req))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """OpenID Connect Core 3.1.2.1: the parameters are in a form.

        A form of another site comes without our SameSite=Lax cookies: it is sent on to GET, which has them.
        """
        parameters = self.reader.form(req)
        browser = self.reader.browser(req)
        location = as_get(self.provider, "authorization", parameters, browser)
        if location is not None:
            redirect(resp, location)
            return
        self._answer(req, resp, parameters, browser)

    def _answer(self, req: falcon.Request, resp: falcon.Response, parameters: Parameters, browser: Browser) -> None:
        req.context.log.grant = "authorization"
        answer = self.provider.authorization.answer(parameters, browser)
        finish(req, resp, answer, browser, secure=self.provider.cookie_names.secure)


class ResumeResource(Resource):
    """Where our own pages send the browser when they are done: the request goes on, checked from the start."""

    for_people = True
    openapi = {
        "get": {
            "summary": "Go on after a page of this provider",
            "parameters": [{"name": "request", "in": "query", "required": True, "schema": {"type": "string"}}],
            "responses": {**_ANSWERS, "414": _PAGE},
        }
    }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Opens the sealed request of this browser."""
        req.context.log.grant = "authorization"
        browser = self.reader.browser(req)
        try:
            visit = self.provider.visits.open(self.reader.query(req).get("request", ""), browser)
        except VisitLost:
            raise StartAgain(
                "this login was begun too long ago, or in another browser: go back to the app and start again"
            ) from None
        answer = self.provider.authorization.answer(
            visit.parameters, browser, started_at=visit.started_at, decisions=visit.decisions
        )
        finish(req, resp, answer, browser, secure=self.provider.cookie_names.secure)


def as_get(provider: OpenIDProvider, endpoint: str, parameters: Parameters, browser: Browser) -> str | None:
    """Where a form of another site is sent on to: the same request by GET, which has our SameSite=Lax cookies. None
    where they are here already, or where it cannot be said in a query.
    """
    if provider.cookie_names.any_in(browser.cookies) or parameters.problems or parameters.multiple:
        return None
    query = urlencode(parameters)
    return f"{provider.url(endpoint)}?{query}" if len(query) <= provider.settings.http.query_limit else None


def finish(req: falcon.Request, resp: falcon.Response, answer: Redirect, browser: Browser, *, secure: bool) -> None:
    """Send the browser on its way, and note what became of the request."""
    log = req.context.log
    log.client_id = answer.client_id
    log.outcome = "interaction" if answer.interaction else "redirect"
    if answer.error is not None:
        log.error, log.hint = answer.error.error, answer.error.hint
    redirect(resp, answer.location)
    set_cookies(resp, browser, secure=secure)
