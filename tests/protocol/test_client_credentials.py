"""The client credentials grant (RFC 6749 4.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from creance.provider.testing import RunningProvider

RunProvider = Callable[..., RunningProvider]

OTHER_CLIENTS = """
[[clients]]
client_id = "by-post"
client_secret = "secret"
token_endpoint_auth_method = "client_secret_post"
grant_types = ["client_credentials"]
scope = "read"

[[clients]]
client_id = "public"
token_endpoint_auth_method = "none"
grant_types = ["client_credentials"]
scope = "read"

[[clients]]
client_id = "both"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
scope = "openid email offline_access read"
always_issue_refresh_token = true

[[clients]]
client_id = "no-scope"
client_secret = "secret"
grant_types = ["client_credentials"]
scope = ""
"""


@pytest.fixture(scope="module")
def others(run_provider: RunProvider) -> RunningProvider:
    return run_provider(extra=OTHER_CLIENTS, environment={"CREANCE_KEYS__ALGORITHMS": '["ES256"]'})


def test_a_client_gets_a_token_for_itself(op: RunningProvider) -> None:
    """RFC 6749 4.4.3, 5.1: the registered scope, no refresh token, no ID token."""
    service = op.client("service")
    tokens = service.client_credentials()
    assert tokens.status == 200
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope"}
    assert (tokens.token_type, tokens.expires_in, tokens.scope) == ("Bearer", 3600, "read write")
    assert tokens.headers["Cache-Control"] == "no-store"
    assert service.client_credentials().access_token != tokens.access_token


def test_its_token_speaks_for_the_client_and_for_no_person(op: RunningProvider) -> None:
    """RFC 7662 2.2, RFC 9068 5: sub is the client_id, which no user can have; userinfo knows nobody."""
    service = op.client("service")
    token = service.client_credentials().access_token
    told = service.introspect(token)
    assert told.sub == told.client_id == "service"
    assert "username" not in told
    refused = service.userinfo(token)
    assert (refused.status, refused.error) == (403, "insufficient_scope")


def test_by_the_form_where_it_is_registered_so(others: RunningProvider) -> None:
    """RFC 6749 2.3.1, 4.4.2."""
    client = others.client("by-post", secret="secret", method="client_secret_post")
    assert client.client_credentials().scope == "read"
    assert others.client("by-post", secret="secret").client_credentials().error == "invalid_client"


@pytest.mark.parametrize(
    ("asked", "granted"),
    [("read", "read"), ("write read", "write read"), ("read read", "read"), ("", "read write"), (" read ", "read")],
)
def test_the_scope_may_be_less(op: RunningProvider, asked: str, granted: str) -> None:
    """RFC 6749 3.3: what was granted is said."""
    service = op.client("service")
    tokens = service.client_credentials(scope=asked)
    assert tokens.scope == granted
    assert service.introspect(tokens.access_token).scope == granted


@pytest.mark.parametrize("asked", ["admin", "read admin", "openid", "offline_access", "READ", 'read "x"', "read\\"])
def test_the_scope_may_not_be_more(op: RunningProvider, asked: str) -> None:
    """RFC 6749 3.3, 5.2: there is no person here who could want less, so it is refused and not cut down."""
    refused = op.client("service").client_credentials(scope=asked)
    assert (refused.status, refused.error) == (400, "invalid_scope")


def test_what_is_for_people_is_not_for_programs(others: RunningProvider) -> None:
    """RFC 6749 4.4.3, OpenID Connect Core 11: no openid and no refresh token, also where people get both."""
    both = others.client("both", secret="secret")
    tokens = both.client_credentials()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope"}
    assert tokens.scope == "email read"
    assert both.client_credentials(scope="openid read").error == "invalid_scope"
    assert both.log_in(scope="openid email").refresh_token


def test_a_client_without_a_scope_gets_a_token_without_one(others: RunningProvider) -> None:
    """RFC 6749 3.3."""
    client = others.client("no-scope", secret="secret")
    tokens = client.client_credentials()
    assert (tokens.status, tokens.scope) == (200, "")
    assert client.introspect(tokens.access_token).active is True
    assert client.client_credentials(scope="read").error == "invalid_scope"


def test_a_public_client_cannot_use_it(others: RunningProvider) -> None:
    """RFC 6749 4.4: MUST only be used by confidential clients, whatever its registration says."""
    refused = others.client("public").client_credentials()
    assert (refused.status, refused.error) == (400, "unauthorized_client")


@pytest.mark.parametrize("client_id", ["app", "app-post", "spa"])
def test_who_is_not_registered_for_it_cannot_use_it(op: RunningProvider, client_id: str) -> None:
    """RFC 6749 5.2."""
    refused = op.client(client_id).client_credentials(scope="openid")
    assert (refused.status, refused.error) == (400, "unauthorized_client")


@pytest.mark.parametrize("secret", ["wrong", "", "app-secret"])
def test_the_secret_is_what_it_is_about(op: RunningProvider, secret: str) -> None:
    """RFC 6749 4.4.2, 5.2."""
    refused = op.client("service", secret=secret).client_credentials()
    assert (refused.status, refused.error) == (401, "invalid_client")


def test_a_person_cannot_be_named(op: RunningProvider) -> None:
    """RFC 6749 4.4.2: there is no such parameter; what is unknown is ignored (3.2)."""
    service = op.client("service")
    tokens = service.client_credentials(username="alice", sub="alice", client_id="service")
    assert service.introspect(tokens.access_token).sub == "service"
