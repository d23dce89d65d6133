"""What a login is for: an app that asked, a page of ours, or nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from creance.provider import AuthorizationRequest, OAuthError, OpenIDProvider, Parameters
from creance.provider.endpoints import Asked

PAGES = ("account",)
"""Endpoints of plugins that send people here, and get them back: their names, as `?next=account`."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """Travels in the URL of the login page and in its form: so it names places, and is none."""

    asked: Asked | None = None
    """The request of an app."""
    page: str | None = None
    """The name of an endpoint of ours."""
    anew: bool = False
    """Whether the page wants a login also of who is logged in (`prompt=login`)."""

    @classmethod
    def of_page(cls, provider: OpenIDProvider, parameters: Parameters) -> Purpose:
        """Without an app: `next` and `prompt` of the login page's own URL. What is not known is no purpose."""
        page = parameters.get("next")
        if page not in PAGES or page not in {endpoint.name for endpoint in provider.endpoints}:
            return cls()
        return cls(page=page, anew=parameters.get("prompt") == "login")

    @property
    def fields(self) -> Mapping[str, str]:
        """What says it again: in the form, and in a link to begin anew."""
        if self.asked is not None:
            return {"request": self.asked.sealed}
        return {"next": self.page} if self.page is not None else {}

    @property
    def client_id(self) -> str | None:
        return self.asked.client.client_id if self.asked else None

    def onward(self, provider: OpenIDProvider) -> str:
        """Where the browser goes after the login: a URL of ours, always."""
        if self.asked is not None:
            return provider.visits.resume_url(self.asked.sealed)
        return provider.url(self.page or "login")

    def request(self, provider: OpenIDProvider) -> AuthorizationRequest | None:
        """What the app asks for. None where it is wrong by now: then the app is told by redirect."""
        try:
            return self.asked.read(provider) if self.asked else None
        except OAuthError:
            return None
