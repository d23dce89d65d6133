"""Users: those of the configuration file, in memory, and those that were added, in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from pydantic import ValidationError
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory
from pyop.userinfo import Userinfo

from .cache import ReadThrough
from .configuration import explain
from .errors import ConfigurationError
from .passwords import Passwords
from .protocol_claims import PROTOCOL_CLAIMS
from .registration import UserSettings
from .setting_types import LONGEST_IDENTIFIER
from .settings import Settings
from .store import FOREVER, AlreadyExists, Collection, Conflict, Store, insert, replace

USERS = Collection("users", indexes=("subject",))


@dataclass(frozen=True, slots=True)
class User:
    """A person. `subject` is the `sub` that clients see; `claims` what they may learn."""

    username: str
    subject: str
    claims: Mapping[str, Any]
    disabled: bool = False


class Users(Protocol):
    """What the provider needs to know about people. LDAP, SQL or a web service stand behind the same few methods."""

    def find(self, username: str) -> User | None:
        """The user, also a disabled one; None where there is none."""

    def find_by_subject(self, subject: str) -> User | None:
        """The user whose `sub` this is."""

    def authenticate(self, username: str, password: str) -> User | None:
        """The user, if the password is right and they are not disabled; the same time for an unknown user."""


class UserRegistry:
    """The users of the file and of the store, as `Users`."""

    def __init__(self, settings: Settings, is_client: Callable[[str], bool]) -> None:
        """`is_client`: whether somebody has this client_id. `sub` is a person's or, with client credentials, a
        client's: never both.
        """
        salt = settings.subjects.salt.get_secret_value() if settings.subjects.salt else settings.issuer
        self.subject_identifiers = HashBasedSubjectIdentifierFactory(salt)
        self.passwords = Passwords()
        self._configured = {user.username: self._configured_user(user) for user in settings.users}
        self._by_subject: dict[str, User] = {}
        for user in self._configured.values():
            other = self._by_subject.setdefault(user.subject, user)
            if other is not user:
                raise ConfigurationError(f"users: the subject of {user.username} is that of {other.username}")
        self._hashes = {user.username: user.password_hash for user in settings.users}
        self._plain = {user.username: user.password for user in settings.users if user.password is not None}
        self._hashing = Lock()
        self._client_ids = [client.client_id for client in settings.clients]
        self._is_client = is_client
        self._store: Store | None = None
        self._stored = ReadThrough(self._read)
        self._stored_by_subject = ReadThrough(self._read_by_subject)

    def start(self, store: Store) -> None:
        """Use the store too. Raises ConfigurationError where a username or subject is in the file and in the store."""
        self._store = store
        mistakes = []
        for user in self._configured.values():
            if store.get(USERS, user.username):
                mistakes.append(f"username {user.username} is in the configuration and in the store")
            elif store.find(USERS, "subject", user.subject, limit=1):
                mistakes.append(f"the subject of {user.username} is that of a user in the store")
            if self._is_client(user.subject):
                mistakes.append(f"the subject of {user.username} is the client_id of a client")
        for client_id in self._client_ids:
            if store.find(USERS, "subject", client_id, limit=1):
                mistakes.append(f"client_id {client_id} is the subject of a user in the store")
        if mistakes:
            raise ConfigurationError(*mistakes)

    def find(self, username: str) -> User | None:
        """The user, also a disabled one; None where there is none."""
        configured = self._configured.get(username)
        if configured is not None or self._store is None or len(username) > LONGEST_IDENTIFIER:
            return configured
        return self._stored(username)

    def find_by_subject(self, subject: str) -> User | None:
        """The user whose `sub` this is: an indexed look-up, never a scan."""
        configured = self._by_subject.get(subject)
        if configured is not None or self._store is None or len(subject) > LONGEST_IDENTIFIER:
            return configured
        return self._stored_by_subject(subject)

    def authenticate(self, username: str, password: str) -> User | None:
        """The user, if the password is right and they are not disabled; the same time for an unknown user."""
        right = self.passwords.verify(password, self._password_hash(username))
        user = self.find(username)
        return user if right and user is not None and not user.disabled else None

    def create_user(
        self,
        username: str,
        password: str | None = None,
        claims: Mapping[str, Any] | None = None,
        subject: str | None = None,
    ) -> User:
        """Keep a user in the store. Raises ConfigurationError where the name is taken or a field is wrong."""
        if username in self._configured:
            raise ConfigurationError(f"username {username} is in the configuration file")
        settings = _validated(username=username, password=password, claims=dict(claims or {}), subject=subject)
        chosen = settings.subject or self.subject_identifiers.create_public_identifier(username)
        self._refuse_taken_subject(chosen)
        document = {
            "username": settings.username,
            "subject": chosen,
            "password_hash": self.passwords.hash(password) if password is not None else None,
            "claims": settings.claims,
            "disabled": False,
        }
        try:
            self._opened.write([insert(USERS, username, document, FOREVER)])
        except AlreadyExists:
            raise ConfigurationError(f"username {username} exists already") from None
        self._forget(username, chosen)
        return _user(document)

    def set_password(self, username: str, password: str) -> None:
        """Give a user of the store another password. Raises ConfigurationError."""
        if username in self._configured:
            raise ConfigurationError(f"username {username} is in the configuration file: change the password there")
        _validated(username=username, password=password)
        password_hash = self.passwords.hash(password)
        while True:
            document = self._opened.get(USERS, username)
            if document is None:
                raise ConfigurationError(f"username {username} does not exist")
            try:
                self._opened.write([replace(USERS, document, document.value | {"password_hash": password_hash})])
            except Conflict:
                continue
            self._forget(username, document.value["subject"])
            return

    def configured(self) -> Iterable[User]:
        """The users of the configuration file."""
        return self._configured.values()

    def stored(self) -> Iterator[User]:
        """The users of the store, page by page: for commands, never for a request."""
        after = None
        while documents := self._opened.page(USERS, after):
            yield from (_user(document.value) for document in documents)
            after = documents[-1].key

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise RuntimeError("the users were not started")
        return self._store

    def _configured_user(self, settings: UserSettings) -> User:
        subject = settings.subject or self.subject_identifiers.create_public_identifier(settings.username)
        return User(settings.username, subject, settings.claims, settings.disabled)

    def _password_hash(self, username: str) -> str | None:
        if username in self._plain and self._hashes[username] is None:
            with self._hashing:  # a demonstration's password becomes a hash when it is first asked for
                self._hashes[username] = self.passwords.hash(self._plain[username].get_secret_value())
        if username in self._configured:
            return self._hashes[username]
        if self._store is None:
            return None
        document = self._store.get(USERS, username)
        return document.value["password_hash"] if document else None

    def _refuse_taken_subject(self, subject: str) -> None:
        if self._is_client(subject) or self.find_by_subject(subject) is not None:
            raise ConfigurationError("the subject is taken, by another user or as a client_id")

    def _forget(self, username: str, subject: str) -> None:
        self._stored.forget(username)
        self._stored_by_subject.forget(subject)

    def _read(self, username: str) -> User | None:
        document = self._opened.get(USERS, username)
        return _user(document.value) if document else None

    def _read_by_subject(self, subject: str) -> User | None:
        documents = self._opened.find(USERS, "subject", subject, limit=1)
        return _user(documents[0].value) if documents else None


def _validated(**fields: Any) -> UserSettings:
    try:
        return UserSettings(**fields)
    except ValidationError as error:
        raise ConfigurationError(*explain(error, UserSettings, "user")) from None


def _user(value: Mapping[str, Any]) -> User:
    return User(value["username"], value["subject"], value["claims"], value["disabled"])


def released_claims(user: User, names: Iterable[str]) -> dict[str, Any]:
    """The named claims that a user has. A protocol claim is never taken from a user's data."""
    claims = user.claims
    return {name: claims[name] for name in names if name in claims and name not in PROTOCOL_CLAIMS}


class UserClaims(Userinfo):
    """The users as what pyop calls `userinfo`: claims by local user name."""

    def __init__(self, users: Users) -> None:
        super().__init__(db={})
        self._users = users

    def __getitem__(self, username: str) -> Mapping[str, Any]:
        user = self._users.find(username)
        if user is None:
            raise KeyError(username)
        return {**user.claims, "sub": user.subject}

    def __contains__(self, username: object) -> bool:
        return isinstance(username, str) and self._users.find(username) is not None

    def get_claims_for(
        self, user_id: str, requested_claims: Mapping[str, Any], userinfo: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        claims = userinfo if userinfo else self[user_id]
        return {name: claims[name] for name in requested_claims if name in claims}
