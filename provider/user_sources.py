"""Users who are neither in the file nor in the store: LDAP, SQL, a web service, each brought by a plugin.

Whoever has a name first is the person of that name: the file, the store, then the sources in the order of the
configuration. A source never gets to speak for somebody else's name or `sub`. What it does wrong is told as
`temporarily_unavailable`: that a person is not there is only said by a source that answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final, Protocol

from .asking_others import asking
from .cache import ReadThrough
from .errors import TemporarilyUnavailable
from .registration import LONGEST_PASSWORD
from .request_log import logger
from .setting_types import LONGEST_IDENTIFIER

if TYPE_CHECKING:
    from .users import User

PATIENCE: Final = 0.1
"""Seconds to wait for one of the places of a source."""


class UserSource(Protocol):
    """People who are kept somewhere else. Given at the hook `users`, and called by many threads at once.

    A call that waits for a server needs a timeout of its own. Whatever it raises is logged without its text, and
    answered as `temporarily_unavailable`.
    """

    def find(self, username: str) -> User | None:
        """The user with exactly this name, also a disabled one; None where there is none."""

    def find_by_subject(self, subject: str) -> User | None:
        """The user whose `sub` this is."""

    def authenticate(self, username: str, password: str) -> User | None:
        """The user, if the password, which is never empty, is right. The same time for an unknown user.

        `username` is what was typed. Another spelling or a mail address may be taken too: `find` must know the name of
        the user that is answered.
        """


@dataclass(frozen=True, slots=True)
class _Found:
    """A user, and the source that has them."""

    user: User
    source: _Source


class UserSources:
    """The users of all sources, as `find`, `find_by_subject` and `authenticate` of one."""

    def __init__(self, is_taken: Callable[[User], bool], *, places: int) -> None:
        """`is_taken`: whether somebody of the file or the store, or a client, has the name or the subject already.
        `places`: the threads that wait for one source at most.
        """
        self._is_taken = is_taken
        self._places = places
        self._sources: list[_Source] = []
        self._by_name = ReadThrough(self._read)
        self._by_subject = ReadThrough(self._read_by_subject)

    def start(self, sources: Iterable[tuple[str, UserSource]]) -> None:
        """Ask these from now on, each under the name of its plugin."""
        self._sources = [_Source(name, source, self._places) for name, source in sources]

    def add(self, name: str, source: UserSource) -> None:
        """Ask this one too, after the others."""
        self._sources = [*self._sources, _Source(name, source, self._places)]

    def may_have(self, username: str) -> bool:
        """Whether there is anybody to ask, and the name is one that somebody can have."""
        return bool(self._sources) and _can_be_a_name(username)

    def find(self, username: str) -> User | None:
        """The user of this name. Remembered for some seconds, None included. Raises TemporarilyUnavailable."""
        found = self._find(username)
        return found.user if found else None

    def find_by_subject(self, subject: str) -> User | None:
        """The user whose `sub` this is; remembered as in `find`. Raises TemporarilyUnavailable."""
        return self._by_subject(subject) if self.may_have(subject) else None

    def authenticate(self, username: str, password: str) -> User | None:
        """The user, if a source takes the password and they are not disabled. Raises TemporarilyUnavailable.

        An empty password is no password, and not shown to a source: LDAP takes it for a wish to be nobody, and agrees
        (RFC 4513 5.1.2).
        """
        if not self.may_have(username) or not 0 < len(password) <= LONGEST_PASSWORD:
            return None
        for source in self._sources:
            user = source.ask(source.users.authenticate, username, password)
            if user is not None:
                return self._if_it_is_theirs(source, user)
        return None

    def forget(self, username: str, subject: str) -> None:
        """Ask anew the next time: the user was changed here."""
        self._by_name.forget(username)
        self._by_subject.forget(subject)

    def _find(self, username: str) -> _Found | None:
        return self._by_name(username) if self.may_have(username) else None

    def _read(self, username: str) -> _Found | None:
        """The first source that has the name decides, also where its user cannot be used."""
        for source in self._sources:
            user = source.ask(source.users.find, username)
            if user is None or user.username != username:  # some servers do not care about case
                continue
            if self._is_taken(user) or self._has_earlier(source, user.subject):
                logger.error("user_refused", source=source.name, reason="their name or sub is somebody else's")
                return None
            return _Found(user, source)
        return None

    def _read_by_subject(self, subject: str) -> User | None:
        for source in self._sources:
            user = source.ask(source.users.find_by_subject, subject)
            if user is not None and user.subject == subject:
                found = self._find(user.username)
                return found.user if found is not None and found.user.subject == subject else None
        return None

    def _has_earlier(self, source: _Source, subject: str) -> bool:
        earlier = self._sources[: self._sources.index(source)]
        return any(each.ask(each.users.find_by_subject, subject) is not None for each in earlier)

    def _if_it_is_theirs(self, source: _Source, user: User) -> User | None:
        """A password is good for the user of the source that took it, and for nobody of that name elsewhere."""
        found = self._find(user.username)
        if found is None or found.source is not source or found.user.subject != user.subject:
            logger.warning("user_refused", source=source.name, reason="their name is somebody else's, or not found")
            return None
        return None if user.disabled or found.user.disabled else user


class _Source:
    """A source, and how it is called: others run meanwhile, and never more wait for it than it has places."""

    def __init__(self, name: str, users: UserSource, places: int) -> None:
        self.name = name
        self.users = users
        self._places = BoundedSemaphore(places)

    def ask(self, method: Callable[..., User | None], *arguments: str) -> User | None:
        """What the source answers. Raises TemporarilyUnavailable where it fails, or too many wait for it already."""
        whom = f"users of plugins.{self.name}"
        with asking(whom):
            if not self._places.acquire(timeout=PATIENCE):
                raise TemporarilyUnavailable(hint=f"{whom}: too many requests wait for it")
            try:
                return _checked(method(*arguments))
            finally:
                self._places.release()


def _checked(user: User | None) -> User | None:
    """OpenID Connect Core 2: a `sub` is ASCII, and 255 characters at most. Raises ValueError for what is no user."""
    if user is None:
        return None
    if not (_can_be_a_name(user.username) and _can_be_a_name(user.subject) and user.subject.isascii()):
        raise ValueError("neither username nor subject may be empty, long or unprintable, and the subject is ASCII")
    return user


def _can_be_a_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_IDENTIFIER and text.isprintable()
