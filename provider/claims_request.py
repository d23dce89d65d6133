"""The `claims` parameter (OpenID Connect Core 5.5): single claims that an app asks for, by their names."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from .errors import InvalidRequest
from .protocol_claims import PROTOCOL_CLAIMS
from .store import BadDocument, encode
from .strict_json import refuse_constant


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """How one claim is asked for (OpenID Connect Core 5.5.1)."""

    essential: bool = False
    """The app says that it cannot do without. It is no error to leave the claim out all the same."""
    values: tuple[Any, ...] = ()
    """The values that are wanted, the best first; any where there are none."""

    def allows(self, value: Any) -> bool:
        """Whether the app wants to hear this value."""
        return not self.values or value in self.values


Asked = Mapping[str, ClaimRequest]


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """What is asked for in each place, by the name of the claim."""

    id_token: Asked = field(default_factory=dict)
    userinfo: Asked = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """All claims about the person that are asked for: what is the protocol's own needs nobody's consent."""
        return frozenset(name for name in (*self.id_token, *self.userinfo) if untagged(name) not in PROTOCOL_CLAIMS)

    @property
    def subject(self) -> str | None:
        """The `sub` that is demanded (OpenID Connect Core 5.5.1: `value`), if it is one."""
        values = [value for asked in self._places() if "sub" in asked for value in asked["sub"].values]
        return values[0] if len(values) == 1 and isinstance(values[0], str) else None

    def allows_subject(self, subject: str) -> bool:
        """Whether the app wants this person."""
        return all(asked["sub"].allows(subject) for asked in self._places() if "sub" in asked)

    def only(self, allowed: Callable[[str], bool]) -> Self:
        """The same, without what is not allowed. What is the protocol's stays."""

        def part(asked: Asked) -> Asked:
            return {name: each for name, each in asked.items() if untagged(name) in PROTOCOL_CLAIMS or allowed(name)}

        return type(self)(part(self.id_token), part(self.userinfo))

    def to_dict(self) -> dict[str, dict[str, list[Any]]]:
        """As a grant keeps it: the values that are wanted, by place and name. Nothing where nothing is asked."""
        places = {"id_token": self.id_token, "userinfo": self.userinfo}
        kept = {
            place: {name: list(each.values) for name, each in asked.items() if untagged(name) not in PROTOCOL_CLAIMS}
            for place, asked in places.items()
        }
        return {place: names for place, names in kept.items() if names}

    def _places(self) -> tuple[Asked, Asked]:
        return self.id_token, self.userinfo


def read_claims_request(text: str | None) -> ClaimsRequest:
    """The parameter, parsed. Raises InvalidRequest for what is not as OpenID Connect Core 5.5 has it."""
    if text is None:
        return ClaimsRequest()
    try:
        claims = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidRequest("claims is not JSON") from None
    if not isinstance(claims, dict):
        raise InvalidRequest("claims must be an object")
    try:
        encode(claims)  # a grant keeps of it
    except BadDocument as error:
        raise InvalidRequest(f"claims: {error}") from None
    return ClaimsRequest(_read_place(claims, "id_token"), _read_place(claims, "userinfo"))


def requested_claims(
    kept: Mapping[str, list[Any]], claims: Mapping[str, Any], allowed: Container[str]
) -> dict[str, Any]:
    """The claims that a person has of those that a grant keeps for a place (`ClaimsRequest.to_dict`): with a value that
    the app wants to hear, and no other than those of the scopes that its client is registered for.
    """
    return {
        name: claims[name]
        for name, values in kept.items()
        if name in claims and untagged(name) in allowed and (not values or claims[name] in values)
    }


def _read_place(claims: Mapping[str, Any], place: str) -> Asked:
    """Members of other names MUST be ignored."""
    asked = claims.get(place)
    if asked is None:
        return {}
    if not isinstance(asked, dict):
        raise InvalidRequest(f"claims: {place} must be an object")
    return {name: _read_claim(place, each) for name, each in asked.items()}


def _read_claim(place: str, each: Any) -> ClaimRequest:
    """OpenID Connect Core 5.5.1: null, or an object with `essential`, `value`, `values`, and others to ignore."""
    if each is None:
        return ClaimRequest()
    if not isinstance(each, dict):
        raise InvalidRequest(f"claims: a claim of {place} must be null or an object")
    essential, values = each.get("essential", False), each.get("values", [])
    if not isinstance(essential, bool):
        raise InvalidRequest(f"claims: essential, of a claim of {place}, must be true or false")
    if not isinstance(values, list):
        raise InvalidRequest(f"claims: values, of a claim of {place}, must be an array")
    if "value" in each:
        values = [each["value"], *values]
    return ClaimRequest(essential, tuple(values))


def untagged(name: str) -> str:
    """OpenID Connect Core 5.2: `name#de` is `name` in German."""
    return name.partition("#")[0]
