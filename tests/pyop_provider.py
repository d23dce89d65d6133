"""A pyop provider as its hosts make one, and ours in its place."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from creance.provider import OpenIDProvider
from Cryptodome.PublicKey import RSA
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

    def exchange(self, code: str, provider: Provider | None = None, **changes: str) -> dict[str, Any]:
        """The token response for a code, of the provider that issued it or of another."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registration["redirect_uris"][0],
            "code_verifier": self.verifier,
            **changes,
        }
        return self.token(form, provider)

    def refresh(self, refresh_token: str, provider: Provider | None = None) -> dict[str, Any]:
        """RFC 6749 6."""
        return self.token({"grant_type": "refresh_token", "refresh_token": refresh_token}, provider)

    def token(self, form: dict[str, str], provider: Provider | None = None) -> dict[str, Any]:
        headers = {}
        if self.registration["token_endpoint_auth_method"] == "client_secret_basic":
            credentials = base64.b64encode(f"{self.client_id}:{SECRET}".encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        else:
            form = {**form, "client_id": self.client_id, "client_secret": SECRET}
        response = (provider or self.provider).handle_token_request(urlencode(form), headers)
        return dict(response.to_dict())

    def userinfo(self, access_token: str, provider: Provider | None = None) -> dict[str, Any]:
        """OpenID Connect Core 5.3."""
        headers = {"Authorization": f"Bearer {access_token}"}
        response = (provider or self.provider).handle_userinfo_request(http_headers=headers)
        return dict(response.to_dict())
