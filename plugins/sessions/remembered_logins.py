"""Browsers that are remembered: each has a token in a cookie of its own, which begins another session when the last one
has timed out.

A token is used once. Its successor, and the id of the session that it begins, are derived from it: tabs that are opened
together present the same token, and all of them get the same session and the same successor. A token that is presented
later than that is known to somebody else, or to somebody else as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from creance.provider import Browser, BrowserSession, User
from creance.provider.sealing import Sealer
from creance.provider.store import (
    AlreadyRedeemed,
    Collection,
    Document,
    Expired,
    NotFound,
    Operation,
    Store,
    bearer_key,
    delete_where,
    ensure,
    insert,
    new_bearer_value,
    redeem,
)

from .session_store import SESSIONS, SessionStore, described

REMEMBERED = Collection("remembered", indexes=("username", "sid"), group="sessions")

GRACE = 10.0
"""Seconds in which a token that was spent still gives what it gave: tabs that are opened together, or an answer that
was lost."""

_SUCCESSOR = "remembered login"
_SESSION = "session of a remembered login"
_ATTEMPTS = 5
"""Another tab may be quicker; then what is there is looked at again."""


@dataclass(frozen=True, slots=True)
class RememberedLogin:
    """A login that a browser is remembered by. All times are seconds since the epoch."""

    sid: str
    """That of the login, and of all sessions that it begins."""
    username: str
    subject: str
    auth_time: float
    issued_at: float
    """When its token was: at the login, or with the last session that it began."""
    expires_at: float
    user_agent: str
    remote_address: str
    spent_at: float | None
    """When its token was used; None while it is not."""

    @property
    def as_session(self) -> BrowserSession:
        """As people and commands see it while no session lives: the browser can begin one at any time."""
        return BrowserSession(
            sid=self.sid,
            username=self.username,
            subject=self.subject,
            auth_time=self.auth_time,
            amr=(),
            created_at=self.auth_time,
            last_seen=self.issued_at,
            expires_at=self.expires_at,
            user_agent=self.user_agent,
            remote_address=self.remote_address,
            remembered=True,
        )


@dataclass(frozen=True, slots=True)
class Resumed:
    """What the browser gets for a token: the id of a session, and the token for the next one."""

    session_id: str
    token: str
    expires_at: float


class TokenReused(Exception):
    """A token was presented that was spent before: somebody has a copy."""

    def __init__(self, login: RememberedLogin) -> None:
        super().__init__()
        self.login = login


class RememberedLogins:
    """Knows how remembered logins are kept, and spends their tokens."""

    def __init__(self, store: Store, sealer: Sealer, sessions: SessionStore, lifetime: int) -> None:
        self._store = store
        self._sealer = sealer
        self._sessions = sessions
        self.lifetime = lifetime
        """Seconds from the login, however often it is used."""

    def remember(self, user: User, sid: str, auth_time: float, browser: Browser) -> tuple[str, Operation]:
        """The token of a login, 256 bits, and the insertion that belongs to the write of its session."""
        token = new_bearer_value()
        value = {
            "username": user.username,
            "subject": user.subject,
            "sid": sid,
            "auth_time": auth_time,
            "issued_at": auth_time,
            **described(browser),
        }
        return token, insert(REMEMBERED, bearer_key(token), value, auth_time + self.lifetime)

    def read(self, token: str) -> RememberedLogin | None:
        """The login of a token, also of one that is spent; None where it has ended."""
        document = self._store.get_kept(REMEMBERED, bearer_key(token))
        login = self._login(document) if document else None
        return login if login is not None and login.expires_at > time.time() else None

    def resume(self, token: str, browser: Browser) -> Resumed | None:
        """Begin the next session of a login: that of its `sid` and of its true auth_time. None where it has ended.

        Raises TokenReused.
        """
        for _ in range(_ATTEMPTS):
            login = self.read(token)
            if login is None:
                return None
            if login.spent_at is None:
                try:
                    return self._spend(token, login, browser)
                except AlreadyRedeemed:
                    continue  # another tab was quicker: look again, and decide by what is there
                except (NotFound, Expired):
                    return None
            successor, resumed = self._given_before(token, login)
            if resumed is not None:
                return resumed
            token = successor  # its session has ended meanwhile: the login goes on with the next one
        return None

    def of_user(self, username: str) -> list[RememberedLogin]:
        """The logins that a user's browsers are remembered by: those whose token is unspent."""
        return list(self._live(self._store.find(REMEMBERED, "username", username)))

    def of_login(self, sid: str) -> list[RememberedLogin]:
        """The same of one login."""
        return list(self._live(self._store.find(REMEMBERED, "sid", sid)))

    def all(self) -> Iterator[RememberedLogin]:
        """Those of all users, page by page: for commands, never for a request."""
        after = None
        while documents := self._store.page(REMEMBERED, after):
            yield from self._live(documents)
            after = documents[-1].key

    def ending(self, sid: str) -> Operation:
        """Remembers a login no more: removes all its tokens, spent ones too."""
        return delete_where(REMEMBERED, "sid", sid)

    def _spend(self, token: str, login: RememberedLogin, browser: Browser) -> Resumed:
        """Insert what nobody holds yet, redeem last: one write, and never two winners."""
        session_id = self._sealer.bearer_value(_SESSION, token, login.issued_at)
        next_token = self._sealer.bearer_value(_SUCCESSOR, token, login.issued_at)
        resumed = Resumed(session_id, next_token, login.expires_at)
        kept = {name: getattr(login, name) for name in ("username", "subject", "sid", "auth_time")} | described(browser)
        session, session_ends = self._sessions.new({**kept, "amr": (), "remembered": True})
        successor = kept | {"issued_at": time.time()}
        self._store.write(
            [
                ensure(SESSIONS, bearer_key(resumed.session_id), session, session_ends),
                ensure(REMEMBERED, bearer_key(resumed.token), successor, login.expires_at),
                redeem(REMEMBERED, bearer_key(token), login.expires_at),
            ]
        )
        return resumed

    def _given_before(self, token: str, login: RememberedLogin) -> tuple[str, Resumed | None]:
        """The successor of a token that was spent a moment ago, and what was given with it while that lives.

        Raises TokenReused where it was longer ago, or where somebody has used the successor.
        """
        by_each_secret = zip(
            self._sealer.bearer_values(_SUCCESSOR, token, login.issued_at),
            self._sealer.bearer_values(_SESSION, token, login.issued_at),
            strict=True,
        )
        if abs(time.time() - (login.spent_at or 0.0)) <= GRACE:  # a clock set back gives no more grace
            for successor, session_id in by_each_secret:
                if self._store.get(REMEMBERED, bearer_key(successor)) is not None:
                    alive = self._sessions.read(session_id) is not None
                    return successor, Resumed(session_id, successor, login.expires_at) if alive else None
        raise TokenReused(login)

    def _live(self, documents: Iterable[Document]) -> Iterator[RememberedLogin]:
        now = time.time()
        return (login for login in map(self._login, documents) if login.expires_at > now)

    def _login(self, document: Document) -> RememberedLogin:
        """A lifetime that was shortened since holds for it too."""
        value = document.value
        return RememberedLogin(
            sid=value["sid"],
            username=value["username"],
            subject=value["subject"],
            auth_time=value["auth_time"],
            issued_at=value["issued_at"],
            expires_at=min(document.valid_until, value["auth_time"] + self.lifetime),
            user_agent=value["user_agent"],
            remote_address=value["remote_address"],
            spent_at=document.redeemed_at,
        )
