"""Asks people before an app gets something of theirs: a page, what they answered, and what they answered before.

A decision holds for one request, one person and one session: another person who has logged in meanwhile is asked anew.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import urlencode

from creance.provider import (
    AccessDenied,
    Authenticated,
    AuthorizationRequest,
    Browser,
    Client,
    Consented,
    ConsentRequired,
    Endpoint,
    Event,
    Interaction,
    OpenIDProvider,
    Plugin,
    PluginSettings,
    User,
    hookimpl,
    split_scope,
)
from creance.provider.claims_request import untagged
from creance.provider.consents import Consent as RememberedConsent
from creance.provider.consents import Permissions
from creance.provider.setting_types import Scope, Seconds

from .consent_page import ConsentResource
from .decision import Question, decision_in, with_question
from .items import Wording, asked_by


class Settings(PluginSettings):
    """Settings of `[plugins.consent]`."""

    remember: bool = True
    """Whether a person who has decided is not asked again by the same app for the same."""
    remember_for: Seconds = 15552000
    """Seconds for which a decision is remembered: 180 days."""
    preselected: bool = True
    """Whether what a person may leave out is ticked when the page is shown. `offline_access` never is: nobody notices
    what is done with it."""
    descriptions: dict[str, str] = {}
    """Words for scopes and claims of your own (`extra_scopes`, or those of an API), as
    `groups = "The groups that you are in"`. The account page has them too."""


class ClientSettings(PluginSettings):
    """Settings of `[clients.plugins.consent]`."""

    required_scope: Scope = ""
    """The scopes that the app cannot do without, separated by spaces: people allow all of them, or deny. `openid` is
    always one of them."""


class Consent(Plugin[Settings, ClientSettings]):
    """Third-party clients ask always, first-party ones only by prompt=consent."""

    wording: Wording
    account_page: str | None
    """Where people take back what they allowed, if there is such a page."""

    def start(self, provider: OpenIDProvider) -> None:
        """Takes what it needs of a provider that is open."""
        provider.scope_words.add(self.settings.descriptions)
        self.wording = Wording(provider.scope_claims, provider.scope_words)
        self.account_page = provider.url_if_on("account")

    @hookimpl
    def endpoints(self) -> Sequence[Endpoint]:
        """For people."""
        return [Endpoint("consent", "/auth/consent", ConsentResource(self))]

    @hookimpl(trylast=True)  # other plugins' policies first: who may not use an app is not asked
    def consent(
        self, request: AuthorizationRequest, client: Client, user: User, authenticated: Authenticated, browser: Browser
    ) -> Consented | Interaction | None:
        """OpenID Connect Core 3.1.2.4: what was decided for this request, or earlier for all that it asks; else the
        page. prompt=consent wants a decision for this request (3.1.2.1).
        """
        prompted = "consent" in request.prompt
        if client.settings.first_party and not prompted:
            return None
        asked = asked_by(request, self.provider.scope_claims)
        decision = decision_in(request.decisions)
        if decision is not None and decision.question.is_for(user, authenticated):
            if decision.allowed is None:
                self._deny(user, client)
            elif asked <= decision.question.asked and asked.scope & decision.allowed.scope:
                self._note(user, client, decision.question.asked, decision.allowed)
                return _consented(request, decision.allowed)
        elif not prompted and (allowed := self._allowed_before(user, client, asked)):
            return _consented(request, allowed)
        return self._ask(request, browser, Question.to(user, authenticated, asked))

    def required_scope(self, client: Client) -> frozenset[str]:
        """What is allowed together with all the rest or not at all."""
        return frozenset({"openid", *split_scope(self.client_settings(client).required_scope)})

    def preselects(self, scope_or_claim: str, client: Client) -> bool:
        """Whether it is ticked when the page is shown; for first-party clients the operator has agreed already."""
        return client.settings.first_party or (self.settings.preselected and scope_or_claim != "offline_access")

    def remembers(self, client: Client) -> bool:
        """Whether a decision counts for later requests. First-party clients are asked about one request only."""
        return self.settings.remember and not client.settings.first_party

    def earlier(self, user: User, client: Client) -> RememberedConsent | None:
        """What the person decided before, if it still counts."""
        if not self.remembers(client):
            return None
        consent = self.provider.consents.of(user, client)
        if consent is None or consent.given_at + self.settings.remember_for <= time.time():
            return None  # the setting may be shorter than it was
        return consent

    def _allowed_before(self, user: User, client: Client, asked: Permissions) -> Permissions | None:
        """What of it the person allowed before. None where they were not asked for all of it, or refused what the
        client needs by now. What they refused then is not asked again each time.
        """
        consent = self.earlier(user, client)
        if consent is None or not asked <= consent.asked:
            return None
        claims_of = self.provider.scope_claims.claims_of
        allowed = Permissions(
            frozenset(word for word in consent.allowed.scope if consent.allowed.claims.issuperset(claims_of([word]))),
            consent.allowed.claims,
        )
        allowed &= asked
        return allowed if allowed.scope >= self.required_scope(client) & asked.scope and allowed.scope else None

    def _ask(self, request: AuthorizationRequest, browser: Browser, question: Question) -> Interaction:
        """The consent page with the request sealed into its URL. With prompt=none it is never shown: nothing is sealed,
        and the browser gets no cookie.
        """
        page = self.provider.url("consent")
        if "none" in request.prompt:
            return Interaction(page, ConsentRequired)
        decisions = with_question(request.decisions, question)
        sealed = self.provider.visits.seal(request.parameters, request.started_at, browser, decisions)
        return Interaction(f"{page}?{urlencode({'request': sealed})}", ConsentRequired)

    def _note(self, user: User, client: Client, asked: Permissions, allowed: Permissions) -> None:
        if self.remembers(client):
            self.provider.consents.remember(user, client, asked, allowed, self.settings.remember_for)
        scope = " ".join(sorted(allowed.scope))
        self.provider.happened(Event("consent", client.client_id, user.username, details={"scope": scope}))

    def _deny(self, user: User, client: Client) -> None:
        """RFC 6749 4.1.2.1. Who denies now has not allowed it from an earlier time on. Raises AccessDenied."""
        if not client.settings.first_party:
            self.provider.consents.forget(user.username, client.client_id)
        self.provider.happened(Event("consent_denied", client.client_id, user.username))
        raise AccessDenied("the person did not allow it")


def _consented(request: AuthorizationRequest, allowed: Permissions) -> Consented:
    single = frozenset(name for name in request.claims.names if untagged(name) in allowed.claims)
    return Consented(tuple(word for word in request.scope if word in allowed.scope), single)
