"""The client credentials grant (RFC 6749 4.4), clause by clause."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import InvalidScope, Parameters, UnauthorizedClient
from creance.provider.headers import any_case
from creance.provider.store import StoreUnavailable
from creance.provider.tokens import ACCESS_TOKENS, REFRESH_TOKENS

MakeApp = Callable[..., Any]
GRANT = {"grant_type": "client_credentials"}


def machine(**changes: Any) -> dict[str, Any]:
    return {
        "client_id": "machine",
        "client_secret": "s",
        "grant_types": ["client_credentials"],
        "scope": "read write",
        **changes,
    }


@pytest.fixture
def service(make_app: MakeApp) -> Any:
    return make_app("service")


def test_a_client_gets_a_token_for_itself(service: Any) -> None:
    """RFC 6749 4.4.3, 5.1: no refresh token; no user, no ID token."""
    tokens = service.token(GRANT)
    assert tokens == {
        "access_token": tokens["access_token"],
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "read write",
    }
    assert service.provider.store.page(REFRESH_TOKENS) == []


def test_its_sub_is_the_client_id(service: Any) -> None:
    """Issue 3: sub is the client_id, which no user can have."""
    described = service.introspect(service.token(GRANT)["access_token"])
    assert described["sub"] == described["client_id"] == "service"
    assert "username" not in described


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ({}, "read write"),
        ({"scope": "read"}, "read"),
        ({"scope": "write read"}, "write read"),
        ({"scope": "read read"}, "read"),
    ],
)
def test_the_scope_is_what_is_asked_for_or_the_registered_one(
    service: Any, scope: dict[str, str], granted: str
) -> None:
    """RFC 6749 3.3, 4.4.2."""
    tokens = service.token(GRANT | scope)
    assert tokens["scope"] == granted
    assert service.provider.tokens.read_access_token(tokens["access_token"]).scope == tuple(granted.split())


@pytest.mark.parametrize(
    "scope",
    ["admin", "read admin", "READ", "openid", "read openid", "offline_access", 'read "', "é", "read\twrite", " "],
)
def test_more_than_is_registered_is_invalid_scope(service: Any, scope: str) -> None:
    """RFC 6749 3.3, 5.2: all of it or nothing."""
    with pytest.raises(InvalidScope):
        service.token(GRANT | {"scope": scope})
    assert service.provider.store.page(ACCESS_TOKENS) == []


def test_what_is_for_people_is_never_given_to_a_machine(make_app: MakeApp) -> None:
    """OpenID Connect Core 3.1.2.1, 11: there is nobody who logged in."""
    app = make_app("machine", None, more_clients=[machine(scope="openid offline_access read")])
    assert app.token(GRANT)["scope"] == "read"
    for scope in ("openid", "offline_access", "openid read"):
        with pytest.raises(InvalidScope):
            app.token(GRANT | {"scope": scope})


def test_a_public_client_is_unauthorized(make_app: MakeApp) -> None:
    """RFC 6749 4.4: only confidential clients."""
    public = machine(token_endpoint_auth_method="none", client_secret=None)
    with pytest.raises(UnauthorizedClient):
        make_app("machine", None, more_clients=[public]).token(GRANT)


@pytest.mark.parametrize("client_id", ["app", "app-post", "spa"])
def test_a_client_that_is_not_registered_for_it_is_unauthorized(make_app: MakeApp, client_id: str) -> None:
    """RFC 6749 5.2: unauthorized_client."""
    with pytest.raises(UnauthorizedClient):
        make_app(client_id).token(GRANT)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_basic_and_post_do(make_app: MakeApp, method: str) -> None:
    """RFC 6749 2.3.1, 4.4.2."""
    app = make_app("machine", None, more_clients=[machine(token_endpoint_auth_method=method)])
    if method == "client_secret_basic":
        form, headers = GRANT, {"Authorization": "Basic " + base64.b64encode(b"machine:s").decode()}
    else:
        form, headers = GRANT | {"client_id": "machine", "client_secret": "s"}, {}
    assert app.provider.token(Parameters(form), any_case(headers))["access_token"]


def test_a_token_of_a_machine_ends_with_the_session_of_nobody(service: Any) -> None:
    """DESIGN, Grants: it belongs to no session; it ends with its subject."""
    token = service.token(GRANT)["access_token"]
    service.provider.tokens.end_session("a-session")
    assert service.introspect(token)["active"]
    service.provider.tokens.end_subject("service")
    assert service.introspect(token) == {"active": False}


def test_a_store_that_is_away_gives_no_token(service: Any) -> None:
    """DESIGN, The store: acknowledged means durable."""
    service.provider.store.close()
    with pytest.raises(StoreUnavailable):
        service.token(GRANT)


def test_it_is_there_only_when_it_is_switched_on(make_app: MakeApp) -> None:
    """DESIGN, URLs: grant_types_supported."""
    assert "client_credentials" in make_app("service").provider.metadata["grant_types_supported"]
