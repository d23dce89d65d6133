"""Security 8 and 15: who a client is, and what it may be registered with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from creance.provider import ClientSettings, OpenIDProvider, client_secrets
from creance.provider.client_secrets import hash_client_secret
from pydantic import ValidationError
from pyop.exceptions import (
    InvalidAuthorizationCode,
    InvalidClientAuthentication,
    InvalidClientRegistrationRequest,
    InvalidRedirectURI,
    OAuthError,
)
from pyop.provider import Provider

from ..pyop_provider import CALLBACK, ISSUER, Client, basic

Adopt = Callable[..., OpenIDProvider]
GUESS = urlencode({"grant_type": "authorization_code", "code": "no such code", "redirect_uri": CALLBACK})


class Watched(str):
    """A secret that notices by what it is compared."""

    compared = 0

    def __ne__(self, other: object) -> bool:
        Watched.compared += 1
        return str.__ne__(self, other)

    __hash__ = str.__hash__


def test_secrets_are_compared_in_constant_time(plain: Provider, adopt: Adopt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Security 8; RFC 6749 10.10: pyop's `!=` ends at the first byte that differs."""
    plain.clients["app"]["client_secret"] = Watched("app-secret")
    Watched.compared = 0
    with pytest.raises(InvalidClientAuthentication):
        plain.handle_token_request(GUESS, basic("app", "wrong"))
    assert Watched.compared == 1

    ours, digests = adopt(plain), []
    compare = client_secrets.hmac.compare_digest
    monkeypatch.setattr(
        client_secrets.hmac, "compare_digest", lambda one, other: digests.append(one) or compare(one, other)
    )
    for client_id in ("app", "nobody"):  # the same work where there is no client
        with pytest.raises(InvalidClientAuthentication):
            ours.handle_token_request(GUESS, basic(client_id, "wrong"))
    assert len(digests) == 2
    assert Watched.compared == 1


def test_a_secret_ends(plain: Provider, adopt: Adopt) -> None:
    """Security 8; RFC 7591 3.2.1: client_secret_expires_at."""
    plain.clients["app"]["client_secret_expires_at"] = int(time.time()) - 1
    with pytest.raises(InvalidAuthorizationCode):
        plain.handle_token_request(GUESS, basic("app", "app-secret"))
    with pytest.raises(InvalidClientAuthentication):
        adopt(plain).handle_token_request(GUESS, basic("app", "app-secret"))


def test_no_secret_is_no_proof(plain: Provider, adopt: Adopt) -> None:
    """Security 8; RFC 6749 2.3.1."""
    plain.clients["app"]["client_secret"] = ""
    with pytest.raises(InvalidAuthorizationCode):
        plain.handle_token_request(GUESS, basic("app", ""))
    with pytest.raises(InvalidClientAuthentication):
        adopt(plain).handle_token_request(GUESS, basic("app", ""))


def test_nobody_learns_which_clients_there_are(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 8; RFC 6749 5.2: an unknown client is answered as a wrong secret, and a wrong method too."""
    for provider, answers in ((plain, 3), (ours, 1)):
        told = set()
        for headers, form in (
            (basic("nobody", "wrong"), {}),
            (basic("app", "wrong"), {}),
            ({}, {"client_id": "app", "client_secret": "app-secret"}),
        ):
            with pytest.raises(InvalidClientAuthentication) as refused:
                provider.handle_token_request(f"{GUESS}&{urlencode(form)}", headers)
            told.add(str(refused.value))
        assert len(told) == answers


@pytest.mark.parametrize(
    "more", [{"client_id": "public-subject"}, {"client_id": "public-subject", "client_secret": "x"}], ids=str
)
def test_one_request_is_one_clients(plain: Provider, ours: OpenIDProvider, more: dict[str, str]) -> None:
    """Security 8; RFC 6749 2.3: not more than one method, and one client in all of them."""
    before, after = Client(plain), Client(ours)
    assert exchange(before, more)["access_token"]
    with pytest.raises(OAuthError) as refused:
        exchange(after, more)
    assert refused.value.oauth_error == "invalid_request"


def exchange(app: Client, more: dict[str, str]) -> dict[str, Any]:
    return app.exchange(app.authorize(), **more)


BAD_METADATA: list[dict[str, Any]] = [
    {"redirect_uris": ["javascript:alert(1)"]},
    {"redirect_uris": ["https://app.example.org/callback#fragment"]},
    {"redirect_uris": ["*"]},
    {"redirect_uris": ["https://*.example.org/"]},
    {"redirect_uris": [CALLBACK], "sector_identifier_uri": "http://somebody.example.org/"},
    {"redirect_uris": [CALLBACK], "sector_identifier_uri": "https://10.0.0.1/"},
    {"redirect_uris": [CALLBACK], "jwks_uri": "http://169.254.169.254/latest"},
    {"redirect_uris": [CALLBACK], "jwks_uri": "https://169.254.169.254/latest"},
]
OPEN = {"registration": {"unsafe_open_registration": True}}


@pytest.mark.parametrize("metadata", BAD_METADATA, ids=str)
def test_not_everything_can_be_registered(plain: Provider, adopt: Adopt, metadata: dict[str, Any]) -> None:
    """Security 15; RFC 7591 5, OpenID Connect Registration 2: also where everybody may register."""
    registered = plain.handle_client_registration_request(json.dumps(metadata))
    assert registered["client_id"] in plain.clients

    known, ours = set(plain.clients), adopt(plain, plugins=OPEN)
    with pytest.raises(InvalidClientRegistrationRequest):
        ours.handle_client_registration_request(json.dumps(metadata))
    assert set(plain.clients) == known
    right = ours.handle_client_registration_request(json.dumps({"redirect_uris": [CALLBACK]}))
    assert right["registration_client_uri"].startswith(ISSUER)


def test_an_operator_cannot_register_everything_by_mistake() -> None:
    """Security 15; RFC 6749 3.1.2: the same in the configuration, which fetches nothing."""
    for metadata in (row for row in BAD_METADATA if "https://10." not in str(row) and "https://169." not in str(row)):
        with pytest.raises(ValidationError):
            ClientSettings(client_id="new", token_endpoint_auth_method="none", **metadata)


def test_not_everybody_registers(plain: Provider, ours: OpenIDProvider, adopt: Adopt) -> None:
    """Security 15; RFC 7591 3, RFC 7592 2: pyop asks for no initial access token, and gives none to change it by."""
    right, token = json.dumps({"redirect_uris": [CALLBACK]}), "a" * 40
    registered = plain.handle_client_registration_request(right)
    assert registered["client_id"] in plain.clients
    assert "registration_access_token" not in registered

    limited = adopt(plain, plugins={"registration": {"initial_access_token_hashes": [hash_client_secret(token)]}})
    for provider, headers in ((ours, {}), (limited, {}), (limited, {"Authorization": f"Bearer {token}x"})):
        with pytest.raises(InvalidClientRegistrationRequest):
            provider.handle_client_registration_request(right, headers)
    answer = limited.handle_client_registration_request(right, {"Authorization": f"Bearer {token}"})
    assert answer["registration_access_token"]


def test_a_redirect_uri_is_not_matched_by_its_parts(plain: Provider, adopt: Adopt) -> None:
    """Security 15; RFC 9700 4.1.3: given as a string, `in` looks for a part of it."""
    plain.clients["app"]["redirect_uris"] = "https://app.example.org/callback"
    parts = ("https://app.example.org/call", "https://app.example.org", "https://a", "/")
    ours = adopt(plain)
    for part in parts:
        request = Client(plain).request(redirect_uri=part)
        assert plain.parse_authentication_request(request)["redirect_uri"] == part
        with pytest.raises(InvalidRedirectURI):
            ours.parse_authentication_request(request)
    assert ours.parse_authentication_request(Client(ours).request())["redirect_uri"] == CALLBACK
