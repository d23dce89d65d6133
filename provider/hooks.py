"""Every hook, in the order in which the life of a request meets it: the map of a request, from top to bottom.

A plugin (`creance.provider.plugin.Plugin`) implements a hook by a method of the same name marked `@hookimpl`. It may
leave out arguments that it does not need. Plugins are called in the order of the configuration. To refuse a request, a
hook raises one of `creance.provider.errors`; the provider decides whether that becomes a redirect, JSON or a page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pluggy

from .errors import LoginRequired, OAuthError

if TYPE_CHECKING:
    import click

    from .authorization_request import AuthorizationRequest
    from .browser import Browser
    from .browser_sessions import BrowserSessions
    from .clients import Client
    from .grants import Grant
    from .host_login import HostLogins
    from .parameters import Parameters
    from .routes import Endpoint
    from .signers import Signer
    from .store import Collection, Operation
    from .tokens import Token
    from .user_sources import UserSource
    from .users import User

hookspec = pluggy.HookspecMarker("creance")
hookimpl = pluggy.HookimplMarker("creance")


Claims = Mapping[str, Any]
Metadata = Mapping[str, Any]
HostClaims = Claims | Callable[[str, str], Claims] | None
"""Claims that a pyop host gives for the ID token, or a callable from (username, client_id) to them."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request whose client has proven who it is."""

    client: Client
    grant_type: str
    parameters: Parameters
    extra_id_token_claims: HostClaims = None


TokenResponse = dict[str, Any]
"""The members of a successful token response (RFC 6749 5.1)."""

GrantHandler = Callable[[TokenRequest], TokenResponse]
ClientAuthenticationMethod = Callable[["Parameters", Mapping[str, str]], "Client | None"]
ResponseMode = Callable[[str, Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class Granted:
    """What an authorization response gives for a grant, not yet real."""

    members: Mapping[str, str]
    """`code`, and whatever else the response_type asks for."""
    operations: Sequence[Operation] = ()
    """They make it real, in one write."""


ResponseType = Callable[["Grant", "Client", "User"], Granted]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who the person is, and how and when they proved it."""

    username: str
    auth_time: float | None
    """Seconds since the epoch of the true login, never of this request. None where it is not known: then no app is told
    one, and none is served that asks for a recent login.
    """
    amr: tuple[str, ...] = ()
    """How they proved it (RFC 8176): `pwd`, `otp` …"""
    acr: str | None = None
    session_id: str | None = None
    """The public id of the browser session (`sid`), by which what it gave ends with it. Not its cookie."""


@dataclass(frozen=True, slots=True)
class Consented:
    """What the person agreed to: a part of what was asked."""

    scope: tuple[str, ...]
    claims: frozenset[str] | None = None
    """The names of the claims that were asked for one by one (`request.claims.names`) and that they agreed to; None is
    all of them.
    """


@dataclass(frozen=True, slots=True)
class Interaction:
    """A page has to be shown first. With prompt=none the provider answers `error` instead."""

    location: str
    """URL of the page."""
    error: type[OAuthError] = LoginRequired


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened. `name` is one of: login, login_failed, logout, password_changed, consent, consent_denied,
    authorization, token, revocation, code_replayed, refresh_token_reused, remembered_token_reused, registration.
    """

    name: str
    client_id: str | None = None
    username: str | None = None
    grant_id: str | None = None
    details: Mapping[str, str | int | float] = field(default_factory=dict)
    """Never a secret, code, token or cookie."""


class Hooks:
    """The specifications of all hooks; pluggy holds implementations against them when the provider starts."""

    # ----- Asked once at start-up; a request pays a look-up in a table ------------------------------------------------

    @hookspec
    def metadata(self) -> Metadata:
        """Members for the discovery documents (RFC 8414 2), as `{"code_challenge_methods_supported": ["S256"]}`.

        Lists of several plugins are joined; two plugins that give one other member stop the start.
        """
        raise NotImplementedError

    @hookspec
    def endpoints(self) -> Sequence[Endpoint]:
        """Routes, each with its Falcon resource: `[Endpoint("introspection", "/introspect", resource)]`."""
        raise NotImplementedError

    @hookspec
    def grants(self) -> Mapping[str, GrantHandler]:
        """Grants of the token endpoint by `grant_type`: `{"client_credentials": self.issue}`."""
        raise NotImplementedError

    @hookspec
    def client_authentication_methods(self) -> Mapping[str, ClientAuthenticationMethod]:
        """Ways for a client to prove who it is, by the name that its registration gives.

        Each is called with the parameters and the headers; it answers the client, None where the request does not use
        this method, or raises InvalidClient.
        """
        raise NotImplementedError

    @hookspec
    def response_types(self) -> Mapping[str, ResponseType]:
        """What apps may ask for beside `code`, by `response_type` with its words in alphabetical order: each makes what
        the response gives for a grant. A client uses those that it is registered for.
        """
        raise NotImplementedError

    @hookspec
    def response_modes(self) -> Mapping[str, ResponseMode]:
        """Ways to give an authorization response, by `response_mode`: each makes the URL to redirect to out of the
        redirect URI and the response parameters. `query` is there without a plugin.
        """
        raise NotImplementedError

    @hookspec
    def collections(self) -> Sequence[Collection]:
        """What the plugin keeps in the store: `[Collection("sessions", indexes=("username",))]`."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def browser_sessions(self) -> BrowserSessions | None:
        """Who is logged in at a browser, by the plugin that keeps the sessions. Asked when all plugins have started;
        pages that no app asked for, and commands, find it as `provider.browser_sessions`.
        """
        raise NotImplementedError

    @hookspec
    def users(self) -> UserSource | None:
        """People who are kept somewhere else: LDAP, SQL, a web service. Asked when all plugins have started; their
        users are looked for after those of the file and of the store, in the order of the configuration.
        """
        raise NotImplementedError

    @hookspec
    def host_login(self, host_login: HostLogins) -> None:
        """A host mounts the app, and says by this callable who is logged in: `create_app(provider, host_login=…)`."""
        raise NotImplementedError

    @hookspec
    def signers(self) -> Sequence[Signer]:
        """Keys that sign ID tokens in place of the provider's own: of a PKCS#11 token, or a key management service.
        Asked when all plugins have started; `keys.algorithms` says which algorithms there are to be.
        """
        raise NotImplementedError

    @hookspec
    def commands(self) -> Sequence[click.Command]:
        """Commands for `creance`."""
        raise NotImplementedError

    @hookspec
    def repeatable_parameters(self) -> Sequence[str]:
        """Parameters that may be repeated because this plugin owns them, as `resource` (RFC 8707 2). All others are
        refused when repeated (RFC 6749 3.1).
        """
        raise NotImplementedError

    # ----- The authorization endpoint -------------------------------------------------------------------------------

    @hookspec(firstresult=True)
    def resolve_authorization_request(self, parameters: Parameters) -> Parameters | None:
        """Raw parameters arrive. The first result replaces them: for pushed requests (RFC 9126) and request objects
        (RFC 9101). Nothing is proven yet: what is raised here is shown as a page, never by redirect.
        """
        raise NotImplementedError

    @hookspec
    def check_authorization_request(self, request: AuthorizationRequest, client: Client) -> None:
        """client_id and redirect_uri are proven, nobody is logged in yet. What is raised here goes to the app by
        redirect at once: PKCE, a required nonce, resource indicators.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def authenticate(
        self, request: AuthorizationRequest, client: Client, browser: Browser
    ) -> Authenticated | Interaction | None:
        """Who is the user? The first result decides: who it is, or a page to go to.

        `request.authenticated_after` is the earliest login that counts (prompt=login, max_age); the provider holds the
        answer against it.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def consent(
        self, request: AuthorizationRequest, client: Client, user: User, authenticated: Authenticated, browser: Browser
    ) -> Consented | Interaction | None:
        """Did the user agree? The first result decides. None at all: implied for first-party clients, consent_required
        for others.
        """
        raise NotImplementedError

    @hookspec
    def authorization_response(
        self, parameters: Parameters, client: Client, response: Mapping[str, str]
    ) -> Mapping[str, str]:
        """The authorization response (or, with `error` in it, the error response) is ready. Members to add to it."""
        raise NotImplementedError

    # ----- The token endpoint ---------------------------------------------------------------------------------------

    @hookspec
    def check_token_request(self, request: TokenRequest) -> None:
        """The client has proven who it is, and may use this grant. For what binds tokens to a key (DPoP, mTLS)."""
        raise NotImplementedError

    @hookspec
    def check_code_exchange(self, grant: Grant, parameters: Parameters) -> None:
        """A code is being exchanged by the client that owns it. `grant.parameters` are those of its authorization
        request. Raise InvalidGrant to refuse; the code is spent then.
        """
        raise NotImplementedError

    @hookspec
    def check_token_refresh(self, grant: Grant, parameters: Parameters) -> None:
        """A refresh token is being used by the client that owns it. Raise InvalidGrant to refuse, as when a session
        has ended.
        """
        raise NotImplementedError

    @hookspec
    def access_token_claims(self, grant: Grant, client: Client, scope: tuple[str, ...]) -> Claims:
        """Claims to keep with an access token; introspection shows them."""
        raise NotImplementedError

    @hookspec
    def id_token_claims(
        self,
        grant: Grant,
        client: Client,
        user: User,
        scope: tuple[str, ...],
        access_token: str | None,
        algorithm: str,
        refreshed: bool,
        front_channel: Mapping[str, str] | None,
    ) -> Claims:
        """Claims for an ID token. `front_channel`: what the authorization response has beside it (`code`,
        `access_token`); None for one of the token endpoint. `iss`, `sub`, `aud`, `exp` and `iat` are the provider's
        own, whatever is answered here. Two plugins that give one claim are an error that names both.
        """
        raise NotImplementedError

    @hookspec
    def token_response(self, request: TokenRequest, grant: Grant, response: Mapping[str, Any]) -> Mapping[str, Any]:
        """The token response is ready. Members to add to it."""
        raise NotImplementedError

    # ----- Where a token is presented -------------------------------------------------------------------------------

    @hookspec
    def check_resource_request(self, token: Token, headers: Mapping[str, str]) -> None:
        """An access token was presented at an endpoint of ours. Raise InvalidToken to refuse: DPoP, mTLS."""
        raise NotImplementedError

    @hookspec
    def userinfo_claims(self, token: Token, client: Client, user: User) -> Claims:
        """Claims for userinfo beside those of the scopes. `sub` is the provider's own."""
        raise NotImplementedError

    @hookspec
    def introspection_claims(self, token: Token, client: Client) -> Claims:
        """Members for an introspection response; `client` is the one that asks."""
        raise NotImplementedError

    # ----- Beside requests ------------------------------------------------------------------------------------------

    @hookspec
    def check_registration(self, metadata: Mapping[str, Any]) -> None:
        """A client is being registered. Raise InvalidClientMetadata to refuse: policies."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def register_client(self, metadata: Metadata, headers: Mapping[str, str]) -> Mapping[str, Any] | None:
        """A client asks a pyop host to register it: what it sent, with the headers of its request. The first result is
        the answer (RFC 7591 3.2.1); none at all: this provider does not register clients by request.
        """
        raise NotImplementedError

    @hookspec
    def event(self, event: Event) -> None:
        """Something happened: for audit logs, metrics, back-channel logout. Called after it is durable; must be quick,
        and what it raises is logged and changes nothing.
        """
        raise NotImplementedError
