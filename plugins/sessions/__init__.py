"""Who is logged in at this browser: a login page with user name and password, and server-side sessions.

A session lives in the store under the SHA-256 of its id; the browser has the id in a cookie, and, where the person
wants to be remembered, a token for the next session in another (`remembered_logins`). The request that led here
travels sealed with the browser (`creance.provider.visits`), so that nothing is stored for somebody who has not logged
in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlencode

from creance.provider import (
    AccountSelectionRequired,
    Authenticated,
    AuthorizationRequest,
    Browser,
    BrowserSession,
    BrowserSessions,
    Endpoint,
    Grant,
    Interaction,
    InvalidGrant,
    LoginRequired,
    OpenIDProvider,
    Plugin,
    PluginSettings,
    hookimpl,
)
from creance.provider.store import Collection
from pydantic import Field, model_validator

from .login_names import LoginName
from .login_page import LoginResource
from .logins import Logins
from .logout_page import LogoutResource
from .remembered_logins import REMEMBERED
from .session_document import SessionResource
from .session_store import SESSIONS

_ACCOUNT = "account"
"""The decision to go on with the session that is there: its value is the `sid`, and it counts for no other."""


class Settings(PluginSettings):
    """Settings of `[plugins.sessions]`."""

    login_with: list[LoginName] = Field(default=["username", "email"], min_length=1)
    """What people can type to say who they are: their user name, the e-mail address in their claims, or either. Capital
    letters make no difference to an address. One that several users have logs nobody in."""
    idle_timeout: int = Field(default=1800, gt=0, le=31536000)
    """Seconds after which a session ends in which no app has asked for a login. That it is used is noted at most once a
    minute."""
    absolute_timeout: int = Field(default=43200, gt=0, le=31536000)
    """Seconds after the login at which a session ends, however much it is used."""

    remember_me: bool = True
    """Whether people can choose at login to be remembered by their browser, beyond the end of the session."""
    remember_me_lifetime: int = Field(default=2592000, gt=0, le=31536000)
    """Seconds after the login for which a browser is remembered, however often it is used. Where an app asks for a
    recent login (`prompt=login`, `max_age`), people type their password all the same."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.idle_timeout > self.absolute_timeout:
            raise ValueError("idle_timeout is longer than absolute_timeout")
        return self


class Sessions(Plugin[Settings, PluginSettings]):
    """Login, logout, and the session in between."""

    logins: Logins

    def start(self, provider: OpenIDProvider) -> None:
        """Takes what it needs of a provider that is open."""
        self.logins = Logins(provider, self.settings)

    @hookimpl
    def browser_sessions(self) -> BrowserSessions:
        """For the pages of other plugins, and for commands."""
        return self.logins

    @hookimpl
    def collections(self) -> Sequence[Collection]:
        """Both are found by the hash of what the browser has; by user name and by `sid` to end them."""
        return [SESSIONS, REMEMBERED]

    @hookimpl
    def endpoints(self) -> Sequence[Endpoint]:
        """For people, and `session` for the scripts of our own pages."""
        return [
            Endpoint("login", "/auth/login", LoginResource(self)),
            Endpoint("logout", "/auth/logout", LogoutResource(self)),
            Endpoint("session", "/auth/session", SessionResource(self)),
        ]

    @hookimpl
    def authenticate(self, request: AuthorizationRequest, browser: Browser) -> Authenticated | Interaction:
        """OpenID Connect Core 3.1.2.3: the session of this browser, if it is enough for the request; else the login."""
        session = self.logins.recognise(browser)
        if session is None or not self.is_enough(session, request):
            return self._ask_to_log_in(request, browser)
        self.logins.sessions.touch(session)
        return Authenticated(session.username, session.auth_time, amr=session.amr, session_id=session.sid)

    @hookimpl
    def check_code_exchange(self, grant: Grant) -> None:
        """A code that was issued while its session ended gives nothing."""
        self._refuse_ended(grant)

    @hookimpl
    def check_token_refresh(self, grant: Grant) -> None:
        """A session that timed out has ended too; what has offline_access outlives it (OpenID Connect Core 11)."""
        self._refuse_ended(grant)

    def _refuse_ended(self, grant: Grant) -> None:
        if grant.session_id is not None and not grant.offline and not self.logins.sessions.is_alive(grant.session_id):
            raise InvalidGrant("the session that this was granted in has ended")

    def is_enough(self, session: BrowserSession, request: AuthorizationRequest) -> bool:
        """OpenID Connect Core 3.1.2.1: recent enough for prompt and max_age, chosen where there was a choice, and of
        the person of the id_token_hint.

        Who has just logged in as another person than the hint names is not asked again: the app learns of it.
        """
        after = request.authenticated_after
        if after is not None and (session.remembered or session.auth_time < after):
            return False
        just_logged_in = session.auth_time >= request.started_at
        if "select_account" in request.prompt and not just_logged_in and request.decisions.get(_ACCOUNT) != session.sid:
            return False
        subject = self.provider.subjects.of(
            request.client, request.redirect_uri, username=session.username, subject=session.subject
        )
        return just_logged_in or request.hinted_subject in (None, subject)

    @staticmethod
    def decided(decisions: Mapping[str, Any], session: BrowserSession) -> Mapping[str, Any]:
        """What was decided on the way, and that the person goes on with the account that is logged in."""
        return {**decisions, _ACCOUNT: session.sid}

    def _ask_to_log_in(self, request: AuthorizationRequest, browser: Browser) -> Interaction:
        """The login page with the request sealed into its URL. With prompt=none it is never shown: nothing is sealed,
        and the browser gets no cookie.
        """
        login = self.provider.url("login")
        if "none" in request.prompt:
            return Interaction(login, LoginRequired)
        error = AccountSelectionRequired if "select_account" in request.prompt else LoginRequired
        sealed = self.provider.visits.seal(request.parameters, request.started_at, browser, request.decisions)
        return Interaction(f"{login}?{urlencode({'request': sealed})}", error)
