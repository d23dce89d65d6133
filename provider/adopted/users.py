"""The people of a pyop provider: their claims, and the subject identifiers that they have for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..protocol_claims import PROTOCOL_CLAIMS
from ..store import FOREVER, BadDocument, Collection, Operation, Store, bearer_key, encode, ensure
from ..users import User
from .mapping import Origin
from .subjects import UserOfOneSub

SUBJECTS = Collection("adopted_subjects", indexes=("username",), group="users")
"""The users by `sub`, public and pairwise: pyop looks through all of them for that."""

_COMPLETE = "complete"
TOGETHER = 500
"""Subject identifiers that are written at once."""


class AdoptedUsers:
    """A `UserSource` over pyop's `Userinfo`. Passwords are the host's affair."""

    def __init__(self, userinfo: Any, subject_identifiers: Origin, factory: Any, store: Store) -> None:
        self._claims = Origin("userinfo", userinfo)
        self._identifiers = subject_identifiers
        self._factory = factory
        self._store = store

    def find(self, username: str) -> User | None:
        """The user with their public subject identifier: the one that their claims say, as pyop has it, or that pyop
        keeps, or would make.
        """
        claims = self._claims.get(username)
        if not isinstance(claims, Mapping):
            return None
        own = {name: value for name, value in claims.items() if name not in PROTOCOL_CLAIMS}
        if isinstance(chosen := claims.get("sub"), str) and chosen:
            return UserOfOneSub(username, chosen, own)
        return User(username, self._public(username), own)

    def find_by_subject(self, subject: str) -> User | None:
        """The user whose `sub` this is, public or pairwise."""
        found = self._store.get(SUBJECTS, bearer_key(subject))
        return self.find(found.value["username"]) if found else None

    def authenticate(self, username: str, password: str) -> User | None:
        """Nobody: the host logs people in."""
        return None

    def learn(self, username: str, subject: str, kind: str) -> None:
        """Keep whose subject identifier this is, for us and, as pyop does, for a provider that goes back; nothing for
        who is no user of pyop's.
        """
        if is_known(self._store, subject) or self.find(username) is None:
            return
        kept = dict(self._identifiers.get(username) or {})
        if kind == "public":
            kept["public"] = subject
        elif subject not in kept.get("pairwise", ()):
            kept["pairwise"] = [*kept.get("pairwise", ()), subject]
        self._identifiers.put(username, kept)
        self._store.write([knowing(subject, username)])

    def take_over_subjects(self) -> None:
        """All subject identifiers that pyop keeps, once: from then on each is found without looking through all."""
        if are_complete(self._store):
            return
        batch: list[Operation] = []
        for username, kept in self._identifiers.items():
            batch += [knowing(subject, username) for subject in subjects_of(username, kept) or ()]
            if len(batch) >= TOGETHER:
                self._store.write(batch)
                batch = []
        keep_complete(self._store, batch)

    def _public(self, username: str) -> str:
        kept = self._identifiers.get(username) or {}
        if "public" in kept:
            return str(kept["public"])
        made: str = self._factory.create_public_identifier(username)
        return made


def subjects_of(username: str, kept: Any) -> list[str] | None:
    """The subject identifiers that pyop keeps for a person; None for what is not as pyop writes it."""
    try:
        encode({"username": username})
        return [
            str(subject) for subject in (*([kept["public"]] if "public" in kept else []), *kept.get("pairwise", ()))
        ]
    except (AttributeError, LookupError, TypeError, BadDocument):
        return None


def knowing(subject: str, username: str) -> Operation:
    """Keeps whose subject identifier it is, unless that is known."""
    return ensure(SUBJECTS, bearer_key(subject), {"username": username}, FOREVER)


def is_known(store: Store, subject: str) -> bool:
    """Whether it is kept whose subject identifier this is."""
    return store.get(SUBJECTS, bearer_key(subject)) is not None


def keep_complete(store: Store, last: Iterable[Operation] = ()) -> None:
    """Note, after the last of them, that all subject identifiers were taken over."""
    store.write([*last, ensure(SUBJECTS, _COMPLETE, {}, FOREVER)])


def are_complete(store: Store) -> bool:
    """Whether all subject identifiers were taken over once."""
    return store.get(SUBJECTS, _COMPLETE) is not None
