"""Logins at browsers: begun, recognised, listed and ended. This is what `provider.browser_sessions` is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from creance.provider import Browser, BrowserSession, Event, OpenIDProvider, User, new_id
from creance.provider.batches import batches
from creance.provider.request_log import logger

from .remembered_logins import RememberedLogin, RememberedLogins, TokenReused
from .session_store import Session, SessionStore

if TYPE_CHECKING:
    from . import Settings

_BY_PASSWORD = ("pwd",)
_AT_ONCE = 100
"""Sessions that are ended together, where all of a person's are."""


class Logins:
    """The sessions of all browsers, and what browsers are remembered by."""

    def __init__(self, provider: OpenIDProvider, settings: Settings) -> None:
        self._provider = provider
        self._remembers = settings.remember_me
        self.sessions = SessionStore(provider.store, settings.idle_timeout, settings.absolute_timeout)
        self.remembered = RememberedLogins(
            provider.store, provider.sealer, self.sessions, settings.remember_me_lifetime
        )
        self._session_cookie = provider.cookie_names("session")
        self._remember_cookie = provider.cookie_names("remember")

    # Who is at this browser?

    def current(self, browser: Browser) -> Session | None:
        """The session of this browser. None where it has ended, or its user is gone, disabled or another by now.

        It only looks: a browser that is remembered gets its next session from `recognise`.
        """
        given = [cookie.value for cookie in browser.set_cookies if cookie.name == self._session_cookie]
        session = self.sessions.read(given[-1] if given else browser.cookies.get(self._session_cookie))
        return session if session is not None and self._is_living(session) else None

    def recognise(self, browser: Browser) -> Session | None:
        """The session of this browser; one that begins now where it has none and is remembered.

        That spends the token in its cookie: only for requests whose response sets cookies, and that a person waits for.
        """
        return self.current(browser) or self._resume(browser)

    def is_remembered(self, browser: Browser) -> bool:
        """Whether it brought a cookie that says so, good or not."""
        return self._remembers and self._remember_cookie in browser.cookies

    def _resume(self, browser: Browser) -> Session | None:
        token = browser.cookies.get(self._remember_cookie)
        if not token or not self._remembers:
            return None
        login = self.remembered.read(token)
        try:
            resumed = self.remembered.resume(token, browser) if login is not None and self._is_living(login) else None
        except TokenReused as reused:
            self._end_stolen(reused.login)
            resumed = None
        if resumed is None:
            browser.remove_cookie(self._remember_cookie)
            return None
        browser.set_cookie(self._remember_cookie, resumed.token, max(1, int(resumed.expires_at - time.time())))
        browser.set_cookie(self._session_cookie, resumed.session_id)
        return self.current(browser)

    def _is_living(self, login: BrowserSession | RememberedLogin) -> bool:
        user = self._provider.users.find(login.username)
        return user is not None and not user.disabled and user.subject == login.subject

    # Login and logout.

    def log_in(
        self,
        user: User,
        client_id: str | None,
        browser: Browser,
        *,
        remember: bool = False,
        is_still_right: Callable[[], bool],
    ) -> bool:
        """Begin a session under a new id, whatever cookies came along. What is there of another person ends, with its
        tokens; an earlier login of the same one goes on under its `sid`, remembered anew or no longer.

        `is_still_right` is asked when the session is there: whether the password counts still. Who changes it, or
        disables the user, ends all sessions after that: so this one is found by one of the two. False where it does
        not count.
        """
        previous = self._previous_session(user, browser)
        sid = previous.sid if previous else self._previous_login(user, browser)
        if sid is not None:
            self._provider.store.write([self.remembered.ending(sid)])
        sid, now = sid or new_id(), time.time()
        token, insertion = self.remembered.remember(user, sid, now, browser)
        remembers = remember and self._remembers
        session_id = self.sessions.begin(
            user,
            _BY_PASSWORD,
            previous,
            sid=sid,
            browser=browser,
            auth_time=now,
            together_with=[insertion] if remembers else [],
        )
        if not is_still_right():
            self._end(sid)
            return False
        browser.set_cookie(self._session_cookie, session_id)
        if remembers:
            browser.set_cookie(self._remember_cookie, token, self.remembered.lifetime)
        elif self._remember_cookie in browser.cookies:
            browser.remove_cookie(self._remember_cookie)
        self._provider.happened(Event("login", client_id, user.username))
        return True

    def log_out(self, browser: Browser) -> None:
        """End what this browser is logged in by, if it is, and what that gave."""
        session = self.sessions.read(browser.cookies.get(self._session_cookie))
        login = self._remembered_by(browser)
        for sid in {each.sid for each in (session, login) if each}:  # two at most, and most often one
            self.end(sid)
        if self._remember_cookie in browser.cookies:
            browser.remove_cookie(self._remember_cookie)
        if self._session_cookie in browser.cookies:  # a form of another site comes without it, and takes none away
            browser.remove_cookie(self._session_cookie)

    # All of them.

    def of_user(self, username: str) -> Sequence[BrowserSession]:
        """The live sessions of a user, each `sid` once, the last used first; and the browsers that are remembered
        without one.
        """
        return self._each_once(self.sessions.of_user(username), self.remembered.of_user(username))

    def all(self) -> Sequence[BrowserSession]:
        """The same of all users: for commands."""
        return self._each_once(self.sessions.all(), self.remembered.all())

    def end(self, sid: str) -> None:
        """End a session and what it gave. One that is not there is no error."""
        usernames = {session.username for session in self.sessions.of_login(sid)}
        usernames |= {login.username for login in self.remembered.of_login(sid)}
        self._end(sid)
        for username in usernames:
            self._provider.happened(Event("logout", username=username))

    def end_all(self, username: str, *, but: str | None = None) -> int:
        """End all sessions of a user, and what makes browsers remember them, but that of one `sid`. Answers how many
        sessions.
        """
        ended: set[str] = set()
        while more := list(self._sids_of(username) - ended - {but}):
            for together in batches(more, _AT_ONCE):
                self._end(*together)
                for _ in together:
                    self._provider.happened(Event("logout", username=username))
            ended.update(more)
        return len(ended)

    def renew(self, browser: Browser) -> None:
        """Give the session of this browser another id, and remember the browser no more: what somebody may have copied
        is worth nothing then. Who it is, its `sid` and its end stay. None is no error.
        """
        session = self.current(browser)
        if session is None:
            return
        self._provider.store.write([self.remembered.ending(session.sid)])  # first: it begins no other one meanwhile
        session_id, writes = self.sessions.renewal(session)
        self._provider.store.write(writes)
        browser.set_cookie(self._session_cookie, session_id)
        if self._remember_cookie in browser.cookies:
            browser.remove_cookie(self._remember_cookie)

    def _previous_session(self, user: User, browser: Browser) -> Session | None:
        session = self.sessions.read(browser.cookies.get(self._session_cookie))
        if session is not None and (session.username, session.subject) != (user.username, user.subject):
            self.end(session.sid)
            return None
        return session

    def _previous_login(self, user: User, browser: Browser) -> str | None:
        """The `sid` of the login that this browser is remembered by, where it is the same person's."""
        login = self._remembered_by(browser)
        if login is None:
            return None
        if (login.username, login.subject) == (user.username, user.subject) and login.spent_at is None:
            return login.sid
        self.end(login.sid)
        return None

    def _remembered_by(self, browser: Browser) -> RememberedLogin | None:
        token = browser.cookies.get(self._remember_cookie)
        return self.remembered.read(token) if token else None

    def _sids_of(self, username: str) -> set[str]:
        sids = {session.sid for session in self.sessions.of_user(username)}
        return sids | {login.sid for login in self.remembered.of_user(username)}

    def _each_once(self, sessions: Iterable[Session], logins: Iterable[RememberedLogin]) -> list[BrowserSession]:
        found: dict[str, BrowserSession] = {login.sid: login.as_session for login in logins}
        found |= {session.sid: session for session in sorted(sessions, key=_last_seen)}
        return sorted(filter(self._is_living, found.values()), key=_last_seen, reverse=True)

    def _end_stolen(self, login: RememberedLogin) -> None:
        """RFC 9700 4.14.2, as for a refresh token: who of the two is the person cannot be known, so both lose it."""
        self._end(login.sid)
        logger.warning("remembered_token_reused", username=login.username, sid=login.sid)
        self._provider.happened(Event("remembered_token_reused", username=login.username))

    def _end(self, *sids: str) -> None:
        """Tokens first: should the store fail in between, the session is still there to be ended again. And once more:
        as long as it was there, an app could get others. What is remembered goes before the session that it can begin.
        """
        self._provider.tokens.end_session(*sids)
        self._provider.store.write([each.ending(sid) for each in (self.remembered, self.sessions) for sid in sids])
        self._provider.tokens.end_session(*sids)


def _last_seen(session: BrowserSession) -> float:
    return session.last_seen
