"""Apps of a SATOSA deployment, with Authlib, and what they have seen."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet

from .satosa_deployment import CALLBACK, Site

SCOPE = "openid email affiliation"


@dataclass
class LoggedIn:
    """What an app has after a login."""

    session: Any
    tokens: dict[str, Any]
    claims: dict[str, Any]
    userinfo: dict[str, Any]


def request_code(site: Site, app: Any, user: str = "alice", **parameters: str) -> tuple[str, str]:
    """The redirect that ends a person's visit, and the code_verifier of the request."""
    verifier = secrets.token_urlsafe(48)
    url, _ = app.create_authorization_url(
        site.metadata()["authorization_endpoint"], code_verifier=verifier, nonce="a-nonce", **parameters
    )
    return site.visit(url, user), verifier


def redeem(site: Site, app: Any, answer: str, verifier: str) -> LoggedIn:
    """What comes after, up to userinfo."""
    metadata = site.metadata()
    tokens = app.fetch_token(metadata["token_endpoint"], authorization_response=answer, code_verifier=verifier)
    keys = KeySet.import_key_set(app.get(metadata["jwks_uri"], withhold_token=True).json())
    claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    return LoggedIn(app, tokens, claims, app.get(metadata["userinfo_endpoint"]).json())


def log_in(site: Site, client_id: str = "app", user: str = "alice") -> LoggedIn:
    app = site.app(client_id, scope=SCOPE, code_challenge_method="S256")
    return redeem(site, app, *request_code(site, app, user))


def error_of(answer: str) -> dict[str, str]:
    """What an app reads in a redirect."""
    assert answer.startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer).query).items()}


@dataclass
class Before:
    """What a deployment has seen with the plain frontend."""

    metadata: dict[str, Any]
    logins: dict[str, LoggedIn]
    answer: str = ""
    verifier: str = ""


def seen_before(site: Site) -> Before:
    before = Before(site.metadata(), {client_id: log_in(site, client_id) for client_id in ("app", "portal")})
    app = site.app(scope=SCOPE, code_challenge_method="S256")
    before.answer, before.verifier = request_code(site, app)
    return before
