"""What signs with one private key: here with OpenSSL, elsewhere a PKCS#11 token or a key management service."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from .errors import ConfigurationError

Key = RSAKey | ECKey
SHORTEST_RSA = 2048
"""Bits (RFC 7518 3.3)."""


class Signer(Protocol):
    """One key. Called by many threads at once; what it waits for needs a time limit of its own."""

    @property
    def algorithm(self) -> str:
        """`RS256` or `ES256` (RFC 7518 3.1)."""

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        """The public key (RFC 7517 4), with its `kid`."""

    def sign(self, signing_input: bytes) -> bytes:
        """The signature as a JWS has it (RFC 7515 5.1; for ES256 R and S of 32 bytes each, RFC 7518 3.4)."""


@dataclass(frozen=True)
class LocalSigner:
    """A private key in this process, parsed once."""

    algorithm: str
    key: Key
    kid: str

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        """RFC 7517 4."""
        public: dict[str, Any] = self.key.as_dict(private=False)
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

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
    kid = kid or key.kid or key.thumbprint()
    if isinstance(key, RSAKey):
        if key.raw_value.key_size < SHORTEST_RSA:
            raise ConfigurationError(f"the signing key is RSA of less than {SHORTEST_RSA} bits (RFC 7518 3.3)")
        return LocalSigner("RS256", key, kid)
    if key.curve_name != "P-256":
        raise ConfigurationError("the signing key is on another curve than P-256 (RFC 7518 3.4)")
    return LocalSigner("ES256", key, kid)


def _read(content: str | bytes | dict[str, Any]) -> Key:
    """Raises ConfigurationError, whose text never holds a part of the key."""
    for kind in (RSAKey, ECKey):
        with suppress(Exception):  # each reader raises another kind for what is not its own
            return kind.import_key(content)
    raise ConfigurationError("the signing key is neither RSA nor EC, as PEM or JWK")
