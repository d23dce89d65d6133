"""Answering: headers for what must not be kept, cookies, pages, and errors as JSON or as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import quote
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import falcon
from jinja2 import Environment, FunctionLoader, StrictUndefined

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
    elif error.status == 503:
        resp.set_header("Retry-After", "2")


def bearer_challenge(error: OAuthError, realm: str) -> str:
    """RFC 6750 3: without an error where no token was presented at all."""
    challenge = f'Bearer realm="{quote(realm)}"'
    if isinstance(error, TokenMissing):
        return challenge
    return f'{challenge}, error="{error.error}", error_description="{error.description}"'


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def set_cookies(resp: falcon.Response, browser: Browser, *, secure: bool) -> None:
    """Every cookie of ours: HttpOnly, SameSite=Lax, for the whole host, Secure on https."""
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


def redirect(resp: falcon.Response, location: str) -> None:
    """303: the browser goes there with GET, whatever brought it here (RFC 9700 4.12)."""
    resp.status = 303
    resp.content_type = falcon.MEDIA_TEXT  # with nothing in it
    resp.set_header("Location", location)
    never_store(resp)


CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)


class Pages:
    """Renders templates: escaped, without scripts, without anything from elsewhere."""

    def __init__(self, package: str, common: Mapping[str, Any], *, loopback: bool) -> None:
        """Templates of a package's folder `templates`, over those of the provider (`base.html`).

        `loopback`: the provider is for this machine alone, and so are its apps.
        """

        def load(name: str) -> str | None:
            for place in dict.fromkeys((package, "creance.provider")):
                template = files(place) / "templates" / name
                if template.is_file():
                    return template.read_text("utf-8")
            return None

        self._environment = Environment(
            loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined, auto_reload=False
        )
        self._common = common
        self._onward = "https: http://localhost:* http://127.0.0.1:*" if loopback else "https:"

    def answer(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        template: str,
        *,
        status: int = 200,
        leads_to: str | None = None,
        ui_locales: str = "",
        **values: Any,
    ) -> None:
        """A page. `leads_to` is the proven redirect URI that a form of it leads to; `ui_locales` the languages that the
        app prefers for it (OpenID Connect Core 3.1.2.1).

        Chromium holds form-action against every redirect after a form, and the app may send people on in turn, as a
        proxy or a portal does: so such a page allows the redirect URI, and every place that is as safe to go to as a
        redirect URI must be.
        """
        resp.status = status
        resp.content_type = "text/html; charset=utf-8"
        resp.text = self._environment.get_template(template).render(**self._common, **values)
        never_store(resp)
        onward = f" {_source(leads_to)} {self._onward}" if leads_to else ""
        resp.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY + onward)


def _source(uri: str) -> str:
    """A CSP source for where a redirect URI leads: its origin, or its scheme where that has none."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or ":" in (parts.hostname or ""):
        return f"{parts.scheme}:"  # CSP has no form for an IPv6 address
    return f"{parts.scheme}://{parts.netloc}"
