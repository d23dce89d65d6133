"""Every setting has its home here: typed, with its unit, documented by the line below it, and safe by default.

The text below a field is its documentation (`docs/configuration.md`) and its description in the JSON Schema. What the
specifications name has their names. Plugins bring settings of their own, typed by them (`provider/plugin.py`).
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, model_validator

from .protocol_claims import PROTOCOL_CLAIMS

Seconds = Annotated[int, Field(gt=0, le=10 * 365 * 86400)]
"""A duration in seconds."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsModel(BaseModel):
    """A table of the configuration: unknown names are refused, and a mistake never repeats what was written."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True, validate_default=True
    )


_HOST = re.compile(r"[a-z0-9._-]*|[0-9a-f:.]+")


def _split(uri: str) -> SplitResult:
    """The parts of an absolute URI without surprises. Raises ValueError."""
    if not uri.isascii() or any(character <= " " or character in '\\"<>^`{|}\x7f' for character in uri):
        raise ValueError("only the characters that RFC 3986 allows")
    parts = urlsplit(uri)
    _ = parts.port  # raises ValueError for what is no port
    if not parts.scheme:
        raise ValueError("an absolute URI, with its scheme")
    if not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("its host must be a name or an address")
    return parts


def _issuer(uri: str) -> str:
    """OpenID Connect Discovery 1.0, 3: https, no query, no fragment; http only on this machine."""
    parts = _split(uri)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an https URL")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must be an https URL: http is only for localhost, 127.0.0.1 and [::1]")
    if parts.query or parts.fragment or "?" in uri or "#" in uri or parts.username is not None:
        raise ValueError("must have no query, no fragment and no user name")
    if uri.endswith("/"):
        raise ValueError("must not end with a slash: it is compared character by character")
    return uri


def _redirect_uri(uri: str) -> str:
    """RFC 6749 3.1.2, RFC 9700 4.1.3, RFC 8252 7: where an authorization response may be sent."""
    parts = _split(uri)
    if "#" in uri:
        raise ValueError("must have no fragment (RFC 6749 3.1.2)")
    if parts.username is not None:
        raise ValueError("must have no user name")
    if parts.scheme in ("https", "http"):
        if not parts.hostname:
            raise ValueError("must name a host")
        if "*" in uri:
            raise ValueError("is compared exactly: no wildcards (RFC 9700 4.1.3)")
    elif "." not in parts.scheme:
        raise ValueError("a private-use scheme is a reversed domain name, as com.example.app:/callback (RFC 8252 7.1)")
    return uri


def _bind(bind: str) -> str:
    host, colon, port = bind.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be HOST:PORT, as 127.0.0.1:8400")
    return bind


def _network(network: str) -> str:
    ipaddress.ip_network(network)
    return network


def _scope(scope: str) -> str:
    """RFC 6749 3.3: words of printable ASCII, separated by one space."""
    for word in scope.split(" ") if scope else ():
        if not word or any(not ("!" <= c <= "~") or c in '"\\' for c in word):
            raise ValueError("must be words of printable ASCII with one space between them (RFC 6749 3.3)")
    return scope


def _path(path: str) -> str:
    if not path.startswith("/") or path.endswith("/") or "//" in path or any(c in path for c in "?#{}% \\"):
        raise ValueError("must be a path as /token: with a slash in front, none at the end")
    return path


RedirectURI = Annotated[str, AfterValidator(_redirect_uri)]
Scope = Annotated[str, AfterValidator(_scope)]
PathText = Annotated[str, AfterValidator(_path)]
Identifier = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")]
"""RFC 6749 A.1: printable ASCII, here without blanks at its ends."""


class HTTPSettings(SettingsModel):
    """How the provider is served, and what it takes from a client before it looks at it."""

    bind: Annotated[str, AfterValidator(_bind)] = "127.0.0.1:8400"
    """Address and port to listen on. The default is reached from this machine only."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes that serve. A worker that dies is replaced."""
    threads: int = Field(default=16, ge=1, le=256)
    """Requests that one worker serves at the same time."""
    trusted_proxies: list[Annotated[str, AfterValidator(_network)]] = []
    """Networks (as 10.0.0.0/8) of the reverse proxies in front: only their X-Forwarded-For is believed."""
    body_limit: int = Field(default=65536, ge=1024)
    """The largest request body, in bytes; more is answered 413."""
    query_limit: int = Field(default=16384, ge=1024)
    """The longest query, in bytes; more is answered 414."""
    parameter_limit: int = Field(default=100, ge=10)
    """The most parameters in a query or form."""
    state_limit: int = Field(default=2048, ge=64)
    """The longest `state` and the longest `nonce`, in characters."""
    shutdown_timeout: Seconds = 30
    """After SIGTERM, seconds in which requests that were begun may end."""


class StoreSettings(SettingsModel):
    """Where grants, tokens, sessions, registered clients and users, and keys live."""

    uri: SecretStr = SecretStr("sqlite:var/creance.db")
    """`sqlite:var/creance.db` (relative to this file) or `sqlite:/var/lib/creance/creance.db`."""
    timeout: float = Field(default=2.5, gt=0, le=60)
    """Seconds in which the store must answer one call; then the request is answered 503."""


class KeysSettings(SettingsModel):
    """The keys that sign ID tokens. They are made by the provider, and sealed in the store."""

    algorithms: list[Literal["RS256", "ES256"]] = Field(default=["RS256", "ES256"], min_length=1)
    """Signature algorithms. The first is used where a client registers none (RS256 is what clients expect)."""
    secret_file: Path = Path("var/secret")
    """The file with the secret that seals the keys. Made on the first start. Several lines are several secrets: the
    first seals, all open."""


class Lifetimes(SettingsModel):
    """How long things are good for, in seconds."""

    authorization_code: Seconds = 60
    """An authorization code (RFC 6749 4.1.2 allows 600 at most)."""
    access_token: Seconds = 3600
    """An access token."""
    refresh_token: Seconds = 2592000
    """A refresh token that is not used: 30 days. Each use starts it again."""
    refresh_token_absolute: Seconds = 15552000
    """From the login on, however often it is used: 180 days."""
    id_token: Seconds = 3600
    """An ID token."""
    authorization_request: Seconds = 1800
    """From the app's request to the end of the login that it led to."""
    discovery: Seconds = 300
    """How long clients may keep the discovery documents and the JWKS."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.authorization_code > 600:
            raise ValueError("authorization_code must be 600 at most (RFC 6749 4.1.2)")
        if self.refresh_token > self.refresh_token_absolute:
            raise ValueError("refresh_token is longer than refresh_token_absolute")
        return self


class GrantSettings(SettingsModel):
    """How refresh tokens behave (RFC 9700 4.14.2)."""

    refresh_token_rotation: Literal["always", "public"] = "always"
    """`always` gives a new refresh token with each use; `public` spares confidential clients, as FAPI 2.0 wants."""
    refresh_token_grace: int = Field(default=10, ge=0, le=300)
    """Seconds in which the same client, asking again, gets the same new refresh token as long as that is unused. After
    that, and for anybody else, a used refresh token revokes the whole grant."""


class SubjectSettings(SettingsModel):
    """How `sub` is made (OpenID Connect Core 8)."""

    salt: SecretStr | None = None
    """Mixed into each subject identifier; the issuer where it is not set. Changing it gives everybody a new `sub`.
    Put here the salt of the pyop deployment whose subject identifiers must stay."""


class PageSettings(SettingsModel):
    """What people read on the pages."""

    name: str = Field(default="Creance", min_length=1, max_length=100)
    """The name of this provider on its pages."""


class LogSettings(SettingsModel):
    """One line a request, on standard output; never a secret, code, token, cookie, password or query in it."""

    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is console on a terminal and JSON elsewhere."""
    requests: bool = True
    """Whether each request gets its line."""


class ClientSettings(SettingsModel):
    """A client, with the names of dynamic registration (RFC 7591 2, OpenID Connect Registration 2)."""

    client_id: Identifier
    """What the client calls itself."""
    client_name: str | None = Field(default=None, max_length=200)
    """What people are shown; the client_id where it is not set."""
    client_secret: SecretStr | None = None
    """The secret itself: for demonstrations. Otherwise `client_secret_file` or `client_secret_hash`."""
    client_secret_file: Path | None = None
    """A file whose first line is the secret."""
    client_secret_hash: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    """The secret's SHA-256, as `creance hash --client-secret` prints it."""
    client_secret_expires_at: int = Field(default=0, ge=0)
    """Seconds since the epoch after which the secret is refused; 0 is never."""
    redirect_uris: list[RedirectURI] = []
    """Where authorization responses may go: compared exactly, and for native clients with any port on loopback."""
    post_logout_redirect_uris: list[RedirectURI] = []
    """Where a browser may go after logout."""
    insecure_http_redirect_uris: bool = False
    """Allow http redirect URIs that are not on loopback. Codes then cross the network in the clear."""
    response_types: list[Literal["code"]] = ["code"]
    """Only `code` (RFC 9700 2.1.2)."""
    grant_types: list[str] = ["authorization_code"]
    """The grants that this client may use at the token endpoint."""
    application_type: Literal["web", "native"] = "web"
    """`native` for apps on a device: loopback and private-use redirect URIs (RFC 8252 7)."""
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 - a method, not a secret
    """How the client proves who it is: `client_secret_basic`, `client_secret_post`, `none` for a public client, or a
    method that a plugin adds. No other is accepted from it."""
    scope: Scope = "openid"
    """All scopes that it may be granted, separated by spaces. What it asks for beyond them is not granted."""
    id_token_signed_response_alg: Literal["RS256", "ES256"] | None = None
    """The algorithm of its ID tokens; the provider's first where it is not set."""
    default_max_age: int | None = Field(default=None, ge=0)
    """Seconds since the person's login after which they log in again, where the request has no max_age."""
    first_party: bool = True
    """Whether it belongs to whoever runs this provider: then nobody is asked for consent. A client for which this is
    false is refused with consent_required as long as no plugin asks for consent."""
    always_issue_refresh_token: bool = False
    """Issue a refresh token without `offline_access` too. It ends with the session."""
    plugins: dict[str, dict[str, Any]] = {}
    """Settings of plugins for this client, as `[clients.plugins.introspection]`."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        sources = [self.client_secret, self.client_secret_file, self.client_secret_hash]
        given = sum(source is not None for source in sources)
        if given > 1:
            raise ValueError("give one of client_secret, client_secret_file and client_secret_hash")
        if self.token_endpoint_auth_method == "none" and given:  # noqa: S105
            raise ValueError("a public client (token_endpoint_auth_method none) has no secret")
        if self.token_endpoint_auth_method.startswith("client_secret_") and not given:
            raise ValueError("no secret: give client_secret_file or client_secret_hash, or make it a public client")
        if self.client_secret is not None and not self.client_secret.get_secret_value():
            raise ValueError("client_secret is empty")
        if "authorization_code" in self.grant_types and not self.redirect_uris:
            raise ValueError("redirect_uris is needed for the authorization_code grant")
        for uri in self.redirect_uris:
            self._check_scheme(uri)
        return self

    def _check_scheme(self, uri: str) -> None:
        parts = urlsplit(uri)
        if parts.scheme == "https":
            return
        if parts.scheme == "http":
            if parts.hostname not in LOOPBACK_HOSTS and not self.insecure_http_redirect_uris:
                raise ValueError(f"redirect URI {uri}: http only on loopback; use https")
        elif self.application_type != "native":
            raise ValueError(f"redirect URI {uri}: private-use schemes are for application_type native (RFC 8252 7.1)")


class UserSettings(SettingsModel):
    """A person who can log in."""

    username: str = Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")
    """What they type to log in."""
    password: SecretStr | None = None
    """The password itself: for demonstrations only. Otherwise `password_hash`."""
    password_hash: str | None = Field(default=None, pattern=r"^\$argon2id\$")
    """The argon2id hash of the password, as `creance hash` prints it."""
    subject: Identifier | None = None
    """The `sub` that clients see; made from username and salt where it is not set."""
    claims: dict[str, Any] = {}
    """What clients may learn (OpenID Connect Core 5.1): name, email, email_verified, phone_number, address …"""
    disabled: bool = False
    """A disabled user cannot log in, and their tokens give nothing."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.password is not None and self.password_hash is not None:
            raise ValueError("give password or password_hash, not both")
        if taken := PROTOCOL_CLAIMS.intersection(self.claims):
            raise ValueError(f"claims: {', '.join(sorted(taken))} belongs to the protocol and cannot be set by a user")
        return self


class Settings(SettingsModel):
    """The whole configuration file."""

    issuer: Annotated[str, AfterValidator(_issuer)]
    """The provider's name and the base of all its URLs: https, or http on a loopback host."""
    welcome: str = ""
    """Printed by `creance serve` once it listens; the demonstration names its user and client here."""
    http: HTTPSettings = HTTPSettings()
    store: StoreSettings = StoreSettings()
    keys: KeysSettings = KeysSettings()
    lifetimes: Lifetimes = Lifetimes()
    grants: GrantSettings = GrantSettings()
    subjects: SubjectSettings = SubjectSettings()
    pages: PageSettings = PageSettings()
    log: LogSettings = LogSettings()
    endpoints: dict[str, PathText] = {}
    """Paths under the issuer that differ from the defaults, as `token = "/api/v1/oauth/token"`."""
    extra_scopes: dict[str, list[str]] = {}
    """Scopes of your own, each with the claims that it gives: `groups = ["groups"]`."""
    clients: list[ClientSettings] = []
    """Clients of this file are read-only; those of `creance clients add` live in the store."""
    users: list[UserSettings] = []
    """Users of this file are read-only; those of `creance users add` live in the store."""
    plugins: dict[str, dict[str, Any]] = {}
    """A plugin is on when its table is there, and its table is its settings."""

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def folder(self) -> Path:
        """What relative paths are relative to: the folder of the file that names them."""
        return self._folder

    def path(self, path: Path) -> Path:
        """A path of the configuration, made absolute."""
        return path if path.is_absolute() else self._folder / path

    @property
    def loopback(self) -> bool:
        """Whether the issuer is this machine alone, which is what http is allowed for."""
        return urlsplit(self.issuer).scheme == "http"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for kind, names in (
            ("client_id", [client.client_id for client in self.clients]),
            ("username", [user.username for user in self.users]),
            ("subject", [user.subject for user in self.users if user.subject]),
        ):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{kind} {', '.join(sorted(twice))} is there twice")
        subjects = {user.subject for user in self.users}
        if clash := subjects.intersection(client.client_id for client in self.clients):
            raise ValueError(f"subject {', '.join(sorted(map(str, clash)))} is the client_id of a client")
        return self
