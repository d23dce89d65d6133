"""Refresh tokens (RFC 6749 6), rotated as RFC 9700 4.14.2 advises."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from creance.provider.testing import Answer, RelyingParty, RunningProvider
from creance.provider.testing.relying_party import forms_of

from ..provider_clock import ProviderClock

RunProvider = Callable[..., RunningProvider]

OFFLINE = "openid email offline_access"

ALWAYS_AND_NEVER = """
[[clients]]
client_id = "always"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid email offline_access"
always_issue_refresh_token = true

[[clients]]
client_id = "never"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code"]
scope = "openid offline_access"
always_issue_refresh_token = true
"""


@pytest.fixture(scope="module")
def strict(run_provider: RunProvider, provider_clock: ProviderClock) -> RunningProvider:
    """No grace; refresh tokens are good for 2000 seconds unused, and for 4000 in all."""
    settings = {
        "CREANCE_GRANTS__REFRESH_TOKEN_GRACE": "0",
        "CREANCE_LIFETIMES__ACCESS_TOKEN": "2000",
        "CREANCE_LIFETIMES__REFRESH_TOKEN": "2000",
        "CREANCE_LIFETIMES__REFRESH_TOKEN_ABSOLUTE": "4000",
        **provider_clock.environment,
    }
    return run_provider(environment=settings)


@pytest.fixture(scope="module")
def sparing(run_provider: RunProvider, provider_clock: ProviderClock) -> RunningProvider:
    """Rotates for public clients alone."""
    settings = {
        "CREANCE_GRANTS__REFRESH_TOKEN_ROTATION": "public",
        "CREANCE_LIFETIMES__REFRESH_TOKEN": "1000",
        "CREANCE_LIFETIMES__REFRESH_TOKEN_ABSOLUTE": "1001",
        **provider_clock.environment,
    }
    return run_provider(environment=settings, extra=ALWAYS_AND_NEVER)


# ----- Who gets one --------------------------------------------------------------------------------------------------


def test_a_refresh_token_is_for_who_asks_for_offline_access(app: RelyingParty) -> None:
    """OpenID Connect Core 11."""
    assert "refresh_token" not in app.log_in(scope="openid")
    tokens = app.log_in(scope="openid offline_access")
    assert tokens.refresh_token
    assert "offline_access" in tokens.scope.split()


def test_a_client_may_always_get_one(sparing: RunningProvider) -> None:
    """OpenID Connect Core 11: as it is registered, without offline_access in what was granted."""
    app = sparing.client("always", secret="secret")
    tokens = app.log_in()
    assert tokens.scope == "openid"
    assert app.refresh(tokens.refresh_token).scope == "openid"


def test_who_is_not_registered_for_refresh_gets_none(sparing: RunningProvider) -> None:
    """RFC 6749 1.5, RFC 7591 2: nor is offline_access granted to it, since that would promise one."""
    app = sparing.client("never", secret="secret")
    tokens = app.log_in(scope="openid offline_access")
    assert tokens.scope == "openid"
    assert "refresh_token" not in tokens


def test_without_offline_access_a_refresh_token_ends_with_the_session(sparing: RunningProvider) -> None:
    """OpenID Connect Core 11: with it, it lives on while nobody is there."""
    app = sparing.client("always", secret="secret")
    browser = sparing.browser()
    online = app.log_in(browser=browser)
    offline = app.log_in(browser=browser, scope="openid offline_access")

    page = browser.get("/auth/logout")
    action, fields = forms_of(page.text)[0]
    assert browser.post(action, fields).status_code == 303

    assert app.refresh(online.refresh_token).error == "invalid_grant"
    assert app.introspect(online.access_token) == {"active": False}
    assert app.refresh(offline.refresh_token).access_token


# ----- What it gives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client_id", ["app", "app-post", "spa"])
def test_a_refresh_gives_new_tokens(op: RunningProvider, client_id: str) -> None:
    """RFC 6749 6, RFC 9700 4.14.2: for public and confidential clients alike, the refresh token is another one."""
    app = op.client(client_id, scope=OFFLINE)
    first = app.log_in()
    second = app.refresh(first.refresh_token)
    assert set(second) == set(first)
    assert (second.token_type, second.expires_in, second.scope) == ("Bearer", 3600, OFFLINE)
    assert second.access_token != first.access_token
    assert second.refresh_token != first.refresh_token
    assert app.userinfo(second.access_token).email == "alice@example.org"
    assert app.userinfo(first.access_token).status == 200, "the access token before lives as long as it was promised"
    assert app.refresh(second.refresh_token).access_token


def test_the_scope_may_be_narrowed(app: RelyingParty) -> None:
    """RFC 6749 6: for this access token; the grant stays as it was."""
    narrowed = app.refresh(app.log_in().refresh_token, scope="email")
    assert narrowed.scope == "email"
    assert "id_token" not in narrowed, "openid is not in it"
    assert app.introspect(narrowed.access_token).scope == "email"
    assert app.userinfo(narrowed.access_token).error == "insufficient_scope"

    again = app.refresh(narrowed.refresh_token, scope="openid")
    assert (again.scope, set(app.userinfo(again.access_token))) == ("openid", {"sub"})
    assert app.refresh(again.refresh_token).scope == OFFLINE


@pytest.mark.parametrize("scope", ["openid profile", "write", "openid email offline_access address", 'bad"scope'])
def test_the_scope_may_not_be_widened(app: RelyingParty, scope: str) -> None:
    """RFC 6749 6: invalid_scope, also for what the client is registered for; and the refresh token is not spent."""
    tokens = app.log_in()
    refused = app.refresh(tokens.refresh_token, scope=scope)
    assert (refused.status, refused.error) == (400, "invalid_scope")
    assert app.refresh(tokens.refresh_token).access_token


def test_a_refresh_token_is_for_its_client(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 6749 6, 10.4: in other hands it is unknown, and nothing happens to it."""
    tokens = app.log_in()
    for other in (op.client("app-post"), op.client("spa")):
        refused = other.refresh(tokens.refresh_token)
        assert (refused.status, refused.error) == (400, "invalid_grant")
    assert op.client("app", secret="wrong").refresh(tokens.refresh_token).error == "invalid_client"
    successor = app.refresh(tokens.refresh_token).refresh_token
    assert op.client("spa").refresh(tokens.refresh_token).error == "invalid_grant", "spent: no reuse by its own client"
    assert app.refresh(successor).access_token


# ----- Rotation, and reuse -------------------------------------------------------------------------------------------


def test_who_missed_the_answer_gets_the_same_refresh_token_again(app: RelyingParty) -> None:
    """RFC 9700 4.14.2, RFC 9110 9.2.2: a retry within the grace; each gets an access token that works."""
    presented = app.log_in().refresh_token
    answers = [app.refresh(presented) for _ in range(4)]
    assert len({answer.refresh_token for answer in answers}) == 1
    assert len({answer.access_token for answer in answers}) == 4
    assert all(app.introspect(answer.access_token).active for answer in answers)
    assert app.refresh(answers[0].refresh_token).access_token


def test_a_retry_may_ask_for_another_scope(app: RelyingParty) -> None:
    """RFC 6749 6: the scope concerns the access token, the successor is the same."""
    presented = app.log_in().refresh_token
    narrow, wide = app.refresh(presented, scope="email"), app.refresh(presented)
    assert (narrow.scope, wide.scope) == ("email", OFFLINE)
    assert narrow.refresh_token == wide.refresh_token


def test_a_refresh_token_whose_successor_was_used_revokes_the_grant(app: RelyingParty) -> None:
    """RFC 9700 4.14.2: also within the grace. Either the client or a thief has the newer one: both lose it."""
    first = app.log_in()
    second = app.refresh(first.refresh_token)
    third = app.refresh(second.refresh_token)

    assert app.refresh(first.refresh_token).error == "invalid_grant"
    assert app.refresh(third.refresh_token).error == "invalid_grant"
    assert not any(app.introspect(tokens.access_token).active for tokens in (first, second, third))


def test_after_the_grace_a_used_refresh_token_revokes_the_grant(strict: RunningProvider) -> None:
    """RFC 9700 4.14.2."""
    app = strict.client("app", scope=OFFLINE)
    first = app.log_in()
    second = app.refresh(first.refresh_token)
    assert app.refresh(first.refresh_token).error == "invalid_grant"
    assert app.refresh(second.refresh_token).error == "invalid_grant"
    assert app.introspect(second.access_token) == {"active": False}


def test_reuse_ends_one_grant_and_no_other(app: RelyingParty) -> None:
    """RFC 9700 4.14.2: the same person, the same app, another device."""
    phone, laptop = app.log_in(), app.log_in()
    stolen = app.refresh(phone.refresh_token)
    app.refresh(stolen.refresh_token)
    assert app.refresh(phone.refresh_token).error == "invalid_grant"
    assert app.refresh(laptop.refresh_token).access_token


def test_threads_that_race_get_one_lineage(op: RunningProvider) -> None:
    """RFC 9700 4.14.2: an app that refreshes in several places at once keeps its grant, with one refresh token."""
    apps = [op.client("app", scope=OFFLINE) for _ in range(8)]
    presented = apps[0].log_in().refresh_token
    for _ in range(3):
        start = Barrier(len(apps))

        def refresh(app: RelyingParty, start: Barrier = start, presented: str = presented) -> Answer:
            start.wait()
            return app.refresh(presented)

        with ThreadPoolExecutor(len(apps)) as threads:
            answers = list(threads.map(refresh, apps))
        assert [answer.status for answer in answers] == [200] * len(apps)
        assert len({answer.refresh_token for answer in answers}) == 1
        assert all(apps[0].introspect(answer.access_token).active for answer in answers)
        presented = answers[0].refresh_token


def test_threads_that_race_without_grace_have_one_winner_at_most(strict: RunningProvider) -> None:
    """RFC 9700 4.14.2: the second use is reuse, and nothing lives on."""
    apps = [strict.client("app", scope=OFFLINE) for _ in range(6)]
    tokens = apps[0].log_in()
    start = Barrier(len(apps))

    def refresh(app: RelyingParty) -> Answer:
        start.wait()
        return app.refresh(tokens.refresh_token)

    with ThreadPoolExecutor(len(apps)) as threads:
        answers = list(threads.map(refresh, apps))
    won = [answer for answer in answers if answer.status == 200]
    assert len(won) == 1
    assert apps[0].refresh(won[0].refresh_token).error == "invalid_grant"
    assert not any(apps[0].introspect(value.access_token).active for value in (tokens, *won))


def test_confidential_clients_may_be_spared_rotation(sparing: RunningProvider) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1: no rotation where the client authenticates; RFC 9700 2.2.2: else always."""
    app = sparing.client("app", scope=OFFLINE)
    tokens = app.log_in()
    for _ in range(3):
        again = app.refresh(tokens.refresh_token)
        assert again.refresh_token == tokens.refresh_token
        assert app.introspect(again.access_token).active

    spa = sparing.client("spa", scope=OFFLINE)
    tokens = spa.log_in()
    second = spa.refresh(tokens.refresh_token)
    assert second.refresh_token != tokens.refresh_token
    assert spa.refresh(second.refresh_token).access_token
    assert spa.refresh(tokens.refresh_token).error == "invalid_grant"


def test_threads_may_race_where_nothing_rotates(sparing: RunningProvider) -> None:
    """RFC 6749 6: the same refresh token serves them all."""
    apps = [sparing.client("app", scope=OFFLINE) for _ in range(4)]
    presented = apps[0].log_in().refresh_token
    with ThreadPoolExecutor(len(apps)) as threads:
        answers = list(threads.map(lambda app: app.refresh(presented), apps))
    assert {answer.refresh_token for answer in answers} == {presented}


# ----- How long ------------------------------------------------------------------------------------------------------


def test_use_keeps_a_refresh_token_alive_until_the_absolute_end(
    strict: RunningProvider, provider_clock: ProviderClock
) -> None:
    """RFC 9700 2.2.2, 4.14.2: each use starts the idle lifetime again, and none reaches beyond 4000 seconds here."""
    app = strict.client("app", scope=OFFLINE)
    before = provider_clock.time()
    tokens, unused = app.log_in(), app.log_in()
    after = provider_clock.time()
    ends = [app.introspect(tokens.refresh_token).exp]
    for _ in range(2):
        provider_clock.advance(1300)
        tokens = app.refresh(tokens.refresh_token)
        assert tokens.access_token
        ends.append(app.introspect(tokens.refresh_token).exp)
    assert ends[0] < ends[1], "beyond the 2000 seconds that the first had"
    assert before + 3999 <= ends[2] <= after + 4000
    assert app.introspect(unused.refresh_token) == {"active": False}
    refused = app.refresh(unused.refresh_token)
    assert (refused.status, refused.error) == (400, "invalid_grant"), "idle for too long"
    provider_clock.advance(1401)
    assert app.refresh(tokens.refresh_token).error == "invalid_grant"


def test_the_absolute_end_holds_where_nothing_rotates_too(
    sparing: RunningProvider, provider_clock: ProviderClock
) -> None:
    """RFC 9700 4.14.2: idle a thousand seconds, absolute one more, counted from the login."""
    app = sparing.client("app", scope=OFFLINE)
    before = provider_clock.time()
    tokens = app.log_in()
    after = provider_clock.time()
    assert before + 999 <= app.introspect(tokens.refresh_token).exp <= after + 1000
    provider_clock.advance(500)
    app.refresh(tokens.refresh_token)
    assert before + 1000 <= app.introspect(tokens.refresh_token).exp <= after + 1001
