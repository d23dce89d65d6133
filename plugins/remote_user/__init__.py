"""Who is logged in, as a proxy or an identity provider in front says it: by a header, or in the WSGI environ.

What the proxy says is believed, and nothing else is: a header only from the peers that the operator names, in a
spelling that nobody but the proxy can send.
"""

from __future__ import annotations

from collections.abc import Sequence

from creance.provider import (
    Browser,
    ConfigurationError,
    HostLogin,
    OpenIDProvider,
    UserSource,
    hookimpl,
)
from creance.provider.request_log import logger
from creance.provider.store import Collection

from ..kept_users import REMOTE_USERS, KeptUsers
from ..login_elsewhere import LoginElsewhere
from .proxy import Proxy, Unbelievable
from .settings import Settings


class RemoteUser(LoginElsewhere[Settings]):
    """Believes who the proxy says it is, and sends whoever is nobody there to its login."""

    settings_type = Settings
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

    def accept(self, login: HostLogin) -> None:
        """Keep people whom only the proxy knows."""
        if self.settings.accept == "all":
            self.kept.keep(login.username, login.claims or {})

    def login_at(self, browser: Browser) -> HostLogin | None:
        """What cannot be believed is nobody's login. The log says why, once, and never the value."""
        try:
            return self._proxy.login_of(browser)
        except Unbelievable as error:
            reason = str(error)
            if reason not in self._reported:
                self._reported.add(reason)
                logger.warning("remote_user_not_believed", plugin=self.name, reason=reason)
            return None
