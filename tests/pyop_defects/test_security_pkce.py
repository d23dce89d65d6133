"""Security 7: Proof Key for Code Exchange (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import InvalidGrant, OpenIDProvider
from pyop.exceptions import InvalidAuthenticationRequest, InvalidTokenRequest, OAuthError
from pyop.provider import Provider

from ..pyop_provider import Client

Challenge = dict[str, str | None]
WITHOUT: Challenge = {"code_challenge": None, "code_challenge_method": None}


def challenge_for(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def test_it_is_required(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 7; RFC 9700 2.1.1: before anybody logs in."""
    before = Client(plain)
    assert before.exchange(before.authorize(**WITHOUT), code_verifier=None)["access_token"]
    with pytest.raises(InvalidAuthenticationRequest, match="code_challenge is missing"):
        ours.parse_authentication_request(Client(ours).request(**WITHOUT))


def test_a_verifier_without_a_challenge_is_a_downgrade(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> None:
    """Security 7; RFC 9700 4.8.2: somebody took the challenge out of the request on its way."""
    before = Client(plain)
    assert before.exchange(before.authorize(**WITHOUT))["access_token"]

    ours = adopt(plain)
    stripped = before.authorize(**WITHOUT)
    with pytest.raises(InvalidGrant):
        before.exchange(stripped, ours)


@pytest.mark.parametrize(
    ("challenge", "refused_by_pyop"),
    [
        ({"code_challenge_method": None}, InvalidTokenRequest),
        ({"code_challenge_method": "plain"}, KeyError),
        ({"code_challenge": "short"}, InvalidTokenRequest),
        ({"code_challenge": "!" * 43}, InvalidTokenRequest),
        ({"code_challenge": "A" * 5000}, InvalidTokenRequest),
    ],
    ids=str,
)
def test_a_challenge_that_cannot_be_met_is_refused_at_once(
    plain: Provider, ours: OpenIDProvider, challenge: Challenge, refused_by_pyop: type[Exception]
) -> None:
    """Security 7; RFC 7636 4.2, 4.4.1: pyop lets people log in, and fails at the exchange, once by KeyError."""
    before = Client(plain)
    code = before.authorize(**challenge)
    with pytest.raises(refused_by_pyop):
        before.exchange(code)
    with pytest.raises(InvalidAuthenticationRequest, match="code_challenge"):
        ours.parse_authentication_request(Client(ours).request(**challenge))


@pytest.mark.parametrize(
    ("verifier", "taken_by_pyop"),
    [("short", True), ("a b" * 20, True), ("v" * 5000, True), ("é" * 43, UnicodeEncodeError)],
    ids=lambda value: str(value)[:12],
)
def test_a_verifier_has_its_length_and_its_characters(
    plain: Provider, ours: OpenIDProvider, verifier: str, taken_by_pyop: Any
) -> None:
    """Security 7; RFC 7636 4.1."""
    for provider in (plain, ours):
        app = Client(provider)
        code = app.authorize(code_challenge=challenge_for(verifier))
        if provider is ours:
            with pytest.raises(InvalidGrant):
                app.exchange(code, code_verifier=verifier)
        elif taken_by_pyop is True:
            assert app.exchange(code, code_verifier=verifier)["access_token"]
        else:
            with pytest.raises(taken_by_pyop):
                app.exchange(code, code_verifier=verifier)


def test_a_wrong_verifier_tells_nothing_and_is_the_only_guess(
    plain: Provider, ours: OpenIDProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Security 7; RFC 7636 4.6: invalid_grant, without the challenge; who guesses has spent the code."""
    for provider, error, guesses_again in ((plain, "invalid_request", True), (ours, "invalid_grant", False)):
        app = Client(provider)
        code, challenge = app.authorize(), challenge_for(app.verifier)
        with caplog.at_level(logging.DEBUG), pytest.raises(OAuthError) as refused:
            app.exchange(code, code_verifier="w" * 43)
        assert refused.value.oauth_error == error
        assert (challenge in str(refused.value)) == guesses_again
        if guesses_again:
            assert app.exchange(code)["access_token"]
        else:
            with pytest.raises(InvalidGrant):
                app.exchange(code)


def test_a_missing_verifier_is_invalid_grant(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 7; RFC 7636 4.6."""
    for provider, error in ((plain, "invalid_request"), (ours, "invalid_grant")):
        app = Client(provider)
        code = app.authorize()
        with pytest.raises(OAuthError) as refused:
            app.exchange(code, code_verifier=None)
        assert refused.value.oauth_error == error
