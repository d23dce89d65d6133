"""The end session endpoint (RP-Initiated Logout 1.0, 2): ends this browser's session, after asking where it must."""

from __future__ import annotations

from typing import Any, Final

import falcon
from creance.provider import Browser, BrowserSession, BrowserSessions, Parameters
from creance.provider.endpoints import FORM_UNREAD, PAGE, PageResource, as_get, redirect, set_cookies

from .logout_request import LogoutRequest, read_logout_request

_ANSWERS: Final[Any] = {
    "200": PAGE,
    "303": {"description": "Logged out: back to the app."},
    "400": PAGE,
    "503": PAGE,
}
_FORGED: Final[Any] = {**PAGE, "description": "The answer to the question does not come from our page."}
_TEXT: Final = {"type": "string"}
_PARAMETERS: Final = ("id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales")


class EndSessionResource(PageResource):
    """GET and POST are the same request of an app; a POST with a csrf_token is the answer to our question."""

    templates = "creance.plugins.rp_initiated_logout"
    openapi = {
        "get": {
            "summary": "Log a person out (OpenID Connect RP-Initiated Logout 2)",
            "parameters": [{"name": name, "in": "query", "schema": _TEXT} for name in _PARAMETERS],
            "responses": {**_ANSWERS, "414": PAGE},
        },
        "post": {
            "summary": "The same, by form",
            "requestBody": {"$ref": "#/components/requestBodies/Form"},
            "responses": {**_ANSWERS, "403": _FORGED, **dict.fromkeys(FORM_UNREAD, PAGE)},
        },
    }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """An app has sent the person here."""
        self._answer(req, resp, self.reader.query(req), self.reader.browser(req))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """An app's form, or the answer to our question. A form of another site comes without our cookies: it is sent on
        to GET, which has them.
        """
        form = self.reader.form(req)
        browser = self.reader.browser(req)
        if "csrf_token" in form:
            self._take_answer(req, resp, form, browser)
        elif (location := as_get(self.provider, "end_session", form, browser)) is not None:
            redirect(resp, location)
        else:
            self._answer(req, resp, form, browser)

    @property
    def _sessions(self) -> BrowserSessions:
        sessions = self.provider.browser_sessions
        if sessions is None:
            raise RuntimeError("no plugin keeps sessions")
        return sessions

    def _answer(self, req: falcon.Request, resp: falcon.Response, parameters: Parameters, browser: Browser) -> None:
        asked = self._read(req, parameters)
        session = self._sessions.current(browser)
        if asked.is_about(session, self.provider) if session else not self._sessions.is_remembered(browser):
            self._log_out(req, resp, browser, asked)
        else:
            self._ask(req, resp, browser, asked, session)

    def _take_answer(self, req: falcon.Request, resp: falcon.Response, form: Parameters, browser: Browser) -> None:
        """The form of the question: bound to the session that it was asked about."""
        form.refuse_problems()
        session = self._sessions.current(browser)
        again, bound_to = self.provider.url("end_session"), session.sid if session else ""
        if (session or self._sessions.is_remembered(browser)) and self.refuse_forged(
            req, resp, form, browser, again=again, bound_to=bound_to
        ):
            return
        self._log_out(req, resp, browser, self._read(req, form))

    def _read(self, req: falcon.Request, parameters: Parameters) -> LogoutRequest:
        asked = read_logout_request(self.provider, parameters)
        log = req.context.log
        log.client_id = asked.client.client_id if asked.client else None
        if asked.problem:
            log.error, log.hint = "invalid_request", asked.problem
        return asked

    def _log_out(self, req: falcon.Request, resp: falcon.Response, browser: Browser, asked: LogoutRequest) -> None:
        """End what there is, and go back to the app where that is proven; else to a page that says so."""
        self._sessions.log_out(browser)
        req.context.log.outcome = "logout"
        if asked.onward is not None:
            self.send_on(resp, browser, asked.onward)
        else:  # no form, so no visit: who comes by a form of another site, without our cookies, gets no others
            self.pages.answer(req, resp, "logged_out.html", **self._about(asked))
            set_cookies(resp, browser, secure=self.provider.cookie_names.secure)

    def _ask(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        browser: Browser,
        asked: LogoutRequest,
        session: BrowserSession | None,
    ) -> None:
        """RP-Initiated Logout 2: the person is asked, since anybody can have sent them here."""
        self.show(
            req,
            resp,
            browser,
            "log_out.html",
            bound_to=session.sid if session else "",
            leads_to=asked.redirect_uri,
            username=session.username if session else "",
            action=self.provider.url("end_session"),
            parameters=asked.parameters,
            **self._about(asked),
        )

    def _about(self, asked: LogoutRequest) -> dict[str, Any]:
        """What both pages say of the app, in the languages that it prefers."""
        return {
            "ui_locales": asked.parameters.get("ui_locales", ""),
            "app": asked.client.name if asked.client else "",
            "problem": asked.problem,
            "home": self.provider.url("front_page"),
        }
