"""Rows of the token endpoint, a grant each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..id_tokens import check_id_tokens
from ..load import Captured, Request
from ..world import Code, Tokens, credentials
from .browser import Authorization, AuthorizationES256
from .row import Row

_ACCESS_TOKEN = rb'"access_token": ?"([^"]+)"'
_REFRESH_TOKEN = rb'"refresh_token": ?"([^"]+)"'
_ID_TOKEN = rb'"id_token": ?"([^"]+)"'


class Exchange(Row):
    """RFC 6749 4.1.3: a code for an access token, a refresh token and an ID token."""

    name = "exchange"
    title = "code exchange, RS256"
    budget: ClassVar[float | None] = 2.0
    patterns: ClassVar[Sequence[bytes]] = (_ACCESS_TOKEN, _REFRESH_TOKEN, _ID_TOKEN)
    authorization: type[Authorization] = Authorization

    def requests(self, count: int) -> list[Request]:
        kind = self.authorization.kind
        stock = self.world.fresh_codes(kind)
        if len(stock) < count:
            self.authorization(self.world).run(count - len(stock))
        self._codes = [stock.popleft() for _ in range(count)]
        return [Request(self._post(code)) for code in self._codes]

    def _post(self, code: Code) -> bytes:
        form = {
            "grant_type": "authorization_code",
            "code": code.value,
            "redirect_uri": code.client.redirect_uri,
            "code_verifier": code.verifier,
        }
        return self.world.messages.post("/token", form, Authorization=credentials(code.client))

    def learn(self, captured: Sequence[Captured]) -> None:
        kind = self.authorization.kind
        expected = [{"sub": code.subject, "aud": code.client.client_id, "nonce": code.nonce} for code in self._codes]
        check_id_tokens(self.world.server.issuer, kind, [each[2] for each in captured], expected)
        for code, (access_token, refresh_token, _) in zip(self._codes, captured, strict=True):
            self.world.tokens[kind].append(Tokens(code.client, code.subject, code.nonce, access_token, refresh_token))


class ExchangeES256(Exchange):
    """The same for clients with ES256 ID tokens."""

    name = "exchange-es256"
    title = "code exchange, ES256"
    budget: ClassVar[float | None] = None
    authorization = AuthorizationES256


class Refresh(Row):
    """RFC 6749 6, with rotation: a refresh token for its successor, an access token and an ID token."""

    name = "refresh"
    title = "refresh, RS256"
    budget: ClassVar[float | None] = 2.0
    patterns: ClassVar[Sequence[bytes]] = (_ACCESS_TOKEN, _REFRESH_TOKEN, _ID_TOKEN)
    exchange: type[Exchange] = Exchange

    def requests(self, count: int) -> list[Request]:
        stock = self.world.tokens[self.exchange.authorization.kind]
        if len(stock) < count:
            self.exchange(self.world).run(count - len(stock))
        self._tokens = [stock.popleft() for _ in range(count)]
        return [Request(self._post(tokens)) for tokens in self._tokens]

    def _post(self, tokens: Tokens) -> bytes:
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        return self.world.messages.post("/token", form, Authorization=credentials(tokens.client))

    def learn(self, captured: Sequence[Captured]) -> None:
        kind = self.exchange.authorization.kind
        expected = [{"sub": tokens.subject, "aud": tokens.client.client_id} for tokens in self._tokens]
        check_id_tokens(self.world.server.issuer, kind, [each[2] for each in captured], expected)
        for before, (access_token, refresh_token, _) in zip(self._tokens, captured, strict=True):
            self.world.tokens[kind].append(
                Tokens(before.client, before.subject, before.nonce, access_token, refresh_token)
            )


class RefreshES256(Refresh):
    """The same for clients with ES256 ID tokens."""

    name = "refresh-es256"
    title = "refresh, ES256"
    budget: ClassVar[float | None] = None
    exchange = ExchangeES256


class ClientCredentials(Row):
    """RFC 6749 4.4: an opaque token."""

    name = "client-credentials"
    title = "client credentials"
    budget: ClassVar[float | None] = 0.45
    patterns: ClassVar[Sequence[bytes]] = (_ACCESS_TOKEN, rb'"scope": ?"(read write)"')
    share = 2.0

    def requests(self, count: int) -> list[Request]:
        population = self.world.population
        services = [population.client("service", number) for number in population.numbers(count)]
        form = {"grant_type": "client_credentials"}
        return [
            Request(self.world.messages.post("/token", form, Authorization=credentials(service)))
            for service in services
        ]
