"""Registering a client, and reading, changing and ending its registration (RFC 7591 3, RFC 7592 2).

A registration is one document, that of the client. The registration access token in it is a hash; each change of it
compares the version that was read, so that of two changes at once one wins, and takes the token of the other with it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from creance.provider import Client, Event, InvalidClientMetadata, InvalidToken, OpenIDProvider
from creance.provider.client_secrets import client_secret_matches, hash_client_secret, new_client_secret
from creance.provider.rate_limits import RateLimit
from creance.provider.store import FOREVER, Conflict, Document

from .client_keys import prove_key_set
from .client_metadata import ClientMetadata, Offer, read_client_metadata
from .safe_fetching import SafeFetcher
from .sector_identifier import prove_sector
from .settings import Settings

OURS: Final = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)
"""What a client must not send when it changes its registration (RFC 7592 2.2)."""
_NOT_TOLD: Final = {
    *("client_id", "client_secret", "client_secret_file", "client_secret_hash", "client_secret_expires_at"),
    *("first_party", "insecure_http_redirect_uris", "always_issue_refresh_token", "plugins"),
}
"""What of a client's settings is not its metadata."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a client proves itself by: told once, and kept as a hash."""

    kept: str | None = None
    expires_at: int = 0
    """Seconds since the epoch; 0 is never."""
    value: str | None = None
    """Where it is new."""


class Registrations:
    """The clients that registered themselves."""

    def __init__(self, provider: OpenIDProvider, settings: Settings, offer: Offer, a_day: RateLimit) -> None:
        """`a_day` limits how many clients whoever may register some registers in a day."""
        self._provider = provider
        self._clients = provider.clients
        self._settings = settings
        self._offer = offer
        self._url = provider.url("registration")
        self._fetcher = SafeFetcher(allow_loopback=settings.allow_loopback_fetches_for_tests)
        self._a_day = a_day

    def register(self, sent: Mapping[str, Any], holder: str) -> dict[str, Any]:
        """RFC 7591 3.2.1: the client information response. `holder` is who may register clients.

        Raises InvalidClientMetadata, InvalidRedirectURI, TooManyRequests, StoreUnavailable.
        """
        metadata = self._read(sent)
        self._a_day.count(holder, "")
        client_id, token = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        secret = self._secret(metadata)
        client_settings = metadata.client_settings(client_id, secret.kept, secret.expires_at)
        self._prove_documents(metadata)
        unused = self._settings.unused_lifetime
        client = self._clients.add(
            client_settings, _registration(metadata, token), time.time() + unused if unused else FOREVER
        )
        self._happened(client_id, "registered")
        return self._answer(client, metadata.kept, token, secret)

    def read(self, client_id: str, token: str) -> dict[str, Any]:
        """RFC 7592 2.1. Raises InvalidToken."""
        document = self._authenticate(client_id, token)
        client = self._clients.from_document(document)
        return self._answer(client, document.value["registration"]["metadata"], token)

    def update(self, client_id: str, token: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """RFC 7592 2.2: all metadata anew; what is left out is deleted. The token is another one from now on.

        Raises InvalidToken, InvalidClientMetadata, InvalidRedirectURI.
        """
        _refuse_ours(sent, client_id, self._authenticate(client_id, token))
        metadata = self._read(sent)
        metadata.client_settings(client_id, _SOME_HASH if _needs_secret(metadata) else None, 0)
        self._prove_documents(metadata)
        new_token = secrets.token_urlsafe(32)
        while True:
            document = self._authenticate(client_id, token)
            secret = self._secret(metadata, document)
            client_settings = metadata.client_settings(client_id, secret.kept, secret.expires_at)
            try:
                client = self._clients.update(document, client_settings, _registration(metadata, new_token))
            except Conflict:  # whoever was quicker has another token by now, or was no change of the client's
                continue
            self._happened(client_id, "updated")
            return self._answer(client, metadata.kept, new_token, secret)

    def remove(self, client_id: str, token: str) -> None:
        """RFC 7592 2.3: its codes and tokens give nothing from then on. Raises InvalidToken."""
        while True:
            document = self._authenticate(client_id, token)
            try:
                self._clients.end_registration(document)
            except Conflict:  # as in `update`
                continue
            self._happened(client_id, "removed")
            return

    def _authenticate(self, client_id: str, token: str) -> Document:
        """RFC 7592 2: the same answer, in the same time, whether there is such a client or not."""
        document = self._clients.registered(client_id)
        kept = document.value["registration"]["token_hash"] if document else None
        if not client_secret_matches(token, kept) or document is None:
            raise _not_valid("no such registration, or not its token")
        return document

    def _read(self, sent: Mapping[str, Any]) -> ClientMetadata:
        """Every field, and what plugins say of them."""
        metadata = read_client_metadata(sent, self._offer)
        self._provider.plugins.hook.check_registration(metadata={**metadata.settings, **metadata.kept})
        return metadata

    def _prove_documents(self, metadata: ClientMetadata) -> None:
        """What the client names by URI. Raises InvalidClientMetadata, TemporarilyUnavailable."""
        if (uri := metadata.settings.get("sector_identifier_uri")) is not None:
            prove_sector(uri, metadata.settings.get("redirect_uris", ()), self._fetcher)
        if (uri := metadata.kept.get("jwks_uri")) is not None:
            prove_key_set(uri, self._fetcher)

    def _secret(self, metadata: ClientMetadata, document: Document | None = None) -> Secret:
        """None for a public client. One that never expires stays; any other is replaced (RFC 7592 2.2)."""
        if not _needs_secret(metadata):
            return Secret()
        lifetime = self._settings.client_secret_lifetime
        before = document.value if document else {}
        kept = before.get("client_secret_hash")
        if kept is not None and not lifetime and not before.get("client_secret_expires_at"):
            return Secret(kept)
        value = new_client_secret()
        return Secret(hash_client_secret(value), int(time.time()) + lifetime if lifetime else 0, value)

    def _answer(
        self, client: Client, kept: Mapping[str, Any], token: str, secret: Secret | None = None
    ) -> dict[str, Any]:
        """RFC 7591 3.2.1, RFC 7592 3: all that is registered. A secret is told when it is made, and never again."""
        members: dict[str, Any] = {
            "client_id": client.client_id,
            "client_id_issued_at": int(client.registered_at),
            "registration_access_token": token,
            "registration_client_uri": f"{self._url}?client_id={client.client_id}",
        }
        if secret is not None and secret.value is not None:
            members["client_secret"] = secret.value
        if client.secret_hash is not None:
            members["client_secret_expires_at"] = client.secret_expires_at
        return members | client.settings.model_dump(mode="json", exclude=_NOT_TOLD, exclude_none=True) | dict(kept)

    def _happened(self, client_id: str, what: str) -> None:
        self._provider.happened(Event("registration", client_id, details={"what": what}))


_SOME_HASH: Final = hash_client_secret(secrets.token_urlsafe(32))
"""Stands for a secret while all else is checked."""


def _needs_secret(metadata: ClientMetadata) -> bool:
    return str(metadata.settings["token_endpoint_auth_method"]).startswith("client_secret_")


def _registration(metadata: ClientMetadata, token: str) -> dict[str, Any]:
    """What the document of the client has beside its settings."""
    return {"token_hash": hash_client_secret(token), "metadata": metadata.kept}


def _refuse_ours(sent: Mapping[str, Any], client_id: str, document: Document) -> None:
    """RFC 7592 2.2: client_id is there and right, a secret is the one that there is, and the rest is ours to say."""
    if sent.get("client_id") != client_id:
        raise InvalidClientMetadata("client_id: must be that of the client (RFC 7592 2.2)")
    for name in OURS:
        if name in sent:
            raise InvalidClientMetadata(f"{name}: is not for the client to say (RFC 7592 2.2)")
    secret = sent.get("client_secret")
    if secret is None:
        return
    kept = document.value.get("client_secret_hash")
    if not isinstance(secret, str) or not client_secret_matches(secret, kept):
        raise InvalidClientMetadata("client_secret: is not the one that was issued (RFC 7592 2.2)")


def _not_valid(hint: str) -> InvalidToken:
    return InvalidToken("the registration access token is not valid", hint=hint)
