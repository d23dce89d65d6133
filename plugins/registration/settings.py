"""Settings of `[plugins.registration]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from creance.provider import PluginSettings
from creance.provider.setting_types import Scope
from pydantic import Field, model_validator

TokenHash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Settings(PluginSettings):
    """Who may register clients, and what for."""

    initial_access_token_hashes: list[TokenHash] = []
    """The SHA-256 of each initial access token (RFC 7591 3), as `creance registration-token` prints it. Whoever has
    such a token may register clients."""
    initial_access_tokens_file: Path | None = None
    """A file with such hashes, or with the tokens themselves, one a line; read at start."""
    unsafe_open_registration: bool = False
    """Let everybody register clients, without an initial access token. Anybody can then send your people to your login
    page and on to a place of theirs."""
    scope: Scope = "openid profile email"
    """All scopes that a client may register. What it asks for beyond them is left out."""
    grant_types: list[str] = Field(default=["authorization_code", "refresh_token"], min_length=1)
    """The grants that a client may register."""
    client_secret_lifetime: int = Field(default=0, ge=0, le=10 * 365 * 86400)
    """Seconds after which a client secret expires; with each update of its registration the client gets another. 0:
    never."""
    unused_lifetime: int = Field(default=604800, ge=0, le=10 * 365 * 86400)
    """Seconds after which a client is removed that has never got a code or token: 7 days. 0: it stays."""
    requests_per_hour: int = Field(default=100, ge=1)
    """Requests that one network may make here in an hour; more are answered 429."""
    registrations_per_day: int = Field(default=1000, ge=1)
    """Clients that may be registered in a day with one initial access token, or by all together where registration is
    open; more are answered 429."""
    allow_loopback_fetches_for_tests: bool = False
    """Fetch a sector_identifier_uri from this machine too. Never where strangers can register clients."""

    @model_validator(mode="after")
    def _somebody_may(self) -> Self:
        tokens = bool(self.initial_access_token_hashes or self.initial_access_tokens_file)
        if tokens == self.unsafe_open_registration:
            raise ValueError(
                "give initial_access_token_hashes or initial_access_tokens_file, or set unsafe_open_registration"
                if not tokens
                else "unsafe_open_registration leaves initial access tokens without a meaning: give one or the other"
            )
        return self
