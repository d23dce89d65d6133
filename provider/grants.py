"""A grant: the record of one authorization. Codes, access and refresh tokens carry it, so that each costs one read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from .identifiers import new_id


@dataclass(frozen=True, slots=True)
class Grant:
    """Who allowed which client what, when and how."""

    client_id: str
    subject: str
    """The `sub` that this client sees."""
    scope: tuple[str, ...]
    """All that was granted; a token may have less."""
    claims: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    """Single claims that were granted beside those of the scopes: `{"userinfo": {"email": []}}`, each with the values
    that the app wants to hear, any where there are none (OpenID Connect Core 5.5).
    """
    user_subject: str | None = None
    """The person's public subject identifier, where the client sees a pairwise one."""
    username: str | None = None
    """None where a client acts for itself (RFC 6749 4.4)."""
    session_id: str | None = None
    """The browser session that it came from (`sid`)."""
    nonce: str | None = None
    auth_time: float | None = None
    """Seconds since the epoch of the login."""
    acr: str | None = None
    amr: tuple[str, ...] = ()
    granted_at: float = 0.0
    """Seconds since the epoch; the absolute lifetime of refresh tokens counts from here."""
    client_registered_at: float = 0.0
    """Which client of this name it was made for: what another one held is not its own."""
    grant_id: str = field(default_factory=new_id)
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The authorization request's parameters: with the code only."""
    host_claims: Mapping[str, Any] = field(default_factory=dict)
    """What a pyop host wants in the ID tokens: never a claim of the protocol's."""

    @property
    def own_subject(self) -> str:
        """The subject identifier that is the same for all clients: by it all that a person gave is found."""
        return self.user_subject or self.subject

    @property
    def offline(self) -> bool:
        """Whether it outlives the session (OpenID Connect Core 11)."""
        return "offline_access" in self.scope

    @property
    def openid(self) -> bool:
        return "openid" in self.scope

    def without_parameters(self) -> Self:
        """The grant as tokens carry it."""
        return replace(self, parameters={}) if self.parameters else self

    def to_dict(self) -> dict[str, Any]:
        """For the store; what is empty is left out."""
        return {name: value for name in _FIELDS if (value := getattr(self, name)) not in (None, (), {}, "")}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """From the store."""
        listed = {name: tuple(value[name]) for name in ("scope", "amr") if name in value}
        return cls(**{"scope": (), **value, **listed})


_FIELDS = tuple(each.name for each in fields(Grant))


def kept_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """What a grant keeps of its authorization request: not what has done its part, and is a token."""
    return {name: value for name, value in parameters.items() if name not in ("state", "id_token_hint")}
