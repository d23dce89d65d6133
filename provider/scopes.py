"""Scopes, and the claims of the person that each gives (OpenID Connect Core 5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .errors import InvalidScope

STANDARD_SCOPES: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}


class ScopeClaims:
    """Which claims a scope gives: the standard ones, and the operator's `extra_scopes`."""

    def __init__(self, extra_scopes: Mapping[str, Iterable[str]]) -> None:
        self._claims = {**STANDARD_SCOPES, **{scope: tuple(claims) for scope, claims in extra_scopes.items()}}
        self.scopes_supported = ["openid", *self._claims, "offline_access"]
        self.claims_supported = sorted({claim for claims in self._claims.values() for claim in claims})

    def claims_of(self, scope: Iterable[str]) -> list[str]:
        """The names of the claims that these scopes give together."""
        return [claim for word in scope for claim in self._claims.get(word, ())]


def split_scope(scope: str) -> tuple[str, ...]:
    """The words of a scope, each once, in order (RFC 6749 3.3). Raises InvalidScope for other characters."""
    words = tuple(dict.fromkeys(word for word in scope.split(" ") if word))
    for word in words:
        if not word.isascii() or not word.isprintable() or '"' in word or "\\" in word:
            raise InvalidScope("scope has a character that RFC 6749 3.3 does not allow")
    return words
