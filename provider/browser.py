"""The user agent in front of us: what it sent that identifies it, and the cookies that it is to be given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .headers import EnvironHeaders


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie to set. Every cookie of ours is HttpOnly and SameSite=Lax; Secure where the issuer is https."""

    name: str
    value: str
    max_age: int | None
    """Seconds; None lives as long as the browser runs; 0 removes it."""


@dataclass(slots=True)
class Browser:
    """One request's view of the browser; the endpoint turns `set_cookies` into headers."""

    cookies: Mapping[str, str]
    """The cookies that the request brought, each name once."""
    remote_address: str
    """The address of the client, believed from proxy headers only behind a trusted proxy."""
    user_agent: str = ""
    accept_language: str = ""
    set_cookies: list[Cookie] = field(default_factory=list)
    environ: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The WSGI environ of the request (PEP 3333)."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the request. `X_Name` and `X-Name` are one name in WSGI: who believes a header has to know
        that nobody else can send its other spelling.
        """
        return EnvironHeaders(self.environ)

    @property
    def peer_address(self) -> str:
        """The address that the connection came from: that of a proxy, where there is one."""
        return str(self.environ.get("REMOTE_ADDR", ""))

    def set_cookie(self, name: str, value: str, max_age: int | None = None) -> None:
        """Give the browser a cookie with the response to this request."""
        self.set_cookies.append(Cookie(name, value, max_age))

    def remove_cookie(self, name: str) -> None:
        """Take a cookie away with the response to this request."""
        self.set_cookies.append(Cookie(name, "", 0))


class CookieNames:
    """Cookie names carry a digest of the issuer, since cookies do not know ports: two providers on one host do not
    overwrite each other's. `__Host-` on https keeps neighbouring hosts from setting them (RFC 6265bis 4.1.3.2).
    """

    def __init__(self, issuer: str) -> None:
        digest = hashlib.sha256(issuer.encode()).hexdigest()[:8]
        self.secure = issuer.startswith("https:")
        self._prefix = f"{'__Host-' if self.secure else ''}creance_{digest}_"

    def __call__(self, name: str) -> str:
        return self._prefix + name

    def any_in(self, cookies: Mapping[str, str]) -> bool:
        """Whether a cookie of ours came along, whatever else did."""
        return any(name.startswith(self._prefix) for name in cookies)
