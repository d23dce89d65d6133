"""Token introspection (RFC 7662), clause by clause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import ClientSettings, Grant, InvalidClient, InvalidRequest, Parameters

MakeApp = Callable[..., Any]
INACTIVE = {"active": False}
CALLBACK = "http://localhost:8401/callback"


@pytest.fixture
def app(make_app: MakeApp) -> Any:
    return make_app()


@pytest.fixture
def service(app: Any, make_app: MakeApp) -> Any:
    """Sees any access token."""
    return make_app("service", app.provider)


def test_what_is_said_of_an_access_token(app: Any, service: Any, clock: Any) -> None:
    """RFC 7662 2.2."""
    tokens = app.log_in(scope="openid email")
    described = service.introspect(tokens["access_token"])
    assert described == {
        "active": True,
        "iss": "http://localhost:8400",
        "client_id": "app",
        "username": "alice",
        "sub": app.claims(tokens)["sub"],
        "aud": ["app"],
        "scope": "openid email",
        "token_type": "Bearer",
        "iat": described["iat"],
        "exp": described["iat"] + 3600,
    }
    assert abs(described["iat"] - clock()) < 5


def test_what_is_said_of_a_refresh_token(app: Any) -> None:
    """RFC 7662 2.2; issue 3: active only for its own client and without token_type."""
    refresh_token = app.log_in()["refresh_token"]
    described = app.introspect(refresh_token)
    assert described["active"] is True
    assert "token_type" not in described
    assert described["exp"] == pytest.approx(described["iat"] + 2592000, abs=1)


@pytest.mark.parametrize("changes", [{"subject_type": "pairwise"}, {"first_party": False}], ids=str)
def test_an_app_learns_no_name_that_it_was_not_given(make_app: MakeApp, changes: dict[str, Any]) -> None:
    """OpenID Connect Core 8.1, 3.1.2.4: the user name is one for all clients, and nobody was asked for it."""
    own = {
        "client_id": "theirs",
        "client_secret": "a-secret",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid offline_access",
        **changes,
    }
    app = make_app("theirs", subjects={"salt": "a long random text that is kept for ever"}, more_clients=[own])
    tokens = app.log_in(scope="openid offline_access")
    for kind in ("access_token", "refresh_token"):
        described = app.introspect(tokens[kind])
        assert described["sub"] == app.claims(tokens)["sub"]
        assert "username" not in described
    assert make_app("service", app.provider).introspect(tokens["access_token"])["username"] == "alice"


@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "pct_token", "", "\0", "é" * 1000])
def test_a_hint_is_only_a_hint(app: Any, hint: str | None) -> None:
    """RFC 7662 2.1: a wrong or unknown one still finds."""
    tokens = app.log_in()
    more = {} if hint is None else {"token_type_hint": hint}
    assert app.introspect(tokens["access_token"], **more)["token_type"] == "Bearer"
    assert app.introspect(tokens["refresh_token"], **more)["active"] is True


def test_what_is_not_good_is_exactly_inactive(app: Any, service: Any, clock: Any) -> None:
    """RFC 7662 2.2: unknown, expired, revoked: nothing else is told."""
    code = app.authorize()
    tokens, revoked, spent = app.log_in(), app.log_in(), app.log_in()
    app.revoke(revoked["refresh_token"])
    app.refresh(spent["refresh_token"])
    for token in ("unknown", "\0", "\ud800", "x" * 60_000, code.value, revoked["access_token"]):
        assert service.introspect(token) == INACTIVE
        assert app.introspect(token) == INACTIVE
    for token in (revoked["refresh_token"], spent["refresh_token"]):
        assert app.introspect(token) == INACTIVE
    clock.advance(3601)
    assert service.introspect(tokens["access_token"]) == INACTIVE
    assert app.introspect(tokens["refresh_token"])["active"]
    clock.advance(2592000)
    assert app.introspect(tokens["refresh_token"]) == INACTIVE


# Who may see what


@pytest.mark.parametrize(
    ("sees", "own", "audience", "others", "others_refresh_token"),
    [
        ("own", True, False, False, False),
        ("audience", True, True, False, False),
        ("any", True, True, True, False),
    ],
)
def test_a_client_sees_what_its_settings_say(
    make_app: MakeApp, sees: str, own: bool, audience: bool, others: bool, others_refresh_token: bool
) -> None:
    """RFC 7662 2.1, 4; issue 3: sees = own | audience | any; somebody else's refresh token never."""
    api = {
        "client_id": "api",
        "client_secret": "s",
        "redirect_uris": [CALLBACK],
        "scope": "openid",
        "plugins": {"introspection": {"sees": sees}},
    }
    asking = make_app("api", None, more_clients=[api])
    app = make_app("app", asking.provider)
    tokens = app.log_in()
    provider = asking.provider
    alice = provider.users.find("alice")
    assert alice is not None
    grant = Grant("app", alice.subject, ("openid",), "alice")
    for_api = provider.tokens.new_access_token(grant, ("openid",), ("api", "other"))
    provider.store.write([for_api.operation])

    assert asking.introspect(asking.log_in(scope="openid")["access_token"])["active"] is own
    answer = asking.introspect(for_api.value)
    assert answer["active"] is audience
    if audience:
        assert answer["aud"] == ["api", "other"]
    assert asking.introspect(tokens["access_token"])["active"] is others
    assert asking.introspect(tokens["refresh_token"])["active"] is others_refresh_token
    if not others:
        assert asking.introspect(tokens["access_token"]) == INACTIVE
    assert asking.introspect(tokens["refresh_token"]) == INACTIVE


def test_by_default_a_client_sees_only_its_own(app: Any, make_app: MakeApp) -> None:
    """STYLE: defaults are safe."""
    other = make_app("app-post", app.provider)
    tokens = app.log_in()
    assert other.introspect(tokens["access_token"]) == INACTIVE
    assert other.introspect(tokens["refresh_token"]) == INACTIVE


def test_a_public_client_may_not_ask(app: Any, make_app: MakeApp) -> None:
    """RFC 7662 2.1: authorization is required; issue 3: public clients: 401."""
    spa = make_app("spa", app.provider)
    token = spa.log_in()["access_token"]
    for asked in (token, "unknown"):
        with pytest.raises(InvalidClient) as refusal:
            spa.introspect(asked)
        assert refusal.value.status == 401


@pytest.mark.parametrize("form", [{}, {"token_type_hint": "access_token"}])
def test_the_token_must_be_there(app: Any, form: dict[str, str]) -> None:
    """RFC 7662 2.1: token is required."""
    plugin = app.provider.plugins.plugins["introspection"]
    with pytest.raises(InvalidRequest, match="token is missing"):
        plugin.introspect(app.client, Parameters(form))


# Those whom it speaks for


@pytest.mark.parametrize("users", [[], [{"username": "alice", "disabled": True}]])
def test_the_token_of_a_user_who_is_gone_or_disabled_is_inactive(make_app: MakeApp, users: list[Any]) -> None:
    """DESIGN, Configuration: a disabled user's tokens give nothing."""
    tokens = make_app().log_in()
    after = make_app("service", None, users=users)
    assert after.introspect(tokens["access_token"]) == INACTIVE
    assert make_app("app", after.provider).introspect(tokens["refresh_token"]) == INACTIVE


def test_the_token_of_a_client_that_was_removed_is_inactive(app: Any, service: Any, make_app: MakeApp) -> None:
    """Issue 3, command line: its codes and tokens are worth nothing from then on."""
    app.provider.clients.add(ClientSettings(client_id="late", client_secret="s", redirect_uris=[CALLBACK]))
    token = make_app("late", app.provider).log_in(scope="openid")["access_token"]
    assert service.introspect(token)["active"]
    app.provider.clients.remove("late")
    assert service.introspect(token) == INACTIVE


def test_a_narrowed_token_has_the_narrow_scope(app: Any, service: Any) -> None:
    """RFC 7662 2.2: scope is that of the token."""
    tokens = app.log_in(scope="openid email offline_access")
    narrowed = app.refresh(tokens["refresh_token"], scope="email")
    assert service.introspect(narrowed["access_token"])["scope"] == "email"
    assert app.introspect(narrowed["refresh_token"])["scope"] == "openid email offline_access"


# What plugins add


def test_plugins_add_members_and_never_another_meaning(make_app: MakeApp, install_plugin: Callable[..., None]) -> None:
    """DESIGN, Plugins: access_token_claims, introspection_claims; protocol claims always win."""
    install_plugin(
        "tenants",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def access_token_claims(self, grant):
        return {"tenant": "a", "sub": "evil", "active": False, "client_id": "evil", "username": "evil"}

    @hookimpl
    def introspection_claims(self, token, client):
        return {"asked_by": client.client_id, "scope": "evil", "exp": 9999999999}
""",
    )
    app = make_app(plugins={"tenants": {}})
    described = make_app("service", app.provider).introspect(app.log_in(scope="openid")["access_token"])
    assert described["tenant"] == "a"
    assert described["asked_by"] == "service"
    assert "evil" not in described.values()
    assert described["active"] is True
    assert described["exp"] == described["iat"] + 3600


def test_a_machines_token_has_no_username_whatever_a_plugin_says(
    make_app: MakeApp, install_plugin: Callable[..., None]
) -> None:
    """RFC 7662 2.2: username is of the person that authorized it, and here nobody has."""
    install_plugin(
        "names",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def access_token_claims(self):
        return {"username": "alice", "token_type": "evil"}
""",
    )
    service = make_app("service", None, plugins={"names": {}})
    described = service.introspect(service.token({"grant_type": "client_credentials"})["access_token"])
    assert "username" not in described
    assert described["token_type"] == "Bearer"
