"""What a page is shown for: the app's request that travels sealed with the person, opened and proven again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..authorization_request import AuthorizationRequest
from ..browser import Browser
from ..clients import Client
from ..errors import StartAgain
from ..visits import Visit, VisitLost

if TYPE_CHECKING:
    from ..openid_provider import OpenIDProvider


@dataclass(frozen=True, slots=True)
class Asked:
    """An app's request: who asks, for what, and where the person goes in the end."""

    sealed: str
    """As the page's URL and form have it."""
    visit: Visit
    client: Client
    redirect_uri: str
    """Proven to be the client's."""

    @property
    def destination(self) -> str:
        """The place of the redirect URI in words: host and port, or an app's own scheme (RFC 8252 7.1)."""
        parts = urlsplit(self.redirect_uri)
        return parts.netloc if parts.scheme in ("http", "https") else parts.scheme

    @property
    def login_hint(self) -> str:
        """OpenID Connect Core 3.1.2.1: the name that the app expects. Only ever put into a field."""
        return self.visit.parameters.get("login_hint", "")

    @property
    def ui_locales(self) -> str:
        """OpenID Connect Core 3.1.2.1: the languages that the app prefers for the pages, in order."""
        return self.visit.parameters.get("ui_locales", "")

    def read(self, provider: OpenIDProvider) -> AuthorizationRequest:
        """The request, checked. Raises OAuthError where it is wrong by now."""
        visit = self.visit
        return provider.authorization.read(
            visit.parameters, self.client, self.redirect_uri, visit.started_at, visit.decisions
        )


def open_asked(provider: OpenIDProvider, sealed: str, browser: Browser) -> Asked:
    """Open a sealed request of this browser. Raises UnprovenRedirect, which is shown as a page: nobody is sent anywhere
    by what cannot be opened.
    """
    try:
        visit = provider.visits.open(sealed, browser)
    except VisitLost:
        raise StartAgain(
            "This page was open for too long or in another browser, or this browser keeps no cookies."
        ) from None
    parameters, client, redirect_uri = provider.authorization.prove(visit.parameters)
    return Asked(sealed, Visit(parameters, visit.started_at, visit.decisions), client, redirect_uri)
