"""The keys that a provider made for itself, where others sign now: what they signed still verifies.

They stay in the store as they are, so that nothing is lost by going back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from .errors import ConfigurationError
from .keyring import DOCUMENT, SIGNING_KEYS, KeyRing, SigningKey

_WHY = "the provider's own keys do not sign any more"


class EarlierKeys(KeyRing):
    """A key ring that is only read, and may be empty."""

    @property
    def jwks(self) -> bytes:
        """RFC 7517 5: clients still have ID tokens that these signed."""
        return super().jwks or b'{"keys": []}'

    def start(self) -> None:
        """Read them, if there are any. Raises ConfigurationError where the secret does not open them."""
        self._read()

    def sign(self, algorithm: str, claims: Mapping[str, Any]) -> NoReturn:
        """Never."""
        raise ConfigurationError(_WHY)

    def keys(self) -> list[SigningKey]:
        """What signed, or was to sign, is `earlier`."""
        return [
            key if key.state == "retired" else replace(key, state="earlier")
            for key in super().keys()  # noqa: SIM118
        ]

    def rotate(self, *, immediately: bool = False, withdraw: bool = False) -> NoReturn:
        """They stay as they are. Raises ConfigurationError."""
        raise ConfigurationError(_WHY)

    def _read(self) -> None:
        document = self._store.get(SIGNING_KEYS, DOCUMENT)
        if document is not None:
            self._take(document)
        self._read_at = time.monotonic()
