"""What signs with one private key: here with OpenSSL, elsewhere a PKCS#11 token or a key management service."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from .errors import ConfigurationError

Key = RSAKey | ECKey
_KINDS: tuple[tuple[type[Key], tuple[type, ...]], ...] = (
    (RSAKey, (RSAPrivateKey, RSAPublicKey)),
    (ECKey, (EllipticCurvePrivateKey, EllipticCurvePublicKey)),
)
MEMBERS = ("kty", "n", "e", "crv", "x", "y")
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Of a JWK that nobody else may see (RFC 7518 6.2.2, 6.3.2, 6.4.1)."""
"""Of a JWK: what makes it a public key (RFC 7518 6.2.1, 6.3.1)."""
SHORTEST_RSA = 2048
"""Bits (RFC 7518 3.3)."""
LONGEST_KID = 255
"""Characters."""
SMALLEST_EXPONENT = 65537
"""Of RSA (FIPS 186-5 5.1): with 3, a client that verifies carelessly takes forgeries."""


class Signer(Protocol):
    """One key. Called by many threads at once, and each time from a new one."""

    @property
    def algorithm(self) -> str:
        """`RS256` or `ES256` (RFC 7518 3.1)."""

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        """The public key (RFC 7517 4). Without a `kid` it gets its thumbprint (RFC 7638)."""

    def sign(self, signing_input: bytes) -> bytes:
        """The signature as a JWS has it (RFC 7515 5.1; for ES256 R and S of 32 bytes each, RFC 7518 3.4).

        Whatever it raises is logged without its text, and answered as `temporarily_unavailable`.
        """


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies: published, so that clients know it before it signs or after it has."""

    algorithm: str
    key: Key
    kid: str
    name: str = field(default="", compare=False)
    """Where it is from, for messages."""

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        """RFC 7517 4."""
        public: dict[str, Any] = self.key.as_dict(private=False)
        return {name: public[name] for name in MEMBERS if name in public} | {
            "kid": self.kid,
            "alg": self.algorithm,
            "use": "sig",
        }


@dataclass(frozen=True)
class LocalSigner(PublicKey):
    """A private key in this process, parsed once."""

    def sign(self, signing_input: bytes) -> bytes:
        """RFC 7515 5.1."""
        signature: bytes = (
            JWSRegistry(algorithms=[self.algorithm]).get_alg(self.algorithm).sign(signing_input, self.key)
        )
        return signature


def local_signer(content: str | bytes | dict[str, Any], *, kid: str | None = None) -> LocalSigner:
    """The signer of a private key: PEM, or a JWK as JSON or as a mapping. Raises ConfigurationError.

    Without a `kid` it is the key's thumbprint (RFC 7638).
    """
    key = _read(content)
    if not key.is_private:
        raise ConfigurationError("the signing key is a public key: give the private one")
    return LocalSigner(algorithm_of(key), key, kid or key.kid or key.thumbprint())


def read_public_key(content: str | bytes | dict[str, Any], *, kid: str | None = None) -> PublicKey:
    """A public key: PEM, DER, or a JWK as JSON or as a mapping. Raises ConfigurationError, for a private key too.

    Without a `kid` it is the key's thumbprint (RFC 7638).
    """
    key = _read(content)
    if key.is_private:
        raise ConfigurationError("it is a private key, where the public one was expected")
    return PublicKey(algorithm_of(key), key, kid or key.kid or key.thumbprint())


def is_kid(kid: Any) -> bool:
    """Whether it is one that can be published and put into a header (RFC 7517 4.5): a short text in one line."""
    return isinstance(kid, str) and 0 < len(kid) <= LONGEST_KID and kid.isprintable()


def algorithm_of(key: Key) -> str:
    """The algorithm that a key is for. Raises ConfigurationError where it is too weak, or for none of ours."""
    if isinstance(key, ECKey):
        if key.curve_name != "P-256":
            raise ConfigurationError("the signing key is on another curve than P-256 (RFC 7518 3.4)")
        return "ES256"
    if key.raw_value.key_size < SHORTEST_RSA:
        raise ConfigurationError(f"the signing key is RSA of less than {SHORTEST_RSA} bits (RFC 7518 3.3)")
    if key.public_key.public_numbers().e < SMALLEST_EXPONENT:
        raise ConfigurationError(f"the signing key is RSA with an exponent below {SMALLEST_EXPONENT} (FIPS 186-5 5.1)")
    return "RS256"


def _read(content: str | bytes | dict[str, Any]) -> Key:
    """Raises ConfigurationError, whose text never holds a part of the key."""
    if not isinstance(content, dict) and content[:1] in ("{", b"{"):
        with suppress(ValueError):
            content = json.loads(content)
    for kind, raw in _KINDS:
        if isinstance(content, dict) and content.get("kty") != kind.key_type:
            continue
        with suppress(Exception), _sizes_unjudged():  # each reader raises another kind for what is not its own
            key = kind.import_key(content)
            if isinstance(key.raw_value, raw):
                return key
    raise ConfigurationError("the signing key is neither RSA nor EC, as PEM or JWK")


@contextmanager
def _sizes_unjudged() -> Iterator[None]:
    """Of a short key joserfc warns; here `algorithm_of` refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield
