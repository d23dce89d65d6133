"""pyop's `AuthorizationState`, method by method, with what ours promises beyond it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from creance.provider import Grant, OpenIDProvider
from creance.provider.authorization_state import GrantState
from creance.provider.store import delete
from creance.provider.testing.running import DemoStores, demo_configuration
from creance.provider.tokens import REFRESH_TOKENS, NewToken
from creance.provider.users import USERS
from pyop.authz_state import AuthorizationState
from pyop.exceptions import (
    InvalidAccessToken,
    InvalidAuthorizationCode,
    InvalidRefreshToken,
    InvalidScope,
    InvalidSubjectIdentifier,
    OAuthError,
)
from pyop.message import AuthorizationRequest

from ..conftest import Clock

EMBEDDED = demo_configuration("http://localhost:8400", "127.0.0.1:8400", DemoStores.URI)
SHORT_LIVED = """
[lifetimes]
authorization_code = 60
access_token = 60
refresh_token = 60
"""
WITHOUT_ROTATION = """
[grants]
refresh_token_rotation = "public"
"""
CALLBACK = "http://localhost:8401/callback"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., OpenIDProvider]]:
    """Starts a provider of the demonstration's configuration, with more lines, on a store of its own."""
    started = []

    def start_one(more: str = "") -> OpenIDProvider:
        configuration = tmp_path_factory.mktemp("provider") / "creance.toml"
        configuration.write_text(EMBEDDED + more, "utf-8")
        provider = OpenIDProvider.from_config(configuration)
        provider.prepare()
        provider.start()
        started.append(provider)
        return provider

    yield start_one
    for provider in started:
        provider.stop()


@pytest.fixture(scope="module")
def op(start: Callable[..., OpenIDProvider]) -> OpenIDProvider:
    return start()


@pytest.fixture
def short_lived(clock: Clock, start: Callable[..., OpenIDProvider]) -> OpenIDProvider:
    """A provider whose codes and tokens last a minute of this clock."""
    return start(SHORT_LIVED)


@pytest.fixture
def state(op: OpenIDProvider) -> GrantState:
    return op.authz_state


def request(**changes: str) -> AuthorizationRequest:
    parameters = {
        "client_id": "app",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid email offline_access",
        "state": "a state",
        "nonce": "a nonce",
    }
    return AuthorizationRequest().from_dict(parameters | changes)


def subject(state: GrantState, user: str = "alice") -> str:
    return state.get_subject_identifier("public", user)


def code_for(state: GrantState, user: str = "alice", **changes: str) -> str:
    return state.create_authorization_code(request(**changes), subject(state, user))


def refresh_token_for(state: GrantState) -> str:
    access_token = state.exchange_code_for_token(code_for(state))
    refresh_token = state.create_refresh_token(access_token.value)
    assert refresh_token is not None
    return refresh_token


def at_once(call: Callable[[], object], times: int = 16) -> list[object]:
    """What callers that start together get: an answer, or the exception."""
    barrier = Barrier(times)

    def caller() -> object:
        barrier.wait()
        try:
            return call()
        except OAuthError as error:
            return error

    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(caller) for _ in range(times)]]


# ----- What hosts look at ---------------------------------------------------------------------------------------------


def test_hosts_find_pyops_class_and_its_lifetimes(op: OpenIDProvider) -> None:
    """pyop 3.5, Seams: `AuthorizationState(...)` and its public attributes."""
    state = op.authz_state

    assert isinstance(state, AuthorizationState)
    assert state.authorization_code_lifetime == op.settings.lifetimes.authorization_code
    assert state.access_token_lifetime == op.settings.lifetimes.access_token
    assert state.refresh_token_lifetime == op.settings.lifetimes.refresh_token
    assert state.refresh_token_threshold is None
    assert state.stateless is False


# ----- Codes ----------------------------------------------------------------------------------------------------------


def test_a_code_is_what_was_authorized(state: GrantState) -> None:
    """create_authorization_code, get_authorization_request_for_code, get_subject_identifier_for_code."""
    code = code_for(state, max_age="600")

    kept = state.get_authorization_request_for_code(code)

    assert isinstance(kept, AuthorizationRequest)
    assert kept["client_id"] == "app"
    assert kept["redirect_uri"] == CALLBACK
    assert kept["response_type"] == ["code"]
    assert kept["scope"] == ["openid", "email", "offline_access"]
    assert kept["nonce"] == "a nonce"
    assert kept["max_age"] == 600
    assert "state" not in kept
    assert state.get_subject_identifier_for_code(code) == subject(state)


def test_what_the_host_says_of_the_login_is_kept_with_the_code(op: OpenIDProvider, state: GrantState) -> None:
    """get_extra_id_token_claims_for_code: the host's own claims, and none of the protocol's beside the login's."""
    given = {"department": "tea", "auth_time": 1700000000, "acr": "loa2", "amr": ["pwd"], "sub": "mallory", "aud": "x"}

    code = state.create_authorization_code(request(), subject(state), extra_id_token_claims=given)

    assert state.get_extra_id_token_claims_for_code(code) == {"department": "tea"}
    found = op.tokens.read_code(code)
    assert found is not None
    assert (found.grant.auth_time, found.grant.acr, found.grant.amr) == (1700000000, "loa2", ("pwd",))
    assert found.grant.subject == subject(state)


@pytest.mark.parametrize(
    "given",
    [
        {"auth_time": "yesterday"},
        {"auth_time": True},
        {"auth_time": 10**400},
        {"acr": 1},
        {"amr": "pwd"},
        {"amr": [1]},
        {"department": object()},
        {"department": "\0"},
        {"department": float("nan")},
        ["not", "a", "mapping"],
    ],
)
def test_claims_that_cannot_be_in_a_token_are_refused_before_there_is_a_code(state: GrantState, given: object) -> None:
    """OpenID Connect Core 2: the types of auth_time, acr and amr. No code is spent on them later."""
    with pytest.raises(OAuthError) as refused:
        state.create_authorization_code(request(), subject(state), extra_id_token_claims=given)  # type: ignore[arg-type]

    assert refused.value.oauth_error == "server_error"


def test_user_info_is_not_kept_with_codes_and_tokens(state: GrantState) -> None:
    """get_user_info_for_code, get_user_info_for_access_token: None, as pyop answers where it keeps state."""
    code = state.create_authorization_code(request(), subject(state), user_info={"email": "a@example.org"})
    access_token = state.create_access_token(request(), subject(state), user_info={"email": "a@example.org"})

    assert state.get_user_info_for_code(code) is None  # type: ignore[func-returns-value]
    assert state.get_user_info_for_access_token(access_token.value) is None  # type: ignore[func-returns-value]


def test_a_code_gives_an_access_token_once(state: GrantState) -> None:
    """exchange_code_for_token; RFC 6749 4.1.2; pyop 3.5, Security 5: the replay ends what was issued."""
    code = code_for(state)
    access_token = state.exchange_code_for_token(code)
    refresh_token = state.create_refresh_token(access_token.value)
    assert access_token.type == "Bearer"
    assert access_token.expires_in == state.access_token_lifetime
    assert state.introspect_access_token(access_token.value)["active"] is True

    with pytest.raises(InvalidAuthorizationCode):
        state.exchange_code_for_token(code)

    with pytest.raises(InvalidAccessToken):
        state.introspect_access_token(access_token.value)
    with pytest.raises(InvalidRefreshToken):
        state.use_refresh_token(str(refresh_token))


def test_of_many_who_exchange_a_code_at_once_at_most_one_has_a_token(state: GrantState) -> None:
    """pyop 3.5, Security 4: there, 16 of 16 win. The others are replays, which take the winner's token away."""
    code = code_for(state)

    answers = at_once(lambda: state.exchange_code_for_token(code))

    tokens = [answer for answer in answers if not isinstance(answer, OAuthError)]
    assert len(tokens) == 1
    assert all(isinstance(answer, InvalidAuthorizationCode) for answer in answers if answer not in tokens)
    with pytest.raises(InvalidAccessToken):
        state.introspect_access_token(tokens[0].value)  # type: ignore[attr-defined]


def test_a_replay_is_recognised_as_long_as_a_refresh_token_may_live(op: OpenIDProvider, state: GrantState) -> None:
    """RFC 6749 4.1.2: a refresh token may be made after the exchange, and outlives the access token."""
    code = code_for(state)
    access_token = state.exchange_code_for_token(code)
    refresh_token = state.create_refresh_token(access_token.value)

    spent = op.tokens.read_code(code)
    refresh = op.tokens.read_refresh_token(str(refresh_token))

    assert spent is not None
    assert spent.document is not None
    assert refresh is not None
    assert spent.document.keep_until >= refresh.expires_at - 1


LOOKS_AT_A_CODE = [
    "exchange_code_for_token",
    "get_authorization_request_for_code",
    "get_subject_identifier_for_code",
    "get_extra_id_token_claims_for_code",
    "get_user_info_for_code",
]


@pytest.mark.parametrize("method", LOOKS_AT_A_CODE)
def test_an_unknown_code_is_invalid(state: GrantState, method: str) -> None:
    """RFC 6749 5.2, invalid_grant."""
    for value in ("never-issued", "", "\0", "\udcff", "x" * 100_000):
        with pytest.raises(InvalidAuthorizationCode) as refused:
            getattr(state, method)(value)
        assert refused.value.oauth_error == "invalid_grant"
        assert value == "" or value not in str(refused.value)


@pytest.mark.parametrize("method", LOOKS_AT_A_CODE)
def test_a_spent_code_is_invalid(state: GrantState, method: str) -> None:
    """RFC 6749 4.1.2."""
    code = code_for(state)
    state.exchange_code_for_token(code)

    with pytest.raises(InvalidAuthorizationCode):
        getattr(state, method)(code)


def test_looking_at_a_spent_code_is_no_replay(state: GrantState) -> None:
    """RFC 6749 4.1.2 speaks of use; a host that looks does not end its own user's tokens."""
    code = code_for(state)
    access_token = state.exchange_code_for_token(code)

    with pytest.raises(InvalidAuthorizationCode):
        state.get_subject_identifier_for_code(code)

    assert state.introspect_access_token(access_token.value)["active"] is True


@pytest.mark.parametrize("method", LOOKS_AT_A_CODE)
def test_an_access_token_is_never_taken_for_a_code(state: GrantState, method: str) -> None:
    """a code is never taken for a token, nor a token for a code."""
    access_token = state.create_access_token(request(), subject(state))

    with pytest.raises(InvalidAuthorizationCode):
        getattr(state, method)(access_token.value)


def test_codes_and_tokens_end_in_time(short_lived: OpenIDProvider, clock: Clock) -> None:
    """RFC 6749 4.1.2, 1.5, RFC 6750 3.1: expired is invalid."""
    state = short_lived.authz_state
    code = code_for(state)
    access_token = state.exchange_code_for_token(code_for(state))
    refresh_token = state.create_refresh_token(access_token.value)
    clock.advance(61)

    for method in LOOKS_AT_A_CODE:
        with pytest.raises(InvalidAuthorizationCode):
            getattr(state, method)(code)
    with pytest.raises(InvalidAccessToken):
        state.introspect_access_token(access_token.value)
    with pytest.raises(InvalidAccessToken):
        state.create_refresh_token(access_token.value)
    with pytest.raises(InvalidRefreshToken):
        state.use_refresh_token(str(refresh_token))


# ----- Access tokens --------------------------------------------------------------------------------------------------


def test_an_access_token_tells_what_it_is_good_for(op: OpenIDProvider, state: GrantState) -> None:
    """create_access_token, introspect_access_token (RFC 7662 2.2): the members that pyop has."""
    access_token = state.create_access_token(request(), subject(state), scope=["openid"])

    told = state.introspect_access_token(access_token.value)

    assert told.pop("exp") - told.pop("iat") == op.settings.lifetimes.access_token
    assert told == {
        "active": True,
        "sub": subject(state),
        "client_id": "app",
        "aud": ["app"],
        "scope": "openid",
        "token_type": "Bearer",
    }


def test_an_access_token_carries_the_part_of_the_request_that_it_needs(state: GrantState) -> None:
    """get_authorization_request_for_access_token."""
    access_token = state.create_access_token(request(), subject(state))

    kept = state.get_authorization_request_for_access_token(access_token.value)

    assert isinstance(kept, AuthorizationRequest)
    assert kept["client_id"] == "app"
    assert kept["scope"] == ["openid", "email", "offline_access"]
    assert kept["nonce"] == "a nonce"


@pytest.mark.parametrize(
    "method",
    [
        "introspect_access_token",
        "create_refresh_token",
        "get_authorization_request_for_access_token",
        "get_user_info_for_access_token",
    ],
)
def test_an_unknown_access_token_is_invalid(state: GrantState, method: str) -> None:
    """RFC 6750 3.1, invalid_token. pyop 3.5, Security 13: the message does not repeat it."""
    for value in ("never-issued", "", "\0", "\udcff", code_for(state)):
        with pytest.raises(InvalidAccessToken) as refused:
            getattr(state, method)(value)
        assert refused.value.oauth_error == "invalid_token"
        assert value == "" or value not in str(refused.value)


@pytest.mark.parametrize("create", ["create_authorization_code", "create_access_token"])
class TestWhatIsRefused:
    """create_authorization_code and create_access_token, which take the same."""

    def test_an_unknown_subject(self, state: GrantState, create: str) -> None:
        """pyop's InvalidSubjectIdentifier."""
        for nobody in ("nobody", "", None, "app"):
            with pytest.raises(InvalidSubjectIdentifier):
                getattr(state, create)(request(), nobody)

    def test_a_disabled_user(self, start: Callable[..., OpenIDProvider], create: str) -> None:
        """nothing is given for somebody who cannot log in."""
        state = start('[[users]]\nusername = "eve"\ndisabled = true\n').authz_state

        with pytest.raises(InvalidSubjectIdentifier):
            getattr(state, create)(request(), subject(state, "eve"))

    def test_an_unknown_client(self, state: GrantState, create: str) -> None:
        """pyop 3.5, Security 8; here nobody has checked the request before."""
        with pytest.raises(OAuthError) as refused:
            getattr(state, create)(request(client_id="nobody"), subject(state))

        assert refused.value.oauth_error == "unauthorized_client"

    def test_scopes_that_the_client_is_not_registered_for(self, state: GrantState, create: str) -> None:
        """pyop 3.5, Security 11: there, unsupported scopes are granted."""
        value = getattr(state, create)(request(), subject(state), scope=["openid", "admin"])
        if create == "create_authorization_code":
            value = state.exchange_code_for_token(value)

        assert state.introspect_access_token(value.value)["scope"] == "openid"
        with pytest.raises(InvalidScope):
            getattr(state, create)(request(), subject(state), scope=["admin"])


# ----- Refresh tokens -------------------------------------------------------------------------------------------------


def test_a_refresh_token_needs_offline_access(state: GrantState) -> None:
    """create_refresh_token: a value or None. pyop 3.5, Security 6: there, issued without offline_access."""
    online = state.exchange_code_for_token(code_for(state, scope="openid email"))
    offline = state.exchange_code_for_token(code_for(state))

    assert state.create_refresh_token(online.value) is None
    assert state.create_refresh_token(offline.value)


def test_a_refresh_token_needs_the_grant_type_of_its_client(start: Callable[..., OpenIDProvider]) -> None:
    """pyop 3.5, Security 6: there, registered grant_types are ignored. RFC 7591 2."""
    state = start(
        f"""
[[clients]]
client_id = "no-refresh"
client_secret = "no-refresh-secret"
redirect_uris = ["{CALLBACK}"]
scope = "openid offline_access"
"""
    ).authz_state

    access_token = state.exchange_code_for_token(code_for(state, client_id="no-refresh"))

    assert state.create_refresh_token(access_token.value) is None


def test_no_refresh_token_is_made_for_a_client_that_acts_for_itself(op: OpenIDProvider, state: GrantState) -> None:
    """RFC 6749 4.4.3."""
    grant = Grant("app", subject="app", scope=("openid", "offline_access"), granted_at=time.time())
    access = op.new_access_token(grant, op.clients.find("app"), grant.scope)  # type: ignore[arg-type]
    op.store.write([access.operation])

    assert state.create_refresh_token(access.value) is None


def test_nothing_new_is_made_for_a_grant_that_is_revoked_meanwhile(
    op: OpenIDProvider, state: GrantState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyop 3.5, Security 5: nothing lives that was issued from a replayed code, however the two fall together."""
    access_token = state.exchange_code_for_token(code_for(state))
    revoked = []
    make = op.tokens.new_refresh_token

    def make_too_late(grant: Grant) -> NewToken:
        op.tokens.revoke_grant(grant.grant_id)
        revoked.append(grant.grant_id)
        return make(grant)

    monkeypatch.setattr(op.tokens, "new_refresh_token", make_too_late)
    with pytest.raises(InvalidAccessToken):
        state.create_refresh_token(access_token.value)

    assert op.store.find(REFRESH_TOKENS, "grant_id", revoked[0]) == []


def test_many_refresh_tokens_at_once_for_one_access_token(state: GrantState) -> None:
    """create_refresh_token: one that was overtaken looks again, and does not call a good token invalid."""
    access_token = state.exchange_code_for_token(code_for(state))

    answers = at_once(lambda: state.create_refresh_token(access_token.value), times=8)

    assert all(isinstance(answer, str) for answer in answers)
    assert len(set(answers)) == 8


def test_a_refresh_gives_a_new_access_token_and_the_next_refresh_token(state: GrantState) -> None:
    """use_refresh_token; RFC 6749 6, RFC 9700 4.14.2; pyop 3.5, Security 6: there is no rotation."""
    refresh_token = refresh_token_for(state)

    access_token, successor = state.use_refresh_token(refresh_token)

    assert state.introspect_access_token(access_token.value)["scope"] == "openid email offline_access"
    assert successor
    assert successor != refresh_token


def test_a_refresh_may_ask_for_less_and_not_for_more(state: GrantState) -> None:
    """RFC 6749 6: and the refresh token keeps what was granted."""
    refresh_token = refresh_token_for(state)

    with pytest.raises(InvalidScope):
        state.use_refresh_token(refresh_token, scope=["openid", "phone"])
    less, successor = state.use_refresh_token(refresh_token, scope=["openid"])
    again, _ = state.use_refresh_token(str(successor))

    assert state.introspect_access_token(less.value)["scope"] == "openid"
    assert state.introspect_access_token(again.value)["scope"] == "openid email offline_access"


def test_without_rotation_the_refresh_token_stays(start: Callable[..., OpenIDProvider]) -> None:
    """use_refresh_token: None where there is no other one, as pyop answers. FAPI 2.0, 5.3.2.1."""
    state = start(WITHOUT_ROTATION).authz_state
    refresh_token = refresh_token_for(state)

    _, first = state.use_refresh_token(refresh_token)
    _, second = state.use_refresh_token(refresh_token)

    assert first is None
    assert second is None


def test_a_retry_gets_the_same_successor_and_a_reuse_ends_the_grant(state: GrantState) -> None:
    """RFC 9700 4.14.2; the successor is the same while nobody has used it."""
    refresh_token = refresh_token_for(state)
    _, successor = state.use_refresh_token(refresh_token)
    _, same = state.use_refresh_token(refresh_token)
    assert same == successor
    access_token, _ = state.use_refresh_token(str(successor))

    with pytest.raises(InvalidRefreshToken):
        state.use_refresh_token(refresh_token)

    with pytest.raises(InvalidAccessToken):
        state.introspect_access_token(access_token.value)


def test_many_refreshes_at_once_agree_on_the_successor(state: GrantState) -> None:
    """RFC 9700 4.14.2: never two lines of refresh tokens from one."""
    refresh_token = refresh_token_for(state)

    answers = at_once(lambda: state.use_refresh_token(refresh_token), times=8)

    successors = {answer[1] for answer in answers if isinstance(answer, tuple)}
    assert len(successors) == 1


def test_an_unknown_refresh_token_is_invalid(state: GrantState) -> None:
    """RFC 6749 5.2, invalid_grant. pyop 3.5, Security 13: the message does not repeat it."""
    for value in ("never-issued", "", "\0", "\udcff", code_for(state)):
        with pytest.raises(InvalidRefreshToken) as refused:
            state.use_refresh_token(value)
        assert refused.value.oauth_error == "invalid_grant"
        assert value == "" or value not in str(refused.value)


# ----- Subjects -------------------------------------------------------------------------------------------------------


def test_a_subject_is_a_users_and_leads_back_to_them(op: OpenIDProvider, state: GrantState) -> None:
    """get_subject_identifier, get_user_id_for_subject_identifier; OpenID Connect Core 8."""
    public = state.get_subject_identifier("public", "alice")

    assert public == op.users.find("alice").subject  # type: ignore[union-attr]
    assert state.get_subject_identifier("public", "alice", "app.example.org") == public
    assert state.get_user_id_for_subject_identifier(public) == "alice"


def test_a_pairwise_subject_is_computed_as_pyop_does(op: OpenIDProvider, state: GrantState) -> None:
    """OpenID Connect Core 8.1; pyop 3.5, Security 16: existing deployments depend on sector + user + salt."""
    pairwise = state.get_subject_identifier("pairwise", "alice", "app.example.org")

    factory = op.users.subject_identifiers
    assert pairwise == factory.create_pairwise_identifier("alice", "app.example.org")
    assert pairwise != state.get_subject_identifier("pairwise", "bob", "app.example.org")


def test_unknown_subjects_and_types_are_refused(state: GrantState) -> None:
    """get_subject_identifier and get_user_id_for_subject_identifier, as pyop raises."""
    with pytest.raises(ValueError, match="subject_type"):
        state.get_subject_identifier("other", "alice")
    with pytest.raises(ValueError, match="sector_identifier"):
        state.get_subject_identifier("pairwise", "alice")
    for kind in ("public", "pairwise"):
        with pytest.raises(InvalidSubjectIdentifier):
            state.get_subject_identifier(kind, "nobody", "app.example.org")
    for nobody in ("nobody", "", None, "\0"):
        with pytest.raises(InvalidSubjectIdentifier):
            state.get_user_id_for_subject_identifier(nobody)


def test_the_end_of_a_subject_ends_all_that_was_given_for_it(state: GrantState) -> None:
    """delete_state_for_subject_identifier: codes, access tokens and refresh tokens, and nobody else's."""
    code = code_for(state)
    access_token = state.exchange_code_for_token(code_for(state))
    refresh_token = state.create_refresh_token(access_token.value)
    of_bob = state.exchange_code_for_token(code_for(state, "bob"))

    state.delete_state_for_subject_identifier(subject(state))

    with pytest.raises(InvalidAuthorizationCode):
        state.exchange_code_for_token(code)
    with pytest.raises(InvalidAccessToken):
        state.introspect_access_token(access_token.value)
    with pytest.raises(InvalidRefreshToken):
        state.use_refresh_token(str(refresh_token))
    assert state.introspect_access_token(of_bob.value)["active"] is True
    with pytest.raises(InvalidSubjectIdentifier):
        state.delete_state_for_subject_identifier("nobody")


def test_a_user_who_is_gone_gets_nothing_for_an_old_code(start: Callable[..., OpenIDProvider]) -> None:
    """pyop 3.5, Exceptions that escape: user gone -> KeyError."""
    provider = start()
    state = provider.authz_state
    provider.users.create_user("carol")
    code = code_for(state, "carol")
    refresh_token = state.create_refresh_token(state.exchange_code_for_token(code_for(state, "carol")).value)
    for document in provider.store.page(USERS):
        provider.store.write([delete(USERS, document.key)])
    provider.users._forget("carol", provider.users.subject_identifiers.create_public_identifier("carol"))

    with pytest.raises(InvalidAuthorizationCode):
        state.exchange_code_for_token(code)
    with pytest.raises(InvalidRefreshToken):
        state.use_refresh_token(str(refresh_token))


# ----- How it is kept -------------------------------------------------------------------------------------------------


def test_no_value_is_kept_or_logged(op: OpenIDProvider, state: GrantState, caplog: pytest.LogCaptureFixture) -> None:
    """pyop 3.5, Security 13 and 14: codes and tokens in logs and in plain text."""
    with caplog.at_level(logging.DEBUG):
        code = code_for(state)
        access_token = state.exchange_code_for_token(code)
        refresh_token = str(state.create_refresh_token(access_token.value))
        refreshed, successor = state.use_refresh_token(refresh_token)
        state.introspect_access_token(refreshed.value)
        with pytest.raises(InvalidAuthorizationCode):
            state.exchange_code_for_token(code)

    files = b"".join(path.read_bytes() for path in (op.settings.folder / "var").glob("creance.db*"))
    assert b"authorization_codes" in files
    for value in (code, access_token.value, refresh_token, refreshed.value, str(successor)):
        assert value.encode() not in files
        assert value not in caplog.text


def test_no_method_goes_through_all_users_or_all_tokens(
    op: OpenIDProvider, state: GrantState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyop 3.5, Speed: there, every call scans all users once, and logout all codes and tokens."""

    def scan(*_: object, **__: object) -> None:
        raise AssertionError("a scan")

    monkeypatch.setattr(op.store, "page", scan)
    monkeypatch.setattr(op.users, "configured", scan)
    monkeypatch.setattr(op.users, "stored", scan)

    refresh_token = refresh_token_for(state)
    access_token, _ = state.use_refresh_token(refresh_token)
    state.introspect_access_token(access_token.value)
    state.delete_state_for_subject_identifier(subject(state))
