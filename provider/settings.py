"""Every setting has its home here: typed, with its unit, documented by the line below it, and safe by default.

The text below a field is its documentation (`docs/configuration.md`) and its description in the JSON Schema. What the
specifications name has their names. Plugins bring settings of their own, typed by them (`provider/plugin.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from .protocol_claims import PROTOCOL_CLAIMS
from .registration import ClientSettings, UserSettings
from .setting_types import Bind, Issuer, Network, PageLink, PathText, Seconds, SettingsModel, check_scope


def _twice(names: Iterable[str]) -> str:
    return ", ".join(sorted(name for name, count in Counter(names).items() if count > 1))


class HTTPSettings(SettingsModel):
    """How the provider is served, and what it takes from a client before it looks at it."""

    bind: Bind = "127.0.0.1:8400"
    """Address and port to listen on. The default is reached from this machine only."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes that serve. A worker that dies is replaced."""
    threads: int = Field(default=16, ge=1, le=256)
    """Requests that one worker serves at the same time."""
    one_core: bool = False
    """Keep each worker to one core (Linux): a request then costs half of its CPU. For machines that do nothing else,
    with no more workers than cores."""
    trusted_proxies: list[Network] = []
    """Networks (as 10.0.0.0/8) of the reverse proxies in front: only their X-Forwarded-For is believed."""
    body_limit: int = Field(default=65536, ge=1024)
    """The largest request body, in bytes; more is answered 413."""
    query_limit: int = Field(default=16384, ge=1024)
    """The longest query, in bytes; more is answered 414."""
    parameter_limit: int = Field(default=100, ge=10)
    """The most parameters in a query or form."""
    state_limit: int = Field(default=2048, ge=64)
    """The longest `state` and the longest `nonce`, in characters."""
    insecure_credentials_in_urls: bool = False
    """Take GET at the token endpoint, and an access token in the query of userinfo. What is in a URL is kept in logs of
    proxies and in histories: this is for clients of an adopted provider, while the log names them
    (`credentials_in_url`)."""
    connections: int = Field(default=1024, ge=16, le=65536)
    """Connections that one worker keeps; others wait until one of these ends."""
    idle_timeout: Seconds = 30
    """Seconds that a connection may be idle, that the head of a request may take, and for which a client may leave
    unread what was sent to it; then the connection is ended."""
    body_timeout: Seconds = 10
    """Seconds that a request body may take; more is answered 408, and the connection is ended."""
    awaited_bodies: int = Field(default=500, ge=0, le=10000)
    """Requests that one worker keeps waiting for their bodies, beside those that it serves; more are answered 503. Each
    takes a thread while it waits. 0, for a proxy in front that buffers: they wait among those that are served."""
    shutdown_timeout: Seconds = 30
    """After SIGTERM, seconds in which requests that were begun may end."""


class StoreSettings(SettingsModel):
    """Where grants, tokens, sessions, registered clients and users, and keys live."""

    uri: SecretStr = SecretStr("sqlite:var/creance.db")
    """`sqlite:var/creance.db` (relative to this file), `sqlite:/var/lib/creance/creance.db`, `mongodb://…`,
    `mongodb+srv://…`, or `redis://…`, `rediss://…`, `unix://…` for a Redis."""
    uri_file: Path | None = None
    """In place of `uri`: a file whose first line is the URI, for one that has a password in it."""
    placement: dict[str, SecretStr] = {}
    """Other places, as URIs, for groups of collections: `keys`, `clients`, `users`, `tokens`, and those of plugins, as
    `sessions`."""
    placement_files: dict[str, Path] = {}
    """The same, each URI as the first line of a file."""
    timeout: float = Field(default=2.5, gt=0, le=60)
    """Seconds in which the store must answer one call; then the request is answered 503."""

    @model_validator(mode="after")
    def _one_place_for_each(self) -> Self:
        if self.uri_file is not None and "uri" in self.model_fields_set:
            raise ValueError("give uri or uri_file, not both")
        if twice := _twice([*self.placement, *self.placement_files]):
            raise ValueError(f"{twice} is in placement and in placement_files: give one of them")
        return self


class KeysSettings(SettingsModel):
    """The keys that sign ID tokens. They are made by the provider, and sealed in the store, unless others are given."""

    algorithms: list[Literal["RS256", "ES256"]] = Field(default=["RS256", "ES256"], min_length=1)
    """Signature algorithms. The first is used where a client registers none (RS256 is what clients expect). Left out,
    they are those of `signing_key_files`."""
    signing_key_files: list[Path] = []
    """Keys of your own in place of those that the provider makes: PEM, or a JWK or JWK Set as JSON. The first private
    one of an algorithm signs; all are published and verify, public ones too."""
    signing_key_password_file: Path | None = None
    """The file with the password of those that are encrypted."""
    signer_timeout: Annotated[float, Field(gt=0, le=60)] = 5
    """Seconds that a signature may take where a plugin brings the keys, of a PKCS#11 token or a service."""
    secret_file: Path = Path("var/secret")
    """The file with the secret that seals the keys. Made on the first start, where the keys are on this machine; for a
    store on a server all machines are given the same (`creance secret new`). Several lines are several secrets: the
    first seals, all open."""

    @field_validator("algorithms")
    @classmethod
    def _once(cls, algorithms: list[str]) -> list[str]:
        if twice := _twice(algorithms):
            raise ValueError(f"{twice} is there twice")
        return algorithms


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


class LimitSettings(SettingsModel):
    """How often somebody may try: against guessing and floods. Counted for all workers together."""

    failed_logins_per_account: int = Field(default=10, ge=1)
    """Wrong passwords for one user name within `failed_login_window`; then no more is looked at, on devices that this
    account was not used on before. Each of those has as many tries of its own."""
    failed_logins_per_account_a_day: int = Field(default=50, ge=1)
    """The same within a day. NIST SP 800-63B allows no more than 100 in a row for an account, which people may call by
    two names: user name and e-mail address."""
    failed_logins_per_network: int = Field(default=100, ge=1)
    """Wrong passwords from one IPv4 address, or one /64 of IPv6, within `failed_login_window`. More, where thousands
    share one address. Devices that were used for an account before are not held up."""
    failed_login_window: Seconds = 900
    """Seconds in which failed logins are counted; no limit lasts longer, but for that of a day."""
    password_hashing_places: int = Field(default=2, ge=1, le=64)
    """Passwords that one worker hashes at the same time: each takes a core for some 20 ms, and 19 MiB. A few more wait
    for a moment; others are answered 503."""
    token_requests: int = Field(default=6000, ge=0)
    """Token requests that one client may make from one network in a minute; more are answered 429. 0: any number."""
    failed_client_authentications: int = Field(default=100, ge=1)
    """How often a client may fail in a minute to prove who it is, from one network; then it is answered 429, also with
    the right secret."""


class SubjectSettings(SettingsModel):
    """How `sub` is made (OpenID Connect Core 8)."""

    salt: SecretStr | None = None
    """Mixed into each subject identifier; the issuer where it is not set. Changing it gives everybody a new `sub`.
    Put here the salt of the pyop deployment whose subject identifiers must stay. Pairwise ones need it: what everybody
    knows would tell who is who."""
    default_type: Literal["public", "pairwise"] = "public"
    """The `subject_type` of clients that register none. `pairwise` gives each sector (the host of the redirect URI, or
    of the client's `sector_identifier_uri`) another `sub` for the same person."""
    pairwise_formula: Literal["unambiguous", "pyop"] = "unambiguous"
    """How pairwise subject identifiers are made. `pyop` keeps those of a pyop deployment."""


class PageSettings(SettingsModel):
    """What people read on the pages."""

    name: str = Field(default="Creance", min_length=1, max_length=100)
    """The name of this provider on its pages."""
    default_locale: str = "en"
    """The language of a page (BCP 47) where neither the app nor the browser prefers one that there is: `en`, `de`, or
    one that the theme brings."""
    theme: Path | None = None
    """A folder with your logo, colours, texts and templates (docs/pages.md)."""
    links: dict[str, PageLink] = {}
    """Links below every page, as `Privacy = "https://example.org/privacy"`. `Privacy`, `Help`, `Terms` and `Imprint`
    are translated."""


class LogSettings(SettingsModel):
    """One line a request, on standard output; never a secret, code, token, cookie, password or query in it."""

    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is console on a terminal and JSON elsewhere."""
    requests: bool = True
    """Whether each request gets its line."""


class Settings(SettingsModel):
    """The whole configuration file."""

    issuer: Issuer
    """The provider's name and the base of all its URLs: https, or http on a loopback host."""
    welcome: str = ""
    """Printed by `creance serve` once it listens; the demonstration names its user and client here."""
    http: HTTPSettings = HTTPSettings()
    store: StoreSettings = StoreSettings()
    keys: KeysSettings = KeysSettings()
    lifetimes: Lifetimes = Lifetimes()
    grants: GrantSettings = GrantSettings()
    limits: LimitSettings = LimitSettings()
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

    @field_validator("extra_scopes")
    @classmethod
    def _scopes_of_your_own(cls, scopes: dict[str, list[str]]) -> dict[str, list[str]]:
        for scope, claims in scopes.items():
            if not scope or " " in check_scope(scope):
                raise ValueError(f"{scope!r} is not one word")
            if scope in ("openid", "offline_access"):
                raise ValueError(f"{scope} is the protocol's")
            if taken := PROTOCOL_CLAIMS.intersection(claims):
                raise ValueError(f"{scope}: {', '.join(sorted(taken))} belongs to the protocol")
        return scopes

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        mistakes = []
        for kind, names in (
            ("client_id", [client.client_id for client in self.clients]),
            ("username", [user.username for user in self.users]),
            ("subject", [user.subject for user in self.users if user.subject]),
        ):
            if twice := _twice(names):
                mistakes.append(f"{kind} {twice} is there twice")
        subjects = {user.subject for user in self.users}
        if clash := subjects.intersection(client.client_id for client in self.clients):
            mistakes.append(f"subject {', '.join(sorted(map(str, clash)))} is the client_id of a client")
        pairwise = [client.client_id for client in self.clients if client.subject_type == "pairwise"]
        if (pairwise or self.subjects.default_type == "pairwise") and self.subjects.salt is None:
            mistakes.append(
                "subjects.salt is needed for pairwise subject identifiers: a long random text, kept for ever"
            )
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self
