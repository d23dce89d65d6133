"""Fills a store with people, apps, sessions and grants, by the product's own functions.

They write as they always do; only their writes are gathered and done by thousands, so that 100,000 of each take a
minute. What is in the store is thus what the product writes, whatever shape that has.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from creance.provider import Authenticated, Consented, Grant, OpenIDProvider, Parameters, User
from creance.provider.registration import ClientSettings
from creance.provider.store import Operation, Store

PASSWORD = "correct horse battery staple"
REDIRECT_URI = "https://app-{number}.example.org/callback"
SCOPE = ("openid", "profile", "email", "offline_access")

_BATCH = 20_000
"""Operations in one write: enough that a commit costs little, and few enough for the memory."""
_STRIDE = 61_803
"""A prime: steps of so many reach everybody, and neighbours in time are no neighbours in the store."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A client, with what it needs to prove who it is."""

    client_id: str
    secret: str
    redirect_uri: str


@dataclass
class Population:
    """Who is in the store. What has the same index belongs together: a person, their session, their grant."""

    size: int
    session_cookie: str
    usernames: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    session_ids: list[str] = field(default_factory=list)
    access_tokens: list[str] = field(default_factory=list)
    clients: dict[str, list[Registered]] = field(default_factory=lambda: {"RS256": [], "ES256": [], "service": []})
    """Those with RS256 and ES256 ID tokens, and services, which have no user."""
    seconds: float = 0.0
    """What filling took."""
    _next: int = 0

    def numbers(self, count: int) -> list[int]:
        """Indexes all over the population; each call goes on where the one before ended."""
        first, self._next = self._next, self._next + count
        return [(number * _STRIDE) % self.size for number in range(first, first + count)]

    def client(self, kind: str, number: int) -> Registered:
        """A client of a kind for an index."""
        return self.clients[kind][number % len(self.clients[kind])]


class _Batches:
    """Stands in the place of a store's `write`."""

    def __init__(self, store: Store) -> None:
        self._write = store.write
        self._gathered: list[Operation] = []

    def write(self, operations: Sequence[Operation]) -> list[int | None]:
        if len(self._gathered) >= _BATCH:
            self.flush()
        self._gathered += operations
        return [None] * len(operations)

    @property
    def last_value(self) -> Mapping[str, Any]:
        """The document that was inserted last."""
        inserted: Any = self._gathered[-1]
        value: Mapping[str, Any] = inserted.value
        return value

    def flush(self) -> None:
        self._write(self._gathered)
        self._gathered = []


def populate(configuration: Path, size: int, environment: Mapping[str, str]) -> Population:
    """Fill the store of a configuration, over which the environment is; its provider must not be running."""
    with variables(environment):
        provider: Any = OpenIDProvider.from_config(configuration)
    provider.prepare()
    provider.start()
    begun = time.monotonic()
    gc.disable()  # it would look through what is gathered again and again
    try:
        batches = _Batches(provider.store)
        provider.store.write = batches.write
        kept = provider.users.passwords.hash(PASSWORD)
        provider.users.passwords.hash = lambda password: kept  # a hash takes 20 ms: all have the same password
        population = Population(size, provider.cookie_names("session"))
        for number in range(size):
            _add_client(provider, population, number)
        batches.flush()  # they are read below
        users = [_add_user(provider, population, number) for number in range(size)]
        for number, user in enumerate(users):
            _add_grant(provider, population, number, user, batches)
        for user in users:  # last, so that they are young
            population.session_ids.append(provider.plugins.plugins["sessions"].logins.sessions.begin(user, ("pwd",)))
        batches.flush()
    finally:
        gc.enable()
        provider.stop()
    population.seconds = time.monotonic() - begun
    return population


@contextmanager
def variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Settings as variables of this process too."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _add_client(provider: Any, population: Population, number: int) -> None:
    kind, client = new_client(number)
    fields: dict[str, Any] = {
        "client_id": client.client_id,
        "client_name": f"App number {number}",
        "client_secret": client.secret,
    }
    if kind == "service":
        fields |= {
            "grant_types": ["client_credentials"],
            "scope": "read write",
            "plugins": {"introspection": {"sees": "any"}},
        }
    else:
        fields |= {
            "redirect_uris": [client.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": " ".join(SCOPE),
            "id_token_signed_response_alg": kind,
            "always_issue_refresh_token": True,  # as pyop does, which is measured beside
        }
    provider.clients.add(ClientSettings.model_validate(fields))
    population.clients[kind].append(client)


def new_client(number: int) -> tuple[str, Registered]:
    """Its kind and what it has: of four clients two take RS256, one takes ES256, and one is a service."""
    kind = ("RS256", "ES256", "service", "RS256")[number % 4]
    return kind, Registered(f"client-{number:06}", f"secret-of-client-{number}", REDIRECT_URI.format(number=number))


def _add_user(provider: Any, population: Population, number: int) -> User:
    user: User = provider.users.create_user(username_of(number), PASSWORD, claims_of(number))
    population.usernames.append(user.username)
    population.subjects.append(user.subject)
    return user


def username_of(number: int) -> str:
    """A person's."""
    return f"person-{number:06}"


def claims_of(number: int) -> dict[str, Any]:
    """A person's."""
    return {
        "name": f"Person Number {number}",
        "given_name": "Person",
        "family_name": f"Number {number}",
        "preferred_username": f"person{number}",
        "email": f"person-{number}@example.org",
        "email_verified": True,
        "locale": "en-GB",
        "zoneinfo": "Europe/London",
    }


def _add_grant(provider: Any, population: Population, number: int, user: User, batches: _Batches) -> None:
    """What a login and an exchange leave: a spent code, an access token and a refresh token."""
    client = population.client(("RS256", "ES256")[number % 2], number)
    asked = {
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "response_type": "code",
        "scope": " ".join(SCOPE),
        "nonce": f"nonce-{number:012}",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    authorization, tokens, now = provider.authorization, provider.tokens, time.time()
    request = authorization.read(*authorization.prove(Parameters(asked)), now)
    authenticated = Authenticated(user.username, now, ("pwd",), None, f"session-{number:012}")
    code = authorization.grant(request, authenticated, user, Consented(request.scope))["code"]
    grant = Grant.from_dict(batches.last_value["grant"])
    access, refresh = tokens.new_access_token(grant, grant.scope), tokens.new_refresh_token(grant)
    spent = tokens.redeem_code(code, keep_until=tokens.last_refresh_token_ends(grant))
    provider.store.write([access.operation, refresh.operation, spent])
    population.access_tokens.append(access.value)
