"""What kind of value each field of a registration has (RFC 7591 2, OpenID Connect Registration 2)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from creance.provider import InvalidClientMetadata, InvalidRedirectURI
from creance.provider.setting_types import check_https_url, check_scope

LONGEST_TEXT: Final = 2048
"""Characters."""
LONGEST_NAME: Final = 200
MOST_ITEMS: Final = 50
_LONGEST_AGE: Final = 10 * 365 * 86400
"""Seconds."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_REORDERING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""What makes a text look like another (Unicode Standard Annex 9, 2; UTR 36, 2.4)."""
_VISIBLE = frozenset("LNPS")
"""Categories of Unicode, by their first letter: letters, numbers, punctuation, symbols."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_TRANSLATED = ("client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri")


def _text(value: Any) -> None:
    if not isinstance(value, str) or not value or len(value) > LONGEST_TEXT:
        raise ValueError(f"must be a text of at most {LONGEST_TEXT} characters")
    if _UNPRINTABLE.search(value):
        raise ValueError("must have no control characters")


def _name(value: Any) -> None:
    _text(value)
    if len(value) > LONGEST_NAME or not any(unicodedata.category(character)[0] in _VISIBLE for character in value):
        raise ValueError(f"must be a name of at most {LONGEST_NAME} characters")
    if _REORDERING.search(value):
        raise ValueError("must have no characters that change the direction of others")


def _url(value: Any) -> None:
    _text(value)
    check_https_url(value)


def _texts(value: Any) -> None:
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        raise ValueError(f"must be a list of at most {MOST_ITEMS} texts")
    for item in value:
        _text(item)


def _words(value: Any) -> None:
    _text(value)
    check_scope(value)


def _flag(value: Any) -> None:
    if value is not True and value is not False:
        raise ValueError("must be true or false")


def _seconds(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LONGEST_AGE:
        raise ValueError(f"must be a number of seconds, {_LONGEST_AGE} at most")


def _object(value: Any) -> None:
    if not value or not isinstance(value, dict):
        raise ValueError("must be an object with members")


_USED: Final[Mapping[str, Callable[[Any], None]]] = {
    "redirect_uris": _texts,
    "post_logout_redirect_uris": _texts,
    "response_types": _texts,
    "grant_types": _texts,
    "application_type": _text,
    "token_endpoint_auth_method": _text,
    "client_name": _name,
    "client_uri": _url,
    "policy_uri": _url,
    "tos_uri": _url,
    "scope": _words,
    "subject_type": _text,
    "sector_identifier_uri": _url,
    "id_token_signed_response_alg": _text,
    "default_max_age": _seconds,
    "require_auth_time": _flag,
    "default_acr_values": _texts,
}
KEPT: Final[Mapping[str, Callable[[Any], None]]] = {
    "contacts": _texts,
    "logo_uri": _url,
    "jwks_uri": _url,
    "jwks": _object,
    "software_id": _text,
    "software_version": _text,
}
"""Fields that are told when they are asked for, and that nothing here acts upon."""
KINDS: Final[Mapping[str, Callable[[Any], None]]] = {**_USED, **KEPT}


def is_tagged_text(name: str) -> bool:
    """RFC 7591 2.2: `client_name#de` is the name in German."""
    field, _, language = name.partition("#")
    return field in _TRANSLATED and _LANGUAGE.fullmatch(language) is not None


def check_kind(name: str, value: Any) -> None:
    """Raises InvalidClientMetadata, InvalidRedirectURI."""
    try:
        KINDS[name.partition("#")[0]](value)
    except ValueError as error:
        kind = InvalidRedirectURI if name == "redirect_uris" else InvalidClientMetadata
        raise kind(f"{name}: {error}") from None
