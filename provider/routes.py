"""Endpoints: each has a name for the settings, a path under the issuer, and the metadata member that tells its URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

if TYPE_CHECKING:
    from .endpoints.pages import Pages
    from .endpoints.reading import Reader
    from .openid_provider import OpenIDProvider

OpenAPI = Mapping[str, Any]


class Resource:
    """Base of every Falcon resource of an endpoint. What it needs to answer is set before the first request."""

    provider: OpenIDProvider
    reader: Reader
    """Reads queries, forms and browsers within the operator's limits."""
    pages: Pages
    """Renders the templates of `templates`."""

    templates: ClassVar[str] = "creance.provider"
    """The package whose folder `templates` its pages are in."""

    cross_origin: bool = False
    """Whether scripts of any origin may call it. Only for endpoints that use no cookie."""
    for_people: ClassVar[bool] = False
    """Whether its errors are pages; otherwise they are JSON (RFC 6749 5.2)."""
    takes_access_token: ClassVar[bool] = False
    """Whether access tokens are presented here: then a malformed request is challenged too (RFC 6750 3)."""
    openapi: OpenAPI = {}
    """Its OpenAPI operations by method (`get`, `post`); an endpoint without any is left out."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route. Plugins list theirs at the hook `endpoints`."""

    name: str
    """By which `[endpoints]` moves it, and `provider.url` finds it."""
    path: str
    """Under the issuer."""
    resource: Resource | None = None
    metadata: str | None = None
    """The member of the discovery documents that holds its URL."""
    clients: Literal["confidential", "all"] | None = None
    """Which clients prove here who they are; discovery says by which methods (RFC 8414 2)."""

    def at(self, path: str) -> Self:
        """The same endpoint at another path."""
        return replace(self, path=path)


CORE_ENDPOINTS = (
    Endpoint("openid_configuration", "/.well-known/openid-configuration"),
    Endpoint("oauth_authorization_server", "/.well-known/oauth-authorization-server"),
    Endpoint("authorization", "/authorize", metadata="authorization_endpoint"),
    Endpoint("token", "/token", metadata="token_endpoint", clients="all"),
    Endpoint("userinfo", "/userinfo", metadata="userinfo_endpoint"),
    Endpoint("jwks", "/jwks", metadata="jwks_uri"),
    Endpoint("resume", "/auth/resume"),
    Endpoint("health_live", "/health/live"),
    Endpoint("health_ready", "/health/ready"),
    Endpoint("openapi", "/openapi.json"),
    Endpoint("stylesheet", "/auth/style.css"),
    Endpoint("logo", "/auth/logo"),
    Endpoint("front_page", "/"),
)
"""The endpoints that are there without a plugin; `creance.provider.app` binds their resources."""
