"""The account page: who a person is here, where they are logged in, which apps have access, and their password."""

from __future__ import annotations

from collections.abc import Sequence

from creance.provider import (
    ConfigurationError,
    Endpoint,
    OpenIDProvider,
    Plugin,
    PluginSettings,
    hookimpl,
)
from creance.provider.registration import LONGEST_PASSWORD
from pydantic import Field

from .account_page import AccountResource
from .apps import AppsResource
from .password_page import PasswordResource
from .sessions import SessionsResource


class Settings(PluginSettings):
    """Settings of `[plugins.account]`."""

    minimum_password_length: int = Field(default=12, ge=8, le=LONGEST_PASSWORD)
    """Characters of a new password. NIST SP 800-63B wants 15 where a password is all that protects the account, and 8
    beside a second factor; 12, none of them common, is what people remember without writing it down."""
    recent_login: int = Field(default=0, ge=0, le=31536000)
    """Seconds since the login in which the page lets somebody change anything; after that it asks for a login first. 0:
    as long as the session lasts. Whose browser was only remembered is asked in any case."""


class Account(Plugin[Settings, PluginSettings]):
    """`/account`, for who is logged in."""

    def start(self, provider: OpenIDProvider) -> None:
        """Raises ConfigurationError where nothing here knows who is logged in, or people cannot log in here."""
        pages = {endpoint.name for endpoint in provider.endpoints}
        if not provider.plugins.hook.browser_sessions.get_hookimpls() or not {"login", "logout"} <= pages:
            raise ConfigurationError("plugins.account: nothing keeps sessions: switch on [plugins.sessions] too")

    @hookimpl
    def endpoints(self) -> Sequence[Endpoint]:
        """The page, and where its forms go."""
        return [
            Endpoint("account", "/account", AccountResource(self)),
            Endpoint("account_sessions", "/account/sessions", SessionsResource(self)),
            Endpoint("account_apps", "/account/apps", AppsResource(self)),
            Endpoint("account_password", "/account/password", PasswordResource(self)),
        ]
