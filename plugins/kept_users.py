"""People whom only the proxy knows: kept, since apps ask for their claims when they are long gone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from creance.provider import OpenIDProvider, User
from creance.provider.store import FOREVER, AlreadyExists, Collection, Conflict, Document, Operation, insert, replace

REMOTE_USERS = Collection("remote_users", indexes=("subject",), group="users")


class KeptUsers:
    """The people of the store whom a proxy or a host named, as a `UserSource`. They have no password here."""

    def __init__(self, provider: OpenIDProvider, collection: Collection = REMOTE_USERS) -> None:
        self._collection = collection
        self._users = provider.users
        self._store = provider.store

    def find(self, username: str) -> User | None:
        """The user of this name."""
        document = self._store.get(self._collection, username)
        return _user(document) if document else None

    def find_by_subject(self, subject: str) -> User | None:
        """The user whose `sub` this is."""
        documents = self._store.find(self._collection, "subject", subject, limit=1)
        return _user(documents[0]) if documents else None

    def authenticate(self, username: str, password: str) -> User | None:
        """Nobody: they log in at the proxy."""
        return None

    def keep(self, username: str, claims: Mapping[str, Any]) -> None:
        """Keep a person with what the proxy says of them now. It writes where that has changed, and not at all for
        people who are known without the proxy.
        """
        document = self._store.get(self._collection, username)
        if document is not None and document.value["claims"] == claims:
            return
        if document is None and self._users.find(username) is not None:
            return
        subject = self._users.subject_identifiers.create_public_identifier(username)
        value = {"username": username, "subject": subject, "claims": dict(claims)}
        with suppress(AlreadyExists, Conflict):  # another login of the same person was kept at this moment
            self._store.write([self._writing(document, username, value)])
        self._users.sources.forget(username, subject)

    def _writing(self, document: Document | None, username: str, value: Mapping[str, Any]) -> Operation:
        if document is None:
            return insert(self._collection, username, value, FOREVER)
        return replace(self._collection, document, value)


def _user(document: Document) -> User:
    value = document.value
    return User(value["username"], value["subject"], value["claims"])
