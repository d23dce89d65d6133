"""The people of a pyop provider: their claims, and the subject identifiers that they have for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocol_claims import PROTOCOL_CLAIMS
from ..store import FOREVER, Collection, Operation, Store, bearer_key, ensure
from ..users import User
from .mapping import Origin

SUBJECTS = Collection("adopted_subjects", indexes=("username",), group="users")
"""The users by `sub`, public and pairwise: pyop looks through all of them for that."""

_COMPLETE = "complete"
_TOGETHER = 500


class AdoptedUsers:
    """A `UserSource` over pyop's `Userinfo`. Passwords are the host's affair."""

    def __init__(self, userinfo: Any, subject_identifiers: Origin, factory: Any, store: Store) -> None:
        self._claims = Origin("userinfo", userinfo)
        self._identifiers = subject_identifiers
        self._factory = factory
        self._store = store

    def find(self, username: str) -> User | None:
        """The user with their public subject identifier: the one that pyop keeps, or the one that it would make."""
        claims = self._claims.get(username)
        if not isinstance(claims, Mapping):
            return None
        own = {name: value for name, value in claims.items() if name not in PROTOCOL_CLAIMS}
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
        key = bearer_key(subject)
        if self._store.get(SUBJECTS, key) is not None or self.find(username) is None:
            return
        kept = dict(self._identifiers.get(username) or {})
        if kind == "public":
            kept["public"] = subject
        elif subject not in kept.get("pairwise", ()):
            kept["pairwise"] = [*kept.get("pairwise", ()), subject]
        self._identifiers.put(username, kept)
        self._store.write([ensure(SUBJECTS, key, {"username": username}, FOREVER)])

    def take_over_subjects(self) -> None:
        """All subject identifiers that pyop keeps, once: from then on each is found without looking through all."""
        if self._store.get(SUBJECTS, _COMPLETE) is not None:
            return
        batch: list[Operation] = []
        for username, kept in self._identifiers.items():
            for subject in (*([kept["public"]] if "public" in kept else []), *kept.get("pairwise", ())):
                batch.append(ensure(SUBJECTS, bearer_key(str(subject)), {"username": username}, FOREVER))
            if len(batch) >= _TOGETHER:
                self._store.write(batch)
                batch = []
        self._store.write([*batch, ensure(SUBJECTS, _COMPLETE, {}, FOREVER)])

    def _public(self, username: str) -> str:
        kept = self._identifiers.get(username) or {}
        if "public" in kept:
            return str(kept["public"])
        made: str = self._factory.create_public_identifier(username)
        return made
