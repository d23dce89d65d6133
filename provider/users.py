"""Users: those of the configuration file, in memory, and those that were added, in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from pydantic import ValidationError
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory

from .cache import ReadThrough
from .configuration import explain
from .errors import ConfigurationError
from .passwords import Passwords
from .protocol_claims import PROTOCOL_CLAIMS
from .registration import UserSettings
from .setting_types import LONGEST_IDENTIFIER
from .settings import Settings
from .store import FOREVER, AlreadyExists, Collection, Conflict, Store, insert, replace
from .user_sources import UserSources

USERS = Collection("users", indexes=("subject", "email"))
"""`email` is the address of the claims, in lower case: to be found by. Those that were written before it was kept are
found by user name and subject; `rewrite` gives them theirs.
"""


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

    def find_by_email(self, email: str) -> User | None:
        """The one user with this address in their claims, in whatever case; None where it is that of several."""

    def authenticate(self, username: str, password: str) -> User | None:
        """The user, if the password is right and they are not disabled; the same time for an unknown user."""


class UserRegistry:
    """The users of the file and of the store, as `Users`."""

    def __init__(self, settings: Settings, is_client: Callable[[str], bool]) -> None:
        """`is_client`: whether somebody has this client_id. `sub` is a person's or, with client credentials, a
        client's: never both.
        """
        self.salt = settings.subjects.salt.get_secret_value() if settings.subjects.salt else settings.issuer
        self.subject_identifiers = HashBasedSubjectIdentifierFactory(self.salt)
        self.passwords = Passwords(settings.limits.password_hashing_places, waiting=settings.http.threads // 3)
        self._configured = {user.username: self._configured_user(user) for user in settings.users}
        self._by_subject: dict[str, User] = {}
        self._by_email: dict[str, list[User]] = {}
        for user in self._configured.values():
            other = self._by_subject.setdefault(user.subject, user)
            if other is not user:
                raise ConfigurationError(f"users: the subject of {user.username} is that of {other.username}")
            if (email := email_of(user.claims)) is not None:
                self._by_email.setdefault(email, []).append(user)
        self._hashes = {user.username: user.password_hash for user in settings.users}
        self._plain = {user.username: user.password for user in settings.users if user.password is not None}
        self._hashing = Lock()
        self._client_ids = [client.client_id for client in settings.clients]
        self._is_client = is_client
        self._store: Store | None = None
        self._stored = ReadThrough(self._read)
        self._stored_by_subject = ReadThrough(self._read_by_subject)
        self.sources = UserSources(self._is_taken, places=max(1, settings.http.threads // 2))
        """Of plugins: asked after the file and the store."""

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
        """The user, also a disabled one; None where there is none. Raises TemporarilyUnavailable where a source of a
        plugin fails.
        """
        return self._own(username) or self.sources.find(username)

    def find_by_subject(self, subject: str) -> User | None:
        """The user whose `sub` this is: an indexed look-up, never a scan. Raises TemporarilyUnavailable."""
        return self._own_by_subject(subject) or self.sources.find_by_subject(subject)

    def find_by_email(self, email: str) -> User | None:
        """The one user with this address in their claims, in whatever case; None where it is that of several.

        Disabled users have theirs too.
        """
        email = email.lower()
        if not email or len(email) > LONGEST_IDENTIFIER:
            return None
        found = list(self._by_email.get(email, ()))
        if self._store is not None:
            found += [_user(document.value) for document in self._store.find(USERS, "email", email, limit=2)]
        return found[0] if len(found) == 1 else None

    def authenticate(self, username: str, password: str) -> User | None:
        """The user, if the password is right and they are not disabled; the same time for an unknown user.

        A name that is in the file or in the store is theirs: no source of a plugin is asked for it.
        """
        if self.sources.may_have(username) and self._own(username) is None:
            return self.sources.authenticate(username, password)
        right = self.passwords.verify(password, self._password_hash(username))
        user = self.find(username)
        return user if right and user is not None and not user.disabled else None

    def kept_password(self, username: str) -> str | None:
        """The hash that a password is held against at this moment; None where none is kept here, or the user is
        disabled. Who has logged in meanwhile by one that does not count any more is known by it.
        """
        return self._password_hash(username)

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
        chosen = self.subject_of(settings)
        if self.is_subject_taken(chosen):
            raise ConfigurationError("the subject is taken, by another user or as a client_id")
        password_hash = self.passwords.hash(password) if password is not None else None
        document = user_document(settings, chosen, password_hash)
        try:
            self.keep([document])
        except AlreadyExists:
            raise ConfigurationError(f"username {username} exists already") from None
        return _user(document)

    def keep(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Write new users as `user_document` makes them, in one write. Raises AlreadyExists."""
        self._opened.write([insert(USERS, document["username"], document, FOREVER) for document in documents])
        for document in documents:
            self._forget(document["username"], document["subject"])

    def subject_of(self, settings: UserSettings) -> str:
        """The `sub` that is chosen for a user, or else made from the user name."""
        made: str = settings.subject or self.subject_identifiers.create_public_identifier(settings.username)
        return made

    def is_subject_taken(self, subject: str) -> bool:
        """Whether it is that of a user, or the client_id of a client."""
        return self._is_client(subject) or self.find_by_subject(subject) is not None

    def set_password(self, username: str, password: str) -> None:
        """Give a user of the store another password. Raises ConfigurationError. Sessions are ended by who calls it."""
        self._refuse_configured(username, "change the password there")
        _validated(username=username, password=password)
        self._change(username, password_hash=self.passwords.hash(password))

    def change_password(self, username: str, password: str, *, proven: str | None) -> None:
        """As `set_password`, by who has proven the password of this hash (`kept_password`, asked before). Raises
        Conflict where that is theirs no more: changed meanwhile, or they are disabled.
        """
        self._refuse_configured(username, "change the password there")
        _validated(username=username, password=password)
        still = {"password_hash": proven, "disabled": False}
        self._change(username, still, password_hash=self.passwords.hash(password))

    def disable(self, username: str) -> None:
        """Let a user of the store log in no more: what they have gives nothing from now on, on other workers within
        seconds. Raises ConfigurationError. Sessions are ended by who calls it.
        """
        self._refuse_configured(username, "disable them there")
        self._change(username, disabled=True)

    def enable(self, username: str) -> None:
        """Let a disabled user of the store log in again. Raises ConfigurationError."""
        self._refuse_configured(username, "enable them there")
        self._change(username, disabled=False)

    def rewrite(self, username: str) -> None:
        """Write a user of the store as this version does: with the fields that it finds them by."""
        self._change(username)

    def is_configured(self, username: str) -> bool:
        """Whether it is that of a user of the configuration file."""
        return username in self._configured

    def is_stored(self, username: str) -> bool:
        """Whether it is that of a user of the store: whose password can be changed here."""
        return not self.is_configured(username) and self._own(username) is not None

    def configured(self) -> Iterable[User]:
        """The users of the configuration file."""
        return self._configured.values()

    def stored(self) -> Iterator[User]:
        """The users of the store, page by page: for commands, never for a request."""
        after = None
        while documents := self._opened.page(USERS, after):
            yield from (_user(document.value) for document in documents)
            after = documents[-1].key

    def _own(self, username: str) -> User | None:
        """Of the file or the store."""
        configured = self._configured.get(username)
        if configured is not None or self._store is None or len(username) > LONGEST_IDENTIFIER:
            return configured
        return self._stored(username)

    def _own_by_subject(self, subject: str) -> User | None:
        configured = self._by_subject.get(subject)
        if configured is not None or self._store is None or len(subject) > LONGEST_IDENTIFIER:
            return configured
        return self._stored_by_subject(subject)

    def _is_taken(self, user: User) -> bool:
        """Whether a user of a source has the name of one of ours, or the `sub` of one or of a client."""
        own = self._own(user.username) or self._own_by_subject(user.subject)
        return own is not None or self._is_client(user.subject)

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise RuntimeError("the users were not started")
        return self._store

    def _refuse_configured(self, username: str, instead: str) -> None:
        if username in self._configured:
            raise ConfigurationError(f"username {username} is in the configuration file: {instead}")

    def _change(self, username: str, still: Mapping[str, Any] | None = None, /, **changes: Any) -> None:
        """Write some fields. Raises Conflict where others are not `still` what they were."""
        while True:
            document = self._opened.get(USERS, username)
            if document is None:
                raise ConfigurationError(f"username {username} does not exist")
            if any(document.value[name] != value for name, value in (still or {}).items()):
                raise Conflict(USERS, username)
            value = document.value | changes
            value["email"] = email_of(value["claims"])
            try:
                self._opened.write([replace(USERS, document, value)])
            except Conflict:
                continue
            self._forget(username, value["subject"])
            return

    def _configured_user(self, settings: UserSettings) -> User:
        return User(settings.username, self.subject_of(settings), settings.claims, settings.disabled)

    def _password_hash(self, username: str) -> str | None:
        if username in self._plain and self._hashes[username] is None:
            with self._hashing:  # a demonstration's password becomes a hash when it is first asked for, and stays that
                if self._hashes[username] is None:
                    self._hashes[username] = self.passwords.hash(self._plain[username].get_secret_value())
        if username in self._configured:
            return self._hashes[username]
        if self._store is None:
            return None
        document = self._store.get(USERS, username)
        if document is None or document.value["disabled"]:  # `find` may not know of it yet, on this worker
            return None
        kept: str | None = document.value["password_hash"]
        return kept

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


def user_document(settings: UserSettings, subject: str, password_hash: str | None) -> dict[str, Any]:
    """A user as the store keeps them."""
    return {
        "username": settings.username,
        "subject": subject,
        "email": email_of(settings.claims),
        "password_hash": password_hash,
        "claims": settings.claims,
        "disabled": settings.disabled,
    }


def email_of(claims: Mapping[str, Any]) -> str | None:
    """The address that a user is found by: as in their claims, in lower case."""
    email = claims.get("email")
    return email.lower() if isinstance(email, str) and email else None


def _user(value: Mapping[str, Any]) -> User:
    return User(value["username"], value["subject"], value["claims"], value["disabled"])


def released_claims(user: User, names: Iterable[str]) -> dict[str, Any]:
    """The named claims that a user has. A protocol claim is never taken from a user's data."""
    claims = user.claims
    return {name: claims[name] for name in names if name in claims and name not in PROTOCOL_CLAIMS}
