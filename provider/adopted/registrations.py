"""A client's registration as a pyop provider keeps it. pyop lets clients register anything (PYOP, Security 15): what is
no URI, of another type, or leads to no app is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..setting_types import split_uri

_NO_APP: Final = frozenset({"about", "blob", "data", "file", "javascript", "vbscript", "view-source"})
"""Schemes that a browser deals with itself."""

Understood = dict[str, Any]
LeftOut = dict[str, Any]


def read_registration(registered: Mapping[str, Any]) -> tuple[Understood, LeftOut]:
    """Members in the form and the names of RFC 7591 2, and those that are not as they should be. The secret is none of
    them.
    """
    given = {name: registered[name] for name in _FORMS if registered.get(name) is not None}
    understood = {name: value for name, value in given.items() if _FORMS[name](value)}
    uris = {name: _uris(registered.get(name)) for name in ("redirect_uris", "post_logout_redirect_uris")}
    safe = {name: [uri for uri in found if leads_to_an_app(uri)] for name, found in uris.items()}
    left_out = {name: value for name, value in given.items() if name not in understood}
    left_out |= {name: registered[name] for name, found in uris.items() if found != safe[name]}
    return {**understood, **safe, "scope": _scope(registered)}, left_out


def leads_to_an_app(uri: str) -> bool:
    """RFC 6749 3.1.2, RFC 9700 4.1.3; also by http, and by a scheme without a dot, as pyop's hosts have it."""
    try:
        parts = split_uri(uri)
    except ValueError:
        return False
    names_host = bool(parts.hostname) or parts.scheme not in ("https", "http")
    return names_host and "#" not in uri and parts.username is None and parts.scheme not in _NO_APP


def _uris(registered: Any) -> list[str]:
    """A list, each URI as text. pyop matches a single string by its parts: here it is one URI."""
    if isinstance(registered, str):
        return [registered]
    # oic keeps each as a pair of base and query
    return [each if isinstance(each, str) else _joined(each) for each in _listed(registered)]


def _joined(pair: Any) -> str:
    base, query = (*_listed(pair), None, None)[:2]
    return f"{base}?{query}" if query else str(base)


def _scope(registered: Mapping[str, Any]) -> str:
    """What the client is registered for: `scope` (RFC 7591), or a list that some hosts keep."""
    given = registered.get("scope") or registered.get("allowed_scope_values")
    words = given.split() if isinstance(given, str) else _listed(given)
    return " ".join(word for word in words if isinstance(word, str))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_text, value))


def _seconds(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_FORMS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "client_name": _text,
    "application_type": _text,
    "subject_type": _text,
    "sector_identifier_uri": _text,
    "token_endpoint_auth_method": _text,
    "client_secret_expires_at": _seconds,
    "default_max_age": _seconds,
    "require_auth_time": lambda value: isinstance(value, bool),
    "default_acr_values": _texts,
    "grant_types": _texts,
    "response_types": _texts,
}
"""What is taken over, and whether a value of it is of its kind."""
