"""Answering: headers for what must not be kept, cookies, redirects, and errors as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import quote
from typing import Any

import falcon

from ..bearer import TokenMissing
from ..browser import Browser
from ..errors import InsufficientScope, InvalidClient, InvalidRequest, InvalidToken, OAuthError


def never_store(resp: falcon.Response) -> None:
    """For whatever holds a token, code or claim (RFC 6749 5.1)."""
    resp.set_header("Cache-Control", "no-store")
    resp.set_header("Pragma", "no-cache")


def answer_json(resp: falcon.Response, members: Mapping[str, Any], status: int = 200) -> None:
    """A JSON object (RFC 6749 5.1)."""
    resp.status = status
    resp.content_type = "application/json"
    resp.data = json.dumps(members).encode()


def answer_oauth_error(
    resp: falcon.Response, error: OAuthError, realm: str, *, takes_access_token: bool = False
) -> None:
    """RFC 6749 5.2, RFC 6750 3: status, challenge and members."""
    answer_json(resp, error.to_dict(), error.status)
    never_store(resp)
    if isinstance(error, InvalidClient):
        resp.set_header("WWW-Authenticate", f'Basic realm="{quote(realm)}", charset="UTF-8"')
    elif isinstance(error, InvalidToken | InsufficientScope) or (
        takes_access_token and isinstance(error, InvalidRequest)
    ):
        resp.set_header("WWW-Authenticate", bearer_challenge(error, realm))
    elif error.retry_after is not None:
        resp.set_header("Retry-After", str(error.retry_after))


def bearer_challenge(error: OAuthError, realm: str) -> str:
    """RFC 6750 3: without an error where no token was presented at all."""
    challenge = f'Bearer realm="{quote(realm)}"'
    if isinstance(error, TokenMissing):
        return challenge
    return f'{challenge}, error="{error.error}", error_description="{error.description}"'


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def set_cookies(resp: falcon.Response, browser: Browser, *, secure: bool) -> None:
    """Every cookie of ours: HttpOnly, SameSite=Lax, for the whole host, Secure on https.

    Where one is taken away, somebody has left, and the pages that they saw go too (Clear-Site-Data 3.1): Chromium keeps
    them for its back button in spite of no-store.
    """
    for cookie in browser.set_cookies:
        resp.set_cookie(
            cookie.name,
            cookie.value,
            max_age=cookie.max_age,
            expires=_LONG_AGO if cookie.max_age == 0 else None,  # Falcon says nothing of a max_age of 0
            path="/",
            secure=secure,
            http_only=True,
            same_site="Lax",
        )
    if any(cookie.max_age == 0 for cookie in browser.set_cookies):
        resp.set_header("Clear-Site-Data", '"cache"')


def redirect(resp: falcon.Response, location: str) -> None:
    """303: the browser goes there with GET, whatever brought it here (RFC 9700 4.12)."""
    resp.status = 303
    resp.content_type = falcon.MEDIA_TEXT  # with nothing in it
    resp.set_header("Location", location)
    never_store(resp)
