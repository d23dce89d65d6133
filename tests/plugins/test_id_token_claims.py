"""The claims of ID tokens (OpenID Connect Core 2), clause by clause."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from creance.plugins.id_token_claims import left_hash
from creance.provider.store import replace
from creance.provider.users import USERS

MakeApp = Callable[..., Any]


@pytest.fixture
def app(make_app: MakeApp) -> Any:
    return make_app()


def test_what_an_id_token_says_of_a_login(app: Any, clock: Any) -> None:
    """OpenID Connect Core 2, 3.1.3.6; issue 3."""
    at = clock() - 500.9
    tokens = app.log_in(scope="openid", auth_time=at, acr="urn:mace:incommon:iap:silver")
    claims = app.claims(tokens)
    assert claims == {
        "iss": "http://localhost:8400",
        "sub": app.provider.users.find("alice").subject,
        "aud": "app",
        "azp": "app",
        "exp": claims["iat"] + 3600,
        "iat": claims["iat"],
        "auth_time": int(at),
        "acr": "urn:mace:incommon:iap:silver",
        "amr": ["pwd"],
        "sid": "a-session",
        "nonce": "a-nonce",
        "at_hash": left_hash(tokens["access_token"], "RS256"),
    }


def test_what_is_not_known_is_not_said(app: Any) -> None:
    """OpenID Connect Core 2: acr, nonce are optional."""
    claims = app.claims(app.log_in(scope="openid", nonce=None))
    assert {"acr", "nonce"}.isdisjoint(claims)


@pytest.mark.parametrize("nonce", ["n", 'ä " \\ <&>', "0", "x" * 2048])
def test_the_nonce_is_that_of_the_request(app: Any, nonce: str) -> None:
    """OpenID Connect Core 3.1.2.1: passed through unmodified."""
    assert app.claims(app.log_in(nonce=nonce))["nonce"] == nonce


def test_the_hash_of_the_access_token_is_the_specifications() -> None:
    """OpenID Connect Core 3.1.3.6; A.3 has the example."""
    assert left_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"
    half = hashlib.sha384(b"x").digest()[:24]
    assert left_hash("x", "ES384") == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    half = hashlib.sha512(b"x").digest()[:32]
    assert left_hash("x", "PS512") == base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def test_es256_for_a_client_that_registered_it(make_app: MakeApp) -> None:
    """Issue 3: RS256, and ES256 for a client that registered it; at_hash by the algorithm's hash."""
    client = {
        "client_id": "es",
        "client_secret": "s",
        "redirect_uris": ["http://localhost:8401/callback"],
        "id_token_signed_response_alg": "ES256",
    }
    app = make_app("es", None, more_clients=[client])
    tokens = app.log_in(scope="openid")
    assert app.claims(tokens)["at_hash"] == left_hash(tokens["access_token"], "ES256")


def test_a_refreshed_id_token_has_no_nonce_and_the_same_login(app: Any, clock: Any) -> None:
    """OpenID Connect Core 12.2."""
    at = clock() - 100
    first = app.log_in(auth_time=at)
    clock.advance(50)
    second = app.refresh(first["refresh_token"])
    claims = app.claims(second)
    assert "nonce" not in claims
    assert claims["auth_time"] == int(at)
    assert claims["azp"] == claims["aud"] == "app"
    assert claims["at_hash"] == left_hash(second["access_token"], "RS256")


# The claims of the person

CLAIMS = {
    "openid": set(),
    "openid profile": {
        "name",
        "given_name",
        "family_name",
        "preferred_username",
        "website",
        "locale",
        "zoneinfo",
        "birthdate",
    },
    "openid email": {"email", "email_verified"},
    "openid address": {"address"},
    "openid phone": {"phone_number", "phone_number_verified"},
}
PROTOCOL = {"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "amr", "sid", "nonce", "at_hash"}


@pytest.mark.parametrize("scope", CLAIMS)
def test_the_claims_of_the_scopes_are_in_the_id_token(app: Any, scope: str) -> None:
    """OpenID Connect Core 5.4; issue 3: in the ID token by default."""
    assert app.claims(app.log_in(scope=scope)).keys() - PROTOCOL == CLAIMS[scope]


@pytest.mark.parametrize(
    ("for_all", "for_client", "given"),
    [
        ({}, {}, True),
        ({"user_claims": "userinfo"}, {}, False),
        ({}, {"user_claims": "userinfo"}, False),
        ({"user_claims": "userinfo"}, {"user_claims": "id_token"}, True),
        ({"user_claims": "id_token"}, {"user_claims": "userinfo"}, False),
    ],
)
def test_a_setting_keeps_them_to_userinfo_also_for_one_client(
    make_app: MakeApp, for_all: dict[str, str], for_client: dict[str, str], given: bool
) -> None:
    """OpenID Connect Core 5.4; issue 3."""
    client = {
        "client_id": "a",
        "client_secret": "s",
        "redirect_uris": ["http://localhost:8401/callback"],
        "scope": "openid email",
        "plugins": {"id_token_claims": for_client},
    }
    app = make_app("a", None, more_clients=[client], plugins={"id_token_claims": for_all})
    tokens = app.log_in(scope="openid email")
    assert ("email" in app.claims(tokens)) is given
    assert app.provider.userinfo_response(tokens["access_token"], {})["email"] == "alice@example.org"


def test_a_narrowed_refresh_narrows_the_claims(app: Any) -> None:
    """RFC 6749 6: what is asked for is less."""
    tokens = app.log_in(scope="openid email phone offline_access")
    narrowed = app.refresh(tokens["refresh_token"], scope="openid email")
    assert app.claims(narrowed).keys() & {"email", "phone_number"} == {"email"}


def test_no_claim_of_a_user_overwrites_one_of_the_protocol(make_app: MakeApp) -> None:
    """Issue 3; PYOP 10: also where the operator's own scopes name it, and a store has let it in."""
    app = make_app()
    carol = app.provider.users.create_user("carol", claims={"email": "carol@example.org"})
    document = app.provider.store.get(USERS, "carol")
    evil = dict.fromkeys(PROTOCOL | {"acr", "sid", "active"}, "evil")
    app.provider.store.write([replace(USERS, document, document.value | {"claims": evil | {"email": "c@example.org"}})])
    app.provider.users._stored.forget("carol")
    app.provider.scope_claims._claims["email"] = ("email", *evil)
    claims = app.claims(app.log_in("carol", scope="openid email"))
    assert "evil" not in claims.values()
    assert claims["sub"] == carol.subject
    assert claims["email"] == "c@example.org"
