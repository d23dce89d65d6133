"""Authlib, the most used OpenID Connect client library of Python, against a running provider."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from creance.provider.testing import RunningProvider
from joserfc import jwt
from joserfc.jwk import KeySet

ALL = "openid profile email address phone offline_access"


def log_in(
    op: RunningProvider, client_id: str, secret: str | None, method: str, redirect_uri: str
) -> tuple[Any, Any, str]:
    """What an app does with Authlib, and what its user does meanwhile: the session, the tokens, the nonce."""
    app = OAuth2Session(
        client_id,
        secret,
        scope=ALL,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        token_endpoint_auth_method=method,
    )
    metadata = app.get(op.url("/.well-known/openid-configuration"), withhold_token=True).json()
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    url, state = app.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    browser = op.browser()
    answer = browser.log_in(browser.follow(browser.get(url)), "alice").headers["Location"]
    tokens = app.fetch_token(
        metadata["token_endpoint"], authorization_response=answer, code_verifier=verifier, state=state
    )
    return app, tokens, nonce


@pytest.mark.parametrize(
    ("client_id", "secret", "method", "redirect_uri"),
    [
        ("app", "app-secret", "client_secret_basic", "http://localhost:8401/callback"),
        ("app-post", "app-post-secret", "client_secret_post", "http://localhost:8401/callback"),
        ("spa", None, "none", "http://localhost:8402/callback"),
    ],
)
def test_authlib_completes_the_code_flow(
    op: RunningProvider, client_id: str, secret: str | None, method: str, redirect_uri: str
) -> None:
    """OpenID Connect Core 3.1: discovery, PKCE, login, exchange, ID token, userinfo, refresh."""
    app, tokens, nonce = log_in(op, client_id, secret, method, redirect_uri)
    metadata = op.get("/.well-known/openid-configuration").json()

    keys = KeySet.import_key_set(op.get("/jwks").json())
    decoded = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        options={"iss": {"value": op.issuer}, "aud": {"value": client_id}},
        params={"nonce": nonce, "client_id": client_id, "access_token": tokens["access_token"]},
    )
    claims.validate()
    assert claims["at_hash"]
    assert claims["email"] == "alice@example.org"

    person = app.get(metadata["userinfo_endpoint"]).json()
    assert person["sub"] == claims["sub"]
    assert person["phone_number"] == "+44 20 7946 0001"

    refreshed = app.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"])
    assert refreshed["access_token"] != tokens["access_token"]
    assert app.get(metadata["userinfo_endpoint"]).json() == person


def test_authlib_gets_client_credentials_and_introspects(op: RunningProvider) -> None:
    """RFC 6749 4.4, RFC 7662."""
    service = OAuth2Session("service", "service-secret", scope="read")
    tokens = service.fetch_token(op.url("/token"), grant_type="client_credentials")
    assert tokens["scope"] == "read"
    answer = service.introspect_token(op.url("/introspect"), token=tokens["access_token"]).json()
    assert answer["active"] is True
    assert answer["sub"] == "service"
    service.revoke_token(op.url("/revoke"), token=tokens["access_token"])
    assert service.introspect_token(op.url("/introspect"), token=tokens["access_token"]).json() == {"active": False}
