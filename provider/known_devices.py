"""Devices that were used for an account: known by a cookie that only we can make, for this account only.

It proves that somebody logged in there with the right password, and nothing more: it opens nothing.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .browser import Browser
from .sealing import Sealer

A_YEAR: Final = 365 * 86400
"""Seconds for which a device is known after a login."""
MOST_ACCOUNTS: Final = 5
"""Accounts that a device is known for; the one that was not used for longest is forgotten."""
_SEPARATOR: Final = "~"
_LONGEST_ENTRY: Final = 100


@dataclass(frozen=True, slots=True)
class _Device:
    """That a device was used for an account: when, an id of its own, and the proof that this is from us."""

    since: str
    id: str
    proof: str

    def __str__(self) -> str:
        return ".".join((self.since, self.id, self.proof))


class KnownDevices:
    """A cookie with an entry for each account that was used: `since.id.proof`, the last one first."""

    def __init__(self, sealer: Sealer, cookie: str) -> None:
        self._sealer = sealer
        self._cookie = cookie

    def known(self, username: str, browser: Browser) -> str | None:
        """The id of this device for an account. A new one with each login: it is not the id of a person's machine."""
        return next((entry.id for entry in self._entries(browser) if self._is_for(username, entry)), None)

    def remember(self, username: str, browser: Browser) -> None:
        """Give the browser its cookie, with this account as the last one."""
        since, device = str(int(time.time())), secrets.token_urlsafe(16)
        entry = _Device(since, device, self._sealer.mac("device", f"{since} {device} {username}"))
        others = [other for other in self._entries(browser) if not self._is_for(username, other)]
        value = _SEPARATOR.join(str(each) for each in [entry, *others][:MOST_ACCOUNTS])
        browser.set_cookie(self._cookie, value, A_YEAR)

    def _is_for(self, username: str, entry: _Device) -> bool:
        if not entry.since.isdecimal() or time.time() - int(entry.since) > A_YEAR:
            return False
        proof = entry.proof.encode("utf-8", "surrogatepass")
        proofs = self._sealer.macs("device", f"{entry.since} {entry.id} {username}")
        return any(hmac.compare_digest(proof, expected.encode()) for expected in proofs)

    def _entries(self, browser: Browser) -> Iterator[_Device]:
        """As many as we would have written."""
        for text in browser.cookies.get(self._cookie, "").split(_SEPARATOR, MOST_ACCOUNTS)[:MOST_ACCOUNTS]:
            parts = text.split(".")
            if len(parts) == 3 and len(text) <= _LONGEST_ENTRY:
                yield _Device(*parts)
