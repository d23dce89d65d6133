"""Who is logged in at a browser, as the rest of the provider knows it: pages and commands need no more than this.

A plugin that keeps sessions gives them at the hook `browser_sessions`; the provider has them as
`provider.browser_sessions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .browser import Browser


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """One login at one browser. All times are seconds since the epoch."""

    sid: str
    """Its public id: what it gave carries it (OpenID Connect Front-Channel Logout 3). It opens nothing."""
    username: str
    subject: str
    auth_time: float
    """When the person logged in: the true login, also where a remembered browser began another session since."""
    amr: tuple[str, ...]
    """How they proved who they are (RFC 8176); empty where the browser was only remembered."""
    created_at: float
    last_seen: float
    expires_at: float
    """When it ends if it is not used."""
    user_agent: str = ""
    """The browser's own description of itself when the session began, at most 256 characters."""
    remote_address: str = ""
    """The address that it began from."""
    remembered: bool = False
    """Whether the browser was remembered, and nobody logged in for this session: never enough for prompt=login and
    max_age.
    """


class BrowserSessions(Protocol):
    """The sessions of all browsers."""

    def current(self, browser: Browser) -> BrowserSession | None:
        """The live session of this browser; None where there is none, or where its user is gone or disabled.

        It changes nothing. A browser that is only remembered gets its next session on the way to an app, or at the
        login page: a page that finds nobody here sends the person there.
        """

    def is_remembered(self, browser: Browser) -> bool:
        """Whether this browser brought something by which a session can begin without a login, good or not."""

    def of_user(self, username: str) -> Sequence[BrowserSession]:
        """The live sessions of a user, each `sid` once, the last used first; and, as sessions with `remembered`, the
        browsers that can begin one without a password. None of a disabled user.
        """

    def all(self) -> Sequence[BrowserSession]:
        """The same of all users: for commands, never for a request."""

    def log_out(self, browser: Browser) -> None:
        """End what this browser is logged in by, if it is, what that gave, and what makes the browser be remembered."""

    def end(self, sid: str) -> None:
        """End a session and what it gave. One that is not there is no error."""

    def end_all(self, username: str, *, but: str | None = None) -> int:
        """End all sessions of a user, and what makes browsers remember them, but that of one `sid`. Answers how many
        sessions.
        """

    def renew(self, browser: Browser) -> None:
        """Give the session of this browser another id, and remember the browser no more: what somebody may have copied
        is worth nothing then. Who it is, its `sid` and its end stay. None is no error.
        """
