"""Creance's public names: what hosts, plugins and scripts use.

    op = OpenIDProvider.from_config("config/embedded.toml")
    app = create_app(op)

Nothing heavy is imported until a name is asked for, so that a store can be used without the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app, provider_pages
    from .authorization import add_query
    from .authorization_request import AuthorizationRequest
    from .browser import Browser, Cookie
    from .clients import Client
    from .configuration import read_settings
    from .errors import (
        AccessDenied,
        AccountSelectionRequired,
        ConfigurationError,
        ConsentRequired,
        InsufficientScope,
        InteractionRequired,
        InvalidClient,
        InvalidClientMetadata,
        InvalidGrant,
        InvalidRequest,
        InvalidScope,
        InvalidToken,
        LoginRequired,
        OAuthError,
        ServerError,
        TemporarilyUnavailable,
        UnauthorizedClient,
        UnprovenRedirect,
    )
    from .grants import Grant
    from .headers import EnvironHeaders
    from .hooks import (
        Authenticated,
        Claims,
        Consented,
        Event,
        GrantHandler,
        Interaction,
        Metadata,
        TokenRequest,
        TokenResponse,
        hookimpl,
    )
    from .openid_provider import OpenIDProvider
    from .parameters import Parameters
    from .plugin import Plugin, PluginSettings
    from .routes import Endpoint, Resource
    from .scopes import split_scope
    from .settings import ClientSettings, Settings, UserSettings
    from .tokens import Token
    from .users import User, Users, released_claims
    from .visits import Visit, VisitLost

_HOMES = {
    "app": "create_app provider_pages",
    "authorization": "add_query",
    "authorization_request": "AuthorizationRequest",
    "browser": "Browser Cookie",
    "clients": "Client",
    "configuration": "read_settings",
    "errors": (
        "AccessDenied AccountSelectionRequired ConfigurationError ConsentRequired InsufficientScope "
        "InteractionRequired InvalidClient InvalidClientMetadata InvalidGrant InvalidRequest InvalidScope "
        "InvalidToken LoginRequired OAuthError ServerError TemporarilyUnavailable UnauthorizedClient UnprovenRedirect"
    ),
    "grants": "Grant",
    "headers": "EnvironHeaders",
    "hooks": (
        "Authenticated Claims Consented Event GrantHandler Interaction Metadata TokenRequest TokenResponse hookimpl"
    ),
    "openid_provider": "OpenIDProvider",
    "parameters": "Parameters",
    "plugin": "Plugin PluginSettings",
    "routes": "Endpoint Resource",
    "scopes": "split_scope",
    "settings": "ClientSettings Settings UserSettings",
    "tokens": "Token",
    "users": "User Users released_claims",
    "visits": "Visit VisitLost",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [  # noqa: PLE0604
    *_HOME_OF,
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
