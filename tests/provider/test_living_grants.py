"""A grant is between one client and one person: it gives nothing to others who come to have their names."""

from __future__ import annotations

from typing import Any

import pytest
from creance.provider import ClientSettings, InvalidGrant, InvalidScope, InvalidToken
from creance.provider.headers import any_case

SETTINGS: dict[str, Any] = {
    "client_id": "again",
    "client_secret": "again-secret",
    "redirect_uris": ["http://localhost:8401/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
}


def test_what_a_removed_client_held_is_not_its_successor_s(make_app: Any, make_provider: Any, clock: Any) -> None:
    """RFC 6749 2.2: a client_id that is used again is another client."""
    provider = make_provider()
    provider.clients.add(ClientSettings(**SETTINGS, scope="openid offline_access"))
    tokens = make_app("again", provider).log_in()
    assert tokens["refresh_token"]
    clock.advance(1)
    provider.clients.remove("again")
    provider.clients.add(ClientSettings(**SETTINGS, scope="openid offline_access"))
    successor = make_app("again", provider)
    assert successor.introspect(tokens["access_token"]) == {"active": False}
    with pytest.raises(InvalidGrant):
        successor.refresh(tokens["refresh_token"])
    with pytest.raises(InvalidToken):
        provider.userinfo_response(tokens["access_token"], any_case({}))
    assert successor.introspect(successor.log_in()["access_token"])["active"] is True


def test_a_user_name_that_went_to_another_person_gives_nothing(make_app: Any, make_provider: Any) -> None:
    """OpenID Connect Core 5.7: the person is iss and sub, not the name."""
    bob = {"username": "carol", "password": "x", "subject": "the-first-carol"}
    app = make_app("app", make_provider(more_users=[bob]))
    tokens = app.log_in("carol")
    other = make_app("app", make_provider(more_users=[{**bob, "subject": "the-second-carol"}]))
    assert other.introspect(tokens["access_token"]) == {"active": False}
    with pytest.raises(InvalidGrant):
        other.refresh(tokens["refresh_token"])
    with pytest.raises(InvalidToken):
        other.provider.userinfo_response(tokens["access_token"], any_case({}))


def test_a_client_that_lost_a_scope_does_not_get_it_by_refreshing(make_app: Any, make_provider: Any) -> None:
    """RFC 6749 6: at most what was granted, and what the client is still registered for."""
    wide = {**SETTINGS, "scope": "openid email offline_access"}
    tokens = make_app("again", make_provider(more_clients=[wide])).log_in(scope="openid email offline_access")
    narrow = make_app("again", make_provider(more_clients=[{**wide, "scope": "openid offline_access"}]))
    with pytest.raises(InvalidScope):
        narrow.refresh(tokens["refresh_token"], scope="openid email")
    assert narrow.refresh(tokens["refresh_token"])["scope"] == "openid offline_access"


def test_a_pyop_host_is_told_the_same(make_app: Any, make_provider: Any) -> None:
    """RFC 7662 2.2, by pyop's AuthorizationState: what gives nothing is not active there either."""
    carol = {"username": "carol", "password": "x", "subject": "the-first-carol"}
    app = make_app("app", make_provider(more_users=[carol]))
    token = app.log_in("carol")["access_token"]
    assert app.provider.authz_state.introspect_access_token(token)["active"] is True
    other = make_provider(more_users=[{**carol, "subject": "the-second-carol"}])
    with pytest.raises(InvalidToken):
        other.authz_state.introspect_access_token(token)
    with pytest.raises(InvalidToken):
        other.authz_state.create_refresh_token(token)
