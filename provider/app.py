"""The Falcon application: endpoints bound to resources, and what is done around every request."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import falcon
import falcon.routing

from .endpoints.around import Around, Request
from .endpoints.assets import AssetResource
from .endpoints.authorize import AuthorizationResource, ResumeResource
from .endpoints.credentials_in_urls import TokenByURLResource, UserinfoByURLResource
from .endpoints.documents import discovery_document, jwks_document
from .endpoints.error_answers import answer_errors
from .endpoints.front_page import FrontPageResource
from .endpoints.health import LiveResource, ReadyResource
from .endpoints.openapi import openapi_document
from .endpoints.pages import Pages
from .endpoints.reading import Reader
from .endpoints.token import TokenResource
from .endpoints.userinfo import UserinfoResource
from .errors import ConfigurationError
from .host_login import HostLogins
from .openid_provider import OpenIDProvider
from .page_templates import OUR_PACKAGE
from .request_log import report_defect
from .routes import Resource
from .settings import HTTPSettings
from .store import deadline
from .store.baton import baton
from .theme import Logo


class App(falcon.App[Request, falcon.Response]):
    """A Falcon app in which all that a request asks of the store shares one deadline."""

    store_deadline: float
    """Seconds."""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ.get("SCRIPT_NAME"):  # mounted by a host: routes are those of the whole path (PEP 3333)
            path = environ["SCRIPT_NAME"] + environ.get("PATH_INFO", "")
            environ = {**environ, "SCRIPT_NAME": "", "PATH_INFO": path}
        with deadline(self.store_deadline), baton.held():
            try:
                return super().__call__(environ, start_response)
            except Exception as error:  # beyond Falcon's own handlers; the server answers 500
                report_defect("the application", error)
                raise


class _Router(falcon.routing.CompiledRouter):
    """Falcon passes over slashes at the beginning: what a proxy in front does not let through at `/introspect`, it
    would at `//introspect`.
    """

    def find(self, uri: str, req: Any = None) -> Any:
        """No address begins with two slashes."""
        return None if uri.startswith("//") else super().find(uri, req)


def create_app(provider: OpenIDProvider, host_login: HostLogins | None = None) -> App:
    """A WSGI app that serves a provider under the path of its issuer. Starts the provider if it is not started.

    `host_login` is for a host that has a login of its own, and needs the plugin of that name. Raises
    ConfigurationError, StoreUnavailable, StoreRefused.
    """
    provider.start()
    if host_login is not None:
        if not provider.plugins.hook.host_login.get_hookimpls():
            raise ConfigurationError("create_app: host_login is given, and no plugin takes it: switch on host_login")
        provider.plugins.hook.host_login(host_login=host_login)
    reader = Reader(provider.settings.http, provider.repeatable_parameters)
    resources = {endpoint.name: endpoint.resource for endpoint in provider.endpoints if endpoint.resource}
    resources |= _core_resources(provider)
    resources["openapi"] = openapi_document(provider, resources)
    pages = {package: provider_pages(provider, package) for package in {each.templates for each in resources.values()}}
    for resource in resources.values():
        resource.provider, resource.reader, resource.pages = provider, reader, pages[resource.templates]
    app = App(request_type=Request, middleware=[Around(provider)], router=_Router())
    app.store_deadline = provider.settings.store.timeout
    app.req_options.strip_url_path_trailing_slash = False
    prefix = urlsplit(provider.settings.issuer).path
    for endpoint in provider.endpoints:
        app.add_route(prefix + endpoint.path, resources[endpoint.name])
    if prefix:
        app.add_route(prefix, resources["front_page"])  # the issuer itself, as people may open it
        # RFC 8414 3.1: the well-known path goes before the issuer's own
        app.add_route("/.well-known/oauth-authorization-server" + prefix, resources["oauth_authorization_server"])
    answer_errors(app, provider, pages[OUR_PACKAGE])
    return app


def provider_pages(provider: OpenIDProvider, package: str) -> Pages:
    """Templates of a package, with what every page shows. Raises CatalogueError."""
    settings, theme = provider.settings, provider.theme
    common = {
        "name": settings.pages.name,
        "links": settings.pages.links,
        "has_own_logo": theme.logo is not None,
        "logo": _logo(provider).url(provider.url("logo")),
        "stylesheet": _stylesheet(provider).url(provider.url("stylesheet")),
    }
    return Pages(package, common, loopback=settings.loopback, languages=provider.languages, theme=theme)


def _stylesheet(provider: OpenIDProvider) -> AssetResource:
    """Ours, and after it that of the theme, which so has the last word."""
    ours = (files(OUR_PACKAGE) / "templates" / "style.css").read_bytes()
    return AssetResource(ours + provider.theme.stylesheet, "text/css; charset=utf-8", "The stylesheet of the pages")


def _logo(provider: OpenIDProvider) -> AssetResource:
    """That of the theme, or ours."""
    logo = provider.theme.logo or Logo((files(OUR_PACKAGE) / "templates" / "logo.svg").read_bytes(), "image/svg+xml")
    return AssetResource(logo.content, logo.content_type, "The logo of the pages")


def _core_resources(provider: OpenIDProvider) -> dict[str, Resource]:
    return {
        "openid_configuration": discovery_document(provider, "OpenID Connect Discovery 1.0"),
        "oauth_authorization_server": discovery_document(provider, "RFC 8414"),
        "authorization": AuthorizationResource(),
        "resume": ResumeResource(),
        **_resources_of_tokens(provider.settings.http),
        "jwks": jwks_document(provider),
        "health_live": LiveResource(),
        "health_ready": ReadyResource(),
        "front_page": FrontPageResource(),
        "stylesheet": _stylesheet(provider),
        "logo": _logo(provider),
    }


def _resources_of_tokens(settings: HTTPSettings) -> dict[str, Resource]:
    if settings.insecure_credentials_in_urls:
        return {"token": TokenByURLResource(), "userinfo": UserinfoByURLResource()}
    return {"token": TokenResource(), "userinfo": UserinfoResource()}
