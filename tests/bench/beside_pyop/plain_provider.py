"""A pyop provider as its hosts make one, with its state in dicts, and with many people."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from Cryptodome.PublicKey import RSA
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwkest.jwk import RSAKey
from pyop.authz_state import AuthorizationState
from pyop.provider import Provider
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory
from pyop.userinfo import Userinfo

from ..population import Population, Registered, claims_of, new_client, username_of

SALT = "the salt of a deployment"
"""Of the subject identifiers, which are the same at every server."""
_APPS = 10
_REFRESH_TOKEN_LIFETIME = 30 * 86400


def people_and_apps(size: int) -> Population:
    """Who is there, by the names that `populate` gives."""
    population = Population(size, "")
    for number in range(size):
        population.usernames.append(username_of(number))
        kind, client = new_client(number)
        population.clients[kind].append(client)
    return population


def app_of(population: Population, number: int) -> Registered:
    """The app of a person: all use ten apps, and each of them one."""
    return population.client("RS256", number % _APPS)


def subject_of(username: str, client: Registered) -> str:
    """The `sub` of a person at an app: pairwise, which is what pyop gives by default."""
    sector = urlsplit(client.redirect_uri).netloc
    subject: str = HashBasedSubjectIdentifierFactory(SALT).create_pairwise_identifier(username, sector)
    return subject


def plain_provider(issuer: str, size: int) -> Provider:
    """With the subject identifier of each person at their app, as where all were there before; and nothing issued."""
    there = people_and_apps(size)
    subjects = {
        username: {"pairwise": [subject_of(username, app_of(there, number))]}
        for number, username in enumerate(there.usernames)
    }
    state = AuthorizationState(
        HashBasedSubjectIdentifierFactory(SALT),
        subject_identifier_db=subjects,
        refresh_token_lifetime=_REFRESH_TOKEN_LIFETIME,
    )
    people = {username: claims_of(number) for number, username in enumerate(there.usernames)}
    apps = {client.client_id: _metadata(client) for client in there.clients["RS256"]}
    provider = Provider(_signing_key(), _configuration(issuer), state, apps, Userinfo(people))
    provider.configuration_information["issuer"] = issuer  # it takes no http when it is made, on localhost neither
    return provider


def _configuration(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer.replace("http:", "https:"),
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid", "profile", "email"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }


def _metadata(client: Registered) -> dict[str, Any]:
    return {
        "client_secret": client.secret,
        "redirect_uris": [client.redirect_uri],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
    }


def _signing_key() -> RSAKey:
    """2048 bits. OpenSSL makes it in a tenth of the time."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return RSAKey(key=RSA.import_key(pem), alg="RS256", use="sig", kid="the-key")
