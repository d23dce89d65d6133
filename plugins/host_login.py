"""The login of the host that the app is mounted in: `create_app(provider, host_login=who_is_it)`."""

from __future__ import annotations

from collections.abc import Sequence

from creance.provider import (
    Browser,
    ConfigurationError,
    HostLogin,
    HostLogins,
    OpenIDProvider,
    ServerError,
    UserSource,
    hookimpl,
)
from creance.provider.asking_others import asking
from creance.provider.host_login import read_host_login
from creance.provider.store import Collection

from .kept_users import KeptUsers
from .login_elsewhere import LoginElsewhere, LoginPage, LoginURL, Parameter, ParameterAndValue

HOST_USERS = Collection("host_users", indexes=("subject",), group="users")


class Settings(LoginPage):
    """Settings of `[plugins.host_login]`."""

    login_url: LoginURL
    """Where people are sent who are not logged in at the host, as `/login`."""
    return_parameter: Parameter = "next"
    """The parameter of `login_url` for the URL to come back to: one of this provider, always."""
    force_parameter: ParameterAndValue = ""
    """The parameter of `login_url` that makes people log in anew, as `again=1`: for another person than an app expects,
    and for prompt=login, select_account and max_age. Without it those are answered `login_required`."""


class HostLoginPlugin(LoginElsewhere[Settings]):
    """Believes what the host's callable answers."""

    settings_type = Settings
    kept: KeptUsers

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__(name, settings)
        self._host_login: HostLogins | None = None

    def start(self, provider: OpenIDProvider) -> None:
        """Raises ConfigurationError beside a plugin that keeps sessions: the host does."""
        if provider.plugins.hook.browser_sessions.get_hookimpls():
            raise ConfigurationError(
                f"plugins.{self.name}: another plugin keeps sessions, and the host has its own: leave one of them out"
            )
        self.kept = KeptUsers(provider, HOST_USERS)

    @hookimpl
    def collections(self) -> Sequence[Collection]:
        """People whom only the host knows."""
        return [HOST_USERS]

    @hookimpl
    def users(self) -> UserSource:
        """What apps may learn of them long after they were here."""
        return self.kept

    @hookimpl
    def host_login(self, host_login: HostLogins) -> None:
        """Ask this one from now on."""
        self._host_login = host_login

    def login_at(self, browser: Browser) -> HostLogin | None:
        """What the host answers. Raises ServerError where there is none, TemporarilyUnavailable where it fails."""
        if self._host_login is None:
            raise ServerError("the provider is misconfigured", hint="create_app was given no host_login")
        with asking("host_login"):
            answer = self._host_login(browser.environ)
        return read_host_login(answer)

    def accept(self, login: HostLogin) -> None:
        """Keep what the host says of them."""
        if login.claims is not None:
            self.kept.keep(login.username, login.claims)
