"""Creance's public names: what hosts, plugins and scripts use.

op = OpenIDProvider.from_config("config/embedded.toml")
app = create_app(op)
"""

from .app import create_app, provider_pages
from .authorization import add_query
from .authorization_request import AuthorizationRequest
from .browser import Browser, Cookie
from .browser_sessions import BrowserSession, BrowserSessions
from .catalogues import translatable
from .claims_request import ClaimRequest, ClaimsRequest, requested_claims
from .client_notices import ClientNotices
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
    InvalidRedirectURI,
    InvalidRequest,
    InvalidScope,
    InvalidToken,
    LoginRequired,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
    TooManyRequests,
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
    Granted,
    GrantHandler,
    Interaction,
    Metadata,
    ResponseMode,
    ResponseType,
    TokenRequest,
    TokenResponse,
    hookimpl,
)
from .host_login import HostLogin, HostLogins
from .identifiers import new_id
from .openid_provider import OpenIDProvider
from .parameters import Parameters
from .plugin import Plugin, PluginSettings
from .registration import ClientSettings, UserSettings
from .routes import Endpoint, Resource
from .scopes import split_scope
from .settings import Settings
from .signers import Signer, read_public_key
from .tokens import Token
from .user_sources import UserSource
from .users import User, Users, released_claims
from .visits import Visit, VisitLost, Visits

__all__ = [
    "AccessDenied",
    "AccountSelectionRequired",
    "Authenticated",
    "AuthorizationRequest",
    "Browser",
    "BrowserSession",
    "BrowserSessions",
    "ClaimRequest",
    "Claims",
    "ClaimsRequest",
    "Client",
    "ClientNotices",
    "ClientSettings",
    "ConfigurationError",
    "ConsentRequired",
    "Consented",
    "Cookie",
    "Endpoint",
    "EnvironHeaders",
    "Event",
    "Grant",
    "GrantHandler",
    "Granted",
    "HostLogin",
    "HostLogins",
    "InsufficientScope",
    "Interaction",
    "InteractionRequired",
    "InvalidClient",
    "InvalidClientMetadata",
    "InvalidGrant",
    "InvalidRedirectURI",
    "InvalidRequest",
    "InvalidScope",
    "InvalidToken",
    "LoginRequired",
    "Metadata",
    "OAuthError",
    "OpenIDProvider",
    "Parameters",
    "Plugin",
    "PluginSettings",
    "Resource",
    "ResponseMode",
    "ResponseType",
    "ServerError",
    "Settings",
    "Signer",
    "TemporarilyUnavailable",
    "Token",
    "TokenRequest",
    "TokenResponse",
    "TooManyRequests",
    "UnauthorizedClient",
    "UnprovenRedirect",
    "User",
    "UserSettings",
    "UserSource",
    "Users",
    "Visit",
    "VisitLost",
    "Visits",
    "add_query",
    "create_app",
    "hookimpl",
    "new_id",
    "provider_pages",
    "read_public_key",
    "read_settings",
    "released_claims",
    "requested_claims",
    "split_scope",
    "translatable",
]
