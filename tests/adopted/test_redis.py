"""pyop's state in Redis (`pyop.storage.RedisWrapper`): what is new is kept there too, or in another store."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import falcon.testing
import pytest
from creance.provider import (
    ConfigurationError,
    InvalidGrant,
    OpenIDProvider,
    Parameters,
    TemporarilyUnavailable,
    create_app,
)
from creance.provider.adopted.redis_uri import redis_uri
from creance.provider.store import StoreRefused, StoreUnavailable
from pyop.exceptions import InvalidAccessToken
from pyop.provider import Provider
from pyop.storage import RedisWrapper

from ..conftest import RunInProcesses
from ..polling import eventually
from ..redis_server import RedisServer
from .conftest import SECRET, Client, basic, claims_of, plain_provider

Adopt = Callable[..., OpenIDProvider]

LIFETIMES = {"authz_codes": 600, "access_tokens": 3600, "refresh_tokens": 86400, "subject_identifiers": None}
"""Seconds, by the name of pyop's mapping in SATOSA."""
PARAMETERS = ("authorization_code_db", "access_token_db", "refresh_token_db", "subject_identifier_db")


def databases_at(uri: str) -> dict[str, RedisWrapper]:
    """As a host makes them: a TTL for all that expires."""
    made = [RedisWrapper(f"{uri}?socket_timeout=0.5", collection=name, ttl=ttl) for name, ttl in LIFETIMES.items()]
    return dict(zip(PARAMETERS, made, strict=True))


@pytest.fixture
def on_redis(redis: RedisServer, signing_key: Any) -> Provider:
    """A plain provider."""
    return plain_provider(signing_key, **databases_at(redis.uri))


@pytest.fixture(params=["within", "beside"])
def adopted(
    request: pytest.FixtureRequest, on_redis: Provider, adopt: Adopt, tmp_path: Path
) -> Callable[..., OpenIDProvider]:
    """Ours in its place, which keeps what is new in the same Redis, or in a store beside it; `settings` are further
    ones.
    """
    store = {"store": {"uri": f"sqlite:{tmp_path}/creance.db"}} if request.param == "beside" else {}

    def take_over(**settings: Any) -> OpenIDProvider:
        return adopt(on_redis, settings={**store, **settings})

    return take_over


def test_a_code_goes_on_once(on_redis: Provider, adopted: Adopt) -> None:
    """RFC 6749 4.1.2, PYOP Security 4: whatever Redis can do at once, a code of it is good once."""
    before = Client(on_redis)
    code = before.authorize()
    ours = adopted()
    tokens = before.exchange(code, ours)
    assert before.userinfo(tokens["access_token"], ours)["email"] == "alice@example.org"
    with pytest.raises(InvalidGrant):
        before.exchange(code, ours)
    with pytest.raises(InvalidAccessToken):
        before.userinfo(tokens["access_token"], ours)


def test_an_access_token_goes_on(on_redis: Provider, adopted: Adopt) -> None:
    """RFC 6750: the same answer as before."""
    before = Client(on_redis)
    tokens = before.log_in()
    known = before.userinfo(tokens["access_token"])
    assert before.userinfo(tokens["access_token"], adopted()) == known


def test_a_refresh_token_goes_on_and_rotates(on_redis: Provider, adopted: Adopt) -> None:
    """RFC 9700 4.14.2, PYOP Security 6: from its first use on it is like one of ours."""
    before = Client(on_redis)
    tokens = before.log_in()
    ours = adopted(grants={"refresh_token_grace": 0})
    new = before.refresh(tokens["refresh_token"], ours)
    assert new["refresh_token"] != tokens["refresh_token"]
    for token in (tokens["refresh_token"], new["refresh_token"]):  # the second ended with the reuse of the first
        with pytest.raises(InvalidGrant):
            before.refresh(token, ours)


@pytest.mark.parametrize("client_id", ["app", "public-subject"])
def test_everybody_stays_who_they_are(on_redis: Provider, adopted: Adopt, client_id: str) -> None:
    """OpenID Connect Core 8: by what Redis holds of them, and not by what would be made anew."""
    before = Client(on_redis, client_id)
    made = claims_of(before.log_in(), on_redis)["sub"]
    identifiers = on_redis.authz_state.subject_identifiers
    identifiers["alice"] = {**identifiers["alice"], "public": "from-an-older-salt"}
    ours = adopted()
    after = Client(ours, client_id)
    subject = claims_of(after.log_in(), ours)["sub"]
    assert subject == (made if client_id == "app" else "from-an-older-salt")
    person = ours.user_of_subject(subject)
    assert person is not None
    assert person.username == "alice"


def test_one_can_go_back(on_redis: Provider, adopted: Adopt, redis: RedisServer) -> None:
    """OpenID Connect Core 8: who came meanwhile is written where pyop looks, without an end; nothing of pyop's went."""
    before = Client(on_redis)
    code, tokens = before.authorize(), before.log_in()
    keys = set(redis.connection.keys())
    ours = adopted()
    before.exchange(code, ours)
    before.refresh(tokens["refresh_token"], ours)
    after = Client(ours)
    subject = claims_of(after.log_in("bob"), ours)["sub"]
    assert on_redis.authz_state.get_user_id_for_subject_identifier(subject) == "bob"
    assert redis.connection.ttl("subject_identifiers:bob") == -1  # which is for ever
    ours_too = set(redis.connection.keys("creance:*"))
    assert set(redis.connection.keys()) - ours_too == keys | {"subject_identifiers:bob"}


WORKER = """
import json, sys
sys.path.insert(0, arguments[0])
from creance.provider import InvalidGrant, OpenIDProvider
from jwkest.jwk import RSAKey
from tests.adopted.test_redis import databases_at
from tests.pyop_provider import Client, plain_provider

key, verifier, codes = json.loads(arguments[2])
ours = OpenIDProvider.adopt(plain_provider(RSAKey(**key), **databases_at(arguments[1])))
client, won = Client(ours), []
client.verifier = verifier
ready()
for code in codes:
    try:
        client.exchange(code)
    except InvalidGrant:
        continue
    won.append(code)
ours.stop()
tell(" ".join(won))
"""


def test_of_many_workers_one_spends_a_code(
    on_redis: Provider, adopt: Adopt, redis: RedisServer, run_in_processes: RunInProcesses
) -> None:
    """PYOP Security 4, issue 7: what pyop's wrapper cannot do atomically is done underneath, for codes of both."""
    theirs, ours = Client(on_redis), Client(adopt(on_redis))
    ours.verifier = theirs.verifier
    codes = [app.authorize(nonce=str(number)) for app in (theirs, ours) for number in range(10)]
    told = json.dumps([on_redis.signing_key.serialize(private=True), theirs.verifier, codes])
    root = str(Path(__file__).parents[2])
    won = " ".join(run_in_processes(WORKER, root, redis.uri, told, count=3)).split()
    assert sorted(won) == sorted(codes)


def test_a_redis_that_forgets_is_refused_or_accepted_by_name(
    on_redis: Provider, adopt: Adopt, redis: RedisServer
) -> None:
    """Issue 7: refused at start, or allowed by a loud, named setting."""
    redis.connection.config_set("appendonly", "no")
    with pytest.raises(StoreRefused, match="can lose what it has acknowledged: it writes no log") as refusal:
        adopt(on_redis)
    (said,) = re.findall(r'store.uri = "redis://…(.*)"', str(refusal.value))
    ours = adopt(on_redis, settings={"store": {"uri": redis.uri + said}})
    assert Client(ours).log_in()
    assert redis.connection.keys("creance:document:access_tokens:*")


def test_mappings_in_several_places_need_a_store(on_redis: Provider, adopt: Adopt) -> None:
    """Issue 7: otherwise refused at start; the error says what to give."""
    on_redis.authz_state.refresh_tokens = {}
    with pytest.raises(ConfigurationError) as refusal:
        adopt(on_redis)
    assert "store.uri is needed" in str(refusal.value)
    assert "RedisWrapper, dict" in str(refusal.value)
    assert "settings={'store': {'uri': …}}" in str(refusal.value)


URIS = [
    ("redis://h", "redis://h:6379/0"),
    ("redis://h:1/2?socket_timeout=3", "redis://h:1/2"),
    ("redis://:p%40%2F@[::1]:1/2", "redis://:p%40%2F@[::1]:1/2"),
    ("rediss://u:p@h/1?ssl_ca_certs=/etc/ca.pem", "rediss://u:p@h:6379/1?ssl_ca_certs=%2Fetc%2Fca.pem"),
    ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=3"),
    ("unix://u:p%25@/run/redis.sock", "unix://u:p%25@/run/redis.sock?db=0"),
]


@pytest.mark.parametrize(("given", "ours"), URIS)
def test_our_store_is_where_the_wrapper_is(given: str, ours: str) -> None:
    """redis_uri: server, database, user, password and TLS; and redis reads it as it read the other."""
    wrapper = RedisWrapper(given, collection="any")
    assert redis_uri(wrapper) == ours
    members = ("host", "port", "db", "path", "username", "password", "ssl_ca_certs")
    read, before = (each._db.connection_pool for each in (RedisWrapper(ours, collection="any"), wrapper))
    defaults = {"port": 6379, "db": 0} if not ours.startswith("unix") else {"db": 0}
    known = {name: before.connection_kwargs[name] for name in members if before.connection_kwargs.get(name) is not None}
    assert {
        name: read.connection_kwargs[name] for name in members if name in read.connection_kwargs
    } == defaults | known
    assert read.connection_class is before.connection_class


@pytest.mark.parametrize("gone", ["authz_codes", "access_tokens", "refresh_tokens"])
def test_what_has_expired_in_redis_gives_nothing(
    on_redis: Provider, adopted: Adopt, redis: RedisServer, gone: str
) -> None:
    """RFC 6749 5.2, PYOP Persistence: pyop's wrapper lets documents end by themselves; a refresh token whose access
    token ended so was a KeyError.
    """
    before = Client(on_redis)
    code, tokens = before.authorize(), before.log_in()
    for name, ttl in LIFETIMES.items():
        lives = {redis.connection.ttl(key) for key in redis.connection.keys(f"{name}:*")}
        assert all(ttl is not None and ttl - 60 <= each <= ttl for each in lives) if ttl else lives == {-1}
    ours = adopted()
    for key in redis.connection.keys(f"{gone}:*"):
        redis.connection.pexpire(key, 1)
    eventually(lambda: not redis.connection.keys(f"{gone}:*"))
    answers = {
        "authz_codes": lambda: before.exchange(code, ours),
        "access_tokens": lambda: before.userinfo(tokens["access_token"], ours),
        "refresh_tokens": lambda: before.refresh(tokens["refresh_token"], ours),
    }
    for name, ask in answers.items():
        if name == gone or (name, gone) == ("refresh_tokens", "access_tokens"):
            with pytest.raises(InvalidAccessToken if name == "access_tokens" else InvalidGrant):
                ask()
        else:
            assert ask()


def test_redis_may_be_away_for_a_while(on_redis: Provider, adopted: Adopt, redis: RedisServer) -> None:
    """RFC 9110 15.6.4: what nobody could be asked about is 503, and nothing is spent; then all goes on."""
    before = Client(on_redis)
    code, tokens = before.authorize(), before.log_in()
    ours = adopted()
    http = falcon.testing.TestClient(create_app(ours))

    def exchange() -> Any:
        headers = {**basic("app", SECRET), "Content-Type": "application/x-www-form-urlencoded"}
        return http.simulate_post("/token", body=urlencode(before.code_form(code)), headers=headers)

    def userinfo() -> Any:
        return http.simulate_get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})

    redis.stop()
    for answer in (exchange(), userinfo()):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert not any(word in answer.text.lower() for word in ("redis", "127.0.0.1", "connection"))
    with pytest.raises(TemporarilyUnavailable):
        before.refresh(tokens["refresh_token"], ours)
    redis.start()
    assert userinfo().json["email"] == "alice@example.org"
    assert exchange().json["access_token"]
    assert before.refresh(tokens["refresh_token"], ours)["access_token"]


def test_a_redis_that_hangs_is_not_waited_for(on_redis: Provider, adopted: Adopt, redis: RedisServer) -> None:
    """RFC 9110 15.6.4, docs/adopting.md: `socket_timeout` of its URI; what it did not say in time is asked again."""
    before = Client(on_redis)
    tokens = before.log_in()
    ours = adopted()
    with redis.paused(), pytest.raises(TemporarilyUnavailable):
        before.userinfo(tokens["access_token"], ours)

    def email() -> Any:
        with suppress(TemporarilyUnavailable):
            return before.userinfo(tokens["access_token"], ours)["email"]

    assert eventually(email) == "alice@example.org"


def test_redis_is_away_at_the_start(on_redis: Provider, adopted: Adopt, redis: RedisServer) -> None:
    """RFC 9110 15.6.4: an error of one kind, which does not say what was asked for; and the next start is right."""
    redis.stop()
    with pytest.raises(StoreUnavailable, match=r"subject_identifiers of the adopted provider|cannot be reached"):
        adopted()
    redis.start()
    assert Client(adopted()).log_in()


@pytest.mark.parametrize("value", ["\udc80", "a\0b", "*", "access_tokens:x", "é" * 300])
def test_what_no_key_can_be_is_not_there(on_redis: Provider, adopted: Adopt, value: str) -> None:
    """RFC 6749 5.2: a value that a client made up is its own error, and not a database that is away."""
    ours = adopted()
    app = ours.clients.find("app")
    assert app is not None
    with pytest.raises(InvalidGrant):
        ours.token_for(app, Parameters({"grant_type": "refresh_token", "refresh_token": value}))
