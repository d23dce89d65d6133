"""Request headers are looked up in any case."""

from __future__ import annotations

import pytest
from creance.provider import EnvironHeaders
from creance.provider.headers import any_case

ENVIRON = {"HTTP_AUTHORIZATION": "Basic x", "HTTP_X_FORWARDED_FOR": "a", "REQUEST_METHOD": "GET", "wsgi.input": None}


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION", "aUTHORIZATION"])
def test_a_header_has_its_name_in_any_case(name: str) -> None:
    """RFC 9110 5.1."""
    assert EnvironHeaders(ENVIRON)[name] == "Basic x"
    assert any_case({"aUthorizatioN": "Basic x"})[name] == "Basic x"


def test_a_header_that_is_not_there() -> None:
    """PEP 3333: only what the request has sent is a header."""
    headers = EnvironHeaders(ENVIRON)
    assert headers.get("DPoP") is None
    assert "Request-Method" not in headers
    assert headers.get("wsgi.input") is None


def test_all_headers_are_listed() -> None:
    """RFC 9110 5.1."""
    assert dict(EnvironHeaders(ENVIRON)) == {"Authorization": "Basic x", "X-Forwarded-For": "a"}
    assert len(EnvironHeaders(ENVIRON)) == 2


def test_a_host_may_have_no_headers_at_all() -> None:
    """PYOP, Seams: `http_headers` may be None."""
    assert dict(any_case(None)) == {}
