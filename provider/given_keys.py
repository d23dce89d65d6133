"""Signing keys that the operator, a plugin or a host brings, in place of those that the provider makes and rotates.

The first key of an algorithm signs. The others are published and verify: a key that is to sign next, or that has signed
before. They change when the provider is started with others.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from joserfc import jws
from joserfc.errors import JoseError

from .errors import ConfigurationError
from .outside_signer import OutsideSigner
from .signers import LocalSigner, PublicKey, Signer

AnyKey = PublicKey | OutsideSigner


@dataclass(frozen=True, slots=True)
class GivenKey:
    """As `KnownKey`."""

    kid: str
    algorithm: str
    state: str
    created_at: None = None
    retired_at: None = None


class GivenKeys:
    """Signs, verifies and publishes as `KeyRing` does, with keys that are not ours to change."""

    def __init__(self, keys: Iterable[PublicKey], *, issuer: str, timeout: float = 5.0) -> None:
        """`timeout`: seconds that a signature of a plugin's signer may take. Raises ConfigurationError where two keys
        have one `kid`.
        """
        self._issuer = issuer
        self._timeout = timeout
        self._own = list(keys)
        self._take(self._own)

    def bring(self, signers: Iterable[tuple[str, Sequence[Signer]]]) -> None:
        """Those of plugins, each under the name of its plugin, come after the others. Raises ConfigurationError."""
        brought = [
            OutsideSigner(signer, name=f"plugins.{name}", timeout=self._timeout)
            for name, of_plugin in signers
            for signer in of_plugin
        ]
        self._take([*self._own, *brought])

    @property
    def algorithms(self) -> list[str]:
        """Those that there is a signing key for, in the order of the keys."""
        return list(self._signers)

    def refuse_missing(self, algorithms: Sequence[str]) -> None:
        """Raise ConfigurationError where there is no key for an algorithm of the configuration."""
        if missing := [each for each in algorithms if each not in self._signers]:
            raise ConfigurationError(
                f"keys.algorithms: there is no signing key for {', '.join(missing)} among those that are given"
            )

    def start(self) -> None:
        """There is nothing to read."""

    def ping(self) -> None:
        """They are here."""

    def sign(self, algorithm: str, claims: Mapping[str, Any]) -> str:
        """The claims as a JWS (RFC 7515). Raises TemporarilyUnavailable where a plugin's signer does not answer."""
        signer = self._signers[algorithm]
        header = {"alg": algorithm, "kid": signer.kid}
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
            for key in self._candidates(header):
                try:
                    verified = jws.deserialize_compact(token, key.key, algorithms=[key.algorithm])
                except JoseError:
                    continue
                claims = json.loads(verified.payload)
                if isinstance(claims, dict) and claims.get("iss") == self._issuer:
                    return claims
        except (JoseError, UnicodeError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a valid JWS: {type(error).__name__}") from None
        raise ValueError("not signed by a key of this provider, or not issued by it")

    def keys(self) -> list[GivenKey]:
        """Those that sign, and those that are published beside them."""
        signing = {signer.kid for signer in self._signers.values()}
        return [
            GivenKey(kid, key.algorithm, "active" if kid in signing else "published") for kid, key in self._keys.items()
        ]

    def rotate(self, *, immediately: bool = False, withdraw: bool = False) -> NoReturn:
        """They are the operator's. Raises ConfigurationError."""
        raise ConfigurationError(
            "the signing keys are given, by keys.signing_key_files, a plugin or a host: change them there, and restart "
            "(docs/keys.md)"
        )

    def _take(self, keys: Sequence[AnyKey]) -> None:
        found: dict[str, AnyKey] = {}
        signers: dict[str, LocalSigner | OutsideSigner] = {}
        for key in keys:
            if (other := found.setdefault(key.kid, key)) is not key:
                raise _one_kid(other, key)
            if isinstance(key, LocalSigner | OutsideSigner):
                signers.setdefault(key.algorithm, key)
        self._keys, self._signers = found, signers
        self.jwks = json.dumps({"keys": [dict(key.public_jwk) for key in keys]}).encode()

    def _candidates(self, header: Mapping[str, Any]) -> list[AnyKey]:
        kid = header.get("kid")
        found = list(self._keys.values()) if kid is None else [self._keys[kid]] if kid in self._keys else []
        return [each for each in found if each.algorithm == header.get("alg")]


def _one_kid(*keys: AnyKey) -> ConfigurationError:
    """RFC 7517 4.5: clients could not tell them apart."""
    names = " and ".join(dict.fromkeys(key.name for key in keys if key.name))
    return ConfigurationError(f"two signing keys have the kid {keys[0].kid}{names and ': '}{names}")


def _base64url(content: bytes) -> bytes:
    """RFC 7515 2."""
    return base64.urlsafe_b64encode(content).rstrip(b"=")
