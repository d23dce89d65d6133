"""A crowd in a store: the documents of the people who are there, over and over again under other names.

What the product has written for somebody (who they are, a session, a spent code, an access and a refresh token) is
written for many others, by `Store.put`. So it has the product's own form, whatever that is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from creance.plugins.sessions.session_store import SESSIONS
from creance.provider.store import FOREVER, Collection, Document, Store, bearer_key
from creance.provider.store.bearer_values import dated
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS
from creance.provider.users import USERS

from .progress import Progress

KINDS = (USERS, SESSIONS, AUTHORIZATION_CODES, ACCESS_TOKENS, REFRESH_TOKENS)
"""What each person has one of."""

_PAGE = 1000
_SPREAD = 3600.0
"""Seconds within which the crowd came: the last of it just now."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was put into a collection, and what that took."""

    collection: str
    documents: int
    seconds: float
    bytes: int
    """By which the store grew."""


class Crowd:
    """So many others like those who are in a store now."""

    def __init__(self, store: Store, size: int, subject_of: Callable[[str], str]) -> None:
        """`subject_of` makes the `sub` of a username."""
        self._size = size
        self._subject_of = subject_of
        self._models = _people(store)
        self._now = time.time()

    def fill(self, store: Store, collection: Collection, batch: int, measure: Callable[[], int]) -> Filled:
        """Put everybody's document of a collection. `measure` answers the bytes that the store has."""
        before, begun, shown = measure(), time.monotonic(), Progress(collection.name, self._size)
        documents = self.documents(collection)
        done = 0
        while some := list(islice(documents, batch)):
            by_key = sorted(some, key=lambda document: document.key)
            store.put(collection, by_key, overwrite=True)  # no key is taken; and MongoDB need not look whether one is
            done += len(some)
            shown.at(done)
        seconds = time.monotonic() - begun
        return Filled(collection.name, done, seconds, measure() - before)

    def put_ended(self, store: Store, collection: Collection, count: int, batch: int) -> None:
        """Put documents that have ended a moment ago, and that nobody keeps any more."""
        over = time.time() - 1.0
        ended = (replace(document, valid_until=over, keep_until=over) for document in self.documents(collection))
        wanted = islice(ended, count)
        while some := list(islice(wanted, batch)):
            store.put(collection, some, overwrite=True)

    def documents(self, collection: Collection) -> Iterator[Document]:
        """Everybody's document of a collection."""
        models = [person.documents[collection.name] for person in self._models]
        for number in range(self._size):
            model, text = models[number % len(models)]
            names = self._names(number)
            ago = _SPREAD * (1 - number / self._size)
            yield replace(
                model,
                key=names.get(model.key) or bearer_key(dated(secrets.token_urlsafe(32), self._now - ago)),
                value=_renamed(text, names),
                valid_until=_earlier(model.valid_until, ago),
                keep_until=_earlier(model.keep_until, ago),
            )

    def _names(self, number: int) -> Mapping[str, str]:
        """For each name in the documents of a model that of somebody else, the same one in all their documents."""
        model = self._models[number % len(self._models)]
        username = f"{model.username}-{number // len(self._models):06}"  # so that the models are all over the crowd
        moment = int(self._now - _SPREAD * (1 - number / self._size))
        bits = hashlib.sha256(username.encode()).digest()
        sid = _id(moment, bits[16:])
        return {
            model.username: username,
            model.subject: self._subject_of(username),
            model.grant_id: _id(moment, bits[:16]),
            model.session_id: sid,
            model.sid: sid,
        }


class _Person:
    """Somebody whose documents are models, and the names by which these hang together."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        user, session = documents[USERS.name].value, documents[SESSIONS.name].value
        grant = documents[AUTHORIZATION_CODES.name].value["grant"]
        self.documents = {name: (document, json.dumps(document.value)) for name, document in documents.items()}
        """By collection, and their values as text too."""
        self.username: str = user["username"]
        self.subject: str = user["subject"]
        self.grant_id: str = grant["grant_id"]
        self.session_id: str = grant["session_id"]
        self.sid: str = session["sid"]


def _people(store: Store) -> Sequence[_Person]:
    """Everybody in the store who has a document of each kind."""
    people: dict[str, dict[str, Document]] = defaultdict(dict)
    for collection in KINDS:
        for document in _all(store, collection):
            people[document.value["subject"]][collection.name] = document
    return [_Person(documents) for documents in people.values() if len(documents) == len(KINDS)]


def _all(store: Store, collection: Collection) -> Iterator[Document]:
    after = None
    while documents := store.page_kept(collection, after, _PAGE):
        yield from documents
        after = documents[-1].key


def _renamed(text: str, names: Mapping[str, str]) -> Any:
    """A document's value in which all texts that are names are others."""
    for name, other in names.items():
        text = text.replace(f'"{name}"', f'"{other}"')
    return json.loads(text)


def _id(moment: int, bits: bytes) -> str:
    """As `creance.provider.identifiers.new_id` makes them."""
    return f"{moment:08x}-{base64.urlsafe_b64encode(bits).decode().rstrip('=')}"


def _earlier(moment: float, seconds: float) -> float:
    return moment if moment == FOREVER else moment - seconds
