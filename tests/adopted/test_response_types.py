"""Clients of the implicit and hybrid flows, with pyop and with ours in its place: the same members in the same part of
the URL, as long as `insecure_response_types` is on.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import structlog.testing
from creance.provider import OpenIDProvider
from jwkest.jwk import RSAKey
from oic.oic.message import AuthorizationResponse
from pyop.exceptions import InvalidAuthenticationRequest
from pyop.provider import Provider
from pyop.util import should_fragment_encode

from .conftest import CALLBACK, Client, claims_of, plain_provider

ALL = ["id_token", "code id_token", "id_token token", "code token", "code id_token token"]
WITH_ID_TOKEN = [each for each in ALL if "id_token" in each]
ALLOWED = {"insecure_response_types": {"allowed": ALL}}
ADDED = {"iss", "scope"}
"""RFC 9207; RFC 6749 4.2.2."""
Adopt = Callable[..., OpenIDProvider]


def plain_with(signing_key: RSAKey, **registered: Any) -> Provider:
    """pyop's own, with a client that is registered for all of them."""
    provider = plain_provider(signing_key)
    provider.configuration_information["response_types_supported"] = ["code", *ALL]
    provider.clients["app"] |= {"response_types": ["code", *ALL], **registered}
    return provider


@pytest.fixture
def pair(signing_key: RSAKey, adopt: Adopt) -> tuple[Provider, OpenIDProvider]:
    """A plain provider, and ours in the place of another one that is the same."""
    return plain_with(signing_key), adopt(plain_with(signing_key), plugins=ALLOWED)


def authorize(provider: Provider, extra: Any = None, **changes: str | None) -> tuple[AuthorizationResponse, str]:
    """The response, and the URL that a host makes of it."""
    request = provider.parse_authentication_request(Client(provider).request(**changes))
    response = provider.authorize(request, "alice", extra)
    return response, response.request(request["redirect_uri"], should_fragment_encode(request))


@pytest.mark.parametrize("response_type", [*ALL, "token id_token", "id_token code"])
def test_the_same_members_in_the_same_place(pair: tuple[Provider, OpenIDProvider], response_type: str) -> None:
    """OpenID Connect Core 3.2.2.5, 3.3.2.5: as the message and as the URL that a host makes of it."""
    (one, before), (two, after) = (authorize(provider, response_type=response_type) for provider in pair)
    assert type(one) is type(two)
    assert set(two) - set(one) <= ADDED
    assert set(one) <= set(two)
    assert {name: type(value) for name, value in one.items()}.items() <= {
        name: type(value) for name, value in two.items()
    }.items()
    for name in ("state", "token_type", "expires_in"):
        assert one.get(name) == two.get(name), name
    assert urlsplit(before)[:4] == urlsplit(after)[:4]
    told = [dict(parse_qsl(urlsplit(url).fragment)) for url in (before, after)]
    assert set(told[1]) - set(told[0]) <= ADDED
    assert set(told[0]) <= set(told[1])


@pytest.mark.parametrize("asked", [None, '{"id_token": {"given_name": {"essential": true}}}'])
@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
def test_the_same_claims(pair: tuple[Provider, OpenIDProvider], response_type: str, asked: str | None) -> None:
    """OpenID Connect Core 5.4, 5.5: those of the scopes where there is no access token, and what is asked for by name;
    the host's own too.
    """
    told = []
    for provider in pair:
        response, _ = authorize(provider, {"department": "physics"}, response_type=response_type, claims=asked)
        claims = claims_of(response.to_dict(), provider)
        assert ("c_hash" in claims, "at_hash" in claims) == ("code" in response, "access_token" in response)
        told.append({name: value for name, value in claims.items() if name not in ("iat", "exp", "c_hash", "at_hash")})
    one, two = told
    assert {**two, "aud": [two["aud"]]} == {**one, "azp": "app"}
    assert ("email" in two, two["department"]) == (response_type == "id_token", "physics")


def left_half(value: str) -> str:
    """Of the SHA-256 of a code or token, as RS256 goes with it (OpenID Connect Core 3.1.3.6, 3.3.2.11)."""
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
def test_the_same_hashes(pair: tuple[Provider, OpenIDProvider], response_type: str) -> None:
    """OpenID Connect Core 3.3.2.11, 3.3.3.6: c_hash and at_hash with pyop and with ours: those of the code and of the
    access token that come with the ID token, and of no other; from the token endpoint at_hash of the new token.
    """
    bound: dict[str, list[set[str]]] = {"front": [], "back": []}
    for provider in pair:
        app = Client(provider)
        request = provider.parse_authentication_request(app.request(response_type=response_type))
        response = provider.authorize(request, "alice")
        claims = claims_of(response.to_dict(), provider)
        values = {"c_hash": response.get("code"), "at_hash": response.get("access_token")}
        expected = {name: left_half(value) for name, value in values.items() if value is not None}
        assert {name: claims[name] for name in values if name in claims} == expected
        bound["front"].append(set(claims) - {"azp"})
        if "code" in response:
            tokens = app.exchange(response["code"])
            claims = claims_of(tokens, provider)
            assert (claims["at_hash"], "c_hash" in claims) == (left_half(tokens["access_token"]), False)
            bound["back"].append(set(claims) - {"azp"})
    assert all(len(set(map(frozenset, names))) <= 1 for names in bound.values()), bound


def test_the_tokens_are_good_for_the_same(pair: tuple[Provider, OpenIDProvider]) -> None:
    """OpenID Connect Core 3.3.3, 5.3: the code is exchanged, with the access token userinfo is asked."""
    told = []
    for provider in pair:
        app = Client(provider)
        request = provider.parse_authentication_request(app.request(response_type="code id_token token"))
        response = provider.authorize(request, "alice")
        tokens = app.exchange(response["code"])
        first, second = claims_of(response.to_dict(), provider), claims_of(tokens, provider)
        assert [first[name] for name in ("iss", "sub", "nonce")] == [second[name] for name in ("iss", "sub", "nonce")]
        told.append((app.userinfo(response["access_token"]), app.userinfo(tokens["access_token"])))
    assert told[0] == told[1]


def test_refusals_are_in_the_same_place(pair: tuple[Provider, OpenIDProvider]) -> None:
    """OpenID Connect Core 3.2.2.6, 5.5: `to_error_url`."""
    for changes in ({"nonce": None}, {"claims": '{"userinfo": {"email": null}}'}, {"prompt": "bogus"}):
        for provider in pair:
            with pytest.raises(InvalidAuthenticationRequest) as refused:
                authorize(provider, response_type="id_token", **changes)
            url = urlsplit(refused.value.to_error_url())
            assert (url.query, dict(parse_qsl(url.fragment))["error"]) == ("", "invalid_request")


def test_a_mode_that_the_host_does_not_know_is_refused(pair: tuple[Provider, OpenIDProvider]) -> None:
    """Multiple Response Types 2.1: the host makes the URL by `should_fragment_encode`, which looks at no
    response_mode.
    """
    _, ours = pair
    for changes in (
        {"response_type": "code", "response_mode": "fragment"},
        {"response_type": "id_token", "response_mode": "query"},
    ):
        with pytest.raises(InvalidAuthenticationRequest, match="response_mode"):
            authorize(ours, **changes)
    for changes in (
        {"response_type": "code", "response_mode": "query"},
        {"response_type": "id_token", "response_mode": "fragment"},
    ):
        assert authorize(ours, **changes)


@pytest.mark.parametrize(
    ("registered", "works"),
    [
        ({"response_types": ["id_token"]}, True),
        ({"response_types": ["id_token"], "grant_types": ["implicit"]}, True),
        ({"response_types": ["token id_token", "id_token"]}, True),
        ({"response_types": ["code"]}, False),
        ({"response_types": ["id_token"], "grant_types": ["authorization_code"]}, False),
    ],
)
def test_what_a_client_is_registered_for(
    signing_key: RSAKey, adopt: Adopt, registered: dict[str, Any], works: bool
) -> None:
    """RFC 7591 2: response_types, and grant_types where it has them."""
    ours = adopt(plain_with(signing_key, **registered), plugins=ALLOWED)
    if works:
        assert authorize(ours, response_type="id_token")[0]["id_token"]
        return
    with pytest.raises(InvalidAuthenticationRequest) as refused:
        authorize(ours, response_type="id_token")
    assert refused.value.oauth_error == "unauthorized_client"


def test_without_the_plugin_they_are_refused(signing_key: RSAKey, adopt: Adopt) -> None:
    """RFC 9700 2.1.2: the default."""
    ours = adopt(plain_with(signing_key))
    with pytest.raises(InvalidAuthenticationRequest) as refused:
        authorize(ours, response_type="id_token")
    assert refused.value.oauth_error == "unsupported_response_type"
    assert ours.provider_configuration["response_types_supported"] == ["code"]


@pytest.mark.parametrize(
    ("plugins", "left"),
    [
        (None, ALL),
        ({"insecure_response_types": {}}, ["id_token token", "code token", "code id_token token"]),
        (ALLOWED, None),
    ],
)
def test_the_log_says_at_the_start_what_is_left(
    signing_key: RSAKey, adopt: Adopt, plugins: dict[str, Any] | None, left: list[str] | None
) -> None:
    """docs/adopting.md: `response_types_not_offered`."""
    with structlog.testing.capture_logs() as lines:
        adopt(plain_with(signing_key), plugins=plugins)
    assert [line["types"] for line in lines if line["event"] == "response_types_not_offered"] == (
        [left] if left else []
    )


def test_the_log_says_who_needs_it(signing_key: RSAKey, adopt: Adopt) -> None:
    """docs/adopting.md: `insecure_response_type`."""
    ours = adopt(plain_with(signing_key), plugins=ALLOWED)
    with structlog.testing.capture_logs() as lines:
        for response_type in ("id_token", "id_token", "code"):
            authorize(ours, response_type=response_type)
    told = [line for line in lines if line["event"] == "insecure_response_type"]
    assert [(line["client_id"], line["response_type"]) for line in told] == [("app", "id_token")]


def test_a_token_from_before_the_switch(signing_key: RSAKey, adopt: Adopt) -> None:
    """OpenID Connect Core 5.3: what pyop gave in a URL goes on."""
    plain = plain_with(signing_key)
    response, _ = authorize(plain, response_type="code id_token token")
    ours = adopt(plain, plugins=ALLOWED)
    assert Client(ours).userinfo(response["access_token"])["email"] == "alice@example.org"


def test_an_http_redirect_uri_of_before(signing_key: RSAKey, adopt: Adopt) -> None:
    """OpenID Connect Core 3.2.2.1: adopted clients keep theirs (`insecure_http_redirect_uris`)."""
    uri = CALLBACK.replace("https", "http")
    ours = adopt(plain_with(signing_key, redirect_uris=[uri]), plugins=ALLOWED)
    _, url = authorize(ours, response_type="id_token", redirect_uri=uri)
    assert url.startswith(f"{uri}#")
