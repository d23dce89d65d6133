"""What the provider asks of its signing keys, whoever has made them; and keys of two kinds as one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol


class KnownKey(Protocol):
    """What an operator is told of a key."""

    @property
    def kid(self) -> str:
        """Its name in the JWKS and in what it signs (RFC 7517 4.5)."""

    @property
    def algorithm(self) -> str:
        """`RS256` or `ES256`."""

    @property
    def state(self) -> str:
        """Whether it signs (`active`), will sign (`next`), or has signed (`retired`); of keys that are given,
        `published` is all that do not sign; `earlier` are the provider's own, once others sign.
        """

    @property
    def created_at(self) -> float | None:
        """Seconds since the epoch; None where it was not made here."""

    @property
    def retired_at(self) -> float | None:
        """Seconds since the epoch, where it signs no more."""


class SigningKeys(Protocol):
    """Signs, verifies and publishes: `KeyRing`, whose keys the provider makes, or `GivenKeys`."""

    @property
    def jwks(self) -> bytes:
        """The published keys as a JWK Set (RFC 7517 5), prepared."""

    def start(self) -> None:
        """Read what there is. Raises ConfigurationError, StoreUnavailable."""

    def ping(self) -> None:
        """Ask for the keys where they are kept. Raises StoreUnavailable, ConfigurationError."""

    def sign(self, algorithm: str, claims: Mapping[str, Any]) -> str:
        """The claims as a JWS (RFC 7515). Raises TemporarilyUnavailable where what signs does not answer."""

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a JWS that a key of these signed; time is not looked at. Raises ValueError for all else."""

    def keys(self) -> Sequence[KnownKey]:
        """All of them."""

    def rotate(self, *, immediately: bool = False, withdraw: bool = False) -> None:
        """Sign with others from now on. Raises ConfigurationError."""


class JoinedKeys:
    """Some sign; the others were used earlier, or elsewhere, and are published and verify beside them."""

    def __init__(self, signing: SigningKeys, others: SigningKeys) -> None:
        self._signing = signing
        self._others = others
        self._joined: tuple[bytes, bytes, bytes] = (b"", b"", b"")

    @property
    def jwks(self) -> bytes:
        """Prepared anew where one of them has changed."""
        ours, others = self._signing.jwks, self._others.jwks
        before = self._joined
        if before[0] is not ours or before[1] is not others:
            self._joined = before = (ours, others, _join(ours, others))
        return before[2]

    def start(self) -> None:
        """Both."""
        self._signing.start()
        self._others.start()

    def ping(self) -> None:
        """Both."""
        self._signing.ping()
        self._others.ping()

    def sign(self, algorithm: str, claims: Mapping[str, Any]) -> str:
        """By those that sign."""
        return self._signing.sign(algorithm, claims)

    def verify(self, token: str) -> dict[str, Any]:
        """By those that sign, then by the others."""
        with suppress(ValueError):
            return self._signing.verify(token)
        return self._others.verify(token)

    def keys(self) -> Sequence[KnownKey]:
        """Those that sign first."""
        return [*self._signing.keys(), *self._others.keys()]

    def rotate(self, *, immediately: bool = False, withdraw: bool = False) -> None:
        """Of those that sign."""
        self._signing.rotate(immediately=immediately, withdraw=withdraw)


def _join(ours: bytes, others: bytes) -> bytes:
    """One JWK Set; a `kid` is there once (RFC 7517 4.5)."""
    keys = json.loads(ours)["keys"]
    kids = {key["kid"] for key in keys}
    return json.dumps({"keys": keys + [key for key in json.loads(others)["keys"] if key["kid"] not in kids]}).encode()
