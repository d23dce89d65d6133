"""A SATOSA deployment on Redis: what the plain frontend has issued goes on, and what is new is beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError

from ..redis_server import RedisServer
from .satosa_apps import SCOPE, Before, log_in, redeem, seen_before
from .satosa_deployment import OURS, PLAIN, Deployment, Site


@dataclass
class Swapped:
    """A deployment with ours in the place of the plain frontend, and what that had issued."""

    before: Before
    site: Site
    redis: RedisServer


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swapped]:
    """As docs/adopting.md has it: a Redis that forgets nothing, and two workers."""
    deployment = Deployment(tmp_path_factory.mktemp("satosa"))
    redis = RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="always")
    redis.start()
    try:
        with deployment.serving(PLAIN, databases=redis.uri) as plain:
            before = seen_before(plain)
        tolerant = {
            "plugins": {"pkce": {"insecure_optional": True}},
            "settings": {"grants": {"refresh_token_grace": 0}},
        }
        with deployment.serving(OURS, databases=redis.uri, workers=2, creance=tolerant) as site:
            yield Swapped(before, site, redis)
    finally:
        redis.close()


def test_a_code_of_the_plain_frontend_is_good_once(swapped: Swapped) -> None:
    """RFC 6749 4.1.2, whichever of the workers is asked."""
    login = redeem(swapped.site, swapped.site.app(scope=SCOPE), swapped.before.answer, swapped.before.verifier)
    assert login.claims["sub"] == swapped.before.logins["app"].claims["sub"]
    for _ in range(4):
        with pytest.raises(OAuthError):
            redeem(swapped.site, swapped.site.app(), swapped.before.answer, swapped.before.verifier)


def test_tokens_of_the_plain_frontend_go_on(swapped: Swapped) -> None:
    """RFC 6750, RFC 6749 6: the access token, and the refresh token from its first use on as one of ours."""
    login = swapped.before.logins["portal"]
    metadata = swapped.site.metadata()
    app = swapped.site.app("portal", token=dict(login.tokens))
    assert app.get(metadata["userinfo_endpoint"]).json() == login.userinfo
    refreshed = app.refresh_token(metadata["token_endpoint"], refresh_token=login.tokens["refresh_token"])
    assert refreshed["refresh_token"] != login.tokens["refresh_token"]
    assert app.get(metadata["userinfo_endpoint"]).json() == login.userinfo


def test_who_is_new_is_kept_where_pyop_looks(swapped: Swapped) -> None:
    """OpenID Connect Core 8: subject identifiers and claims, the latter for as long as their tokens; and of codes and
    tokens none in pyop's form.
    """
    before = tokens_in(swapped.redis)
    login = log_in(swapped.site, "app", "bob")
    assert login.userinfo["email"] == "bob@example.org"
    assert swapped.redis.connection.ttl("subject_identifiers:bob") == -1  # for ever
    assert swapped.redis.connection.ttl("creance_people:bob") > 15552000
    assert tokens_in(swapped.redis) == before
    assert swapped.redis.connection.keys("creance:document:access_tokens:*")


def tokens_in(redis: RedisServer) -> set[str]:
    return {key for name in ("access_tokens", "refresh_tokens") for key in redis.connection.keys(f"{name}:*")}


def test_redis_may_be_away_for_a_while(swapped: Swapped) -> None:
    """RFC 9110 15.6.4: a token is 503 meanwhile, and then what it was."""
    token = swapped.before.logins["app"].tokens["access_token"]
    userinfo = swapped.site.metadata()["userinfo_endpoint"]
    app, headers = swapped.site.open(requests.Session()), {"Authorization": f"Bearer {token}"}
    swapped.redis.stop()
    answer = app.get(userinfo, headers=headers)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    swapped.redis.start()
    assert app.get(userinfo, headers=headers).json()["email"] == "alice@example.org"
