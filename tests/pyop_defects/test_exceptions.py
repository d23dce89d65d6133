"""Exceptions that escape from pyop on bad input, and that no host of it catches. Ours are those that they catch."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from creance.provider import OpenIDProvider
from jwkest import BadSyntax
from jwkest.jwk import RSAKey
from oic.exception import InvalidRequest, MessageException
from oic.oauth2.message import DecodeError, TooManyValues
from oic.oic.message import EndSessionRequest
from pyop.exceptions import (
    BearerTokenError,
    InvalidAccessToken,
    InvalidAuthenticationRequest,
    InvalidClientAuthentication,
    InvalidClientRegistrationRequest,
    InvalidSubjectIdentifier,
    OAuthError,
)
from pyop.provider import Provider

from ..pyop_provider import CALLBACK, ISSUER, SECRET, Client, basic, claims_of, plain_provider
from .forgeries import unsigned

CAUGHT = (OAuthError, BearerTokenError, InvalidSubjectIdentifier)
"""What hosts of pyop catch."""


AUTHORIZE: list[tuple[str, type[BaseException]]] = [
    *[
        (f"{name}=again", TooManyValues)
        for name in ("client_id", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method")
    ],
    ("max_age=1&max_age=2", TooManyValues),
    ("prompt=none+login", InvalidRequest),
    ("max_age=abc", ValueError),
    *[(f"claims={claims}", DecodeError) for claims in ("{", "[]", "null", "5")],
    ("request=garbage", BadSyntax),
    ("id_token_hint=garbage", BadSyntax),
    (f"request={unsigned({'client_id': 'another'})}", AssertionError),
    ("registration=garbage", json.JSONDecodeError),
]


@pytest.mark.parametrize(("more", "escapes"), AUTHORIZE)
def test_an_authorization_request_is_refused_in_order(
    plain: Provider, ours: OpenIDProvider, more: str, escapes: type[BaseException]
) -> None:
    """Exceptions, authorize; OpenID Connect Core 3.1.2.6."""
    request = f"{Client(plain).request()}&{more}"
    with pytest.raises(escapes) as escaped:
        plain.parse_authentication_request(request)
    assert not isinstance(escaped.value, CAUGHT)

    with pytest.raises(InvalidAuthenticationRequest) as refused:
        ours.parse_authentication_request(request)
    assert refused.value.oauth_error
    proven = not more.startswith(("client_id", "redirect_uri"))
    assert (refused.value.to_error_url() is not None) == proven


def header(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


BASIC: list[tuple[str, type[Exception]]] = [
    ("Basic", ValueError),
    ("Basic ", ValueError),
    (header("app"), ValueError),
    (header(f"app:{SECRET}:more"), ValueError),
    ("Basic !!!!!", ValueError),
    ("Basic A", binascii.Error),
    ("Basic YWJjZ", binascii.Error),
    (" ", IndexError),
    ("    ", IndexError),
]


@pytest.mark.parametrize(("authorization", "escapes"), BASIC)
def test_a_basic_header_is_refused_in_order(
    plain: Provider, ours: OpenIDProvider, authorization: str, escapes: type[Exception]
) -> None:
    """Exceptions, Basic header; RFC 6749 2.3.1, 5.2: invalid_client."""
    body = urlencode({"grant_type": "authorization_code", "code": "x", "redirect_uri": CALLBACK})
    with pytest.raises(escapes) as escaped:
        plain.handle_token_request(body, {"Authorization": authorization})
    assert not isinstance(escaped.value, CAUGHT)
    with pytest.raises(InvalidClientAuthentication):
        ours.handle_token_request(body, {"Authorization": authorization})


@pytest.mark.parametrize(
    ("secret", "authorization"),
    [
        (SECRET, header(f"app:{SECRET}").replace("Basic", "basic")),
        ("a b", header("app:a+b")),
        ("a:b", header("app:a:b")),
    ],
    ids=["lower case", "form-encoded space", "colon"],
)
def test_a_secret_is_understood_however_it_is_written(
    plain: Provider, adopt: Callable[..., OpenIDProvider], secret: str, authorization: str
) -> None:
    """Exceptions, Basic header; RFC 9110 11.1, RFC 6749 2.3.1, B."""
    plain.clients["app"]["client_secret"] = secret
    headers = {"Authorization": authorization}
    before = Client(plain)
    with pytest.raises(ValueError):
        plain.handle_token_request(urlencode(before.code_form(before.authorize())), headers)
    ours = adopt(plain)
    after = Client(ours)
    assert ours.handle_token_request(urlencode(after.code_form(after.authorize())), headers)["access_token"]


def test_a_secret_is_form_encoded(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> None:
    """Exceptions, Basic header; RFC 6749 2.3.1: a `%41` that is not encoded stands for A with both, and no defect."""
    plain.clients["app"]["client_secret"] = "100%41"
    for provider in (plain, adopt(plain)):
        app = Client(provider)
        body = urlencode(app.code_form(app.authorize()))
        with pytest.raises(InvalidClientAuthentication):
            provider.handle_token_request(body, basic("app", "100%41"))
        assert provider.handle_token_request(body, basic("app", "100%2541"))["access_token"]


def test_a_bearer_scheme_is_read_as_one(plain: Provider, ours: OpenIDProvider) -> None:
    """Exceptions, userinfo; RFC 9110 11.1, RFC 6750 2: in any case, with its space, one token and no more."""
    rows = {
        "bearer {}": (False, True),
        "BEARER {}": (False, True),
        "BearerX{}": (True, False),
        "Bearer {}": (True, True),
    }
    for which, provider in enumerate((plain, ours)):
        token = Client(provider).log_in()["access_token"]
        for text, understood in rows.items():
            assert is_understood(provider, "", text.format(token)) == understood[which], text
        two = is_understood(provider, urlencode({"access_token": "another"}), f"Bearer {token}")
        assert two == (provider is plain)


def is_understood(provider: Provider, request: str, authorization: str) -> bool:
    try:
        return "sub" in provider.handle_userinfo_request(request, {"Authorization": authorization})
    except (InvalidAccessToken, BearerTokenError):
        return False


def test_userinfo_of_somebody_who_is_gone(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> None:
    """Exceptions, userinfo; RFC 6750 3.1: invalid_token."""
    before = Client(plain)
    token = before.log_in("bob")["access_token"]
    ours = adopt(plain)
    own = Client(ours).log_in("bob")["access_token"]
    del plain.userinfo._db["bob"]
    with pytest.raises(KeyError):
        before.userinfo(token)
    ours.users.sources.forget("bob", "")  # what was read a few seconds ago counts for as long
    for value in (token, own):
        with pytest.raises(InvalidAccessToken):
            before.userinfo(value, ours)


@pytest.mark.parametrize(
    ("body", "escapes"),
    [("not JSON", MessageException), ("[]", MessageException), ("null", MessageException), (None, TypeError)],
)
def test_a_registration_is_refused_in_order(
    plain: Provider, ours: OpenIDProvider, body: Any, escapes: type[Exception]
) -> None:
    """Exceptions, registration; RFC 7591 3.2.2."""
    with pytest.raises(escapes) as escaped:
        plain.handle_client_registration_request(body)
    assert not isinstance(escaped.value, CAUGHT)
    with pytest.raises(InvalidClientRegistrationRequest):
        ours.handle_client_registration_request(body)


def test_a_logout_is_refused_in_order(plain: Provider, ours: OpenIDProvider) -> None:
    """Exceptions, logout; RP-Initiated Logout 4."""
    gone = unsigned({"iss": ISSUER, "sub": "x", "aud": ["gone"], "exp": 4e9, "iat": 1})
    bad = EndSessionRequest(id_token_hint="garbage", post_logout_redirect_uri=CALLBACK)
    for call in (lambda op: op.logout_user(end_session_request=bad), lambda op: op.do_post_logout_redirect(bad)):
        with pytest.raises(BadSyntax):
            call(plain)
    with pytest.raises(OAuthError):
        ours.logout_user(end_session_request=bad)
    assert ours.do_post_logout_redirect(bad) is None

    request = EndSessionRequest(id_token_hint=gone, post_logout_redirect_uri=CALLBACK)
    with pytest.raises(KeyError):
        plain.do_post_logout_redirect(request)
    assert ours.do_post_logout_redirect(request) is None


def test_a_logout_of_somebody_who_is_gone(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> None:
    """Exceptions, logout: of a genuine hint whose `sub` is nobody's any more, where pyop raises what is no OAuthError;
    it stays so, since hosts catch it there (tests/adopted/test_same_refusals.py).
    """
    ours = adopt(plain)
    tokens = Client(ours).log_in("bob")
    subject = claims_of(tokens, ours)["sub"]
    hint = EndSessionRequest(id_token_hint=tokens["id_token"])
    plain.authz_state.subject_identifiers.clear()
    del plain.userinfo._db["bob"]
    ours.users.sources.forget("bob", subject)
    for provider in (plain, ours):
        with pytest.raises(InvalidSubjectIdentifier):
            provider.logout_user(end_session_request=hint)


def test_a_hint_for_a_client_that_is_gone_leads_nowhere(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> None:
    """Exceptions, logout: the same with a genuine hint."""
    hint = Client(plain).log_in()["id_token"]
    del plain.clients["app"]
    request = EndSessionRequest(id_token_hint=hint, post_logout_redirect_uri=CALLBACK)
    with pytest.raises(KeyError):
        plain.do_post_logout_redirect(request)
    assert adopt(plain).do_post_logout_redirect(request) is None


def test_a_token_request_says_nothing_twice(plain: Provider, ours: OpenIDProvider) -> None:
    """Exceptions, token; RFC 6749 3.2: the last one wins, where another reader takes the first."""
    before, after = Client(plain), Client(ours)
    for app, refused in ((before, False), (after, True)):
        body = f"code=another&{urlencode(app.code_form(app.authorize()))}"
        if not refused:
            assert plain.handle_token_request(body, basic("app", SECRET))["access_token"]
            continue
        with pytest.raises(OAuthError, match="more than once") as error:
            ours.handle_token_request(body, basic("app", SECRET))
        assert error.value.oauth_error == "invalid_request"


class Reading(dict[str, Any]):
    """Clients that note whether they were asked for."""

    asked = 0

    def __contains__(self, key: object) -> bool:
        Reading.asked += 1
        return super().__contains__(key)


def test_a_flood_of_parameters_is_not_read(
    signing_key: RSAKey, adopt: Callable[..., OpenIDProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exceptions, 500,000 parameters: pyop reads all of them before it asks who sends them."""
    plain = plain_provider(signing_key)
    plain.clients = Reading(plain.clients)
    flood = "&".join(f"p{number}=1" for number in range(500_000))
    with pytest.raises(InvalidClientAuthentication):
        plain.handle_token_request(flood, basic("nobody", "x"))
    assert Reading.asked == 1

    ours = adopt(plain)
    for body in (flood, flood[:60_000]):  # too large, and of too many
        with pytest.raises(OAuthError) as refused:
            ours.handle_token_request(body, basic("nobody", "x"))
        assert refused.value.oauth_error == "invalid_request"
        assert not isinstance(refused.value, InvalidClientAuthentication)
