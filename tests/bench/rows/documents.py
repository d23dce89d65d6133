"""Rows that ask for what is the same for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..load import Request
from ..server import DISCOVERY
from .row import Row


class Discovery(Row):
    """OpenID Connect Discovery 1.0 4."""

    name = "discovery"
    title = "discovery"
    budget: ClassVar[float | None] = 0.15
    share = 5.0

    def requests(self, count: int) -> list[Request]:
        return [Request(self.world.messages.get(DISCOVERY), f'"{self.world.server.issuer}"'.encode())] * count


class JWKS(Row):
    """RFC 7517 5."""

    name = "jwks"
    title = "JWKS"
    budget: ClassVar[float | None] = 0.15
    share = 5.0
    patterns: ClassVar[Sequence[bytes]] = (rb'"alg": ?"(RS256)"', rb'"alg": ?"(ES256)"')

    def requests(self, count: int) -> list[Request]:
        return [Request(self.world.messages.get("/jwks"))] * count


class Live(Row):
    """Nothing but an answer: what server and framework take themselves."""

    name = "live"
    title = "health/live (the floor)"
    share = 5.0

    def requests(self, count: int) -> list[Request]:
        return [Request(self.world.messages.get("/health/live"))] * count
