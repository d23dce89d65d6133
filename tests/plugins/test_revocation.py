"""Token revocation (RFC 7009), clause by clause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import InvalidGrant, InvalidRequest, Parameters
from creance.provider.store import StoreUnavailable
from creance.provider.tokens import ACCESS_TOKENS, REFRESH_TOKENS

MakeApp = Callable[..., Any]


@pytest.fixture
def app(make_app: MakeApp) -> Any:
    return make_app()


def active(app: Any, tokens: dict[str, Any]) -> tuple[bool, bool]:
    return app.introspect(tokens["access_token"])["active"], app.introspect(tokens["refresh_token"])["active"]


HINTS: list[dict[str, str]] = [
    {},
    {"token_type_hint": "access_token"},
    {"token_type_hint": "refresh_token"},
    {"token_type_hint": "unknown"},
]


@pytest.mark.parametrize("hint", HINTS)
def test_an_access_token_ends_alone(app: Any, hint: dict[str, str]) -> None:
    """RFC 7009 2.1: the hint is only a hint."""
    tokens = app.log_in()
    app.revoke(tokens["access_token"], **hint)
    assert active(app, tokens) == (False, True)
    assert app.refresh(tokens["refresh_token"])


@pytest.mark.parametrize("hint", HINTS)
def test_a_refresh_token_takes_its_whole_grant_with_it(app: Any, hint: dict[str, str]) -> None:
    """RFC 7009 2.1: and all access tokens based on the same grant; other grants stay."""
    tokens, other = app.log_in(), app.log_in()
    later = app.refresh(tokens["refresh_token"])
    app.revoke(later["refresh_token"], **hint)
    assert active(app, tokens) == active(app, later) == (False, False)
    assert active(app, other) == (True, True)
    with pytest.raises(InvalidGrant):
        app.refresh(later["refresh_token"])


def test_a_spent_refresh_token_still_names_its_grant(app: Any) -> None:
    """RFC 7009 2.1: a client that lost an answer revokes what it has."""
    tokens = app.log_in()
    later = app.refresh(tokens["refresh_token"])
    app.revoke(tokens["refresh_token"])
    assert active(app, later) == (False, False)


@pytest.mark.parametrize("token", ["unknown", "\0", "\ud800", "x" * 60_000])
def test_an_unknown_token_is_no_error(app: Any, token: str) -> None:
    """RFC 7009 2.2: the purpose is reached."""
    app.revoke(token)


def test_a_token_can_be_revoked_twice(app: Any) -> None:
    """RFC 7009 2.2."""
    tokens = app.log_in()
    for _ in range(2):
        app.revoke(tokens["access_token"])
        app.revoke(tokens["refresh_token"])


def test_somebody_elses_token_stays(app: Any, make_app: MakeApp) -> None:
    """RFC 7009 2.1: the client must be the one that it was issued to; and it learns nothing."""
    tokens = app.log_in()
    for client_id in ("app-post", "spa", "service"):
        other = make_app(client_id, app.provider)
        other.revoke(tokens["access_token"])
        other.revoke(tokens["refresh_token"])
    assert active(app, tokens) == (True, True)


def test_a_public_client_may_revoke_its_own(make_app: MakeApp) -> None:
    """RFC 7009 2.1, 5: also public clients."""
    spa = make_app("spa")
    tokens = spa.log_in()
    spa.revoke(tokens["refresh_token"])
    assert spa.provider.store.page(ACCESS_TOKENS) == spa.provider.store.page(REFRESH_TOKENS) == []


def test_a_code_is_not_revoked(app: Any) -> None:
    """RFC 7009 2: access and refresh tokens."""
    code = app.authorize()
    app.revoke(code.value)
    assert app.exchange(code)


@pytest.mark.parametrize("form", [{}, {"token_type_hint": "access_token"}])
def test_the_token_must_be_there(app: Any, form: dict[str, str]) -> None:
    """RFC 7009 2.1: token is required."""
    plugin = app.provider.plugins.plugins["revocation"]
    with pytest.raises(InvalidRequest, match="token is missing"):
        plugin.revoke(app.client, Parameters(form))


def test_a_store_that_is_away_is_not_success(app: Any) -> None:
    """RFC 7009 2.2.1: 503: the client must assume that the token still exists."""
    tokens = app.log_in()
    app.provider.store.close()
    with pytest.raises(StoreUnavailable):
        app.revoke(tokens["access_token"])


def test_a_machine_may_revoke_its_token(make_app: MakeApp) -> None:
    """RFC 6749 4.4, RFC 7009."""
    service = make_app("service")
    token = service.token({"grant_type": "client_credentials"})["access_token"]
    service.revoke(token)
    assert service.introspect(token) == {"active": False}


def test_the_plugins_hear_of_what_was_revoked_and_of_nothing_else(
    make_app: MakeApp, install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: event."""
    install_plugin(
        "hears",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    def start(self, provider):
        provider.heard = []

    @hookimpl
    def event(self, event):
        self.provider.heard.append(event.name)
""",
    )
    app = make_app(plugins={"hears": {}})
    tokens = app.log_in()
    make_app("spa", app.provider).revoke(tokens["access_token"])
    app.revoke("unknown")
    app.revoke(tokens["access_token"])
    assert app.provider.heard == ["authorization", "token", "revocation"]
