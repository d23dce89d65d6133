"""Who has which subject identifier, for a move: all of them in memory, some 220 bytes each."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from pyop.subject_identifier import HashBasedSubjectIdentifierFactory

from ..store import Store
from ..users import User
from .documents import PyopDocuments
from .issued import NotTakenOver, Reason
from .tally import PAGE, Done, Moved, Tally
from .users import is_known, keep_complete, knowing, subjects_of

_THREADS: Final = 16
"""Subject identifiers that are looked for at the same time."""


class MigratedPeople:
    """People as a token needs them: a user name and subject identifiers. Their claims are the host's affair."""

    def __init__(self, salt: str | None = None, *, mirrors_public: bool = False) -> None:
        """`salt`: that of the subject identifiers, for people of whom pyop keeps no public one. `mirrors_public`: that
        is the user name itself (SATOSA's `sub_mirror_public`).
        """
        self._factory = HashBasedSubjectIdentifierFactory(salt) if salt is not None else None
        self._mirrors_public = mirrors_public
        self._usernames: dict[str, str] = {}
        self._public: dict[str, str] = {}

    @property
    def have_salt(self) -> bool:
        """Whether public subject identifiers can be made."""
        return self._factory is not None or self._mirrors_public

    def read(self, identifiers: PyopDocuments, store: Store, done: Done, *, move: bool) -> Tally:
        """Learn who is who; with `move` take all subject identifiers over, so that no start of a worker has to. Answers
        how many are known to our store. Raises StoreUnavailable.
        """
        tally: Tally = Tally()
        with ThreadPoolExecutor(_THREADS) as threads:
            for page in identifiers.pages(PAGE):
                found = {kept.key: subjects_of(kept.key, kept.value) for kept in page}
                tally[Reason.UNREADABLE] += sum(subjects is None for subjects in found.values())
                usernames = {subject: username for username, subjects in found.items() for subject in subjects or ()}
                self._usernames |= usernames
                self._public |= {kept.key: str(kept.value["public"]) for kept in page if _has_public(kept.value)}
                known = list(threads.map(partial(is_known, store), usernames))
                tally[Moved.BEFORE] += sum(known)
                missing = [subject for subject, there in zip(usernames, known, strict=True) if not there]
                tally[Moved.NOW if move else Moved.NOT_YET] += len(missing)
                if move and missing:
                    store.write([knowing(subject, usernames[subject]) for subject in missing])
                done(len(page))
        if move:
            keep_complete(store)
        return tally

    def user_of(self, subject: str) -> User | None:
        """Whose `sub` this is. Raises NotTakenOver where their public one cannot be told."""
        username = self._usernames.get(subject)
        if username is None:
            return None
        public = self._public.get(username) or self._made(username)
        if public is None:
            raise NotTakenOver(Reason.SALT_NEEDED)
        return User(username, public, {})

    def check_salt(self, username: str, subject: str, request: Mapping[str, Any], client: Mapping[str, Any]) -> None:
        """Where a public subject identifier was made, the salt must give what the client sees too (as pyop makes it,
        of the host in the redirect URI). Raises NotTakenOver.
        """
        if self._factory is None or username in self._public:
            return
        try:
            sector = urlsplit(str(client.get("sector_identifier_uri") or request["redirect_uri"])).netloc
        except (LookupError, ValueError) as error:
            raise NotTakenOver(Reason.UNREADABLE) from error
        if self._factory.create_pairwise_identifier(username, sector) != subject:
            raise NotTakenOver(Reason.ANOTHER_SALT)

    def _made(self, username: str) -> str | None:
        if self._mirrors_public:
            return username
        return None if self._factory is None else str(self._factory.create_public_identifier(username))


def _has_public(kept: Any) -> bool:
    return isinstance(kept, Mapping) and "public" in kept
