"""An app sends a person here to log out, and gets them back (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections.abc import Sequence

from creance.provider import ConfigurationError, Endpoint, OpenIDProvider, Plugin, PluginSettings, hookimpl

from .end_session import EndSessionResource


class RPInitiatedLogout(Plugin[PluginSettings, PluginSettings]):
    """Ends this browser's session, whichever plugin keeps it."""

    def start(self, provider: OpenIDProvider) -> None:
        """Raises ConfigurationError where no plugin keeps sessions: there would be nothing to end."""
        if not provider.plugins.hook.browser_sessions.get_hookimpls():
            raise ConfigurationError(f"plugins.{self.name}: no plugin keeps sessions: switch on [plugins.sessions]")

    @hookimpl
    def endpoints(self) -> Sequence[Endpoint]:
        """RP-Initiated Logout 2.1: discovery tells its URL."""
        return [Endpoint("end_session", "/logout", EndSessionResource(), metadata="end_session_endpoint")]
