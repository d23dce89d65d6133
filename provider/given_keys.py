"""Signing keys that the operator or a host brings, in place of those that the provider makes and rotates itself.

The first key of an algorithm signs. The others are published and verify: a key that is to sign next, or that has signed
before. They change when the provider is started with others.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from .errors import ConfigurationError
from .signers import Signer


class GivenKeys:
    """Signs, verifies and publishes as `KeyRing` does, with keys that are not ours to change."""

    def __init__(self, signers: Sequence[Signer], *, issuer: str) -> None:
        """Raises ConfigurationError where two keys have one `kid`."""
        self._issuer = issuer
        self._signers: dict[str, Signer] = {}
        self._public: dict[str, tuple[str, RSAKey | ECKey]] = {}
        for signer in signers:
            kid = str(signer.public_jwk["kid"])
            if kid in self._public:
                raise ConfigurationError(f"two signing keys have the kid {kid}")
            kind = RSAKey if signer.algorithm == "RS256" else ECKey
            self._public[kid] = (signer.algorithm, kind.import_key(dict(signer.public_jwk)))
            self._signers.setdefault(signer.algorithm, signer)
        self.jwks = json.dumps({"keys": [dict(signer.public_jwk) for signer in signers]}).encode()

    @property
    def algorithms(self) -> Sequence[str]:
        """Those that there is a key for, in the order of the keys."""
        return list(self._signers)

    def start(self) -> None:
        """There is nothing to read."""

    def ping(self) -> None:
        """They are here."""

    def sign(self, algorithm: str, claims: Mapping[str, Any]) -> str:
        """The claims as a JWS (RFC 7515)."""
        signer = self._signers[algorithm]
        header = {"alg": algorithm, "kid": signer.public_jwk["kid"]}
        signing_input = b".".join(
            _base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims)
        )
        return b".".join((signing_input, _base64url(signer.sign(signing_input)))).decode()

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a JWS that a key of these signed, with that key's own algorithm; time is not looked at.

        A token without a `kid` is held against each key, as a provider with one key need not name it. Raises ValueError
        for all else.
        """
        try:
            header = jws.extract_compact(token.encode()).headers()
            for algorithm, public in self._candidates(header):
                try:
                    claims = json.loads(jws.deserialize_compact(token, public, algorithms=[algorithm]).payload)
                except JoseError:
                    continue
                if isinstance(claims, dict) and claims.get("iss") == self._issuer:
                    return claims
        except (JoseError, UnicodeError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a valid JWS: {type(error).__name__}") from None
        raise ValueError("not signed by a key of this provider, or not issued by it")

    def keys(self) -> NoReturn:
        """They are the operator's. Raises ConfigurationError."""
        raise ConfigurationError("the signing keys are given by the configuration: look there")

    def rotate(self, *, immediately: bool = False, withdraw: bool = False) -> NoReturn:
        """They are the operator's. Raises ConfigurationError."""
        raise ConfigurationError("the signing keys are given by the configuration: change them there")

    def _candidates(self, header: Mapping[str, Any]) -> list[tuple[str, RSAKey | ECKey]]:
        kid = header.get("kid")
        found = self._public.values() if kid is None else [self._public[kid]] if kid in self._public else []
        return [each for each in found if each[0] == header.get("alg")]


def _base64url(content: bytes) -> bytes:
    """RFC 7515 2."""
    return base64.urlsafe_b64encode(content).rstrip(b"=")
