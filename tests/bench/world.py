"""What rows share: the server, the load, who is in the store, and what earlier requests gave."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

from .load import Sending
from .messages import Messages, basic
from .population import Population, Registered
from .server import Server

_CODE_IS_FRESH = 30.0
"""Seconds: half of what it lives."""


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code, and what its exchange needs and must answer."""

    value: str
    client: Registered
    verifier: str
    nonce: str
    subject: str
    issued_at: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an exchange or a refresh gave."""

    client: Registered
    subject: str
    nonce: str
    access_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser that was sent to the login page."""

    client: Registered
    cookie: str
    login_url: str
    """Path and query."""


@dataclass(frozen=True, slots=True)
class Form:
    """A login page that was shown."""

    visit: Visit
    csrf_token: str
    sealed: str


@dataclass
class World:
    """A server with a population, and a load in front of it. The stocks are what one row leaves for another."""

    server: Server
    load: Sending
    population: Population
    connections: int = 1
    """How many times as many connections there are as a row has of its own."""
    share: float = 1.0
    """How many requests are made where another server gets one, when several are measured in turns."""
    codes: dict[str, deque[Code]] = field(default_factory=lambda: defaultdict(deque))
    tokens: dict[str, deque[Tokens]] = field(default_factory=lambda: defaultdict(deque))
    visits: deque[Visit] = field(default_factory=lambda: deque(maxlen=10_000))
    forms: deque[Form] = field(default_factory=lambda: deque(maxlen=10_000))

    def __post_init__(self) -> None:
        self.messages = Messages(f"localhost:{self.server.port}")

    def fresh_codes(self, kind: str) -> deque[Code]:
        """The codes of clients of a kind that can still be exchanged."""
        stock = self.codes[kind]
        while stock and stock[0].issued_at + _CODE_IS_FRESH < time.monotonic():
            stock.popleft()
        return stock

    def session_cookie(self, number: int) -> str:
        """The Cookie header of a browser at which somebody is logged in."""
        return f"{self.population.session_cookie}={self.population.session_ids[number]}"


def credentials(client: Registered) -> str:
    """The Authorization header of a client."""
    return basic(client.client_id, client.secret)
