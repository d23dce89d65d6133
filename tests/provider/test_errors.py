"""Errors are values with three audiences."""

from __future__ import annotations

import inspect

import pytest
from creance.provider import errors
from creance.provider.errors import ConfigurationError, InvalidClient, InvalidGrant, InvalidToken, OAuthError
from hypothesis import given
from hypothesis import strategies as st
from pyop import exceptions as pyop_exceptions

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, OAuthError)]


@given(st.text(st.characters(exclude_categories=())))
def test_a_description_has_only_the_characters_that_are_allowed(text: str) -> None:
    """RFC 6749 5.2: %x20-21 / %x23-5B / %x5D-7E; also what keeps a header one header (RFC 6750 3)."""
    description = OAuthError(text).description
    assert all(" " <= character <= "~" and character not in '"\\' for character in description)
    assert len(description) == len(text)


def test_an_error_without_a_description_has_no_such_member() -> None:
    """RFC 6749 5.2: optional."""
    assert InvalidGrant().to_dict() == {"error": "invalid_grant"}
    assert InvalidGrant("x").to_dict() == {"error": "invalid_grant", "error_description": "x"}


def test_a_hint_is_for_the_log_alone() -> None:
    """STYLE, errors."""
    error = InvalidGrant("the code is not valid", hint="marked-secret-8f2c")
    assert "marked-secret" not in f"{error} {error!r} {error.to_dict()} {error.args}"


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_a_code_a_status_and_a_clause(kind: type[OAuthError]) -> None:
    """RFC 6749 4.1.2.1, 5.2."""
    assert kind.error.replace("_", "").isalpha()
    assert kind.status in (400, 401, 403, 413, 429, 500, 503)
    assert kind.__doc__
    assert kind("x").to_dict()["error"] == kind.error


def test_a_host_of_pyop_catches_them_unchanged() -> None:
    """PYOP, Seams: what our public methods raise to hosts are subclasses of pyop's."""
    for ours, theirs in (
        (InvalidClient, pyop_exceptions.InvalidClientAuthentication),
        (InvalidGrant, pyop_exceptions.InvalidAuthorizationCode),
        (InvalidGrant, pyop_exceptions.InvalidRefreshToken),
        (InvalidToken, pyop_exceptions.InvalidAccessToken),
        (OAuthError, pyop_exceptions.OAuthError),
    ):
        error = ours("x")
        assert isinstance(error, theirs)
        assert error.oauth_error == ours.error


def test_a_configuration_error_has_a_line_for_each_mistake() -> None:
    """DESIGN, Configuration: all mistakes at once."""
    error = ConfigurationError("a: wrong", "b: wrong")
    assert error.mistakes == ("a: wrong", "b: wrong")
    assert str(error) == "a: wrong\nb: wrong"
