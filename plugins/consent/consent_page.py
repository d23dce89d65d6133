"""The consent page: who asks, for what, and on to where the person was going."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import falcon
from creance.provider import (
    Authenticated,
    AuthorizationRequest,
    Browser,
    InvalidRequest,
    OAuthError,
    Parameters,
    User,
)
from creance.provider.catalogues import translatable
from creance.provider.consents import Permissions
from creance.provider.endpoints import FORM_REFUSALS, PAGE, Asked, PageResource, form_body, redirect
from creance.provider.endpoints.authorize import finish

from .decision import Decision, Decisions, Question, question_in, undecided, with_decision
from .items import Item

if TYPE_CHECKING:
    from . import Consent

ALLOW, DENY, SOMEBODY_ELSE = "allow", "deny", "somebody_else"

NOTHING_TICKED = translatable("Nothing is ticked. Tick what you allow, or choose Deny.")

_REQUEST = {
    "name": "request",
    "in": "query",
    "required": True,
    "description": "What the app asked for, sealed.",
    "schema": {"type": "string"},
}
_FORM = form_body(
    ["request", "decision"],
    {
        "request": {"type": "string", "description": "From the page: what the app asked for, sealed."},
        "decision": {"type": "string", "enum": [ALLOW, DENY, SOMEBODY_ELSE]},
    },
)
_ONWARD = {"description": "Back to the app, or on to another page."}


class ConsentResource(PageResource):
    """GET shows what is asked, POST takes the decision. Nothing that the form says can allow more than was asked."""

    templates = "creance.plugins.consent"
    openapi = {
        "get": {
            "summary": "Asks whether an app may have what it asks for",
            "parameters": [_REQUEST],
            "responses": {"200": PAGE, "303": _ONWARD, "400": PAGE, "414": PAGE, "503": PAGE},
        },
        "post": {
            "summary": "Allow or deny it",
            "requestBody": _FORM,
            "responses": {
                "200": {**PAGE, "description": "The form again: nothing was ticked."},
                "303": _ONWARD,
                **FORM_REFUSALS,
            },
        },
    }

    def __init__(self, plugin: Consent) -> None:
        self._plugin = plugin

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Open the request, and ask whom it is for."""
        query = self.reader.query(req)
        query.refuse_problems()
        browser = self.reader.browser(req)
        self._ask(req, resp, browser, self.open_asked(req, query.required("request"), browser))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Prove that the form is ours, and made for this very request; then do as the person says."""
        form = self.read_form(req)
        browser = self.reader.browser(req)
        sealed = form.get("request", "")
        if self.refuse_forged(req, resp, form, browser, again=self._again(sealed), bound_to=sealed):
            return
        asked = self.open_asked(req, sealed, browser)
        question = question_in(asked.visit.decisions)
        chosen = form.required("decision")
        if chosen == SOMEBODY_ELSE:
            self._ask_somebody_else(req, resp, browser, asked)
        elif chosen == DENY and question is not None:
            self._answer(req, resp, browser, asked, Decision(question, None))
        elif chosen == ALLOW and question is not None:
            self._allow(req, resp, browser, asked, question, form)
        else:
            raise InvalidRequest("decision is not one of those of the page")

    def _allow(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        browser: Browser,
        asked: Asked,
        question: Question,
        form: Parameters,
    ) -> None:
        """What is required, and what is ticked; of what the page has asked, and nothing else."""
        request = self._read(asked)
        allowed = self._allowed(request, question, form) if request else None
        if allowed is None or not allowed.scope:
            self._ask(req, resp, browser, asked, problem=NOTHING_TICKED)
        else:
            self._answer(req, resp, browser, asked, Decision(question, allowed))

    def _allowed(self, request: AuthorizationRequest, question: Question, form: Parameters) -> Permissions:
        allowed = Permissions(frozenset({"openid"}), frozenset())
        for item in self._items(request, question):
            if item.required or item.box in form:
                allowed |= item.permissions
        return allowed & question.asked

    def _answer(
        self, req: falcon.Request, resp: falcon.Response, browser: Browser, asked: Asked, decision: Decision
    ) -> None:
        """The request goes on from here: the decision does not travel through the browser.

        Who is not there as they were asked has decided nothing: sealed for a login page that comes first, it would stay
        in the history of the browser, and could be had again from there when it was taken back.
        """
        visit, request = asked.visit, self._read(asked)
        is_theirs = request is not None and self._person(request, decision.question, browser) is not None
        decisions = with_decision(visit.decisions, decision) if is_theirs else undecided(visit.decisions)
        self._go_on(req, resp, browser, visit.parameters, visit.started_at, decisions)

    def _ask_somebody_else(self, req: falcon.Request, resp: falcon.Response, browser: Browser, asked: Asked) -> None:
        """The same request from its start, with another login (OpenID Connect Core 3.1.2.1: prompt=login)."""
        before = asked.visit.parameters
        prompt = {*before.get("prompt", "").split(" "), "login"} - {"", "select_account"}
        parameters = Parameters({**before, "prompt": " ".join(sorted(prompt))})
        parameters.multiple = before.multiple
        parameters.pop("login_hint", None)
        self._go_on(req, resp, browser, parameters, time.time(), {})

    def _go_on(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        browser: Browser,
        parameters: Parameters,
        started_at: float,
        decisions: Decisions,
    ) -> None:
        req.context.log.grant = "authorization"
        answer = self.provider.authorization.answer(parameters, browser, started_at=started_at, decisions=decisions)
        finish(req, resp, answer, browser, secure=self.provider.cookie_names.secure)

    def _ask(
        self, req: falcon.Request, resp: falcon.Response, browser: Browser, asked: Asked, *, problem: str = ""
    ) -> None:
        """The form, for the person whom it asks and nobody else: it shows what is theirs. For another, and for a
        request that is wrong by now, the request goes on, and ends where it must.
        """
        question, request = question_in(asked.visit.decisions), self._read(asked)
        user = self._person(request, question, browser) if request and question else None
        if request is None or question is None or user is None:
            redirect(resp, self.provider.visits.resume_url(asked.sealed))
            return
        self.show(
            req,
            resp,
            browser,
            "consent.html",
            bound_to=asked.sealed,
            leads_to=asked.redirect_uri,
            ui_locales=asked.ui_locales,
            action=self.provider.url("consent"),
            asked=asked,
            username=user.username,
            openid="openid" in request.scope,
            items=self._items(request, question, user) if problem else self._ticked(request, question, user),
            remembered=self._plugin.remembers(asked.client),
            account=self._plugin.account_page,
            problem=problem,
        )

    def _read(self, asked: Asked) -> AuthorizationRequest | None:
        """The request, if it is right still."""
        try:
            return asked.read(self.provider)
        except OAuthError:
            return None

    def _person(self, request: AuthorizationRequest, question: Question, browser: Browser) -> User | None:
        """Who is asked, if they are at this browser in the session that they were asked in."""
        try:
            authenticated = self.provider.plugins.hook.authenticate(
                request=request, client=request.client, browser=browser
            )
        except OAuthError:
            return None
        if not isinstance(authenticated, Authenticated):
            return None
        user = self.provider.users.find(authenticated.username)
        return user if user is not None and question.is_for(user, authenticated) else None

    def _items(self, request: AuthorizationRequest, question: Question, user: User | None = None) -> Sequence[Item]:
        required = self._plugin.required_scope(request.client)
        return list(self._plugin.wording.items(request, question.asked, user=user, required=required))

    def _ticked(self, request: AuthorizationRequest, question: Question, user: User) -> Sequence[Item]:
        """The items as the form shows them at first: as the person decided before, else as the operator says."""
        earlier = self._plugin.earlier(user, request.client)
        return [
            replace(
                item,
                ticked=item.permissions <= earlier.allowed
                if earlier and item.permissions <= earlier.asked
                else self._plugin.preselects(item.name, request.client),
            )
            for item in self._items(request, question, user)
        ]

    def _again(self, sealed: str) -> str:
        """The page with the same request; without one, a page of ours."""
        if not sealed:
            return self.provider.url("front_page")
        return f"{self.provider.url('consent')}?{urlencode({'request': sealed})}"
