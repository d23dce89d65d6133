"""Token introspection (RFC 7662)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from creance.provider.testing import RelyingParty, RunningProvider

from ..provider_clock import ProviderClock

RunProvider = Callable[..., RunningProvider]

INACTIVE = {"active": False}
OFFLINE = "openid email offline_access"

RESOURCE_SERVERS = """
[[clients]]
client_id = "sees-any"
client_secret = "secret"
grant_types = []
scope = ""
[clients.plugins.introspection]
sees = "any"

[[clients]]
client_id = "sees-audience"
client_secret = "secret"
grant_types = ["client_credentials"]
scope = "read"
[clients.plugins.introspection]
sees = "audience"

[[clients]]
client_id = "sees-own"
client_secret = "secret"
grant_types = ["client_credentials"]
scope = "read"
[clients.plugins.introspection]
sees = "own"
"""

PASSING = """
[[clients]]
client_id = "passing"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid email offline_access"
"""


@pytest.fixture(scope="module")
def others(run_provider: RunProvider, provider_clock: ProviderClock) -> RunningProvider:
    """Resource servers of each kind; access tokens last a minute, refresh tokens two."""
    settings = {
        "CREANCE_KEYS__ALGORITHMS": '["ES256"]',
        "CREANCE_LIFETIMES__ACCESS_TOKEN": "60",
        "CREANCE_LIFETIMES__REFRESH_TOKEN": "120",
        **provider_clock.environment,
    }
    return run_provider(extra=RESOURCE_SERVERS, environment=settings)


@pytest.fixture
def service(op: RunningProvider) -> RelyingParty:
    """It sees any token."""
    return op.client("service")


# ----- What is told --------------------------------------------------------------------------------------------------


def test_a_resource_server_learns_what_a_token_is_good_for(
    op: RunningProvider, app: RelyingParty, service: RelyingParty
) -> None:
    """RFC 7662 2.2: every member, so that none comes or goes unnoticed."""
    before = int(time.time())
    tokens = app.log_in("alice")
    told = service.introspect(tokens.access_token)
    assert told.status == 200
    assert told.headers["Content-Type"] == "application/json"
    assert told == {
        "active": True,
        "iss": op.issuer,
        "client_id": "app",
        "username": "alice",
        "sub": app.verify(tokens.id_token)["sub"],
        "aud": ["app"],
        "scope": OFFLINE,
        "token_type": "Bearer",
        "iat": told.iat,
        "exp": told.iat + 3600,
    }
    assert before <= told.iat <= time.time()
    assert isinstance(told.iat, int)
    assert isinstance(told.exp, int)


def test_a_token_without_a_person(op: RunningProvider, service: RelyingParty) -> None:
    """RFC 7662 2.2: no username; sub is the client's own name."""
    told = service.introspect(service.client_credentials(scope="read").access_token)
    assert told == {
        "active": True,
        "iss": op.issuer,
        "client_id": "service",
        "sub": "service",
        "aud": ["service"],
        "scope": "read",
        "token_type": "Bearer",
        "iat": told.iat,
        "exp": told.iat + 3600,
    }


def test_a_refresh_token_is_told_to_its_own_client_alone(
    op: RunningProvider, app: RelyingParty, service: RelyingParty
) -> None:
    """RFC 7662 2.2, 4: without token_type, since nothing can be asked for with it."""
    token = app.log_in().refresh_token
    told = app.introspect(token)
    assert told.active is True
    assert "token_type" not in told
    assert (told.client_id, told.username, told.scope) == ("app", "alice", OFFLINE)
    assert told.exp == pytest.approx(told.iat + 2592000, abs=1)
    assert service.introspect(token) == INACTIVE, "sees any access token, and no refresh token"
    assert op.client("app-post").introspect(token) == INACTIVE


def test_a_spent_refresh_token_is_inactive(app: RelyingParty) -> None:
    """RFC 7662 2.2: it gives nothing any more, within the grace too; asking is no use of it."""
    spent = app.log_in().refresh_token
    tokens = app.refresh(spent)
    assert app.introspect(spent) == INACTIVE
    assert app.introspect(tokens.refresh_token).active is True
    assert app.refresh(tokens.refresh_token).access_token


@pytest.mark.parametrize(
    "hint", ["access_token", "refresh_token", "id_token", "urn:x:unknown", "", "x" * 3000, "☃", "' OR 1=1"]
)
def test_a_hint_is_only_a_hint(app: RelyingParty, hint: str) -> None:
    """RFC 7662 2.1: a wrong or unknown one still finds the token."""
    tokens = app.log_in()
    assert app.introspect(tokens.access_token, token_type_hint=hint).token_type == "Bearer"
    told = app.introspect(tokens.refresh_token, token_type_hint=hint)
    assert told.active is True
    assert "token_type" not in told


# ----- What is not ---------------------------------------------------------------------------------------------------


def test_what_is_unknown_is_inactive_and_nothing_else(app: RelyingParty, service: RelyingParty) -> None:
    """RFC 7662 2.2: 200 and exactly this, whatever it is: no word of why."""
    tokens = app.log_in()
    answer = app.authorize()
    access = tokens.access_token
    values = ["unknown", access[:-1], access + "x", access.swapcase(), f" {access}", "x" * 20000, "☃", "' OR 1=1 --"]
    for value in [*values, answer.code, tokens.id_token, "app", "app-secret"]:
        for client in (app, service):
            told = client.introspect(value)
            assert (told.status, told) == (200, INACTIVE), value
    assert app.exchange(answer).access_token, "a code is no token, and asking does not spend it"


def test_what_was_revoked_is_inactive(app: RelyingParty, service: RelyingParty) -> None:
    """RFC 7662 2.2, 4: from the next request on."""
    tokens = app.log_in()
    app.revoke(tokens.refresh_token)
    assert app.introspect(tokens.refresh_token) == INACTIVE
    assert service.introspect(tokens.access_token) == INACTIVE


def test_what_has_expired_is_inactive(others: RunningProvider, provider_clock: ProviderClock) -> None:
    """RFC 7662 2.2, 4."""
    app, server = others.client("app", scope=OFFLINE), others.client("sees-any", secret="secret")
    tokens = app.log_in()
    told = server.introspect(tokens.access_token)
    assert told.active is True
    assert told.exp == told.iat + 60
    provider_clock.advance(61)
    assert server.introspect(tokens.access_token) == INACTIVE
    assert app.introspect(tokens.access_token) == INACTIVE
    assert app.introspect(tokens.refresh_token).active is True
    provider_clock.advance(60)
    assert app.introspect(tokens.refresh_token) == INACTIVE


def test_each_client_sees_what_it_is_registered_to_see(others: RunningProvider) -> None:
    """RFC 7662 2.2, 4: own, those that name it as audience (none does by itself), any."""
    any_token = others.client("sees-any", secret="secret")
    audience = others.client("sees-audience", secret="secret")
    own = others.client("sees-own", secret="secret")
    for client in (audience, own):
        token = client.client_credentials().access_token
        assert client.introspect(token).active is True
        assert any_token.introspect(token).active is True
        other = own if client is audience else audience
        assert other.introspect(token) == INACTIVE
    of_alice = others.client("app").log_in().access_token
    assert any_token.introspect(of_alice).username == "alice"
    assert audience.introspect(of_alice) == own.introspect(of_alice) == INACTIVE


def test_by_itself_a_client_sees_its_own_tokens_alone(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 7662 4: an app cannot fish in other apps' tokens."""
    of_another = op.client("app-post").log_in().access_token
    assert app.introspect(of_another) == INACTIVE
    assert app.introspect(app.log_in().access_token).active is True


def test_what_speaks_for_who_is_gone_is_inactive(run_provider: RunProvider) -> None:
    """RFC 7662 4: a person who was disabled, an app that was removed; the tokens are refused wherever they come."""
    provider = run_provider(extra=PASSING, environment={"CREANCE_KEYS__ALGORITHMS": '["ES256"]'})
    app, passing = provider.client("app", scope=OFFLINE), provider.client("passing", secret="secret", scope=OFFLINE)
    of_alice, of_bob, through_passing = app.log_in("alice"), app.log_in("bob"), passing.log_in("bob")

    provider.stop()
    text = provider.configuration.read_text("utf-8").replace(PASSING, "")
    text = text.replace('username = "alice"', 'username = "alice"\ndisabled = true')
    provider.configuration.write_text(text, "utf-8")
    provider.start()

    service = provider.client("service")
    assert service.introspect(of_bob.access_token).active is True
    for tokens in (of_alice, through_passing):
        assert service.introspect(tokens.access_token) == INACTIVE
        refused = app.userinfo(tokens.access_token)
        assert (refused.status, refused.error) == (401, "invalid_token")
    assert app.introspect(of_alice.refresh_token) == INACTIVE
    assert app.refresh(of_alice.refresh_token).error == "invalid_grant"
    assert passing.refresh(through_passing.refresh_token).error == "invalid_client"


# ----- Who may ask, and how ------------------------------------------------------------------------------------------


def test_who_asks_proves_who_they_are(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 7662 2.1, 2.3: a public client cannot, not even about its own tokens; nor is the token itself a proof."""
    token = app.log_in().access_token
    spa = op.client("spa")
    refusals = [
        spa.introspect(spa.log_in().access_token),
        op.client("app", secret="wrong").introspect(token),
        op.client("nobody", secret="x").introspect(token),
        op.client("app-post", method="client_secret_basic").introspect(token),
    ]
    for refused in refusals:
        assert (refused.status, refused.error) == (401, "invalid_client")
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert "active" not in refused
    for headers in ({}, {"Authorization": f"Bearer {token}"}):
        response = op.post("/introspect", {"token": token}, headers=headers)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_by_the_form_where_it_is_registered_so(op: RunningProvider) -> None:
    """RFC 7662 2.1, RFC 6749 2.3.1."""
    app = op.client("app-post")
    assert app.introspect(app.log_in().access_token).active is True


def test_a_token_must_be_given(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 7662 2.1: REQUIRED; once, and in the body."""
    token = app.log_in().access_token
    credentials = ("app", "app-secret")
    answers = [
        op.post("/introspect", {"token": ""}, auth=credentials),
        op.post("/introspect", {"token_type_hint": "access_token"}, auth=credentials),
        op.post("/introspect", [("token", token), ("token", token)], auth=credentials),
        op.post("/introspect", {"x": "y"}, params={"token": token}, auth=credentials),
        op.post("/introspect", {"token": token}, params={"x": "y"}, auth=credentials),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_it_takes_post_alone_and_is_never_stored(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 7662 2.1, 4: a GET would put the token into logs."""
    token = app.log_in().access_token
    assert op.get("/introspect", params={"token": token}, auth=("app", "app-secret")).status_code == 405
    for told in (app.introspect(token), app.introspect("unknown")):
        assert told.headers["Cache-Control"] == "no-store"


def test_unknown_parameters_are_ignored(app: RelyingParty) -> None:
    """RFC 7662 2.1."""
    assert app.introspect(app.log_in().access_token, resource_id="7").active is True
