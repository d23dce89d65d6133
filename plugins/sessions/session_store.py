"""Sessions as the store has them: begun, read, kept alive and ended."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from creance.provider import User, new_id
from creance.provider.store import Collection, Conflict, Document, Store, bearer_key, delete, insert, replace

SESSIONS = Collection("sessions", indexes=("username", "sid"))

_TOUCHED_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """One login at one browser."""

    sid: str
    """Its public id: what it gave carries it. It opens nothing, unlike the id in the cookie, which is nowhere here."""
    username: str
    subject: str
    auth_time: float
    """When the person logged in. All times are seconds since the epoch."""
    amr: tuple[str, ...]
    created_at: float
    last_seen: float
    expires_at: float
    """The earlier of idle and absolute timeout."""
    document: Document


class SessionStore:
    """Knows how sessions are kept. The time that a session has left slides with its use."""

    def __init__(self, store: Store, idle_timeout: float, absolute_timeout: float) -> None:
        self._store = store
        self._idle_timeout = idle_timeout
        self._absolute_timeout = absolute_timeout
        self._touched_every = min(_TOUCHED_EVERY, idle_timeout / 2)

    def begin(self, user: User, amr: tuple[str, ...], previous: Session | None = None) -> str:
        """Start a session and answer its id, 256 bits, for the cookie: it is kept nowhere else.

        `previous` is an earlier login of the same person at this browser. It ends, and its `sid` lives on, so that
        what it gave ends with the new one.
        """
        now = time.time()
        session_id = secrets.token_urlsafe(32)
        value = {
            "username": user.username,
            "subject": user.subject,
            "sid": previous.sid if previous else new_id(),
            "auth_time": now,
            "amr": amr,
            "created_at": now,
            "last_seen": now,
        }
        begun = insert(SESSIONS, bearer_key(session_id), value, self._ends(now, now))
        self._store.write([begun, delete(SESSIONS, previous.document.key)] if previous else [begun])
        return session_id

    def read(self, session_id: str | None) -> Session | None:
        """The session with this id, if it has not ended. A timeout that was shortened since holds for it too."""
        document = self._store.get(SESSIONS, bearer_key(session_id)) if session_id else None
        if document is None:
            return None
        session = self._session(document)
        return session if session.expires_at > time.time() else None

    def is_alive(self, sid: str) -> bool:
        """Whether the session with this public id has not ended."""
        documents = self._store.find(SESSIONS, "sid", sid, limit=10)
        return any(self._session(document).expires_at > time.time() for document in documents)

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

    def end(self, session: Session) -> None:
        """Remove the session, and whatever a second submit of its login form left."""
        self._store.delete_where(SESSIONS, "sid", session.sid)

    def _ends(self, created_at: float, last_seen: float) -> float:
        return min(last_seen + self._idle_timeout, created_at + self._absolute_timeout)

    def _session(self, document: Document) -> Session:
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
            document=document,
        )
