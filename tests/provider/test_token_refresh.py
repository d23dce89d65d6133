"""Refresh tokens: used once, the same successor for a retry, and reuse ends the grant."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from creance.provider import InvalidGrant, InvalidRequest, InvalidScope, OAuthError
from creance.provider.store import StoreUnavailable, bearer_key, delete, insert
from creance.provider.tokens import ACCESS_TOKENS, REFRESH_TOKENS

from ..earlier_values import as_issued_earlier

MakeApp = Callable[..., Any]
GRACE = 10


@pytest.fixture
def app(make_app: MakeApp) -> Any:
    return make_app()


def usable(app: Any, refresh_token: str) -> bool:
    return app.provider.tokens.read_usable_refresh_token(refresh_token) is not None


def good(app: Any, access_token: str) -> bool:
    return app.provider.tokens.read_access_token(access_token) is not None


def alive(app: Any) -> tuple[int, int]:
    return len(app.provider.store.page(ACCESS_TOKENS)), len(app.provider.store.page(REFRESH_TOKENS))


def refused(app: Any, refresh_token: str, **changes: str) -> InvalidGrant:
    with pytest.raises(InvalidGrant) as refusal:
        app.refresh(refresh_token, **changes)
    assert refresh_token not in refusal.value.description
    return refusal.value


def at_once(count: int, work: Callable[[], Any]) -> list[Any]:
    barrier = threading.Barrier(count)

    def run(_: int) -> Any:
        barrier.wait()
        try:
            return work()
        except OAuthError as refusal:
            return refusal

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


# Rotation


def test_a_refresh_gives_a_new_access_token_and_a_successor(app: Any) -> None:
    """RFC 6749 6, RFC 9700 4.14.2; PYOP 6: no rotation."""
    first = app.log_in()
    second = app.refresh(first["refresh_token"])
    assert second.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert second["scope"] == first["scope"]
    assert not usable(app, first["refresh_token"])
    assert usable(app, second["refresh_token"])
    assert good(app, first["access_token"])
    assert app.refresh(second["refresh_token"])["refresh_token"]


def test_a_refreshed_id_token_is_of_the_same_login(app: Any, clock: Any) -> None:
    """OpenID Connect Core 12.2: same iss, sub, aud, auth_time; no nonce."""
    first = app.log_in(auth_time=clock() - 500, acr="urn:x")
    clock.advance(100)
    second = app.refresh(first["refresh_token"])
    before, after = app.claims(first), app.claims(second)
    for claim in ("iss", "sub", "aud", "azp", "auth_time", "acr", "amr"):
        assert before[claim] == after[claim]
    assert before["nonce"] == "a-nonce"
    assert "nonce" not in after
    assert after["iat"] >= before["iat"] + 100
    assert after["at_hash"] != before["at_hash"]


def test_without_openid_a_refresh_gives_no_id_token(make_app: MakeApp) -> None:
    """OpenID Connect Core 12.2; DESIGN, The host."""
    app = make_app()
    tokens = app.log_in(scope="profile offline_access")
    assert "id_token" not in app.refresh(tokens["refresh_token"])


@pytest.mark.parametrize("form", [{}, {"refresh_token": ""}])
def test_the_refresh_token_must_be_there(app: Any, form: dict[str, str]) -> None:
    """RFC 6749 6."""
    with pytest.raises(InvalidRequest, match="refresh_token is missing"):
        app.token({"grant_type": "refresh_token"} | {name: value for name, value in form.items() if value})


@pytest.mark.parametrize("refresh_token", ["unknown", "\0", "\ud800", "x" * 60_000])
def test_what_is_no_refresh_token_is_invalid_grant(app: Any, refresh_token: str) -> None:
    """RFC 6749 5.2; issue 3, bad input."""
    assert refused(app, refresh_token).description == "the refresh token is not valid"


def test_an_access_token_or_a_code_refreshes_nothing(app: Any) -> None:
    """DESIGN, The store: a code is never taken for a token."""
    code = app.authorize()
    refused(app, code.value)
    refused(app, app.exchange(code)["access_token"])


def test_somebody_elses_refresh_token_is_unknown_and_stays_good(app: Any, make_app: MakeApp) -> None:
    """RFC 6749 6, 10.4; PYOP 3: not bound to the client. Whoever finds one cannot end the login either."""
    tokens = app.log_in()
    thief = make_app("app-post", app.provider)
    answer = refused(thief, tokens["refresh_token"])
    assert answer.to_dict() == refused(thief, "unknown").to_dict()
    assert answer.hint == "another client's"
    assert usable(app, tokens["refresh_token"])
    spent = tokens["refresh_token"]
    successor = app.refresh(spent)["refresh_token"]
    refused(thief, spent)
    refused(thief, successor)
    assert usable(app, successor)


# Scope


@pytest.mark.parametrize(
    ("scope", "granted", "id_token"),
    [
        (None, "openid profile offline_access", True),
        ("openid profile offline_access", "openid profile offline_access", True),
        ("openid", "openid", True),
        ("profile", "profile", False),
    ],
)
def test_a_refresh_may_ask_for_less(app: Any, scope: str | None, granted: str, id_token: bool) -> None:
    """RFC 6749 6: the access token has less, and the refresh token all that was granted."""
    tokens = app.log_in(scope="openid profile offline_access")
    less = app.refresh(tokens["refresh_token"], scope=scope)
    assert less["scope"] == granted
    assert ("id_token" in less) is id_token
    assert app.provider.tokens.read_access_token(less["access_token"]).scope == tuple(granted.split())
    assert app.refresh(less["refresh_token"])["scope"] == "openid profile offline_access"


@pytest.mark.parametrize("scope", ["openid email", "email", "admin", "openid\tprofile", '"', "é", " ", "   "])
def test_a_refresh_may_not_ask_for_more_and_that_spends_nothing(app: Any, scope: str) -> None:
    """RFC 6749 6: must not include any scope not originally granted; and a scope has words."""
    tokens = app.log_in(scope="openid profile offline_access")
    with pytest.raises(InvalidScope):
        app.refresh(tokens["refresh_token"], scope=scope)
    assert usable(app, tokens["refresh_token"])
    assert alive(app) == (1, 1)


# The grace


def test_a_retry_within_the_grace_gets_the_same_successor(app: Any, clock: Any) -> None:
    """DESIGN, Grants: a client whose answer was lost; RFC 9700 4.14.2."""
    tokens = app.log_in()
    first = app.refresh(tokens["refresh_token"])
    clock.advance(GRACE - 1)
    again = app.refresh(tokens["refresh_token"])
    assert again["refresh_token"] == first["refresh_token"]
    assert again["access_token"] != first["access_token"]
    assert good(app, first["access_token"])
    assert app.claims(again)["sub"] == app.claims(first)["sub"]
    assert alive(app)[1] == 1


def test_a_retry_after_the_grace_is_reuse_and_revokes_the_grant(app: Any, clock: Any) -> None:
    """RFC 9700 4.14.2: somebody has a copy."""
    tokens = app.log_in()
    other = app.log_in()
    successor = app.refresh(tokens["refresh_token"])
    clock.advance(GRACE + 1)
    assert "its grant is revoked" in refused(app, tokens["refresh_token"]).hint
    refused(app, successor["refresh_token"])
    assert not good(app, tokens["access_token"])
    assert not good(app, successor["access_token"])
    assert usable(app, other["refresh_token"])


def test_a_retry_when_the_successor_was_used_is_reuse(app: Any) -> None:
    """DESIGN, Grants: the same successor while that is unused; anything else is reuse and revokes the grant."""
    first = app.log_in()
    second = app.refresh(first["refresh_token"])
    third = app.refresh(second["refresh_token"])
    refused(app, first["refresh_token"])
    assert not usable(app, third["refresh_token"])
    assert alive(app) == (0, 0)


def test_reuse_of_an_old_token_much_later_is_noticed(make_app: MakeApp, clock: Any) -> None:
    """RFC 9700 4.14.2: as long as an unused successor could live."""
    app = make_app(lifetimes={"refresh_token": 1000, "refresh_token_absolute": 100_000, "access_token": 10})
    stolen = app.log_in()["refresh_token"]
    current = stolen
    for _ in range(4):
        current = app.refresh(current)["refresh_token"]
        clock.advance(240)
    refused(app, stolen)
    assert not usable(app, current)


@pytest.mark.parametrize("scope", ["admin", "openid email", "é"])
def test_reuse_is_noticed_whatever_it_asks_for(app: Any, clock: Any, scope: str) -> None:
    """DESIGN, Grants: anything else is reuse."""
    tokens = app.log_in()
    successor = app.refresh(tokens["refresh_token"])
    clock.advance(GRACE + 1)
    refused(app, tokens["refresh_token"], scope=scope)
    assert not usable(app, successor["refresh_token"])


def test_without_a_grace_every_second_use_is_reuse(make_app: MakeApp) -> None:
    """DESIGN, Grants: refresh_token_grace."""
    app = make_app(grants={"refresh_token_grace": 0})
    tokens = app.log_in()
    app.refresh(tokens["refresh_token"])
    time.sleep(0.01)
    refused(app, tokens["refresh_token"])
    assert alive(app) == (0, 0)


def test_a_retry_at_another_worker_gets_the_same_successor(make_app: MakeApp) -> None:
    """DESIGN, Grants: the successor is derived."""
    here, there = make_app(), make_app()
    tokens = here.log_in()
    assert (
        here.refresh(tokens["refresh_token"])["refresh_token"]
        == there.refresh(tokens["refresh_token"])["refresh_token"]
    )


def test_a_token_of_an_earlier_version_is_used_once_and_followed_by_one_of_ours(app: Any) -> None:
    """RFC 6749 6, RFC 9700 4.14.2: one without a time in front, in every way like others."""
    earlier = as_issued_earlier(app.provider.store, REFRESH_TOKENS, app.log_in()["refresh_token"])
    successor = app.refresh(earlier)["refresh_token"]
    assert len(successor) == 52
    assert app.refresh(earlier)["refresh_token"] == successor
    assert app.refresh(successor)["refresh_token"] != successor
    refused(app, earlier)
    assert alive(app) == (0, 0)


def test_a_retry_finds_the_successor_that_an_earlier_version_gave(app: Any) -> None:
    """DESIGN, Grants: an update within the grace, between the answer that was lost and the retry."""
    presented = app.log_in()["refresh_token"]
    ours = app.refresh(presented)["refresh_token"]
    store, earlier = app.provider.store, app.provider.sealer.mac("refresh token successor", presented)
    written = store.get(REFRESH_TOKENS, bearer_key(ours))
    store.write(
        [
            insert(REFRESH_TOKENS, bearer_key(earlier), written.value, written.valid_until),
            delete(REFRESH_TOKENS, written.key),
        ]
    )
    assert app.refresh(presented)["refresh_token"] == earlier
    assert len(app.refresh(earlier)["refresh_token"]) == 52


# Lifetimes


def test_a_refresh_token_that_is_not_used_ends_and_each_use_starts_it_again(make_app: MakeApp, clock: Any) -> None:
    """DESIGN, Grants: idle lifetime."""
    app = make_app(lifetimes={"refresh_token": 1000, "refresh_token_absolute": 100_000})
    tokens = app.log_in()
    for _ in range(3):
        clock.advance(990)
        tokens = app.refresh(tokens["refresh_token"])
    clock.advance(1001)
    refused(app, tokens["refresh_token"])


def test_a_refresh_token_ends_at_last_however_often_it_is_used(make_app: MakeApp, clock: Any) -> None:
    """DESIGN, Grants: absolute lifetime."""
    app = make_app(lifetimes={"refresh_token": 1000, "refresh_token_absolute": 2500})
    tokens = app.log_in()
    for _ in range(2):
        clock.advance(990)
        tokens = app.refresh(tokens["refresh_token"])
    clock.advance(519)
    last = app.refresh(tokens["refresh_token"])
    clock.advance(2)
    refused(app, last["refresh_token"])


@pytest.mark.parametrize("change", ["disabled", "gone"])
def test_the_refresh_token_of_a_user_who_is_gone_or_disabled_gives_nothing(make_app: MakeApp, change: str) -> None:
    """DESIGN, Configuration: a disabled user's tokens give nothing."""
    tokens = make_app(users=[{"username": "alice"}]).log_in()
    users = [{"username": "alice", "disabled": True}] if change == "disabled" else []
    assert refused(make_app(users=users), tokens["refresh_token"]).description == "the grant is no longer valid"


def test_a_revoked_grant_refreshes_nothing(app: Any) -> None:
    """RFC 7009 2.1."""
    tokens = app.log_in()
    app.revoke(tokens["refresh_token"])
    refused(app, tokens["refresh_token"])


# rotation = "public"


def test_a_confidential_client_can_be_spared_rotation(make_app: MakeApp, clock: Any) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1; DESIGN, Grants: `"public"` spares confidential clients."""
    lifetimes = {"refresh_token": 1000, "refresh_token_absolute": 2500}
    app = make_app(grants={"refresh_token_rotation": "public"}, lifetimes=lifetimes)
    tokens = app.log_in()
    for _ in range(2):
        clock.advance(990)
        assert app.refresh(tokens["refresh_token"])["refresh_token"] == tokens["refresh_token"]
    clock.advance(521)
    refused(app, tokens["refresh_token"])


def test_a_public_client_is_not_spared_rotation(make_app: MakeApp) -> None:
    """RFC 9700 4.14.2: refresh tokens of public clients must rotate."""
    app = make_app("spa", None, grants={"refresh_token_rotation": "public"})
    tokens = app.log_in()
    assert app.refresh(tokens["refresh_token"])["refresh_token"] != tokens["refresh_token"]


def test_a_token_that_was_rotated_before_is_not_spared_later(make_app: MakeApp, clock: Any) -> None:
    """RFC 9700 4.14.2: reuse stays reuse when the setting is changed."""
    rotating = make_app()
    tokens = rotating.log_in()
    rotating.refresh(tokens["refresh_token"])
    clock.advance(GRACE + 1)
    spared = make_app(grants={"refresh_token_rotation": "public"})
    refused(spared, tokens["refresh_token"])
    assert alive(spared) == (0, 0)


def test_servers_of_one_client_that_share_a_token_all_get_an_answer(make_app: MakeApp) -> None:
    """FAPI 2.0: no rotation is there so that many servers of one client may use one token at once."""
    app = make_app(grants={"refresh_token_rotation": "public"})
    tokens = app.log_in()
    answers = at_once(16, lambda: app.refresh(tokens["refresh_token"]))
    assert Counter(type(answer) for answer in answers) == {dict: 16}
    assert {answer["refresh_token"] for answer in answers} == {tokens["refresh_token"]}


# Races


def test_sixteen_that_race_with_one_token_all_get_the_same_successor(app: Any) -> None:
    """DESIGN, Grants: a client that sends one request several times is no thief; RFC 9700 4.14.2."""
    tokens = app.log_in()
    answers = at_once(16, lambda: app.refresh(tokens["refresh_token"]))
    assert Counter(type(answer) for answer in answers) == {dict: 16}
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert len({answer["access_token"] for answer in answers}) == 16
    assert all(good(app, answer["access_token"]) for answer in answers)
    assert alive(app)[1] == 1


def test_retries_that_race_within_the_grace_all_get_the_same_successor(app: Any) -> None:
    """DESIGN, Grants."""
    tokens = app.log_in()
    successor = app.refresh(tokens["refresh_token"])["refresh_token"]
    answers = at_once(16, lambda: app.refresh(tokens["refresh_token"]))
    assert [answer["refresh_token"] if isinstance(answer, dict) else answer for answer in answers] == [successor] * 16


def test_a_thief_that_races_with_the_owner_has_nothing_in_the_end(app: Any, clock: Any) -> None:
    """RFC 9700 4.14.2: owner and thief go on with one successor, and the second use of that ends the grant."""
    tokens = app.log_in()
    (mine, theirs) = at_once(2, lambda: app.refresh(tokens["refresh_token"]))
    assert mine["refresh_token"] == theirs["refresh_token"]
    app.refresh(mine["refresh_token"])
    clock.advance(GRACE + 1)
    refused(app, theirs["refresh_token"])
    assert alive(app) == (0, 0)


def test_a_revocation_while_refreshing_leaves_nothing_alive(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN, The store: codes and refresh tokens first, access tokens second."""
    sign = app.provider.keyring.sign
    for rotated in (False, True):
        tokens = app.log_in()
        if rotated:
            app.refresh(tokens["refresh_token"])
        grant_id = app.provider.tokens.read_refresh_token(tokens["refresh_token"]).grant.grant_id

        def revoke_and_sign(*arguments: Any, grant_id: str = grant_id) -> str:
            app.provider.tokens.revoke_grant(grant_id)
            return str(sign(*arguments))

        with monkeypatch.context() as patch:
            patch.setattr(app.provider.keyring, "sign", revoke_and_sign)
            refused(app, tokens["refresh_token"])
        assert alive(app) == (0, 0)


# Failures on the way


def test_a_failure_while_signing_spends_nothing(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN, The store: check, sign, insert, redeem last."""
    tokens = app.log_in()

    class Fails(Exception):
        pass

    def fail(*_: Any) -> str:
        raise Fails

    with monkeypatch.context() as patch:
        patch.setattr(app.provider.keyring, "sign", fail)
        with pytest.raises(Fails):
            app.refresh(tokens["refresh_token"])
    assert alive(app) == (1, 1)
    assert usable(app, tokens["refresh_token"])


def test_a_store_that_is_away_spends_nothing(app: Any) -> None:
    """DESIGN, The store: the next request works when it is back."""
    tokens = app.log_in()
    app.provider.store.close()
    with pytest.raises(StoreUnavailable):
        app.refresh(tokens["refresh_token"])
    app.provider.store.open(app.provider.collections)
    assert app.refresh(tokens["refresh_token"])


def test_a_plugin_can_refuse_a_refresh(make_app: MakeApp, install_plugin: Callable[..., None]) -> None:
    """DESIGN, Plugins: check_token_refresh; nothing is spent by a refusal."""
    source = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def check_token_refresh(self, grant, parameters):
        if "refuse" in parameters:
            raise InvalidGrant("the session has ended")
"""
    install_plugin("refuses", source)
    app = make_app(plugins={"refuses": {}})
    tokens = app.log_in()
    assert refused(app, tokens["refresh_token"], refuse="1").description == "the session has ended"
    assert app.refresh(tokens["refresh_token"])


def test_the_secret_may_change_within_the_grace(make_app: MakeApp, tmp_path: Any) -> None:
    """DESIGN, Keys: several secrets: all open, so a retry still finds its successor."""
    before = make_app()
    tokens = before.log_in()
    successor = before.refresh(tokens["refresh_token"])["refresh_token"]
    secret = tmp_path / "var" / "secret"
    secret.write_text("another secret of thirty-two characters\n" + secret.read_text())
    after = make_app()
    assert after.refresh(tokens["refresh_token"])["refresh_token"] == successor
    assert after.refresh(successor)["refresh_token"]
