"""Registrations as pyop takes them from anybody: what is not as it should be is left out, and fails no request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from creance.provider import OpenIDProvider
from creance.provider.adopted.registrations import read_registration
from hypothesis import given
from hypothesis import strategies as st
from pyop.exceptions import InvalidClientAuthentication, InvalidRedirectURI
from pyop.provider import Provider

from ..strange_values import JSON, examples

Adopt = Callable[..., OpenIDProvider]

MEMBERS = (
    *("client_name", "redirect_uris", "post_logout_redirect_uris", "scope", "allowed_scope_values", "grant_types"),
    *("response_types", "default_max_age", "client_secret_expires_at", "require_auth_time", "default_acr_values"),
)


@pytest.mark.parametrize(
    "uri",
    [
        *("javascript:alert(1)", "data:text/html,x", "https://evil.example/#x", "https://evil.example/\r\nX-Evil: 1"),
        *("https://evil.example;script-src *", "https://[evil/", "https://a@evil.example/", "https:evil", "/relative"),
    ],
)
def test_a_redirect_uri_that_leads_to_no_app_is_none(plain: Provider, adopt: Adopt, uri: str) -> None:
    """PYOP Security 15, RFC 6749 3.1.2: pyop registers anything."""
    plain.clients["evil"] = {"client_secret": "x", "redirect_uris": [uri], "response_types": ["code"]}
    request = urlencode({"client_id": "evil", "redirect_uri": uri, "response_type": "code", "scope": "openid"})
    with pytest.raises(InvalidRedirectURI) as refusal:
        adopt(plain).parse_authentication_request(request)
    assert refusal.value.to_error_url() is None


@pytest.mark.parametrize("uri", ["https://app.example/cb?x=1", "http://app.example/", "myapp:/cb", "http://[::1]:80/"])
def test_one_that_a_host_of_pyop_may_have_stays(uri: str) -> None:
    """RFC 8252 7, RFC 6749 3.1.2: also what we would not register."""
    assert read_registration({"redirect_uris": [uri]})[0]["redirect_uris"] == [uri]


@pytest.mark.parametrize(
    "registered",
    [
        *({"default_max_age": "abc"}, {"scope": [1]}, {"grant_types": [["a"]]}, {"redirect_uris": 5}),
        *({"client_secret_expires_at": "never"}, {"redirect_uris": [["https://a.example/", None], [], 7]}),
    ],
)
def test_a_registration_of_wrong_types_is_no_defect(plain: Provider, adopt: Adopt, registered: dict[str, Any]) -> None:
    """PYOP Security 15: what is not understood is left out."""
    plain.clients["odd"] = {"client_secret": "x", "redirect_uris": ["https://a.example/"], **registered}
    with pytest.raises(InvalidClientAuthentication):
        adopt(plain).handle_token_request("grant_type=authorization_code&code=x&client_id=odd&client_secret=y")


@examples(200)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON | st.floats() | st.lists(st.floats()))))
def test_whatever_is_registered_is_read(registered: dict[str, Any]) -> None:
    """RFC 7591 2: each member that is taken over has the form that requests rely on."""
    understood, left_out = read_registration(registered)
    assert not left_out.keys() - registered.keys()
    for name in ("redirect_uris", "post_logout_redirect_uris", "grant_types", "response_types"):
        assert all(isinstance(each, str) for each in understood.get(name, []))
    assert isinstance(understood["scope"], str)
    assert understood.get("client_secret_expires_at", 0) >= 0
