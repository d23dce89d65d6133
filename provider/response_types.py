"""What an app may ask the authorization endpoint for, and how it is answered (RFC 6749 3.1.1, OAuth 2.0 Multiple
Response Type Encoding Practices).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

_TOKENS: Final = frozenset({"id_token", "token"})


def in_order(response_type: str) -> str:
    """RFC 6749 3.1.1: the order of its words has no meaning. Here it is that of the alphabet."""
    return " ".join(sorted(response_type.split(" ")))


def grant_types_for(response_type: str) -> frozenset[str]:
    """RFC 7591 2.1, OpenID Connect Registration 2: the grants that a client is registered for with it."""
    words = response_type.split(" ")
    exchanged = {"authorization_code"} if "code" in words else set()
    return frozenset(exchanged | ({"implicit"} if _TOKENS.intersection(words) else set()))


def default_response_mode(parameters: Mapping[str, str], supported: Collection[str]) -> str:
    """Multiple Response Types 3, 5: tokens are given in the fragment, which is not sent to the app's server."""
    gives_tokens = _TOKENS.intersection(parameters.get("response_type", "").split(" "))
    return "fragment" if gives_tokens and "fragment" in supported else "query"


def response_mode_of(parameters: Mapping[str, str], supported: Collection[str]) -> str:
    """How a request is answered, whatever is wrong with it: as it asks, if that can be, and never with tokens in a
    query.
    """
    default = default_response_mode(parameters, supported)
    mode = parameters.get("response_mode", default)
    return default if mode == "query" or mode not in supported else mode
