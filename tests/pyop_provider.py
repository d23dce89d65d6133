"""A pyop provider as its hosts make one, and ours in its place."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from creance.provider import OpenIDProvider
from Cryptodome.PublicKey import RSA
from joserfc import jwt
from joserfc.jwk import KeySet
from jwkest.jwk import RSAKey
from pyop.authz_state import AuthorizationState
from pyop.provider import Provider
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory
from pyop.userinfo import Userinfo

ISSUER = "https://op.example.org"
CALLBACK = "https://app.example.org/callback"
SALT = "the salt of a deployment"
SECRET = "app-secret"

CLIENTS: dict[str, dict[str, Any]] = {
    "app": {
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK],
        "response_types": ["code"],
        "subject_type": "pairwise",
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "public-subject": {
        "client_secret": SECRET,
        "redirect_uris": ["https://other.example.org/callback"],
        "response_types": ["code"],
        "subject_type": "public",
        "token_endpoint_auth_method": "client_secret_post",
    },
}
USERS = {
    "alice": {"name": "Alice", "email": "alice@example.org", "given_name": "Alice"},
    "bob": {"name": "Bob", "email": "bob@example.org"},
}


@pytest.fixture(scope="session")
def signing_key() -> RSAKey:
    return RSAKey(key=RSA.generate(2048), alg="RS256", use="sig", kid="the-key")


def plain_provider(signing_key: RSAKey, **databases: Any) -> Provider:
    """pyop's own, with databases of its state by pyop's names."""
    state = AuthorizationState(
        HashBasedSubjectIdentifierFactory(SALT),
        refresh_token_lifetime=86400,
        **{"authorization_code_db": {}, "access_token_db": {}, "refresh_token_db": {}, "subject_identifier_db": {}}
        | databases,
    )
    information = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorization",
        "token_endpoint": f"{ISSUER}/token",
        "userinfo_endpoint": f"{ISSUER}/userinfo",
        "jwks_uri": f"{ISSUER}/jwks",
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise", "public"],
        "scopes_supported": ["openid", "profile", "email"],
        "service_documentation": "https://docs.example.org",
    }
    clients = {name: dict(values) for name, values in CLIENTS.items()}
    users = {name: dict(claims) for name, claims in USERS.items()}
    return Provider(signing_key, information, state, clients, Userinfo(users), extra_scopes={"groups": ["groups"]})


@pytest.fixture
def plain(signing_key: RSAKey) -> Provider:
    return plain_provider(signing_key)


@pytest.fixture
def adopt() -> Iterator[Callable[..., OpenIDProvider]]:
    """`OpenIDProvider.adopt`; what was adopted is stopped at the end."""
    made: list[OpenIDProvider] = []

    def take_over(provider: Provider, **named: Any) -> OpenIDProvider:
        adopted = OpenIDProvider.adopt(provider, **named)
        made.append(adopted)
        return adopted

    yield take_over
    for adopted in made:
        adopted.stop()


def basic(client_id: str, secret: str) -> dict[str, str]:
    """RFC 6749 2.3.1, for what needs no encoding."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def claims_of(tokens: dict[str, Any], provider: Provider) -> dict[str, Any]:
    """The claims of an ID token, verified by what the provider publishes."""
    keys = KeySet.import_key_set(json.loads(json.dumps(provider.jwks)))
    return dict(jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims)


class Client:
    """An app and its host, by the public methods of pyop alone: it drives either provider."""

    def __init__(self, provider: Provider, client_id: str = "app") -> None:
        self.provider = provider
        self.client_id = client_id
        self.registration = CLIENTS[client_id]
        self.verifier = secrets.token_urlsafe(48)

    def request(self, **changes: str | None) -> str:
        challenge = hashlib.sha256(self.verifier.encode()).digest()
        parameters = {
            "client_id": self.client_id,
            "redirect_uri": self.registration["redirect_uris"][0],
            "response_type": "code",
            "scope": "openid email",
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changes,
        }
        return urlencode({name: value for name, value in parameters.items() if value is not None})

    def authorize(self, user: str = "alice", **changes: str | None) -> str:
        """The code that a login gives."""
        request = self.provider.parse_authentication_request(self.request(**changes))
        return str(self.provider.authorize(request, user)["code"])

    def code_form(self, code: str, /, **changes: str | None) -> dict[str, str]:
        """RFC 6749 4.1.3. A change of None leaves a parameter out."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registration["redirect_uris"][0],
            "code_verifier": self.verifier,
            **changes,
        }
        return {name: value for name, value in form.items() if value is not None}

    def exchange(self, code: str, provider: Provider | None = None, **changes: str | None) -> dict[str, Any]:
        """The token response for a code, of the provider that issued it or of another."""
        return self.token(self.code_form(code, **changes), provider)

    def log_in(self, user: str = "alice", **changes: str | None) -> dict[str, Any]:
        """Authorize and exchange in one: the tokens."""
        return self.exchange(self.authorize(user, **changes))

    def refresh(self, refresh_token: str, provider: Provider | None = None) -> dict[str, Any]:
        """RFC 6749 6."""
        return self.token({"grant_type": "refresh_token", "refresh_token": refresh_token}, provider)

    def token(self, form: dict[str, str], provider: Provider | None = None) -> dict[str, Any]:
        headers = {}
        if self.registration["token_endpoint_auth_method"] == "client_secret_basic":
            headers = basic(self.client_id, SECRET)
        else:
            form = {**form, "client_id": self.client_id, "client_secret": SECRET}
        response = (provider or self.provider).handle_token_request(urlencode(form), headers)
        return dict(response.to_dict())

    def userinfo(self, access_token: str, provider: Provider | None = None) -> dict[str, Any]:
        """OpenID Connect Core 5.3."""
        headers = {"Authorization": f"Bearer {access_token}"}
        response = (provider or self.provider).handle_userinfo_request(http_headers=headers)
        return dict(response.to_dict())
