"""The login page: who asks, user name and password, and on to where the person was going."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import falcon
from creance.provider import (
    Browser,
    Event,
    Parameters,
    TemporarilyUnavailable,
    TooManyRequests,
    UnprovenRedirect,
    translatable,
)
from creance.provider.endpoints import FORM_REFUSALS, PAGE, PageResource, form_body

from .login_names import username_meant
from .login_purpose import PAGES, Purpose

if TYPE_CHECKING:
    from . import Sessions
    from .session_store import Session

_LONGEST_NAME = 256
"""Characters: one more than any user name has, so that what is cut off names nobody."""

_YES = "yes"
"""The value of a box that is ticked."""

INCOMPLETE = translatable("Type your user name and your password.")
WRONG = translatable("The user name or the password is not right.")
CHANGED = translatable("Nobody is logged in with that account any more. Log in to go on.")
BUSY = translatable("Too many people are logging in at this moment. Wait a little, then try again.")
LIMITED = translatable("Too many logins failed, with this name or from this network.")
STALE = translatable("The form was not complete, or too old. Nothing has happened: try again.")

_FORM = form_body(
    [],
    {
        "username": {"type": "string", "description": "User name or e-mail address."},
        "password": {"type": "string", "format": "password"},
        "remember": {"type": "string", "enum": ["yes"], "description": "Remember this browser."},
        "account": {"type": "string", "description": "Instead of these three: go on with the session of this `sid`."},
        "request": {"type": "string", "description": "From the page: what the app asked for, sealed."},
        "next": {"type": "string", "enum": [*PAGES], "description": "From the page: where to go then."},
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
                },
                {
                    "name": "next",
                    "in": "query",
                    "description": "Instead: a page of ours to go to then.",
                    "schema": {"type": "string", "enum": [*PAGES]},
                },
                {
                    "name": "prompt",
                    "in": "query",
                    "description": "With `next`: a login also of who is logged in.",
                    "schema": {"type": "string", "enum": ["login"]},
                },
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
                "429": {**PAGE, "description": "The form again: too many logins failed. `Retry-After` says how long."},
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
        purpose = self._open(req, query, browser)
        session = self._plugin.logins.recognise(browser)
        if session is None or self._needs_login(purpose, session):
            self._show_first(req, resp, browser, purpose, session)
        elif not purpose.fields:
            self._show_who(req, resp, browser, session)
        else:
            self.send_on(resp, browser, purpose.onward(self.provider))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Prove that the form is ours, then the password; answer with a new session."""
        form = self.read_form(req)
        browser = self.reader.browser(req)
        if self._refused(req, resp, form, browser):
            return
        purpose = self._open(req, form, browser)
        if "account" in form:
            self._go_on(req, resp, browser, purpose, form["account"])
            return
        if self._log_in(req, resp, form, browser, purpose):
            req.context.log.outcome = "login"
            self.send_on(resp, browser, purpose.onward(self.provider))

    def _open(self, req: falcon.Request, parameters: Parameters, browser: Browser) -> Purpose:
        """What the login is for. Raises UnprovenRedirect."""
        if "request" in parameters:
            return Purpose(self.open_asked(req, parameters["request"], browser))
        return Purpose.of_page(self.provider, parameters)

    def _needs_login(self, purpose: Purpose, session: Session) -> bool:
        """Whether a later login is wanted, another person's, or a choice."""
        request = purpose.request(self.provider)
        return purpose.anew or (request is not None and not self._plugin.is_enough(session, request))

    def _may_go_on(self, purpose: Purpose, session: Session) -> bool:
        """Whether it would be enough to choose the account that is logged in."""
        request = purpose.request(self.provider)
        return request is not None and self._plugin.is_enough(
            session, replace(request, decisions=self._plugin.decided(request.decisions, session))
        )

    def _go_on(self, req: falcon.Request, resp: falcon.Response, browser: Browser, purpose: Purpose, sid: str) -> None:
        """prompt=select_account: the person chose the account that is logged in. That goes with their request."""
        session = self._plugin.logins.current(browser)
        if purpose.asked is None or session is None or session.sid != sid:
            req.context.log.outcome = "refused"
            self._show(req, resp, browser, purpose, problem=CHANGED)
            return
        visit = purpose.asked.visit
        decisions = self._plugin.decided(visit.decisions, session)
        sealed = self.provider.visits.seal(visit.parameters, visit.started_at, browser, decisions)
        req.context.log.outcome = "account selected"
        self.send_on(resp, browser, self.provider.visits.resume_url(sealed))

    def _refused(self, req: falcon.Request, resp: falcon.Response, form: Parameters, browser: Browser) -> bool:
        """Whether the form is not from a page of ours. What another site sent is answered by a way to our page, and no
        cookie; a stale form by the form, with the name still in it.
        """
        refusal = self.forms.why_refused(req, form, browser)
        if refusal is None:
            return False
        lost = False
        try:
            purpose = self._open(req, form, browser)
        except UnprovenRedirect:
            purpose, lost = Purpose(), True
        if self.forms.is_foreign(req) or lost:
            fields = {"request": form["request"]} if lost else purpose.fields
            again = self.provider.url("login") + (f"?{urlencode(fields)}" if fields else "")
            self.show_refusal(req, resp, refusal, again=again)
        else:
            req.context.log.error, req.context.log.hint = "invalid_request", refusal
            self._show(req, resp, browser, purpose, form, problem=STALE, status=403)
        return True

    def _log_in(
        self, req: falcon.Request, resp: falcon.Response, form: Parameters, browser: Browser, purpose: Purpose
    ) -> bool:
        """Whether the password was right, so that there is a session. Otherwise the form is shown again: the same for a
        name that is not there, in the same time.
        """
        log, typed = req.context.log, _name_in(form)
        if not typed or "password" not in form:
            log.outcome = "refused"
            self._show(req, resp, browser, purpose, form, problem=INCOMPLETE)
            return False
        try:
            done = self._try(form, browser, purpose, typed)
        except TooManyRequests as error:
            log.error, log.hint = error.error, error.hint
            self._show(req, resp, browser, purpose, form, problem=LIMITED, wait=error.retry_after, status=429)
            resp.set_header("Retry-After", str(error.retry_after))
            return False
        except TemporarilyUnavailable as error:
            log.error, log.hint = error.error, error.hint
            self._show(req, resp, browser, purpose, form, problem=BUSY, status=503)
            resp.set_header("Retry-After", "2")
            return False
        if not done:
            log.outcome, log.error = "refused", "login_failed"
            # No name: people type their password into that field too.
            self.provider.happened(Event("login_failed", purpose.client_id))
            self._show(req, resp, browser, purpose, form, problem=WRONG)
        return done

    def _try(self, form: Parameters, browser: Browser, purpose: Purpose, typed: str) -> bool:
        """Look at the password, then begin the session. A password that is changed meanwhile was wrong."""
        users = self.provider.users
        username = username_meant(users, typed, self._plugin.settings.login_with)
        kept = users.kept_password(username)
        user = self.provider.login_limits.authenticate(username, form["password"], browser, typed)
        return user is not None and self._plugin.logins.log_in(
            user,
            purpose.client_id,
            browser,
            remember=_remember_in(form),
            is_still_right=lambda: users.kept_password(username) == kept,
        )

    def _show_first(
        self, req: falcon.Request, resp: falcon.Response, browser: Browser, purpose: Purpose, session: Session | None
    ) -> None:
        """The form before anything was typed; with the account that is logged in, where that can be chosen."""
        going_on = session if session is not None and self._may_go_on(purpose, session) else None
        username = (purpose.asked.login_hint if purpose.asked else "") or (
            session.username if session and not going_on else ""
        )
        remember = {"remember": _YES} if self._plugin.logins.is_remembered(browser) else {}
        self._show(req, resp, browser, purpose, Parameters({"username": username, **remember}), going_on=going_on)

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        browser: Browser,
        purpose: Purpose,
        typed: Parameters | None = None,
        *,
        going_on: Session | None = None,
        problem: str = "",
        wait: int = 0,
        status: int = 200,
    ) -> None:
        """The form, with all that was typed but the password. CSP lets it lead back to the app's redirect URI."""
        typed, settings, asked = typed or Parameters(), self._plugin.settings, purpose.asked
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
            fields=purpose.fields,
            going_on=going_on,
            login_with=settings.login_with,
            username=_name_in(typed),
            remember_me=settings.remember_me,
            remember=_remember_in(typed),
            problem=problem,
            wait=-(-wait // 60),
        )

    def _show_who(self, req: falcon.Request, resp: falcon.Response, browser: Browser, session: Session) -> None:
        """For who opens the login page without an app: that they are logged in, their account, and a way out."""
        self.show(
            req,
            resp,
            browser,
            "logged_in.html",
            username=session.username,
            account=self.provider.url_if_on("account"),
            logout=self.provider.url("logout"),
        )


def _name_in(form: Parameters) -> str:
    return form.get("username", "")[:_LONGEST_NAME]


def _remember_in(form: Parameters) -> bool:
    return form.get("remember") == _YES
