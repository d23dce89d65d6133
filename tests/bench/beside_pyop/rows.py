"""The rows: the same requests to each of the three, by a browser at which somebody is logged in at the host.

Without `offline_access`, for which pyop wants consent each time; all give a refresh token without it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from ..id_tokens import check_id_tokens
from ..load import Captured, Request, WrongAnswer
from ..population import Registered
from ..rows import Authorization, Discovery, Exchange, Refresh, Row
from ..rows.presented import Userinfo
from ..world import Tokens
from .falcon_host import login_cookie
from .plain_provider import app_of, subject_of

_BODY = rb"(?s)\r\n\r\n(\{.*\})"


class HostAuthorization(Authorization):
    """OpenID Connect Core 3.1.2: somebody who is logged in at the host is sent back with a code."""

    title = "authorization, logged in at the host"
    scope: ClassVar[Sequence[str]] = ("openid", "profile", "email")

    def _app_and_subject(self, number: int) -> tuple[Registered, str]:
        population = self.world.population
        client = app_of(population, number)
        return client, subject_of(population.usernames[number], client)

    def _headers(self, number: int) -> dict[str, str]:
        return {"Cookie": login_cookie(self.world.population.usernames[number])}


class HostExchange(Exchange):
    """With the codes of these."""

    authorization = HostAuthorization


class HostUserinfo(Userinfo):
    """With the tokens that the last exchanges gave."""

    share = 1.0

    def requests(self, count: int) -> list[Request]:
        stock = self.world.tokens[HostAuthorization.kind]
        if len(stock) < count:
            HostExchange(self.world).run(count - len(stock))
        return [self._request(tokens) for tokens in list(stock)[-count:]]

    def _request(self, tokens: Tokens) -> Request:
        message = self.world.messages.get("/userinfo", Authorization=f"Bearer {tokens.access_token}")
        return Request(message, f'"{tokens.subject}"'.encode())


class HostRefresh(Refresh):
    """RFC 6749 6. Ours gives a new refresh token and an ID token with it, and pyop an access token alone."""

    title = "refresh"
    patterns: ClassVar[Sequence[bytes]] = (_BODY,)
    exchange = HostExchange

    def learn(self, captured: Sequence[Captured]) -> None:
        given = [json.loads(body) for (body,) in captured]
        for before, now in zip(self._tokens, given, strict=True):
            if "access_token" not in now:
                raise WrongAnswer(f"a refresh gave nothing but {sorted(now)}")
            refresh_token = now.get("refresh_token", before.refresh_token)
            self.world.tokens[HostAuthorization.kind].append(
                Tokens(before.client, before.subject, before.nonce, now["access_token"], refresh_token)
            )
        self._check_id_tokens(given)

    def _check_id_tokens(self, given: Sequence[dict[str, Any]]) -> None:
        """All have one, or none."""
        id_tokens = [each["id_token"] for each in given if "id_token" in each]
        if id_tokens:
            expected = [{"sub": tokens.subject, "aud": tokens.client.client_id} for tokens in self._tokens]
            check_id_tokens(self.world.server.issuer, HostAuthorization.kind, id_tokens, expected)


class AuthorizationAlone(HostAuthorization):
    """One at a time: no thread waits for another, which costs plain pyop most, and no commit is shared."""

    name = "authorization-alone"
    title = "authorization, one at a time"
    concurrency = 1
    share = 0.25


class ExchangeAlone(HostExchange):
    """The same for an exchange."""

    name = "exchange-alone"
    title = "exchange, one at a time"
    concurrency = 1
    share = 0.25


class UserinfoAlone(HostUserinfo):
    """The same for userinfo."""

    name = "userinfo-alone"
    title = "userinfo, one at a time"
    concurrency = 1
    share = 0.25


ROWS: Sequence[type[Row]] = (
    HostAuthorization,
    AuthorizationAlone,
    HostExchange,
    ExchangeAlone,
    HostUserinfo,
    UserinfoAlone,
    HostRefresh,
    Discovery,
)
"""In the order of the table: each finds what it needs with those before it."""
