"""Who is at the account page, and whether they may change something there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import falcon
from creance.provider import Browser, BrowserSession, BrowserSessions, ConfigurationError, Parameters, User
from creance.provider.endpoints import PageResource

if TYPE_CHECKING:
    from . import Account

ACCOUNT = "account"
"""The endpoint that the login page leads back to."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is logged in at this browser."""

    browser: Browser
    session: BrowserSession
    user: User
    may_change: bool
    """Whether they have logged in themselves, and recently enough: a browser that was only remembered shows the page to
    whoever sits in front of it.
    """


class AccountPage(PageResource):
    """Base of the account page and of what its forms go to."""

    templates = "creance.plugins.account"

    def __init__(self, plugin: Account) -> None:
        self._plugin = plugin

    @property
    def sessions(self) -> BrowserSessions:
        """The sessions of all browsers: `Account.start` saw to it that something keeps them."""
        sessions = self.provider.browser_sessions
        if sessions is None:
            raise ConfigurationError("plugins.account: nothing keeps sessions")
        return sessions

    @property
    def home(self) -> str:
        return self.provider.url(ACCOUNT)

    def visitor(self, req: falcon.Request, resp: falcon.Response) -> Visitor | None:
        """Who is logged in. Where nobody is, the browser is sent to the login page, from where it comes back."""
        browser = self.reader.browser(req)
        session = self.sessions.current(browser)
        user = self.provider.users.find(session.username) if session else None
        if session is None or user is None:
            self.send_on(resp, browser, self.login_url())
            return None
        return Visitor(browser, session, user, self._may_change(session))

    def form_of(self, req: falcon.Request, resp: falcon.Response) -> tuple[Visitor, Parameters] | None:
        """A form of this page, and who sent it. None where it is answered already: nobody is logged in, or not recently
        enough, or the form is not from a page that this session was shown.
        """
        form = self.read_form(req)
        visitor = self.visitor(req, resp)
        if visitor is None:
            return None
        session = visitor.session
        if self.refuse_forged(req, resp, form, visitor.browser, again=self.home, bound_to=session.sid):
            return None
        if not visitor.may_change:
            req.context.log.outcome = "refused"
            self.send_on(resp, visitor.browser, self.login_url(anew=True))
            return None
        return visitor, form

    def login_url(self, *, anew: bool = False) -> str:
        """The login page, which leads back here; `anew`: also for who is logged in."""
        query = {"next": ACCOUNT, **({"prompt": "login"} if anew else {})}
        return f"{self.provider.url('login')}?{urlencode(query)}"

    def send_home(self, resp: falcon.Response, browser: Browser, notice: str) -> None:
        """Back to the page, which says what happened."""
        self.send_on(resp, browser, f"{self.home}?{urlencode({'notice': notice})}")

    def _may_change(self, session: BrowserSession) -> bool:
        within = self._plugin.settings.recent_login
        return not session.remembered and (not within or session.auth_time + within >= time.time())
