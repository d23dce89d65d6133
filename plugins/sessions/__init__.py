"""Who is logged in at this browser: a login page with user name and password, and server-side sessions.

A session lives in the store under the SHA-256 of its id; the browser has the id in a cookie and nothing else. The
request that led here travels sealed with the browser (`creance.provider.visits`), so that nothing is stored for
somebody who has not logged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self
from urllib.parse import urlencode

from creance.provider import (
    AccountSelectionRequired,
    Authenticated,
    AuthorizationRequest,
    Browser,
    Endpoint,
    Event,
    Grant,
    Interaction,
    InvalidGrant,
    LoginRequired,
    OpenIDProvider,
    Plugin,
    PluginSettings,
    User,
    hookimpl,
)
from creance.provider.store import Collection
from pydantic import Field, model_validator

from .login_page import LoginResource
from .logout_page import LogoutResource
from .session_document import SessionResource
from .session_store import SESSIONS, Session, SessionStore

_BY_PASSWORD = ("pwd",)


class Settings(PluginSettings):
    """Settings of `[plugins.sessions]`."""

    idle_timeout: int = Field(default=1800, gt=0, le=31536000)
    """Seconds after which a session ends in which no app has asked for a login. That it is used is noted at most once a
    minute."""
    absolute_timeout: int = Field(default=43200, gt=0, le=31536000)
    """Seconds after the login at which a session ends, however much it is used."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.idle_timeout > self.absolute_timeout:
            raise ValueError("idle_timeout is longer than absolute_timeout")
        return self


class Sessions(Plugin[Settings, PluginSettings]):
    """Login, logout, and the session in between."""

    sessions: SessionStore

    def start(self, provider: OpenIDProvider) -> None:
        """Takes what it needs of a provider that is open."""
        self.sessions = SessionStore(provider.store, self.settings.idle_timeout, self.settings.absolute_timeout)
        self._cookie = provider.cookie_names("session")

    @hookimpl
    def collections(self) -> Sequence[Collection]:
        """Sessions, found by the hash of their id; by user name and by `sid` to end them."""
        return [SESSIONS]

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
        session = self.current(browser)
        if session is None or not self.is_enough(session, request):
            return self._ask_to_log_in(request, browser)
        self.sessions.touch(session)
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
        if grant.session_id is not None and not grant.offline and not self.sessions.is_alive(grant.session_id):
            raise InvalidGrant("the session that this was granted in has ended")

    def current(self, browser: Browser) -> Session | None:
        """The session of this browser. None where it has ended, or its user is gone, disabled or another by now."""
        session = self.sessions.read(browser.cookies.get(self._cookie))
        if session is None:
            return None
        user = self.provider.users.find(session.username)
        if user is None or user.disabled or user.subject != session.subject:
            return None
        return session

    @staticmethod
    def is_enough(session: Session, request: AuthorizationRequest) -> bool:
        """OpenID Connect Core 3.1.2.1: recent enough for prompt and max_age, and of the person of the id_token_hint.

        Who has just logged in as another person than the hint names is not asked again: the app learns of it.
        """
        if session.auth_time < (request.authenticated_after or 0):
            return False
        hinted = request.hinted_subject
        return hinted is None or hinted == session.subject or session.auth_time >= request.started_at

    def log_in(self, user: User, client_id: str | None, browser: Browser) -> None:
        """Begin a session under a new id, whatever cookie came along. One of another person ends, with its tokens."""
        previous = self.sessions.read(browser.cookies.get(self._cookie))
        if previous is not None and previous.username != user.username:
            self._end(previous)
            previous = None
        browser.set_cookie(self._cookie, self.sessions.begin(user, _BY_PASSWORD, previous))
        self.provider.happened(Event("login", client_id, user.username))

    def log_out(self, browser: Browser) -> None:
        """End this browser's session, if it has one, and what it gave."""
        session = self.sessions.read(browser.cookies.get(self._cookie))
        if session is not None:
            self._end(session)
        browser.remove_cookie(self._cookie)

    def _end(self, session: Session) -> None:
        """Tokens first: should the store fail in between, the session is still there to be ended again. And once more:
        as long as it was there, an app could get others.
        """
        self.provider.tokens.end_session(session.sid)
        self.sessions.end(session)
        self.provider.tokens.end_session(session.sid)
        self.provider.happened(Event("logout", username=session.username))

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
