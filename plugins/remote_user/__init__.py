"""Who is logged in, as a proxy or an identity provider in front says it: by a header, or in the WSGI environ.

What the proxy says is believed, and nothing else is: a header only from the peers that the operator names, in a
spelling that nobody but the proxy can send.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from creance.provider import (
    AccountSelectionRequired,
    Authenticated,
    AuthorizationRequest,
    Browser,
    ConfigurationError,
    Interaction,
    LoginRequired,
    OpenIDProvider,
    Plugin,
    PluginSettings,
    UserSource,
    hookimpl,
)
from creance.provider.request_log import logger
from creance.provider.store import Collection

from .kept_users import REMOTE_USERS, KeptUsers
from .proxy import Proxy, RemoteLogin, Unbelievable
from .settings import Settings


class RemoteUser(Plugin[Settings, PluginSettings]):
    """Believes who the proxy says it is, and sends whoever is nobody there to its login."""

    kept: KeptUsers

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__(name, settings)
        self._proxy = Proxy(settings)
        self._reported: set[str] = set()

    def start(self, provider: OpenIDProvider) -> None:
        """Raises ConfigurationError where what is believed could come from somewhere else than the proxy."""
        self._proxy.refuse_variables_of_the_process()
        keeps_sessions = bool(provider.plugins.hook.browser_sessions.get_hookimpls())
        if self.settings.session_from is not None and keeps_sessions:
            raise ConfigurationError(
                f"plugins.{self.name}.session_from: another plugin keeps sessions, and takes one that it does not know"
                " for one that has ended: leave session_from out, or that plugin"
            )
        self.kept = KeptUsers(provider)

    @hookimpl
    def collections(self) -> Sequence[Collection]:
        """People whom only the proxy knows."""
        return [REMOTE_USERS] if self.settings.accept == "all" else []

    @hookimpl
    def users(self) -> UserSource | None:
        """What apps may learn of them long after they were here."""
        return self.kept if self.settings.accept == "all" else None

    @hookimpl
    def authenticate(self, request: AuthorizationRequest, browser: Browser) -> Authenticated | Interaction | None:
        """OpenID Connect Core 3.1.2.3: who is logged in at the proxy, if that login is enough for the request."""
        login = self._login_at(browser)
        if login is None:
            return self._ask_to_log_in(request, browser, LoginRequired)
        if not _is_recent(login, request):
            return self._ask_again(request, browser, login)
        if not self._is_expected(login, request):
            other = self._ask_to_log_in(request, browser, LoginRequired, force=True)
            if other is not None:
                return other  # without one, the app is told that it is another person
        if self.settings.accept == "all":
            self.kept.keep(login.username, login.claims)
        return Authenticated(login.username, login.auth_time, login.amr, login.acr, self._session_id(login))

    def _login_at(self, browser: Browser) -> RemoteLogin | None:
        """What cannot be believed is nobody's login. The log says why, once, and never the value."""
        try:
            return self._proxy.login_of(browser)
        except Unbelievable as error:
            reason = str(error)
            if reason not in self._reported:
                self._reported.add(reason)
                logger.warning("remote_user_not_believed", plugin=self.name, reason=reason)
            return None

    def _is_expected(self, login: RemoteLogin, request: AuthorizationRequest) -> bool:
        """OpenID Connect Core 3.1.2.1, id_token_hint: whom the app expects."""
        if request.hinted_subject is None:
            return True
        user = self.provider.users.find(login.username)
        return user is not None and user.subject == request.hinted_subject

    def _ask_again(self, request: AuthorizationRequest, browser: Browser, login: RemoteLogin) -> Interaction:
        """OpenID Connect Core 3.1.2.1: prompt=login, select_account and max_age need a login since.

        Where the proxy does not say when people logged in, none can be shown to have happened: to ask would be for
        nothing. Raises LoginRequired, AccountSelectionRequired.
        """
        error = AccountSelectionRequired if "select_account" in request.prompt else LoginRequired
        interaction = self._ask_to_log_in(request, browser, error, force=True) if login.auth_time is not None else None
        if interaction is None:
            raise error("the login is too old, or it is not known when it was, and it cannot be repeated")
        return interaction

    def _ask_to_log_in(
        self, request: AuthorizationRequest, browser: Browser, error: type[LoginRequired], *, force: bool = False
    ) -> Interaction | None:
        """The proxy's login page, with the way back to this request. Each request is sent there once: who comes back as
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

    def _session_id(self, login: RemoteLogin) -> str | None:
        """The proxy's own id may open the session there: apps are told a digest of it."""
        return self.provider.sealer.mac("remote session", login.session) if login.session else None


def _is_recent(login: RemoteLogin, request: AuthorizationRequest) -> bool:
    after = request.authenticated_after
    if "select_account" in request.prompt:  # a choice of the person's, for this request
        after = request.started_at
    return after is None or (login.auth_time is not None and login.auth_time >= after)
