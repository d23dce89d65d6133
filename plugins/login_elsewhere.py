"""What plugins share whose people log in somewhere else, at a proxy in front or at the host: which login is enough."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar
from urllib.parse import urlencode, urlsplit

from creance.provider import (
    AccountSelectionRequired,
    Authenticated,
    AuthorizationRequest,
    Browser,
    HostLogin,
    Interaction,
    LoginRequired,
    Plugin,
    PluginSettings,
    hookimpl,
)
from pydantic import AfterValidator, Field


def _login_url(url: str) -> str:
    parts = urlsplit(url)
    here = url.startswith("/") and not parts.netloc
    there = parts.scheme in ("https", "http") and parts.hostname
    if not (here or there) or re.search(r"[^\x21-\x7e]|[#\\]", url):
        raise ValueError("must be an https URL, or a path on this host")
    return url


LoginURL = Annotated[str, AfterValidator(_login_url)]
Parameter = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
ParameterAndValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+=[A-Za-z0-9_.~-]*)?$")]


class LoginPage(PluginSettings):
    """The login page of somebody else."""

    login_url: LoginURL | None = None
    return_parameter: Parameter
    force_parameter: ParameterAndValue = ""


S = TypeVar("S", bound=LoginPage)


class LoginElsewhere(Plugin[S, PluginSettings]):
    """A plugin says by `login_at` who is logged in there."""

    def login_at(self, browser: Browser) -> HostLogin | None:
        """Who is logged in there; None for nobody. Raises OAuthError."""
        raise NotImplementedError

    def accept(self, login: HostLogin) -> None:
        """The login is enough for the request."""

    @hookimpl
    def authenticate(self, request: AuthorizationRequest, browser: Browser) -> Authenticated | Interaction | None:
        """OpenID Connect Core 3.1.2.3: who is logged in there, if that login is enough for the request."""
        login = self.login_at(browser)
        if login is None:
            return self._ask_to_log_in(request, browser, LoginRequired)
        if not _is_recent(login, request):
            return self._ask_again(request, browser, login)
        if not self._is_expected(login, request):
            other = self._ask_to_log_in(request, browser, LoginRequired, force=True)
            if other is not None:
                return other  # without one, the app is told that it is another person
        self.accept(login)
        return Authenticated(login.username, login.auth_time, login.amr, login.acr, self._session_id(login))

    def _is_expected(self, login: HostLogin, request: AuthorizationRequest) -> bool:
        """OpenID Connect Core 3.1.2.1, id_token_hint: whom the app expects."""
        if request.hinted_subject is None:
            return True
        user = self.provider.users.find(login.username)
        return user is not None and self.provider.authorization.subject_of(request, user) == request.hinted_subject

    def _ask_again(self, request: AuthorizationRequest, browser: Browser, login: HostLogin) -> Interaction:
        """OpenID Connect Core 3.1.2.1: prompt=login, select_account and max_age need a login since.

        Where nobody says when people logged in, none can be shown to have happened: to ask would be for nothing. Raises
        LoginRequired, AccountSelectionRequired.
        """
        error = AccountSelectionRequired if "select_account" in request.prompt else LoginRequired
        interaction = self._ask_to_log_in(request, browser, error, force=True) if login.auth_time is not None else None
        if interaction is None:
            raise error("the login is too old, or it is not known when it was, and it cannot be repeated")
        return interaction

    def _ask_to_log_in(
        self, request: AuthorizationRequest, browser: Browser, error: type[LoginRequired], *, force: bool = False
    ) -> Interaction | None:
        """The login page there, with the way back to this request. Each request is sent there once: who comes back as
        before would be sent for ever.

        With prompt=none nobody is sent there: nothing is sealed, and the browser gets no cookie.
        """
        settings = self.settings
        if settings.login_url is None or self.name in request.decisions or (force and not settings.force_parameter):
            return None
        if "none" in request.prompt:
            return Interaction(settings.login_url, error)
        decisions = {**request.decisions, self.name: "asked"}
        sealed = self.provider.visits.seal(request.parameters, request.started_at, browser, decisions)
        query = urlencode({settings.return_parameter: self.provider.visits.resume_url(sealed)})
        if force:
            query += f"&{settings.force_parameter}"
        return Interaction(f"{settings.login_url}{'&' if '?' in settings.login_url else '?'}{query}", error)

    def _session_id(self, login: HostLogin) -> str | None:
        """An id may open the session there: apps are told a digest of it."""
        return self.provider.sealer.mac("remote session", login.session) if login.session else None


def _is_recent(login: HostLogin, request: AuthorizationRequest) -> bool:
    after = request.authenticated_after
    if "select_account" in request.prompt:  # a choice of the person's, for this request
        after = request.started_at
    return after is None or (login.auth_time is not None and login.auth_time >= after)
