"""`sub` and `sid` as each client sees them: one for all (public), or its own (pairwise; OpenID Connect Core 8)."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pyop.subject_identifier import HashBasedSubjectIdentifierFactory

if TYPE_CHECKING:
    from .clients import Client
    from .settings import SubjectSettings


class Subjects:
    """Makes subject identifiers. They are computed and never looked up, so they stay what they are."""

    def __init__(self, settings: SubjectSettings, salt: str) -> None:
        self._default = settings.default_type
        self._formula = settings.pairwise_formula
        self._salt = salt
        self._pyop = HashBasedSubjectIdentifierFactory(salt)

    def type_of(self, client: Client) -> str:
        """`public` or `pairwise` (OpenID Connect Registration 2: subject_type)."""
        return client.settings.subject_type or self._default

    def of(self, client: Client, redirect_uri: str, *, username: str, subject: str) -> str:
        """The `sub` of a person for a client. `subject` is the one that is public."""
        if self.type_of(client) == "public":
            return subject
        return self.pairwise(sector_of(client, redirect_uri, port=self._formula == "pyop"), username, subject)

    def session_of(self, client: Client, session_id: str) -> str:
        """The `sid` of a browser session for a client. Where its `sub` is pairwise it is the client's own: by one that
        is the same for all, apps of two sectors would know that they have the same person (OpenID Connect Core 8.1).
        """
        if self.type_of(client) == "public":
            return session_id
        pair = json.dumps(["sid", client.client_id, session_id], separators=(",", ":")).encode()
        return hmac.digest(self._salt.encode(), pair, "sha256").hex()

    def pairwise(self, sector: str, username: str, subject: str) -> str:
        """OpenID Connect Core 8.1. pyop's formula puts sector and user together without anything in between, so that
        two pairs can give one `sub`: it is for subject identifiers that exist.
        """
        if self._formula == "pyop":
            identifier: str = self._pyop.create_pairwise_identifier(username, sector)
            return identifier
        pair = json.dumps([sector, subject], separators=(",", ":")).encode()
        return hmac.digest(self._salt.encode(), pair, "sha256").hex()


def sector_of(client: Client, redirect_uri: str, *, port: bool = False) -> str:
    """OpenID Connect Core 8.1: that of the sector_identifier_uri, or of the redirect URI. pyop has its port too."""
    uri = client.settings.sector_identifier_uri or redirect_uri
    return urlsplit(uri).netloc if port else sector_of_uri(uri)


def sector_of_uri(uri: str) -> str:
    """Its host. A private-use scheme is a sector of its own, with the colon, so that it is no host (RFC 8252 7.1): an
    app may choose it freely, and what stands behind it, and would know the people of that host again.
    """
    parts = urlsplit(uri)
    return parts.hostname or "" if parts.scheme in ("https", "http") else f"{parts.scheme}:"
