"""Whether ID tokens are what they must be: all by their claims, some by their signature too."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from joserfc import jws
from joserfc.jwk import KeySet

from .load import WrongAnswer

_VERIFIED = 20
"""One of so many is verified."""


def check_id_tokens(issuer: str, algorithm: str, tokens: Sequence[str], expected: Sequence[Mapping[str, Any]]) -> None:
    """Raises WrongAnswer for the first that has other claims than these, another algorithm, or a wrong signature."""
    keys = KeySet.import_key_set(requests.get(f"{issuer}/jwks", timeout=30).json())
    for index, (token, claims) in enumerate(zip(tokens, expected, strict=True)):
        header, payload, _ = token.split(".")
        said = _decoded(payload)
        if isinstance(said["aud"], list) and len(said["aud"]) == 1:  # the same (RFC 7519 4.1.3); pyop's are lists
            (said["aud"],) = said["aud"]
        if _decoded(header)["alg"] != algorithm or said["iss"] != issuer or not claims.items() <= said.items():
            raise WrongAnswer(f"an ID token by {_decoded(header)['alg']} says {said}; wanted: {algorithm}, {claims}")
        if index % _VERIFIED == 0:
            jws.deserialize_compact(token, keys, algorithms=[algorithm])


def _decoded(part: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return value
