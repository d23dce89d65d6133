"""`config/custom-paths.toml`: the endpoints where the clients of another provider know them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest
from creance.provider.testing import RunningProvider

RunProvider = Callable[..., RunningProvider]

PREFIX = "/api/v1/oauth"


@pytest.fixture(scope="module")
def provider(run_provider: RunProvider) -> RunningProvider:
    """The sample as it is, for another issuer and address."""
    text = (files("creance.config") / "custom-paths.toml").read_text("utf-8")
    assert 'issuer = "http://localhost:8400"' in text
    return run_provider(
        configuration=text.replace('"http://localhost:8400"', '"ISSUER"') + '\n[http]\nbind = "BIND"\n',
        environment={"CREANCE_KEYS__ALGORITHMS": '["ES256"]'},
    )


def test_discovery_tells_where_everything_is(provider: RunningProvider) -> None:
    """OpenID Connect Discovery 3: clients that use it need nothing else. The documents stay (4, RFC 8615)."""
    metadata = provider.get("/.well-known/openid-configuration").json()
    assert {name: url for name, url in metadata.items() if name.endswith("_endpoint") or name == "jwks_uri"} == {
        "authorization_endpoint": provider.url(f"{PREFIX}/authorize"),
        "token_endpoint": provider.url(f"{PREFIX}/token"),
        "userinfo_endpoint": provider.url(f"{PREFIX}/userinfo"),
        "jwks_uri": provider.url(f"{PREFIX}/jwks"),
        "introspection_endpoint": provider.url(f"{PREFIX}/introspect"),
        "revocation_endpoint": provider.url(f"{PREFIX}/revoke"),
    }
    assert provider.get("/.well-known/oauth-authorization-server").json() == metadata


def test_the_whole_flow_at_other_paths(provider: RunningProvider) -> None:
    """RFC 6749 4.1, 6, RFC 7009, OpenID Connect Core 5.3."""
    app = provider.client("app", scope="openid email offline_access")
    tokens = app.log_in()
    assert app.verify(tokens.id_token)["email"] == "alice@example.org"
    assert app.userinfo(tokens.access_token).email == "alice@example.org"
    refreshed = app.refresh(tokens.refresh_token)
    assert app.introspect(refreshed.access_token).active is True
    assert app.revoke(refreshed.refresh_token).status == 200
    assert app.introspect(refreshed.access_token) == {"active": False}


def test_a_client_that_knows_the_old_addresses_by_heart(provider: RunningProvider) -> None:
    """RFC 6749 4.4, RFC 7662: `/api/v1/oauth/token` and `/api/v1/oauth/introspect`."""
    credentials = ("service", "service-secret")
    tokens = provider.post(f"{PREFIX}/token", {"grant_type": "client_credentials"}, auth=credentials).json()
    assert tokens["scope"] == "read write"
    told = provider.post(f"{PREFIX}/introspect", {"token": tokens["access_token"]}, auth=credentials).json()
    assert (told["active"], told["client_id"]) == (True, "service")


@pytest.mark.parametrize("path", ["/authorize", "/token", "/userinfo", "/jwks", "/introspect", "/revoke"])
def test_what_was_moved_is_not_at_its_usual_place(provider: RunningProvider, path: str) -> None:
    """RFC 9110 15.5.5."""
    assert provider.get(path).status_code == 404
    assert provider.post(path, {"x": "y"}).status_code == 404


def test_the_moved_endpoints_behave_as_ever(provider: RunningProvider) -> None:
    """RFC 6750 3, RFC 6749 3.2: challenges, CORS and refusals go with them."""
    refused = provider.get(f"{PREFIX}/userinfo")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert provider.get(f"{PREFIX}/token").status_code == 405
    assert provider.get(f"{PREFIX}/token/").status_code == 404
    assert set(provider.get("/openapi.json").json()["paths"]) >= {f"{PREFIX}/token", f"{PREFIX}/introspect"}
