"""How an access token is presented."""

from __future__ import annotations

import pytest
from creance.provider import InvalidRequest, Parameters
from creance.provider.bearer import TokenMissing, read_bearer_token
from creance.provider.headers import any_case
from hypothesis import given
from hypothesis import strategies as st


def read(authorization: str | None, form: dict[str, str] | None = None) -> str:
    headers = any_case({"Authorization": authorization} if authorization is not None else {})
    return read_bearer_token(headers, Parameters(form) if form is not None else None)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_a_token_is_in_the_header(scheme: str) -> None:
    """RFC 6750 2.1, RFC 9110 11.1: any case of the scheme; PYOP: lower case was refused."""
    assert read(f"{scheme} abc-._~+/123==") == "abc-._~+/123=="


def test_a_token_is_in_the_form() -> None:
    """RFC 6750 2.2."""
    assert read(None, {"access_token": "abc"}) == "abc"


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "BearerXabc", "Bearerabc", "DPoP abc", "Token abc"])
def test_without_a_token_the_answer_names_the_scheme_only(authorization: str) -> None:
    """RFC 6750 3.1: no error code where no token was presented; PYOP: `BearerX<token>` was accepted."""
    with pytest.raises(TokenMissing):
        read(authorization)


@pytest.mark.parametrize("form", [None, {}, {"token": "abc"}])
def test_no_header_and_no_form(form: dict[str, str] | None) -> None:
    """RFC 6750 3.1."""
    with pytest.raises(TokenMissing):
        read(None, form)


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =", "Bearer a=b", "Bearer ä", "Bearer a\n", "Bearer \0"],
)
def test_a_malformed_token_is_invalid_request(authorization: str) -> None:
    """RFC 6750 2.1, 3.1: b64token."""
    with pytest.raises(InvalidRequest):
        read(authorization)


@pytest.mark.parametrize("authorization", ["Bearer abc", "Basic YTpi", ""])
def test_two_ways_at_once_are_invalid_request(authorization: str) -> None:
    """RFC 6750 2: not more than one method; PYOP: two were accepted."""
    with pytest.raises(InvalidRequest, match="two access tokens"):
        read(authorization, {"access_token": "abc"})


@given(st.text(st.characters(exclude_categories=())))
def test_any_header_is_read_or_refused(authorization: str) -> None:
    """Issue 3, bad input."""
    for header in (authorization, f"Bearer {authorization}"):
        try:
            assert read(header).isascii()
        except (InvalidRequest, TokenMissing):
            continue
