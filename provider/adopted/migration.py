"""All that a pyop provider has issued, taken over at once (`creance migrate pyop`): what a worker does with a token
that is presented for the first time, done with each of them.

Nothing need be remembered of a run that was interrupted. The notes of `issued` say what was taken over, by whomever: so
any number of our workers may serve meanwhile, and the next run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ..clients import CLIENTS
from ..store import BadDocument, Collection, Store, delete_where
from ..tokens import COLLECTIONS as TOKEN_COLLECTIONS
from ..tokens import Token, written
from .clients import registered_at
from .documents import Kept, PyopDocuments
from .issued import ENDED, TAKEN_OVER, Issued, NotTakenOver, Reason
from .migrated_people import MigratedPeople
from .tally import PAGE, Done, Moved, Outcome, Tally
from .users import SUBJECTS, are_complete

COLLECTIONS: Final[tuple[Collection, ...]] = (*TOKEN_COLLECTIONS.values(), TAKEN_OVER, ENDED, SUBJECTS, CLIENTS)
"""What is read and written of our store."""
KINDS: Final = ("refresh_token", "authorization_code", "access_token")
"""Refresh tokens first: those that stay in place need their access tokens."""
_THREADS: Final = 16
"""Tokens that are written at the same time. Each is a write of its own, as a worker makes it: one write of many that
finds one of them taken would take back all, after others may have spent or revoked them.
"""

_OF_WHOM: Final = (Reason.CLIENT_UNKNOWN, Reason.PERSON_UNKNOWN, Reason.SALT_NEEDED, Reason.ANOTHER_SALT)

Page = list[tuple[Kept, Outcome]]
"""Documents, each with what becomes of it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a pyop provider keeps what it has issued, by the names of its state; and its clients, wherever they are."""

    authorization_codes: PyopDocuments
    access_tokens: PyopDocuments
    refresh_tokens: PyopDocuments
    subject_identifiers: PyopDocuments
    clients: PyopDocuments | Mapping[str, Any]
    authorization_code_lifetime: int = 600
    """pyop's own, for codes that do not say when they were written."""

    def tokens(self, kind: str) -> PyopDocuments:
        """Those of a kind, as `Token` names it."""
        kept = {
            "authorization_code": self.authorization_codes,
            "access_token": self.access_tokens,
            "refresh_token": self.refresh_tokens,
        }
        return kept[kind]


class Migration:
    """From pyop's databases into a store that is open. Every method raises StoreUnavailable."""

    def __init__(self, sources: Sources, store: Store, people: MigratedPeople) -> None:
        self.sources = sources
        self._store = store
        self.people = people
        self._clients: dict[str, Mapping[str, Any] | None] = {}
        self._issued = Issued(
            sources,
            store,
            user_of=people.user_of,
            registered_at=self._registered_at,
            operation=written,
            revoke_grant=self._revoke_grant,
        )

    def subjects(self, done: Done, *, move: bool) -> Tally:
        """Read who has which subject identifier, and with `move` take them over. To be done before the tokens."""
        return self.people.read(self.sources.subject_identifiers, self._store, done, move=move)

    def subjects_are_complete(self) -> bool:
        """Whether all subject identifiers were taken over once: workers do not look through them any more."""
        return are_complete(self._store)

    def look(self, kind: str) -> Iterator[Page]:
        """What would become of each token of a kind. Nothing is written."""
        return self._pages(kind, self._look_at)

    def move(self, kind: str) -> Iterator[Page]:
        """Take over all tokens of a kind that are good and were not taken over before."""
        return self._pages(kind, self._move)

    def _pages(self, kind: str, deal_with: Callable[[str, Kept, Any], Outcome]) -> Iterator[Page]:
        with ThreadPoolExecutor(_THREADS) as threads:
            for page in self.sources.tokens(kind).pages(PAGE):
                outcomes = threads.map(deal_with, [kind] * len(page), page, self._about(kind, page))
                yield list(zip(page, outcomes, strict=True))

    def _about(self, kind: str, page: Sequence[Kept]) -> list[Any]:
        """What says who and what each is for: pyop keeps that with codes and access tokens."""
        if kind == "access_token":
            return [kept.value for kept in page]
        if kind == "authorization_code":
            return [_with_issued_at(kept) for kept in page]
        access_tokens = [access_token_of(kept) for kept in page]
        found = self.sources.access_tokens.of([value for value in access_tokens if value is not None])
        return [None if value is None else found.get(value) for value in access_tokens]

    def _look_at(self, kind: str, kept: Kept, about: Any) -> Outcome:
        if self._issued.was_taken_over(kind, kept.key):
            return Moved.BEFORE
        try:
            self._token(kind, kept, about)
        except NotTakenOver as refusal:
            return refusal.reason
        return Moved.NOT_YET

    def _move(self, kind: str, kept: Kept, about: Any) -> Outcome:
        if self._issued.was_taken_over(kind, kept.key):
            return Moved.BEFORE
        try:
            good = self._issued.move(self._token(kind, kept, about), kept.key)
        except NotTakenOver as refusal:
            return refusal.reason
        except BadDocument:
            return Reason.UNREADABLE
        if good is None:
            return Moved.BEFORE
        return Moved.NOW if good else Reason.ENDED

    def _token(self, kind: str, kept: Kept, about: Any) -> Token:
        """Raises NotTakenOver. A code that pyop has seen stays: where it is presented again, what it gave ends."""
        try:
            token = self._issued.examine(kind, kept.value, about)
            self._check_salt(token, about)
        except NotTakenOver as refusal:
            if refusal.reason in _OF_WHOM and kept.value.get("used"):
                raise NotTakenOver(Reason.USED) from None
            raise
        if kept.value.get("used"):
            raise NotTakenOver(Reason.USED)
        return token

    def _check_salt(self, token: Token, about: Any) -> None:
        grant = token.grant
        client = self._client(grant.client_id) or {}
        self.people.check_salt(str(grant.username), grant.subject, about["auth_req"], client)

    def _registered_at(self, client_id: str) -> float | None:
        """Of ours, as workers have it, before pyop's."""
        if (ours := self._store.get(CLIENTS, client_id)) is not None:
            return float(ours.value.get("client_id_issued_at", 0.0))
        client = self._client(client_id)
        return None if client is None else registered_at(client)

    def _client(self, client_id: str) -> Mapping[str, Any] | None:
        if client_id not in self._clients:
            clients = self.sources.clients
            found = (clients.of([client_id]) if isinstance(clients, PyopDocuments) else clients).get(client_id)
            self._clients[client_id] = found if isinstance(found, Mapping) else None
        return self._clients[client_id]

    def _revoke_grant(self, grant_id: str) -> None:
        """As `Tokens.revoke_grant`."""
        self._issued.end("grant_id", grant_id)
        self._store.write([delete_where(each, "grant_id", grant_id) for each in TOKEN_COLLECTIONS.values()])


def access_token_of(refresh_token: Kept) -> str | None:
    """The access token in whose document pyop keeps what a refresh token is about."""
    value = refresh_token.value.get("access_token") if isinstance(refresh_token.value, Mapping) else None
    return value if isinstance(value, str) else None


def _with_issued_at(code: Kept) -> Any:
    """A code is written once before it is used, and pyop keeps no other moment of it."""
    if isinstance(code.value, Mapping) and isinstance(code.last_modified, datetime):
        return {"iat": code.last_modified.timestamp(), **code.value}
    return code.value
