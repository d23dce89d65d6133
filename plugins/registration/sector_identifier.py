"""Whether a client may speak for a sector (OpenID Connect Registration 5): pairwise subject identifiers are by sector,
so who gets into somebody else's sector would know their people again.
"""

from __future__ import annotations

from collections.abc import Iterable

from creance.provider import InvalidClientMetadata

from .safe_fetching import SafeFetcher


def prove_sector(uri: str, redirect_uris: Iterable[str], fetcher: SafeFetcher) -> None:
    """The document at the URI lists all redirect URIs of the client. Raises InvalidClientMetadata,
    TemporarilyUnavailable.
    """
    listed = fetcher.field("sector_identifier_uri", uri)
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise InvalidClientMetadata("sector_identifier_uri does not give a JSON array of URIs")
    if not set(redirect_uris) <= set(listed):
        raise InvalidClientMetadata("sector_identifier_uri does not list all redirect_uris")
