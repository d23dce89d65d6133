"""What the proxy says of a person, read out of a request; and what of that cannot be believed."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from creance.provider import Browser, ConfigurationError, HostLogin
from creance.provider.networks import read_address
from creance.provider.setting_types import LONGEST_IDENTIFIER

from .settings import Settings

_LONGEST = 1024
"""Characters of anything that a proxy says."""
_CLOCK_TOLERANCE = 60
"""Seconds that the proxy's clock may be ahead of ours."""
_LATEST = 10**10


class Unbelievable(Exception):
    """Somebody is named, and it may not have been the proxy who did. The text says why, and never the value."""


class Proxy:
    """Reads logins out of requests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._peers = [ip_network(network) for network in settings.trusted_peers]
        self._name = settings.header or settings.environ or ""

    def refuse_variables_of_the_process(self) -> None:
        """Some servers put the variables of their own process into every environ: one that is there would log everybody
        in. Raises ConfigurationError.
        """
        for key in map(self._settings.key, self._settings.names()):
            if key in os.environ:
                raise ConfigurationError(f"plugins.remote_user: {key} is a variable of this process: unset it")

    def login_of(self, browser: Browser) -> HostLogin | None:
        """Who is logged in there; None for nobody. Raises Unbelievable."""
        settings = self._settings
        username = self._read(browser, self._name)
        if not username:
            return None
        if settings.header is not None and not self._trusts(browser.peer_address):
            raise Unbelievable(f"{self._name} from {browser.peer_address}, which is not in trusted_peers")
        if len(username) > LONGEST_IDENTIFIER:
            raise Unbelievable(f"{self._name} is longer than {LONGEST_IDENTIFIER} characters")
        if settings.header is not None and "," in username:  # servers join repeated headers so (RFC 9110 5.3)
            raise Unbelievable(f"{self._name} came twice, or has a comma in it")
        return HostLogin(
            username,
            auth_time=_read_time(self._read(browser, settings.auth_time_from)),
            amr=tuple(word for word in re.split("[ ,;]+", self._read(browser, settings.amr_from)) if word),
            acr=self._read_acr(browser),
            session=self._read(browser, settings.session_from) or None,
            claims=self._read_claims(browser),
        )

    def _trusts(self, peer: str) -> bool:
        address = read_address(peer)
        return address is not None and any(address in network for network in self._peers)

    def _read_acr(self, browser: Browser) -> str | None:
        acr = self._read(browser, self._settings.acr_from)
        return (self._settings.acr_map.get(acr) if self._settings.acr_map else acr) or None

    def _read_claims(self, browser: Browser) -> dict[str, Any]:
        claims: dict[str, Any] = {}
        for claim, name in self._settings.claims.items():
            if text := self._read(browser, name):
                # OpenID Connect Core 5.1: email_verified and phone_number_verified are true or false.
                claims[claim] = text.lower() in ("true", "1") if claim.endswith("_verified") else text
        return claims

    def _read(self, browser: Browser, name: str | None) -> str:
        """A header or variable as text; empty where it is not there. Raises Unbelievable."""
        value = browser.environ.get(self._settings.key(name)) if name is not None else None
        if not isinstance(value, str) or not value:
            return ""
        if len(value) > _LONGEST:
            raise Unbelievable(f"{name} is longer than {_LONGEST} bytes")
        text = _decoded(value).strip(" ")
        if not text.isprintable():
            raise Unbelievable(f"{name} is not UTF-8, or has control characters")
        return text


def _decoded(value: str) -> str:
    """PEP 3333: each character is a byte, here of UTF-8; some servers have decoded it already. What is no UTF-8 stays
    unprintable.
    """
    try:
        return value.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value


def _read_time(text: str) -> float | None:
    """A time as mod_auth_openidc (seconds) or mod_shib (ISO 8601) tells it. None for what is no time, or is to come."""
    try:
        seconds = float(text) if re.fullmatch(r"[0-9]{1,10}(\.[0-9]+)?", text) else _timestamp(text)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < min(_LATEST, time.time() + _CLOCK_TOLERANCE) else None


def _timestamp(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("without its zone it is no moment")
    return moment.timestamp()
