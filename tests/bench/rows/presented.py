"""Rows in which a token is presented: at userinfo, to be introspected, to be revoked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..load import Captured, Request
from ..world import Tokens, World, credentials
from .row import Row
from .token_endpoint import Exchange


class Userinfo(Row):
    """OpenID Connect Core 5.3."""

    name = "userinfo"
    title = "userinfo"
    budget: ClassVar[float | None] = 0.4
    patterns: ClassVar[Sequence[bytes]] = (rb'"email": ?"([^"]+)"',)
    share = 2.0

    def requests(self, count: int) -> list[Request]:
        population = self.world.population
        return [
            Request(
                self.world.messages.get("/userinfo", Authorization=f"Bearer {population.access_tokens[number]}"),
                f'"{population.subjects[number]}"'.encode(),
            )
            for number in population.numbers(count)
        ]


class Introspection(Row):
    """RFC 7662, asked by a service that may see any token."""

    name = "introspection"
    title = "introspection"
    budget: ClassVar[float | None] = 0.3
    patterns: ClassVar[Sequence[bytes]] = (rb'"active": ?(true)',)
    share = 2.0

    def requests(self, count: int) -> list[Request]:
        population = self.world.population
        return [
            Request(
                self.world.messages.post(
                    "/introspect",
                    {"token": population.access_tokens[number]},
                    Authorization=credentials(population.client("service", number)),
                ),
                f'"{population.usernames[number]}"'.encode(),
            )
            for number in population.numbers(count)
        ]


class _IntrospectionOfRevoked(Introspection):
    """What revocation must have led to."""

    patterns: ClassVar[Sequence[bytes]] = (rb'"active": ?(false)',)

    def __init__(self, world: World, revoked: Sequence[Tokens]) -> None:
        super().__init__(world)
        self._revoked = revoked

    def requests(self, count: int) -> list[Request]:
        service = credentials(self.world.population.client("service", 0))
        return [
            Request(self.world.messages.post("/introspect", {"token": tokens.access_token}, Authorization=service))
            for tokens in self._revoked[:count]
        ]


class Revocation(Row):
    """RFC 7009, of a refresh token: its grant ends, with all that it gave."""

    name = "revocation"
    title = "revocation of a grant"

    def requests(self, count: int) -> list[Request]:
        stock = self.world.tokens["RS256"]
        if len(stock) < count:
            Exchange(self.world).run(count - len(stock))
        self._tokens = [stock.popleft() for _ in range(count)]
        return [
            Request(
                self.world.messages.post(
                    "/revoke",
                    {"token": tokens.refresh_token, "token_type_hint": "refresh_token"},
                    Authorization=credentials(tokens.client),
                )
            )
            for tokens in self._tokens
        ]

    def learn(self, captured: Sequence[Captured]) -> None:
        _IntrospectionOfRevoked(self.world, self._tokens).run(min(50, len(captured)))
