"""Where a client that registered itself may have people sent (OpenID Connect Registration 2: application_type, RFC 8252
7). What a URI may look like at all, `ClientSettings` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from creance.provider import InvalidClientMetadata, InvalidRedirectURI
from creance.provider.setting_types import LOOPBACK_HOSTS
from creance.provider.subjects import sector_of_uri


def check_redirect_uris(settings: Mapping[str, Any]) -> None:
    """Raises InvalidRedirectURI, InvalidClientMetadata."""
    native = settings.get("application_type", "web") == "native"
    if "authorization_code" in settings["grant_types"] and not settings.get("redirect_uris"):
        raise InvalidRedirectURI("redirect_uris: at least one is needed (RFC 7591 2)")
    for uri in settings.get("redirect_uris", ()):
        if problem := _problem(uri, native=native):
            raise InvalidRedirectURI(f"redirect_uris: {problem}")
    for uri in settings.get("post_logout_redirect_uris", ()):
        if problem := _problem(uri, native=native):
            raise InvalidClientMetadata(f"post_logout_redirect_uris: {problem}")
    _check_sector(settings)


def _problem(uri: str, *, native: bool) -> str | None:
    """By the scheme. `javascript:` and `data:` are no reversed domain names, so that nobody can register them."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "one is no URI"
    if parts.scheme == "https":
        return None
    if not native:
        return "only https, unless application_type is native"
    if parts.scheme == "http":
        return None if parts.hostname in LOOPBACK_HOSTS else "http only on loopback (RFC 8252 7.3)"
    return None if "." in parts.scheme else "a private-use scheme is a reversed domain name (RFC 8252 7.1)"


def _check_sector(settings: Mapping[str, Any]) -> None:
    """OpenID Connect Core 8.1. pyop's formula takes a host for the sector whatever the scheme is: nobody may name one
    that cannot be theirs.
    """
    if settings["subject_type"] != "pairwise" or "sector_identifier_uri" in settings:
        return
    uris = settings.get("redirect_uris", ())
    if any(parts.netloc and parts.scheme not in ("https", "http") for parts in map(urlsplit, uris)):
        raise InvalidRedirectURI("redirect_uris: no host behind a private-use scheme where subject_type is pairwise")
    if len({sector_of_uri(uri) for uri in uris}) > 1:
        raise InvalidClientMetadata("sector_identifier_uri: is needed for redirect URIs of several hosts")
