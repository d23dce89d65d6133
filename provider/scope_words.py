"""Scopes and claims in words, and the values of claims as text: for pages that tell a person what an app may learn.

Words are texts for the catalogues: a page shows them by `{{ words | translated }}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalogues import translatable

SCOPES: Mapping[str, str] = {
    "profile": translatable("Your profile"),
    "email": translatable("Your e-mail address"),
    "address": translatable("Your postal address"),
    "phone": translatable("Your phone number"),
    "offline_access": translatable("Keep this access while you are away"),
}
"""OpenID Connect Core 5.4, 11. Not `openid`: it is what a login is."""

CLAIMS: Mapping[str, str] = {
    "name": translatable("Name"),
    "given_name": translatable("Given name"),
    "family_name": translatable("Family name"),
    "middle_name": translatable("Middle name"),
    "nickname": translatable("Nickname"),
    "preferred_username": translatable("User name"),
    "profile": translatable("Profile page"),
    "picture": translatable("Picture"),
    "website": translatable("Website"),
    "gender": translatable("Gender"),
    "birthdate": translatable("Date of birth"),
    "zoneinfo": translatable("Time zone"),
    "locale": translatable("Language"),
    "updated_at": translatable("When your profile was last changed"),
    "email": translatable("E-mail address"),
    "email_verified": translatable("Whether your e-mail address is confirmed"),
    "address": translatable("Postal address"),
    "phone_number": translatable("Phone number"),
    "phone_number_verified": translatable("Whether your phone number is confirmed"),
}
"""OpenID Connect Core 5.1."""

CONFIRMED_BY: Mapping[str, str] = {"email": "email_verified", "phone_number": "phone_number_verified"}
"""Claims, and those that say whether they are confirmed: which say nothing alone (OpenID Connect Core 5.1)."""
NOT_SHOWN = frozenset({"updated_at", *CONFIRMED_BY.values()})
"""Claims that are no fact about a person."""

_LONGEST_VALUE = 200
"""Characters of a value that are shown."""


class ScopeWords:
    """What the pages of a provider call scopes and claims: all of them the same."""

    def __init__(self) -> None:
        self.scopes: dict[str, str] = dict(SCOPES)
        self.claims: dict[str, str] = dict(CLAIMS)

    def add(self, words: Mapping[str, str]) -> None:
        """The operator's own, by scope or claim; they go before those of the specifications."""
        self.scopes |= words
        self.claims |= words


def value_text(value: Any) -> str:
    """The value of a claim as people read it; an address as OpenID Connect Core 5.1.1 has it."""
    if isinstance(value, Mapping):
        value = value.get("formatted") or ", ".join(value_text(each) for each in value.values())
    elif isinstance(value, list | tuple):
        value = ", ".join(value_text(each) for each in value)
    lines = (" ".join(line.split()) for line in str(value).splitlines())
    text = ", ".join(line for line in lines if line)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
