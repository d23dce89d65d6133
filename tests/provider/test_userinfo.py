"""Claims about the person that an access token speaks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import ClientSettings, InsufficientScope, InvalidToken

MakeApp = Callable[..., Any]


def userinfo(app: Any, access_token: str) -> dict[str, Any]:
    return dict(app.provider.userinfo_response(access_token, {}))


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", set()),
        ("openid email", {"email", "email_verified"}),
        ("openid phone", {"phone_number", "phone_number_verified"}),
        ("openid address", {"address"}),
        ("openid email unknown", {"email", "email_verified"}),
    ],
)
def test_the_claims_of_the_scopes_are_given(make_app: MakeApp, scope: str, claims: set[str]) -> None:
    """OpenID Connect Core 5.3.2, 5.4."""
    app = make_app()
    answer = userinfo(app, app.log_in(scope=scope)["access_token"])
    assert answer.keys() == {"sub"} | claims
    assert answer["sub"] == app.provider.users.find("alice").subject


def test_a_claim_is_given_as_it_is_now(make_app: MakeApp, make_provider: Any) -> None:
    """OpenID Connect Core 5.3.2."""
    token = make_app().log_in(scope="openid email")["access_token"]
    later = make_provider(users=[{"username": "alice", "claims": {"email": "new@example.org"}}])
    assert later.userinfo_response(token, {})["email"] == "new@example.org"


def test_a_scope_of_the_operator_gives_its_claims(make_app: MakeApp) -> None:
    """DESIGN, Configuration: extra_scopes."""
    client = {
        "client_id": "a",
        "client_secret": "s",
        "redirect_uris": ["http://localhost:8401/callback"],
        "scope": "openid groups",
    }
    app = make_app(
        "a",
        None,
        more_clients=[client],
        extra_scopes={"groups": ["groups"]},
        users=[{"username": "alice", "claims": {"groups": ["staff"], "email": "a@example.org"}}],
    )
    answer = userinfo(app, app.log_in(scope="openid groups")["access_token"])
    assert answer.keys() == {"sub", "groups"}
    assert answer["groups"] == ["staff"]


def test_a_token_without_openid_is_not_enough(make_app: MakeApp) -> None:
    """OpenID Connect Core 5.3, RFC 6750 3.1: insufficient_scope."""
    app = make_app()
    narrowed = app.log_in(scope="openid email offline_access")["refresh_token"]
    for token in (app.log_in(scope="email"), app.refresh(narrowed, scope="email")):
        with pytest.raises(InsufficientScope):
            userinfo(app, token["access_token"])


def test_a_clients_own_token_speaks_for_nobody(make_app: MakeApp) -> None:
    """RFC 6749 4.4: no user."""
    app = make_app("service")
    token = app.token({"grant_type": "client_credentials"})["access_token"]
    with pytest.raises(InsufficientScope):
        userinfo(app, token)


def test_a_token_that_is_unknown_expired_or_revoked_is_invalid(make_app: MakeApp, clock: Any) -> None:
    """RFC 6750 3.1: invalid_token; one answer for all, a refresh token and a code included."""
    app = make_app()
    code = app.authorize()
    revoked, tokens = app.log_in(), app.log_in()
    app.revoke(revoked["access_token"])
    bad = ["unknown", "", "\0", "\ud800", revoked["access_token"], tokens["refresh_token"], code.value]
    for token in bad:
        with pytest.raises(InvalidToken, match="the access token is unknown, expired or revoked"):
            userinfo(app, token)
    clock.advance(3601)
    with pytest.raises(InvalidToken):
        userinfo(app, tokens["access_token"])


@pytest.mark.parametrize("users", [[], [{"username": "alice", "disabled": True}]])
def test_the_token_of_a_user_who_is_gone_or_disabled_is_invalid(
    make_app: MakeApp, make_provider: Any, users: list[Any]
) -> None:
    """DESIGN, Configuration: their tokens give nothing; PYOP, userinfo: user gone was a KeyError."""
    token = make_app().log_in()["access_token"]
    with pytest.raises(InvalidToken):
        make_provider(users=users).userinfo_response(token, {})


def test_the_token_of_a_client_that_was_removed_is_invalid(make_app: MakeApp, make_provider: Any) -> None:
    """Issue 3, command line: its codes and tokens are worth nothing from then on."""
    provider = make_provider()
    provider.clients.add(
        ClientSettings(client_id="late", client_secret="s", redirect_uris=["http://localhost:8401/callback"])
    )
    app = make_app("late", provider)
    token = app.log_in(scope="openid")["access_token"]
    assert userinfo(app, token)
    provider.clients.remove("late")
    with pytest.raises(InvalidToken):
        userinfo(app, token)


def test_a_plugin_adds_claims_and_never_another_sub(make_app: MakeApp, install_plugin: Callable[..., None]) -> None:
    """OpenID Connect Core 5.3.2: sub is that of the ID token; DESIGN, Plugins: userinfo_claims."""
    install_plugin(
        "tenants",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def userinfo_claims(self, token, client, user):
        return {"sub": "evil", "tenant": f"{client.client_id} {user.username} {token.kind}"}
""",
    )
    app = make_app(plugins={"tenants": {}})
    tokens = app.log_in()
    answer = userinfo(app, tokens["access_token"])
    assert answer["sub"] == app.claims(tokens)["sub"]
    assert answer["tenant"] == "app alice access_token"


def test_a_plugin_can_refuse_a_token(make_app: MakeApp, install_plugin: Callable[..., None]) -> None:
    """DESIGN, Plugins: check_resource_request: DPoP, mTLS."""
    install_plugin(
        "bound",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def check_resource_request(self, token, headers):
        if "DPoP" not in headers:
            raise InvalidToken("a proof is missing")
""",
    )
    app = make_app(plugins={"bound": {}})
    token = app.log_in()["access_token"]
    with pytest.raises(InvalidToken, match="a proof is missing"):
        userinfo(app, token)
    assert app.provider.userinfo_response(token, {"DPoP": "x"})
