"""Sessions as the store has them: begun, read, kept alive and ended."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from creance.provider import Browser, BrowserSession, User, new_id
from creance.provider.store import (
    Collection,
    Conflict,
    Document,
    Operation,
    Store,
    bearer_key,
    delete,
    delete_where,
    insert,
    new_bearer_value,
    replace,
)

SESSIONS = Collection("sessions", indexes=("username", "sid"))

_TOUCHED_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Session(BrowserSession):
    """One login at one browser, as it was read. `expires_at` is the earlier of idle and absolute timeout."""

    document: Document = field(kw_only=True)


class SessionStore:
    """Knows how sessions are kept. The time that a session has left slides with its use."""

    def __init__(self, store: Store, idle_timeout: float, absolute_timeout: float) -> None:
        self._store = store
        self._idle_timeout = idle_timeout
        self._absolute_timeout = absolute_timeout
        self._touched_every = min(_TOUCHED_EVERY, idle_timeout / 2)

    def begin(
        self,
        user: User,
        amr: tuple[str, ...],
        previous: Session | None = None,
        *,
        sid: str | None = None,
        browser: Browser | None = None,
        auth_time: float | None = None,
        together_with: Iterable[Operation] = (),
    ) -> str:
        """Start a session and answer its id, 256 bits, for the cookie: it is kept nowhere else.

        `previous` is an earlier login of the same person at this browser. It ends, and its `sid` lives on, so that
        what it gave ends with the new one. `auth_time` is now where it is not given. `together_with`: what else the
        login inserts, in one write.
        """
        session_id = new_bearer_value()
        value = {
            "username": user.username,
            "subject": user.subject,
            "sid": sid or (previous.sid if previous else new_id()),
            "auth_time": time.time() if auth_time is None else auth_time,
            "amr": amr,
            **described(browser),
        }
        begun = insert(SESSIONS, bearer_key(session_id), *self.new(value))
        ended = [delete(SESSIONS, previous.document.key)] if previous else []
        self._store.write([begun, *together_with, *ended])
        return session_id

    def new(self, login: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """The document of a session of a login that begins now, and until when it is valid."""
        now = time.time()
        return {**login, "created_at": now, "last_seen": now}, self._ends(now, now)

    def read(self, session_id: str | None) -> Session | None:
        """The session with this id, if it has not ended. A timeout that was shortened since holds for it too."""
        document = self._store.get(SESSIONS, bearer_key(session_id)) if session_id else None
        return next(self._live([document]), None) if document is not None else None

    def of_login(self, sid: str) -> list[Session]:
        """Those with this public id that have not ended: a login form sent twice makes two."""
        return list(self._live(self._store.find(SESSIONS, "sid", sid)))

    def of_user(self, username: str) -> list[Session]:
        """Those of a user that have not ended."""
        return list(self._live(self._store.find(SESSIONS, "username", username)))

    def all(self) -> Iterator[Session]:
        """Those of all users that have not ended, page by page: for commands, never for a request."""
        after = None
        while documents := self._store.page(SESSIONS, after):
            yield from self._live(documents)
            after = documents[-1].key

    def is_alive(self, sid: str) -> bool:
        """Whether the session with this public id has not ended."""
        return any(self._live(self._store.find(SESSIONS, "sid", sid, limit=10)))

    def touch(self, session: Session) -> None:
        """Note that it is used: written at most once a minute (or twice in an idle timeout, where that is shorter).

        Another request that was quicker, or a logout, is left alone.
        """
        now = time.time()
        if now - session.last_seen < self._touched_every:
            return
        value = session.document.value | {"last_seen": now}
        try:
            self._store.write([replace(SESSIONS, session.document, value, self._ends(session.created_at, now))])
        except Conflict:
            return

    def renewal(self, session: Session) -> tuple[str, list[Operation]]:
        """Another id for a session, which else stays as it is, and the writes that make it the only one of its
        `sid`.
        """
        session_id = new_bearer_value()
        begun = insert(SESSIONS, bearer_key(session_id), session.document.value, session.document.valid_until)
        return session_id, [begun, *(delete(SESSIONS, each.document.key) for each in self.of_login(session.sid))]

    def ending(self, sid: str) -> Operation:
        """Removes the session, and whatever a second submit of its login form left."""
        return delete_where(SESSIONS, "sid", sid)

    def _ends(self, created_at: float, last_seen: float) -> float:
        return min(last_seen + self._idle_timeout, created_at + self._absolute_timeout)

    def _live(self, documents: Sequence[Document]) -> Iterator[Session]:
        now = time.time()
        return (session for session in map(self._session, documents) if session.expires_at > now)

    def _session(self, document: Document) -> Session:
        """Those of before the first version with remembered logins lack the last three."""
        value = document.value
        return Session(
            sid=value["sid"],
            username=value["username"],
            subject=value["subject"],
            auth_time=value["auth_time"],
            amr=tuple(value["amr"]),
            created_at=value["created_at"],
            last_seen=value["last_seen"],
            expires_at=min(document.valid_until, self._ends(value["created_at"], value["last_seen"])),
            user_agent=value.get("user_agent", ""),
            remote_address=value.get("remote_address", ""),
            remembered=value.get("remembered", False),
            document=document,
        )


def described(browser: Browser | None) -> dict[str, str]:
    """What is kept of the browser that a login was made at, so that people can tell their sessions apart."""
    if browser is None:
        return {}
    return {"user_agent": _text(browser.user_agent, 256), "remote_address": _text(browser.remote_address, 64)}


def _text(header: str, longest: int) -> str:
    """As much of a header as every store and every page can show."""
    return "".join(character for character in header[:longest] if character.isprintable())
