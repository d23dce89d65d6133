"""Codes, access tokens and refresh tokens: made, read, rotated and revoked in the store.

The order of a token request (RFC 6749 4.1.3, 6): check, sign, insert what nobody holds yet, redeem last. The redemption
is the commit point, so there are never two winners, and nothing lives that was issued from a replayed code. Revoking a
grant deletes codes and refresh tokens first and access tokens second: who is redeeming at that moment loses, or has
inserted everything before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .batches import batches
from .grants import Grant
from .sealing import Sealer
from .settings import Settings
from .store import (
    Collection,
    Document,
    Insert,
    Operation,
    Store,
    bearer_key,
    delete,
    delete_where,
    ensure,
    insert,
    new_bearer_value,
    redeem,
)
from .store import replace as replace_document

AUTHORIZATION_CODES = Collection("authorization_codes", ("grant_id", "session_id", "subject"), group="tokens")
ACCESS_TOKENS = Collection("access_tokens", ("grant_id", "session_id", "subject"), group="tokens")
REFRESH_TOKENS = Collection("refresh_tokens", ("grant_id", "session_id", "subject"), group="tokens")

_COLLECTIONS = (AUTHORIZATION_CODES, REFRESH_TOKENS, ACCESS_TOKENS)
COLLECTIONS = dict(zip(("authorization_code", "refresh_token", "access_token"), _COLLECTIONS, strict=True))
"""Where each kind of token is kept."""
_SUCCESSOR = "refresh token successor"
_AT_ONCE = 1000
"""Documents of a person that are read together, where all of them are wanted."""
_GRANTS_AT_ONCE = 100
"""Grants that one write ends."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the store has it."""

    kind: str
    """`authorization_code`, `access_token` or `refresh_token`."""
    grant: Grant
    scope: tuple[str, ...]
    issued_at: float
    expires_at: float
    """Seconds since the epoch."""
    audience: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """What plugins keep with it (`access_token_claims`)."""
    document: Document | None = None

    @property
    def redeemed_at(self) -> float | None:
        """When it was spent; None while it is not."""
        return self.document.redeemed_at if self.document else None


class EarlierTokens(Protocol):
    """What a provider that was taken over has issued."""

    def take_over(self, kind: str, value: str) -> bool:
        """Write a token of that provider in our form, if it has one of this value. Whether to read again."""

    def end(self, field: str, value: str) -> None:
        """Nothing of this grant or person is taken over any more."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that is about to be issued: its value for the client, and the operation that makes it real."""

    value: str
    token: Token
    operation: Operation


class Tokens:
    """The one place that knows how codes and tokens are kept."""

    def __init__(self, settings: Settings, store: Store, sealer: Sealer) -> None:
        self._lifetimes = settings.lifetimes
        self._store = store
        self._sealer = sealer
        self.earlier: EarlierTokens | None = None
        """Asked for what is not found here."""

    # Made, and not yet real: `operation` goes into the one write of the request.

    def new_code(self, grant: Grant) -> NewToken:
        """An authorization code of 256 bits (RFC 6749 10.10)."""
        return self._new("authorization_code", AUTHORIZATION_CODES, grant, self._lifetimes.authorization_code)

    def new_access_token(
        self,
        grant: Grant,
        scope: tuple[str, ...],
        audience: tuple[str, ...] = (),
        claims: Mapping[str, Any] | None = None,
    ) -> NewToken:
        """An opaque access token of 256 bits."""
        return self._new(
            "access_token",
            ACCESS_TOKENS,
            grant.without_parameters(),
            self._lifetimes.access_token,
            scope=scope,
            audience=audience,
            claims=claims,
        )

    def new_refresh_token(self, grant: Grant) -> NewToken:
        """The first refresh token of a grant."""
        return self._new_refresh_token(new_bearer_value(), grant, shared=False)

    def successor_of(self, presented: str, found: Token) -> NewToken:
        """The refresh token that follows the presented one: derived from it, so that a client whose answer was lost
        gets the same one again. `found` is the presented one as it was read.
        """
        value = self._sealer.bearer_value(_SUCCESSOR, presented, found.issued_at)
        return self._new_refresh_token(value, found.grant, shared=True)

    def refresh_token_ends(self, grant: Grant) -> float:
        """When a refresh token used now ends: idle time from now, and never beyond the absolute lifetime."""
        return min(time.time() + self._lifetimes.refresh_token, self.last_refresh_token_ends(grant))

    def last_refresh_token_ends(self, grant: Grant) -> float:
        """When the last of a grant's refresh tokens ends, however often they are used."""
        return grant.granted_at + self._lifetimes.refresh_token_absolute

    # Read.

    def read_code(self, code: str) -> Token | None:
        """The code as long as it is kept: look at `redeemed_at` and `expires_at`."""
        return self._read(AUTHORIZATION_CODES, "authorization_code", code, kept=True)

    def read_access_token(self, value: str) -> Token | None:
        """The access token, if it is valid now."""
        return self._read(ACCESS_TOKENS, "access_token", value)

    def read_refresh_token(self, value: str) -> Token | None:
        """The refresh token as long as it is kept: look at `redeemed_at` and `expires_at`."""
        return self._read(REFRESH_TOKENS, "refresh_token", value, kept=True)

    def read_usable_refresh_token(self, value: str) -> Token | None:
        """The refresh token, if it is valid now and unspent."""
        return self._read(REFRESH_TOKENS, "refresh_token", value)

    def find(self, value: str, hint: str | None, *, spent: bool = False) -> Token | None:
        """The access or refresh token; with `spent` also a refresh token that is only kept. The hint says no more than
        where to look first (RFC 7009 2.1, RFC 7662 2.1).
        """
        reads = [self.read_access_token, self.read_refresh_token if spent else self.read_usable_refresh_token]
        if hint == "refresh_token":
            reads.reverse()
        return next((token for read in reads if (token := read(value)) is not None), None)

    def grants_of(self, subject: str, limit: int = _AT_ONCE) -> tuple[list[Grant], bool]:
        """The grants of a person, each once, by which somebody has a refresh token or an access token now. At most
        `limit` tokens of each kind are looked at: answered too is whether these were all.
        """
        return self._live((REFRESH_TOKENS, ACCESS_TOKENS), subject, limit)

    def read_unused_successor(self, presented: str, found: Token) -> tuple[str, Token] | None:
        """The successor of a spent refresh token with its value, if nobody has used it yet."""
        for value in self._sealer.bearer_values(_SUCCESSOR, presented, found.issued_at):
            document = self._store.get(REFRESH_TOKENS, bearer_key(value))
            if document is not None:
                return value, _token(document, "refresh_token")
        return None

    def read_unused(self, token: Token) -> Token | None:
        """A refresh token that was read before, as it is now, if it is valid and nobody has used it."""
        document = self._store.get(REFRESH_TOKENS, token.document.key) if token.document else None
        return _token(document, "refresh_token") if document else None

    # Spend and end.

    def redeem_code(self, code: str, *, keep_until: float) -> Operation:
        """Spends a code; it is remembered until what was issued from it has ended."""
        return redeem(AUTHORIZATION_CODES, bearer_key(code), keep_until)

    def redeem_refresh_token(self, value: str, *, keep_until: float) -> Operation:
        """Spends a refresh token; it is remembered until what was issued from it has ended."""
        return redeem(REFRESH_TOKENS, bearer_key(value), keep_until)

    def confirm_unused(self, token: Token, expires_at: float | None = None) -> Operation:
        """The commit point of what spends nothing: fails when the token was used, changed or revoked since it was
        read.
        """
        if token.document is None:
            raise ValueError("the token was not read from the store")
        collection = ACCESS_TOKENS if token.kind == "access_token" else REFRESH_TOKENS
        return replace_document(collection, token.document, token.document.value, expires_at)

    def revoke_grant(self, grant_id: str) -> None:
        """End all that a grant gave, in one write: one that fails can be tried again."""
        self._end("grant_id", grant_id)

    def revoke_client(self, subject: str, client_id: str) -> None:
        """End all that a person gave a client, until nothing is left: also what it got while this looked.

        A grant is found by whatever it has that is alive, and ended whole, as by `revoke_grant`: so a refresh at the
        same moment loses, or what it got is ended too.
        """
        limit = _AT_ONCE
        while True:
            live, complete = self._live(_COLLECTIONS, subject, limit)
            grant_ids = [grant.grant_id for grant in live if grant.client_id == client_id]
            for together in batches(grant_ids, _GRANTS_AT_ONCE):
                self._end("grant_id", *together)
            if not grant_ids and complete:
                return
            if not grant_ids:
                limit *= 4  # what other clients have fills the first ones

    def revoke_access_token(self, value: str) -> None:
        """End one access token."""
        self._store.write([delete(ACCESS_TOKENS, bearer_key(value))])

    def end_session(self, *session_ids: str) -> None:
        """End what a session gave, or several did; what has offline_access stays (OpenID Connect Core 11)."""
        self._end("session_id", *session_ids)

    def end_subject(self, subject: str) -> None:
        """End all that was given for a person, or for a client that acts for itself."""
        self._end("subject", subject)

    def _end(self, field: str, *values: str) -> None:
        """Codes and refresh tokens first, access tokens second: nobody wins meanwhile."""
        if self.earlier is not None:
            for value in values:
                self.earlier.end(field, value)
        self._store.write([delete_where(collection, field, value) for collection in _COLLECTIONS for value in values])

    def _live(self, collections: Sequence[Collection], subject: str, limit: int) -> tuple[list[Grant], bool]:
        """In the order in which one is made of the other: what is spent meanwhile is found as what it became."""
        found = [self._store.find(collection, "subject", subject, limit) for collection in collections]
        grants = {
            document.value["grant_id"]: Grant.from_dict(document.value["grant"])
            for documents in found
            for document in documents
        }
        return list(grants.values()), all(len(documents) < limit for documents in found)

    def _new_refresh_token(self, value: str, grant: Grant, *, shared: bool) -> NewToken:
        lifetime = self.refresh_token_ends(grant) - time.time()
        return self._new(
            "refresh_token", REFRESH_TOKENS, grant.without_parameters(), lifetime, value=value, shared=shared
        )

    def _new(
        self,
        kind: str,
        collection: Collection,
        grant: Grant,
        lifetime: float,
        *,
        value: str | None = None,
        shared: bool = False,
        scope: tuple[str, ...] | None = None,
        audience: tuple[str, ...] = (),
        claims: Mapping[str, Any] | None = None,
    ) -> NewToken:
        now = time.time()
        value = value or new_bearer_value()
        token = Token(kind, grant, grant.scope if scope is None else scope, now, now + lifetime, audience, claims or {})
        make = ensure if shared else insert
        return NewToken(value, token, make(collection, bearer_key(value), _document(token), token.expires_at))

    def _read(self, collection: Collection, kind: str, value: object, *, kept: bool = False) -> Token | None:
        if not isinstance(value, str):  # a host of pyop hands on whatever its form has
            return None
        read = self._store.get_kept if kept else self._store.get
        document = read(collection, bearer_key(value))
        if document is None and self.earlier is not None and self.earlier.take_over(kind, value):
            document = read(collection, bearer_key(value))
        return _token(document, kind) if document else None


def written(token: Token, value: str) -> Insert:
    """Writes a token under a value that exists already."""
    return insert(COLLECTIONS[token.kind], bearer_key(value), _document(token), token.expires_at)


def _document(token: Token) -> dict[str, Any]:
    grant = token.grant
    return {
        "kind": token.kind,
        "grant_id": grant.grant_id,
        "session_id": None if grant.offline else grant.session_id,
        "subject": grant.own_subject,
        "grant": grant.to_dict(),
        "scope": token.scope,
        "issued_at": token.issued_at,
        "audience": token.audience,
        "claims": token.claims,
    }


def _token(document: Document, kind: str) -> Token:
    value = document.value
    if value["kind"] != kind:  # cannot be, unless the store was tampered with
        raise ValueError(f"a {value['kind']} where a {kind} belongs")
    return Token(
        kind=kind,
        grant=Grant.from_dict(value["grant"]),
        scope=tuple(value["scope"]),
        issued_at=value["issued_at"],
        expires_at=document.valid_until,
        audience=tuple(value["audience"]),
        claims=value["claims"],
        document=document,
    )
