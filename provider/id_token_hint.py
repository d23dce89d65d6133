"""An ID token of ours that comes back: of whom, and of which session, an app speaks (OpenID Connect Core 3.1.2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import InvalidRequest
from .signing_keys import SigningKeys


def read_id_token_hint(keys: SigningKeys, hint: str) -> Mapping[str, Any]:
    """The claims of an ID token of ours, expired or not. Raises InvalidRequest."""
    try:
        return keys.verify(hint)
    except ValueError as error:
        raise InvalidRequest("id_token_hint is not an ID token of this provider", hint=str(error)) from None


def audience_of(claims: Mapping[str, Any]) -> list[str]:
    """RFC 7519 4.1.3: one, or a list, as pyop has it."""
    audience = claims.get("aud", [])
    return [each for each in (audience if isinstance(audience, list) else [audience]) if isinstance(each, str)]
