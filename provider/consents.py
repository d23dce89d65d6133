"""What people allowed apps: remembered, so that they are asked once, and found again to be taken back.

A consent is that of one person and one registration of a client. Another person who has the user name by now, and
another client that has the client_id, inherit nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .clients import Client, ClientRegistry
from .store import AlreadyExists, Collection, Conflict, Document, Store, bearer_key, delete, insert, replace
from .users import User, Users

CONSENTS = Collection("consents", indexes=("username",), group="users")

_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Permissions:
    """What is asked for, or allowed."""

    scope: frozenset[str]
    claims: frozenset[str]
    """Names of claims: those of the scopes, and those that are asked for one by one."""

    def __le__(self, others: Permissions) -> bool:
        return self.scope <= others.scope and self.claims <= others.claims

    def __or__(self, others: Permissions) -> Permissions:
        return Permissions(self.scope | others.scope, self.claims | others.claims)

    def __and__(self, others: Permissions) -> Permissions:
        return Permissions(self.scope & others.scope, self.claims & others.claims)

    def __sub__(self, others: Permissions) -> Permissions:
        return Permissions(self.scope - others.scope, self.claims - others.claims)

    def to_dict(self) -> dict[str, list[str]]:
        """As JSON has it."""
        return {"scope": sorted(self.scope), "claims": sorted(self.claims)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        return cls(frozenset(value["scope"]), frozenset(value["claims"]))


@dataclass(frozen=True, slots=True)
class Consent:
    """What one person was asked on behalf of one client, and what of it they allowed."""

    username: str
    subject: str
    client_id: str
    client_registered_at: float
    asked: Permissions
    allowed: Permissions
    given_at: float
    """Of the last decision. All times are seconds since the epoch."""
    expires_at: float

    def is_of(self, user: User, client: Client) -> bool:
        """Whether it is of this very person and this very registration of the client."""
        return (
            self.username == user.username
            and self.subject == user.subject
            and self.client_id == client.client_id
            and self.client_registered_at == client.registered_at
        )


class Consents:
    """The consents of all people, in the store."""

    def __init__(self, store: Store, users: Users, clients: ClientRegistry) -> None:
        self._store = store
        self._users = users
        self._clients = clients

    def of(self, user: User, client: Client) -> Consent | None:
        """What a person decided for a client. One read."""
        return self._read(user, client)[1]

    def of_user(self, username: str) -> list[Consent]:
        """All that a user decided for clients that are still there, the latest decision first."""
        user = self._users.find(username)
        if user is None:
            return []
        found = [_consent(each) for each in self._store.find(CONSENTS, "username", username, limit=_MOST_LISTED)]
        living = [each for each in found if (client := self._clients.find(each.client_id)) and each.is_of(user, client)]
        return sorted(living, key=lambda each: -each.given_at)

    def remember(self, user: User, client: Client, asked: Permissions, allowed: Permissions, lifetime: float) -> None:
        """Keep a decision for so many seconds. It takes the place of earlier ones about the same scopes and claims;
        what they said of others stays, as far as the client is still registered for it.
        """
        while True:
            document, earlier = self._read(user, client)
            value = _value(user, client, *_merged(earlier, asked, allowed & asked, client))
            ends = value["given_at"] + lifetime
            try:
                if document is None:
                    self._store.write([insert(CONSENTS, _key(user.username, client.client_id), value, ends)])
                else:
                    self._store.write([replace(CONSENTS, document, value, ends)])
            except (AlreadyExists, Conflict):  # another tab was quicker: its decision is an earlier one
                continue
            return

    def forget(self, username: str, client_id: str) -> None:
        """The user is asked again. What the client holds already is not touched. One that is not there is no error."""
        self._store.write([delete(CONSENTS, _key(username, client_id))])

    def forget_user(self, username: str) -> None:
        """The same, for all clients."""
        self._store.delete_where(CONSENTS, "username", username)

    def _read(self, user: User, client: Client) -> tuple[Document | None, Consent | None]:
        """What is in the place of this consent, and whether it is one."""
        document = self._store.get(CONSENTS, _key(user.username, client.client_id))
        consent = _consent(document) if document else None
        return document, consent if consent and consent.is_of(user, client) else None


def _key(username: str, client_id: str) -> str:
    """A client_id has no line break."""
    return bearer_key(f"{client_id}\n{username}")


def _merged(
    earlier: Consent | None, asked: Permissions, allowed: Permissions, client: Client
) -> tuple[Permissions, Permissions]:
    """All that was asked, and all that is allowed, with an earlier consent."""
    if earlier is None:
        return asked, allowed
    registered = Permissions(frozenset(client.scope), earlier.asked.claims)
    return (earlier.asked & registered) | asked, ((earlier.allowed & registered) - asked) | allowed


def _value(user: User, client: Client, asked: Permissions, allowed: Permissions) -> dict[str, Any]:
    return {
        "username": user.username,
        "subject": user.subject,
        "client_id": client.client_id,
        "client_registered_at": client.registered_at,
        "asked": asked.to_dict(),
        "allowed": allowed.to_dict(),
        "given_at": time.time(),
    }


def _consent(document: Document) -> Consent:
    value = document.value
    return Consent(
        username=value["username"],
        subject=value["subject"],
        client_id=value["client_id"],
        client_registered_at=value["client_registered_at"],
        asked=Permissions.from_dict(value["asked"]),
        allowed=Permissions.from_dict(value["allowed"]),
        given_at=value["given_at"],
        expires_at=document.valid_until,
    )
