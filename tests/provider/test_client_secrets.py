"""Client secrets: kept as SHA-256, compared in constant time."""

from __future__ import annotations

import hashlib

import pytest
from creance.provider.client_secrets import client_secret_matches, hash_client_secret, new_client_secret
from hypothesis import given
from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def test_a_secret_is_kept_as_its_sha_256() -> None:
    """DESIGN, Keys, secrets and tokens: client_secret_hash."""
    assert hash_client_secret("sécret") == "sha256:" + hashlib.sha256("sécret".encode()).hexdigest()


def test_a_generated_secret_has_256_bits() -> None:
    """DESIGN, Keys, secrets and tokens; RFC 6749 10.10."""
    secrets = {new_client_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(secret) == 43 for secret in secrets)


@given(ANY_TEXT.filter(bool))
def test_a_secret_matches_itself_and_no_other(secret: str) -> None:
    """Issue 3, bad input: any text is right or wrong, and never an exception."""
    kept = hash_client_secret(secret)
    assert client_secret_matches(secret, kept)
    assert not client_secret_matches(secret + "x", kept)
    assert not client_secret_matches(secret[:-1], kept)
    assert not client_secret_matches(secret, None)
    assert not client_secret_matches(kept, kept)


@pytest.mark.parametrize("kept", [None, hash_client_secret(""), "sha256:", ""])
def test_no_secret_is_never_right(kept: str | None) -> None:
    """PYOP 8: empty secrets were accepted."""
    assert not client_secret_matches("", kept)
