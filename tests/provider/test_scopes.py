"""Scopes, and the claims that each gives."""

from __future__ import annotations

import pytest
from creance.provider.errors import InvalidScope
from creance.provider.scopes import ScopeClaims, split_scope
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("openid", ("openid",)),
        ("openid profile", ("openid", "profile")),
        ("profile openid profile", ("profile", "openid")),
        ("", ()),
        ("  openid  ", ("openid",)),
        ("https://api.example/read", ("https://api.example/read",)),
        ("!#$%&'()*+,-./:;<=>?@[]^_`{|}~", ("!#$%&'()*+,-./:;<=>?@[]^_`{|}~",)),
    ],
)
def test_a_scope_is_words_each_once_in_order(scope: str, words: tuple[str, ...]) -> None:
    """RFC 6749 3.3."""
    assert split_scope(scope) == words


@pytest.mark.parametrize(
    "scope", ["open\tid", "open\nid", 'open"id', "open\\id", "öpenid", "a\x7f", "a\0", "\ud800", "a\xa0b"]
)
def test_another_character_is_invalid_scope(scope: str) -> None:
    """RFC 6749 3.3."""
    with pytest.raises(InvalidScope, match="scope has a character"):
        split_scope(scope)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_split_or_refused(scope: str) -> None:
    """RFC 6749 3.3: what is granted can be written down again."""
    try:
        words = split_scope(scope)
    except InvalidScope:
        return
    assert split_scope(" ".join(words)) == words
    assert all("!" <= character <= "~" for word in words for character in word)


def test_the_standard_scopes_give_their_claims() -> None:
    """OpenID Connect Core 5.4."""
    scopes = ScopeClaims({})
    assert scopes.claims_of(["openid", "email"]) == ["email", "email_verified"]
    assert scopes.claims_of(["phone"]) == ["phone_number", "phone_number_verified"]
    assert scopes.claims_of(["address"]) == ["address"]
    assert len(scopes.claims_of(["profile"])) == 14
    assert scopes.claims_of(["openid", "offline_access", "unknown"]) == []


def test_an_operator_adds_scopes_and_changes_standard_ones() -> None:
    """DESIGN, Configuration: extra_scopes."""
    scopes = ScopeClaims({"groups": ["groups"], "email": ["email"]})
    assert scopes.claims_of(["groups", "email"]) == ["groups", "email"]
    assert "groups" in scopes.claims_supported
    assert "email_verified" not in scopes.claims_supported


def test_what_is_supported_is_listed_once() -> None:
    """OpenID Connect Discovery 3: scopes_supported, claims_supported."""
    scopes = ScopeClaims({"groups": ["groups", "name"], "email": ["email"]})
    for supported in (scopes.scopes_supported, scopes.claims_supported):
        assert len(supported) == len(set(supported))
    assert {"openid", "offline_access", "profile", "groups"} <= set(scopes.scopes_supported)
