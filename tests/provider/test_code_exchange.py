"""The exchange of a code: bound to its client, its redirect URI and its proof, and good for once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from creance.provider import InvalidGrant, InvalidRequest, OpenIDProvider
from creance.provider.store import StoreUnavailable
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS

MakeApp = Callable[..., Any]


@pytest.fixture
def app(make_app: MakeApp) -> Any:
    return make_app()


def alive(app: Any, tokens: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the access token and the refresh token of a response are worth something."""
    known = app.provider.tokens
    return (
        known.read_access_token(tokens["access_token"]) is not None,
        known.read_usable_refresh_token(tokens["refresh_token"]) is not None,
    )


def stored(provider: OpenIDProvider) -> tuple[int, int]:
    return len(provider.store.page(ACCESS_TOKENS)), len(provider.store.page(REFRESH_TOKENS))


def test_a_code_gives_tokens(app: Any) -> None:
    """RFC 6749 4.1.4, 5.1; OpenID Connect Core 3.1.3.3."""
    tokens = app.exchange(app.authorize())
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    assert tokens["scope"] == "openid offline_access"
    assert alive(app, tokens) == (True, True)
    assert app.claims(tokens)["nonce"] == "a-nonce"


@pytest.mark.parametrize(
    ("scope", "registered", "always", "refresh_token"),
    [
        ("openid offline_access", ["authorization_code", "refresh_token"], False, True),
        ("openid", ["authorization_code", "refresh_token"], False, False),
        ("openid", ["authorization_code", "refresh_token"], True, True),
        ("openid", ["authorization_code"], True, False),
        ("openid offline_access", ["authorization_code"], False, False),
    ],
)
def test_a_refresh_token_is_given_with_offline_access_or_where_the_client_is_set_so(
    make_app: MakeApp, scope: str, registered: list[str], always: bool, refresh_token: bool
) -> None:
    """OpenID Connect Core 11; DESIGN, Grants; PYOP 6: registered grant_types were ignored."""
    client = {
        "client_id": "a",
        "client_secret": "s",
        "redirect_uris": ["http://localhost:8401/callback"],
        "grant_types": registered,
        "always_issue_refresh_token": always,
        "scope": "openid offline_access",
    }
    app = make_app("a", None, more_clients=[client])
    assert ("refresh_token" in app.log_in(scope=scope)) is refresh_token


def test_without_openid_there_is_no_id_token(app: Any) -> None:
    """DESIGN, The host: plain OAuth is valid and yields no ID token."""
    tokens = app.log_in(scope="profile")
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope"}


@pytest.mark.parametrize("code", [None, ""])
def test_the_code_must_be_there(app: Any, code: str | None) -> None:
    """RFC 6749 4.1.3, 5.2: a parameter without a value counts as not sent."""
    form = {"grant_type": "authorization_code"} | ({} if not code else {"code": code})
    with pytest.raises(InvalidRequest, match="code is missing"):
        app.token(form)


@pytest.mark.parametrize("code", ["unknown", "\0", "\ud800", "ä", "x" * 60_000])
def test_what_is_no_code_is_invalid_grant(app: Any, code: str) -> None:
    """RFC 6749 5.2; issue 3, bad input."""
    with pytest.raises(InvalidGrant, match=r"^the code is not valid$"):
        app.token({"grant_type": "authorization_code", "code": code})


def test_a_code_is_good_for_a_minute(app: Any, clock: Any) -> None:
    """RFC 6749 4.1.2."""
    code, late = app.authorize(), app.authorize()
    clock.advance(59)
    app.exchange(code)
    clock.advance(2)
    assert app.refused(late).description == "the code is not valid"


@pytest.mark.parametrize("redirect_uri", [None, "", "http://localhost:8401/callback/", "https://evil.example/"])
def test_another_redirect_uri_is_invalid_grant_and_spends_the_code(app: Any, redirect_uri: str | None) -> None:
    """RFC 6749 4.1.3, 10.6."""
    code = app.authorize()
    assert "redirect_uri" in app.refused(code, redirect_uri=redirect_uri).description
    app.refused(code)
    assert stored(app.provider) == (0, 0)


def test_where_the_request_named_no_redirect_uri_none_is_needed(app: Any) -> None:
    """RFC 6749 4.1.3: required if it was in the authorization request."""
    code = app.authorize(scope="profile", redirect_uri=None)
    assert app.exchange(code, redirect_uri=None)["access_token"]


def test_another_verifier_is_invalid_grant_and_spends_the_code(app: Any) -> None:
    """RFC 7636 4.6; PYOP 7: unlimited guesses. No guess is answered twice."""
    code = app.authorize()
    app.refused(code, code_verifier="w" * 43)
    app.refused(code)
    assert stored(app.provider) == (0, 0)


def test_somebody_elses_code_is_unknown_and_stays_good(app: Any, make_app: MakeApp) -> None:
    """RFC 6749 4.1.3, 10.5; DESIGN, Grants: code bound to client; nobody can spend what is not theirs."""
    code = app.authorize()
    thief = make_app("app-post", app.provider)
    refusal = thief.refused(code)
    assert refusal.to_dict() == thief.refused(replace(code, value="unknown")).to_dict()
    assert alive(app, app.exchange(code)) == (True, True)


def test_a_replay_by_another_client_revokes_nothing(app: Any, make_app: MakeApp) -> None:
    """RFC 6749 4.1.2: else whoever sees a code in a log could end a login."""
    code = app.authorize()
    tokens = app.exchange(code)
    make_app("app-post", app.provider).refused(code)
    assert alive(app, tokens) == (True, True)


def test_a_replayed_code_revokes_what_it_gave(app: Any) -> None:
    """RFC 6749 4.1.2, RFC 9700 4.5; PYOP 5."""
    code = app.authorize()
    tokens = app.exchange(code)
    other = app.log_in()
    refreshed = app.refresh(tokens["refresh_token"])
    assert app.refused(code).hint == "code used twice: its grant is revoked"
    assert alive(app, tokens) == alive(app, refreshed) == (False, False)
    assert alive(app, other) == (True, True)
    app.refused(code)


def test_a_replay_is_recognised_as_long_as_anything_lives_of_what_was_issued(make_app: MakeApp, clock: Any) -> None:
    """DESIGN, The store: a spent code lives as long as what was issued from it, refreshed or not."""
    app = make_app(lifetimes={"refresh_token": 1000, "refresh_token_absolute": 100_000, "access_token": 10})
    code = app.authorize()
    tokens = app.exchange(code)
    for _ in range(3):
        clock.advance(900)
        tokens = app.refresh(tokens["refresh_token"])
    app.refused(code)
    assert alive(app, tokens) == (False, False)


@pytest.mark.parametrize("wrong", [{"redirect_uri": "https://evil.example/"}, {"code_verifier": "w" * 43}])
def test_a_replay_revokes_whatever_else_is_wrong_with_it(app: Any, wrong: dict[str, str]) -> None:
    """RFC 6749 4.1.2: more than once, whatever the thief can prove."""
    code = app.authorize()
    tokens = app.exchange(code)
    app.refused(code, **wrong)
    assert alive(app, tokens) == (False, False)


@pytest.mark.parametrize("change", ["disabled", "gone"])
def test_the_code_of_a_user_who_is_gone_or_disabled_gives_nothing(make_app: MakeApp, change: str) -> None:
    """DESIGN, Configuration: a disabled user's tokens give nothing."""
    before = make_app(users=[{"username": "alice"}])
    code = before.authorize()
    users = [{"username": "alice", "disabled": True}] if change == "disabled" else []
    after = make_app(users=users)
    assert after.refused(code).description == "the grant is no longer valid"
    assert stored(after.provider) == (0, 0)


# What can go wrong on the way


@pytest.mark.parametrize("where", ["sign", "token_response", "access_token_claims"])
def test_a_failure_leaves_the_code_unspent_and_nothing_inserted(
    app: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """DESIGN, The store: no code burnt for an answer that could not be given; PYOP, Persistence."""
    code = app.authorize()

    class Fails(Exception):
        pass

    def fail(*_: Any, **__: Any) -> Any:
        raise Fails

    with monkeypatch.context() as broken:
        if where == "sign":
            broken.setattr(app.provider.keyring, "sign", fail)
        else:
            merge = app.provider.plugins.merge
            broken.setattr(
                app.provider.plugins, "merge", lambda hook, **named: fail() if hook == where else merge(hook, **named)
            )
        with pytest.raises(Fails):
            app.exchange(code)
    assert stored(app.provider) == (0, 0)
    assert alive(app, app.exchange(code)) == (True, True)


def test_a_store_that_is_away_spends_nothing(app: Any) -> None:
    """DESIGN, The store: the next request works when it is back."""
    code = app.authorize()
    provider = app.provider
    provider.store.close()
    with pytest.raises(StoreUnavailable):
        app.exchange(code)
    provider.store.open(provider.collections)
    assert alive(app, app.exchange(code)) == (True, True)


def at_once(count: int, work: Callable[[], Any]) -> list[Any]:
    """What each of several threads answers or raises."""
    barrier = threading.Barrier(count)

    def run(_: int) -> Any:
        barrier.wait()
        try:
            return work()
        except InvalidGrant as refusal:
            return refusal

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_sixteen_that_race_for_a_code_at_most_one_wins_and_nothing_is_left_alive(app: Any) -> None:
    """RFC 6749 4.1.2; PYOP 4: 16 of 16 won. Each loser is a replay: what the winner got is revoked."""
    for _ in range(4):
        code = app.authorize()
        answers = at_once(16, partial(app.exchange, code))
        winners = [answer for answer in answers if not isinstance(answer, InvalidGrant)]
        assert len(winners) <= 1
        assert stored(app.provider) == (0, 0)
        for tokens in winners:
            assert alive(app, tokens) == (False, False)


def test_workers_that_race_for_a_code_have_one_winner(make_app: MakeApp) -> None:
    """DESIGN, The store: redeem: exactly one caller ever succeeds, across threads and processes."""
    apps = [make_app() for _ in range(4)]
    code = apps[0].authorize()
    work = iter(apps * 4)
    answers = at_once(16, lambda: next(work).exchange(code))
    assert sum(not isinstance(answer, InvalidGrant) for answer in answers) <= 1
    assert stored(apps[0].provider) == (0, 0)


def test_a_revocation_during_an_exchange_leaves_nothing_alive(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN, The store: revoking a grant deletes codes and refresh tokens first, access tokens second."""
    code = app.authorize()
    found = app.provider.tokens.read_code(code.value)
    sign = app.provider.keyring.sign

    def revoke_and_sign(*arguments: Any) -> str:
        app.provider.tokens.revoke_grant(found.grant.grant_id)
        return str(sign(*arguments))

    monkeypatch.setattr(app.provider.keyring, "sign", revoke_and_sign)
    app.refused(code)
    assert stored(app.provider) == (0, 0)


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.002, 0.004, 0.008])
def test_a_revocation_that_races_with_an_exchange_leaves_nothing_alive(app: Any, pause: float) -> None:
    """DESIGN, The store: so: nothing alive that was issued from a revoked grant, whoever comes first."""
    code = app.authorize()
    grant_id = app.provider.tokens.read_code(code.value).grant.grant_id
    turns = iter([app.exchange, app.provider.tokens.revoke_grant])

    def work() -> None:
        turn = next(turns)
        if turn == app.exchange:
            turn(code)
        else:
            time.sleep(pause)
            turn(grant_id)

    at_once(2, work)
    assert stored(app.provider) == (0, 0)
    assert app.provider.store.page(AUTHORIZATION_CODES) == []


def test_an_exchange_tells_what_happened(make_app: MakeApp, install_plugin: Callable[..., None]) -> None:
    """DESIGN, Plugins: event; never a token in it."""
    source = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    def start(self, provider):
        provider.heard = []

    @hookimpl
    def event(self, event):
        self.provider.heard.append((event.name, event.client_id, event.username))
"""
    install_plugin("hears", source)
    app = make_app(plugins={"hears": {}})
    code = app.authorize()
    app.exchange(code)
    app.refused(code)
    assert app.provider.heard == [
        ("authorization", "app", "alice"),
        ("token", "app", "alice"),
        ("code_replayed", "app", "alice"),
    ]
