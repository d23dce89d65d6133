"""What is registered: clients, in the names of RFC 7591, and users. In the configuration file or by command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import Field, SecretStr, field_validator, model_validator

from .protocol_claims import PROTOCOL_CLAIMS
from .response_types import grant_types_for
from .setting_types import HTTPSURL, LONGEST_IDENTIFIER, LOOPBACK_HOSTS, Identifier, RedirectURI, Scope, SettingsModel
from .subjects import sector_of_uri

LONGEST_PASSWORD = 1024
"""Characters. A longer password is wrong without being hashed."""
DEAREST_HASH = 1048576
"""KiB of argon2id's memory, times its passes: what a login may cost at most, since anybody can ask for one. That of
`creance hash` is 38912."""


class ClientSettings(SettingsModel):
    """A client, with the names of dynamic registration (RFC 7591 2, OpenID Connect Registration 2)."""

    client_id: Identifier
    """What the client calls itself."""
    client_name: str | None = Field(default=None, max_length=200)
    """What people are shown; the client_id where it is not set."""
    client_uri: HTTPSURL | None = None
    """A page about it; the consent page links to it."""
    policy_uri: HTTPSURL | None = None
    """What it does with people's data; the consent page links to it."""
    tos_uri: HTTPSURL | None = None
    """Its terms of service; the consent page links to them."""
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
    response_types: list[str] = ["code"]
    """What it may ask for at the authorization endpoint: `code` (RFC 9700 2.1.2), or what a plugin adds."""
    grant_types: list[str] = ["authorization_code"]
    """The grants that this client may use; `implicit` for what the authorization endpoint gives beside a code."""
    application_type: Literal["web", "native"] = "web"
    """`native` for apps on a device: loopback and private-use redirect URIs (RFC 8252 7)."""
    token_endpoint_auth_method: str = "client_secret_basic"
    """How the client proves who it is: `client_secret_basic`, `client_secret_post`, `none` for a public client, or a
    method that a plugin adds. No other is accepted from it."""
    scope: Scope = "openid"
    """All scopes that it may be granted, separated by spaces. What it asks for beyond them is not granted."""
    subject_type: Literal["public", "pairwise"] | None = None
    """Whether it sees the same `sub` as others, or one of its own sector (OpenID Connect Core 8); unset: as
    `subjects.default_type` says."""
    sector_identifier_uri: str | None = Field(default=None, pattern=r"^https://[^/?#@]+(/[^#]*)?$")
    """Whose host is the sector of a client with several redirect URIs (OpenID Connect Core 8.1)."""
    id_token_signed_response_alg: Literal["RS256", "ES256"] | None = None
    """The algorithm of its ID tokens; the provider's first where it is not set."""
    default_max_age: int | None = Field(default=None, ge=0)
    """Seconds since the person's login after which they log in again, where the request has no max_age."""
    require_auth_time: bool = False
    """Whether its ID tokens must have `auth_time`. They have it wherever the time of the login is known: it matters
    to pyop's hosts only."""
    default_acr_values: list[str] = []
    """The ways to log in that it would like, the best first, where the request has no acr_values."""
    first_party: bool = True
    """Whether it belongs to whoever runs this provider: then nobody is asked for consent. A client for which this is
    false is refused with consent_required as long as no plugin asks for consent."""
    always_issue_refresh_token: bool = False
    """Issue a refresh token without `offline_access` too. It ends with the session."""
    plugins: dict[str, dict[str, Any]] = {}
    """Settings of plugins for this client, as `[clients.plugins.introspection]`."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if mistakes := [*self._wrong_secret(), *self._wrong_uris(), *self._wrong_sector(), *self._wrong_types()]:
            raise ValueError("; ".join(mistakes))
        return self

    def _wrong_secret(self) -> Iterator[str]:
        sources = [self.client_secret, self.client_secret_file, self.client_secret_hash]
        given = sum(source is not None for source in sources)
        if given > 1:
            yield "give one of client_secret, client_secret_file and client_secret_hash"
        if self.token_endpoint_auth_method == "none" and given:
            yield "a public client (token_endpoint_auth_method none) has no secret"
        if self.token_endpoint_auth_method.startswith("client_secret_") and not given:
            yield "no secret: give client_secret_file or client_secret_hash, or make it a public client"
        if self.client_secret is not None and not self.client_secret.get_secret_value():
            yield "client_secret is empty"

    def _wrong_types(self) -> Iterator[str]:
        for response_type in self.response_types:
            if "implicit" in grant_types_for(response_type) and "implicit" not in self.grant_types:
                yield f"response_types has {response_type}, which needs the grant implicit (RFC 7591 2.1)"

    def _wrong_sector(self) -> Iterator[str]:
        sectors = {sector_of_uri(uri) for uri in self.redirect_uris}
        if self.subject_type == "pairwise" and self.sector_identifier_uri is None and len(sectors) > 1:
            yield "sector_identifier_uri is needed for redirect URIs of several hosts (OpenID Connect Core 8.1)"

    def _wrong_uris(self) -> Iterator[str]:
        for grant_type in ("authorization_code", "implicit"):
            if grant_type in self.grant_types and not self.redirect_uris:
                yield f"redirect_uris is needed for the {grant_type} grant"
        for kind, uris in (("redirect", self.redirect_uris), ("post-logout redirect", self.post_logout_redirect_uris)):
            for uri in uris:
                parts = urlsplit(uri)
                if parts.scheme == "http":
                    if parts.hostname not in LOOPBACK_HOSTS and not self.insecure_http_redirect_uris:
                        yield f"{kind} URI {uri}: http only on loopback; use https"
                elif parts.scheme != "https" and self.application_type != "native":
                    yield f"{kind} URI {uri}: private-use schemes are for application_type native (RFC 8252 7.1)"


class UserSettings(SettingsModel):
    """A person who can log in."""

    username: str = Field(min_length=1, max_length=LONGEST_IDENTIFIER, pattern=r"^[^\x00-\x1f\x7f]+$")
    """What they type to log in."""
    password: SecretStr | None = Field(default=None, min_length=1, max_length=LONGEST_PASSWORD)
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
        return self

    @field_validator("password_hash")
    @classmethod
    def _one_that_can_be_verified(cls, password_hash: str | None) -> str | None:
        if password_hash is not None:
            try:
                cost = extract_parameters(password_hash)
            except InvalidHashError:
                raise ValueError("is not a hash that `creance hash` prints") from None
            if cost.memory_cost * cost.time_cost > DEAREST_HASH:
                raise ValueError("costs more than a login may: hash the password anew, with `creance hash`")
        return password_hash

    @field_validator("claims")
    @classmethod
    def _what_a_token_can_say(cls, claims: dict[str, Any]) -> dict[str, Any]:
        if taken := PROTOCOL_CLAIMS.intersection(claims):
            raise ValueError(f"{', '.join(sorted(taken))} belongs to the protocol and cannot be set by a user")
        for name, value in claims.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError):
                raise ValueError(f"{name} is not what JSON can say: write a date or time as text") from None
        return claims
