"""How often a password may be wrong: for one account, and from one network, whatever worker is asked.

An attempt is counted before its password is looked at, and given back if it was right. So limits hold exactly, however
many try at once: no more wrong passwords are hashed than the limit says. What a login that succeeds gives back is its
own attempt and no more: whoever guesses meanwhile gains nothing from people who log in.

A limit for an account is a way to keep its owner out. Hence a device that has been used for an account counts for
itself, and neither what happens elsewhere with this account nor its network holds it up. Such a device has a cookie
that only we can make: who steals it has as many tries as the limit says, for this account alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from .attempt_counters import AttemptCounters, Counter, Limit
from .browser import Browser
from .errors import TooManyRequests
from .known_devices import KnownDevices
from .networks import network_of
from .request_log import logger
from .sealing import Sealer
from .settings import LimitSettings
from .store import StoreUnavailable
from .users import User, Users

A_DAY: Final = 86400


class LoginLimits:
    """Checks passwords within the limits. The one way to do so for whatever a person types."""

    def __init__(
        self, settings: LimitSettings, counters: AttemptCounters, users: Users, sealer: Sealer, cookie: str
    ) -> None:
        """`cookie`: the name of that which a device is known by."""
        window = settings.failed_login_window
        self._account = [
            Limit("limits.failed_logins_per_account", settings.failed_logins_per_account, window),
            Limit("limits.failed_logins_per_account_a_day", settings.failed_logins_per_account_a_day, A_DAY),
        ]
        self._network = Limit("limits.failed_logins_per_network", settings.failed_logins_per_network, window)
        self._counters = counters
        self._users = users
        self._devices = KnownDevices(sealer, cookie)

    def authenticate(self, username: str, password: str, browser: Browser, typed: str = "") -> User | None:
        """The user, if the password is right and they are not disabled; this device is known to be theirs from then on.

        `typed` is what was typed for the user name, where that can be something else, as an address. It is what
        failures are counted for, so that nobody learns by them whose address it is, or whether it is anybody's.

        Raises TooManyRequests before anything is hashed; TemporarilyUnavailable; StoreUnavailable where it cannot be
        counted: there is no login without counting.
        """
        network = network_of(browser.remote_address)
        counters = self._counters_of(username, typed or username, network, browser)
        counts = self._reserve(counters, network)
        try:
            user = self._users.authenticate(username, password)
        except BaseException:
            with suppress(StoreUnavailable):  # then it was one try fewer
                self._counters.add(counters, -1)
            raise
        if user is None:
            self._log_reached(counters, counts, network)
            return None
        self._counters.add(counters, -1)
        self._devices.remember(username, browser)
        return user

    def _counters_of(self, username: str, typed: str, network: str, browser: Browser) -> list[Counter]:
        device = self._devices.known(username, browser)
        if device is not None:
            return [self._counters.counter(limit, f"device {device}") for limit in self._account]
        return [
            *(self._counters.counter(limit, f"account {plain(typed)}") for limit in self._account),
            self._counters.counter(self._network, network),
        ]

    def _reserve(self, counters: Sequence[Counter], network: str) -> list[int]:
        """Count an attempt. One that is refused counts for nothing: who is held up by one limit fills no other."""
        if spent := self._counters.spent(counters):
            raise self._refusal(spent, network)
        counts = self._counters.add(counters)
        over = [counter for counter, count in zip(counters, counts, strict=True) if count > counter.limit.most]
        if over:
            self._counters.add(counters, -1)
            raise self._refusal(over, network)
        return counts

    def _refusal(self, spent: Sequence[Counter], network: str) -> TooManyRequests:
        last = max(spent, key=lambda counter: counter.ends)
        # No name: people type their password into that field too.
        hint = f"{last.limit.name}: {last.limit.most} in {last.limit.window} s; tried from {network}"
        return TooManyRequests("too many logins failed, try again later", hint=hint, retry_after=last.seconds_left)

    def _log_reached(self, counters: Sequence[Counter], counts: Sequence[int], network: str) -> None:
        """For operators, who need the network to block it: the attempt that was the last one."""
        for counter, count in zip(counters, counts, strict=True):
            if count == counter.limit.most:
                seconds = counter.seconds_left
                logger.warning("limit_reached", limit=counter.limit.name, network=network, seconds=seconds)


def plain(username: str) -> str:
    """A user name without what a directory may overlook: case, spaces, accents, invisible characters (RFC 4518 2).

    Otherwise each spelling of one name would have tries of its own. Names that become one share theirs, which does less
    harm.
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", username).casefold())
    return "".join(character for character in text if unicodedata.category(character)[0] in "LNPS")
