"""Many users at once. All are looked at before the first is written: nothing is half done where one is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from .batches import batches
from .configuration import explain
from .errors import ConfigurationError
from .openid_provider import OpenIDProvider
from .registration import UserSettings
from .store import AlreadyExists, Document
from .users import USERS, user_document

_TOGETHER = 100
"""Users in one write."""


@dataclass(frozen=True, slots=True)
class Row:
    """A user as a file has them."""

    line: int
    fields: dict[str, Any]
    """By the names of UserSettings."""


@dataclass(frozen=True, slots=True)
class _NewUser:
    line: int
    settings: UserSettings
    subject: str


class UserImport:
    """Takes users over into the store. Whom the store has already, just as they are in the file, is passed over: so an
    import that was interrupted can be done again.
    """

    def __init__(self, provider: OpenIDProvider, *, plain_passwords: bool = False) -> None:
        """`plain_passwords`: take passwords that are not hashed, and hash them: some 20 ms of a core each."""
        self._users = provider.users
        self._store = provider.store
        self._plain_passwords = plain_passwords
        self._new: list[_NewUser] = []
        self.already_there = 0

    def __len__(self) -> int:
        """How many are to be written."""
        return len(self._new)

    def check(self, rows: Sequence[Row]) -> list[str]:
        """What is wrong with them, each with its line; nothing where all can be taken."""
        mistakes: list[str] = []
        usernames: dict[str, int] = {}
        subjects: dict[str, int] = {}
        for row in rows:
            found = list(self._mistakes_of(row, usernames, subjects))
            mistakes += (f"line {row.line}: {mistake}" for mistake in found)
        return mistakes

    def write(self) -> Iterator[int]:
        """Write those that were checked, some at a time; yields how many each time. Raises ConfigurationError where
        somebody else made one of them meanwhile.
        """
        for together in batches(self._new, _TOGETHER):
            try:
                self._users.keep([self._document(new) for new in together])
            except AlreadyExists as error:
                raise ConfigurationError(f"username {error.key} was added meanwhile: do the import again") from None
            yield len(together)

    def _mistakes_of(self, row: Row, usernames: dict[str, int], subjects: dict[str, int]) -> Iterator[str]:
        try:
            settings = UserSettings.model_validate(row.fields)
        except ValidationError as error:
            yield from explain(error, UserSettings)
            return
        if settings.password is not None and not self._plain_passwords:
            yield "password: is not hashed; give password_hash, as creance hash prints it, or say --plain-passwords"
            return
        new = _NewUser(row.line, settings, self._users.subject_of(settings))
        there = self._store.get(USERS, settings.username)
        if there is not None and self._is_the_same(there, new):
            self.already_there += 1
        elif self._users.find(settings.username) is not None:
            yield f"username {settings.username} exists already, and is another"
        elif self._users.is_subject_taken(new.subject):
            yield "the subject is taken, by another user or as a client_id"
        else:
            self._new.append(new)
        for name, value, lines in (("username", settings.username, usernames), ("subject", new.subject, subjects)):
            if lines.setdefault(value, row.line) != row.line:
                yield f"the {name} is that of line {lines[value]}"

    def _is_the_same(self, there: Document, new: _NewUser) -> bool:
        plain, kept = new.settings.password, there.value["password_hash"]
        document = user_document(new.settings, new.subject, kept if plain else new.settings.password_hash)
        if {**there.value, "email": document["email"]} != document:  # older ones have none
            return False
        return plain is None or self._users.passwords.verify(plain.get_secret_value(), kept)

    def _document(self, new: _NewUser) -> dict[str, Any]:
        password_hash = new.settings.password_hash
        if new.settings.password is not None:
            password_hash = self._users.passwords.hash(new.settings.password.get_secret_value())
        return user_document(new.settings, new.subject, password_hash)
