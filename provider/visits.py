"""A person's visit: the authorization request travels with them, sealed, while pages are shown (stored nowhere).

It is compressed, encrypted and authenticated, bound to the issuer and to a cookie of this browser, and short-lived. It
carries what was asked and when, and what the person has decided on the pages so far: client, redirect URI and all
checks run again when it comes back, and whoever asked for a decision holds it against the session that is there then.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from .browser import Browser, CookieNames
from .errors import InvalidRequest
from .parameters import Parameters
from .sealing import CannotOpen, Sealer

_PURPOSE = "authorization request"
MAXIMUM_SEALED = 12_000
"""Characters: it travels in URLs."""


class VisitLost(Exception):
    """The sealed request is too old, was changed, or belongs to another browser."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What was asked, and when."""

    parameters: Parameters
    started_at: float
    """Seconds since the epoch."""
    decisions: Mapping[str, Any] = field(default_factory=dict)
    """What the person decided on our pages since, by the name of what asked."""


class Visits:
    """Seals authorization requests for the pages in between, and opens them again."""

    def __init__(self, sealer: Sealer, cookie_names: CookieNames, *, lifetime: float, resume_url: str) -> None:
        self._sealer = sealer
        self._cookie = cookie_names("visit")
        self._lifetime = lifetime
        self._resume_url = resume_url

    def seal(
        self,
        parameters: Parameters,
        started_at: float,
        browser: Browser,
        decisions: Mapping[str, Any] | None = None,
    ) -> str:
        """The request as text for a URL or a form. Raises InvalidRequest where it is too long for that."""
        content = json.dumps([parameters, parameters.multiple, started_at, decisions or {}]).encode()
        sealed = self._sealer.seal(_PURPOSE, zlib.compress(content), context=self._visit_of(browser))
        if len(sealed) > MAXIMUM_SEALED:
            raise InvalidRequest("the authorization request is too long")
        return sealed

    def open(self, sealed: str, browser: Browser) -> Visit:
        """What was sealed in this browser. Raises VisitLost."""
        visit = browser.cookies.get(self._cookie)
        if not visit or len(sealed) > MAXIMUM_SEALED:
            raise VisitLost
        try:
            content = zlib.decompress(self._sealer.open(_PURPOSE, sealed, context=visit))
        except CannotOpen:
            raise VisitLost from None
        values, multiple, started_at, decisions = json.loads(content)
        if started_at + self._lifetime < time.time():
            raise VisitLost
        parameters = Parameters(values)
        parameters.multiple = {name: tuple(items) for name, items in multiple.items()}
        return Visit(parameters, started_at, decisions)

    def resume_url(self, sealed: str) -> str:
        """Where a page sends the browser when it is done."""
        return f"{self._resume_url}?{urlencode({'request': sealed})}"

    def csrf_token(self, browser: Browser, bound_to: str = "") -> str:
        """A token for a form, bound to this visit, and to a session where one is named (its `sid`)."""
        return self._sealer.mac("csrf", f"{self._visit_of(browser)} {bound_to}")

    def csrf_token_matches(self, token: str, browser: Browser, bound_to: str = "") -> bool:
        """Whether a form was made for this visit, and this session; compared in constant time."""
        visit = browser.cookies.get(self._cookie)
        if not visit:
            return False
        return any(
            hmac.compare_digest(token.encode("utf-8", "surrogatepass"), expected.encode())
            for expected in self._sealer.macs("csrf", f"{visit} {bound_to}")
        )

    def _visit_of(self, browser: Browser) -> str:
        """The visit cookie's value; a browser that has none gets one."""
        given = [cookie.value for cookie in browser.set_cookies if cookie.name == self._cookie]
        visit = given[-1] if given else browser.cookies.get(self._cookie)
        if not visit:
            visit = secrets.token_urlsafe(32)
            browser.set_cookie(self._cookie, visit)
        return visit
