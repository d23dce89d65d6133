"""How many requests a client may make, and how often it may fail to prove who it is: counted nearly for free.

A write for each request would cost more than the request. So each worker counts in its memory, and brings what it has
counted to the store in portions; the store answers what all workers have brought. Thus a limit holds for all workers
together, up to what they have not brought yet: a twentieth of the limit on each machine, and never less than one
request a worker. A client that makes few requests costs no write at all, and what is refused costs none either.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .attempt_counters import AttemptCounters, Counter, Limit
from .client_authentication import ClientAuthentication, claimed_client_id
from .clients import Client, ClientRegistry
from .errors import InvalidClient, TooManyRequests
from .parameters import Parameters
from .request_log import logger
from .settings import Settings

MINUTE: Final = 60
MOST_TALLIES: Final = 20_000
"""Who is counted in the memory of a worker, which is some 10 MB. Beyond that, all other networks of a client are
counted as one."""
_PORTIONS: Final = 20
"""In so many the workers of a machine together bring a limit to the store."""
_OTHERS: Final = "others"


@dataclass(slots=True)
class _Tally:
    """What a worker knows of one counter."""

    counter: Counter
    brought: int = 0
    """By all workers, as far as it is known here."""
    here: int = 0
    """Counted here since."""

    @property
    def is_of_now(self) -> bool:
        return self.counter.ends - self.counter.limit.window <= time.time() < self.counter.ends

    @property
    def is_spent(self) -> bool:
        return self.brought + self.here >= self.counter.limit.most


class RateLimit:
    """One limit for each client and network, as a worker keeps it. Safe for many threads."""

    def __init__(self, limit: Limit, counters: AttemptCounters, workers: int) -> None:
        self._limit = limit
        self._counters = counters
        self._portion = max(1, limit.most // _PORTIONS // workers)
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._tidied_at = time.monotonic()
        self._lock = threading.Lock()

    @property
    def has_counted(self) -> bool:
        """Whether anybody was counted here of late."""
        return bool(self._tallies)

    def check(self, client_id: str, network: str) -> None:
        """Raises TooManyRequests where the limit is reached."""
        with self._lock:
            tally = self._tallies.get((client_id, network)) or self._tallies.get((client_id, _OTHERS))
        if tally is not None and tally.is_of_now and tally.is_spent:
            raise self._refusal(tally.counter, network)

    def count(self, client_id: str, network: str) -> None:
        """Count one. Raises TooManyRequests for one too many; StoreUnavailable where the store had to be told."""
        with self._lock:
            tally = self._tally(client_id, network)
            if tally.is_spent:
                raise self._refusal(tally.counter, network)
            tally.here += 1
            if tally.here < self._portion and not tally.is_spent:
                return
            portion, tally.here = tally.here, 0
            tally.brought += portion
        (total,) = self._counters.add([tally.counter], portion)
        with self._lock:
            tally.brought = max(tally.brought, total)
        self._look_at(tally.counter, total - portion, total, network)

    def _look_at(self, counter: Counter, before: int, total: int, network: str) -> None:
        """What the store says: whether others had reached the limit before, or the limit is reached now."""
        if before >= self._limit.most:
            raise self._refusal(counter, network)
        if total >= self._limit.most:
            logger.warning("limit_reached", limit=self._limit.name, network=network, seconds=counter.seconds_left)

    def _refusal(self, counter: Counter, network: str) -> TooManyRequests:
        hint = f"{self._limit.name}: more than {self._limit.most} from {network}"
        return TooManyRequests("too many requests, try again later", hint=hint, retry_after=counter.seconds_left)

    def _tally(self, client_id: str, network: str) -> _Tally:
        who = client_id, network
        tally = self._tallies.get(who)
        if tally is None:
            self._tidy()
            if len(self._tallies) >= MOST_TALLIES:
                who = client_id, _OTHERS
                tally = self._tallies.get(who)
        if tally is None or not tally.is_of_now:
            tally = self._tallies[who] = _Tally(self._counters.counter(self._limit, " ".join(who)))
        return tally

    def _tidy(self) -> None:
        """Once in a window, forget the windows that are over."""
        if time.monotonic() < self._tidied_at + self._limit.window:
            return
        self._tidied_at = time.monotonic()
        self._tallies = {who: tally for who, tally in self._tallies.items() if tally.is_of_now}


class ClientLimits:
    """The limits of the endpoints that clients call by themselves."""

    def __init__(
        self,
        settings: Settings,
        counters: AttemptCounters,
        clients: ClientRegistry,
        authentication: ClientAuthentication,
    ) -> None:
        limits, workers = settings.limits, settings.http.workers
        self._clients = clients
        self._authentication = authentication
        self._requests: RateLimit | None = None
        if limits.token_requests:
            requests = Limit("limits.token_requests", limits.token_requests, MINUTE)
            self._requests = RateLimit(requests, counters, workers)
        failures = Limit("limits.failed_client_authentications", limits.failed_client_authentications, MINUTE)
        self._failures = RateLimit(failures, counters, workers)

    def authenticate(self, parameters: Parameters, headers: Mapping[str, str], network: str) -> Client:
        """The client that has proven who it is. Who fails too often is not looked at, not even with the right secret.

        Counted for the network and the client that it says to be: no network can keep a client of another one out.
        Raises OAuthError, StoreUnavailable.
        """
        if self._failures.has_counted:
            self._failures.check(self._claimed(parameters, headers), network)
        try:
            return self._authentication.authenticate(parameters, headers)
        except InvalidClient:
            self._failures.count(self._claimed(parameters, headers), network)
            raise

    def count_token_request(self, client: Client, network: str) -> None:
        """Of a client that has proven who it is: nobody else can use up what it may. Raises TooManyRequests."""
        if self._requests is not None:
            self._requests.count(client.client_id, network)

    def _claimed(self, parameters: Parameters, headers: Mapping[str, str]) -> str:
        """A registered client_id; all others are one, so that made-up ones do not fill the memory."""
        client_id = claimed_client_id(parameters, headers)
        return client_id if client_id is not None and self._clients.find(client_id) is not None else ""
