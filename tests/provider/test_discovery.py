"""What the provider says of itself: exactly what is switched on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import OpenIDProvider, Settings

Metadata = Callable[..., dict[str, Any]]
ALONE = {"client_id": "a", "token_endpoint_auth_method": "none", "redirect_uris": ["https://app.example/cb"]}


@pytest.fixture
def metadata(make_settings: Callable[..., Settings]) -> Metadata:
    """The metadata of a provider; `off` are the plugins that are switched off."""

    def of(*off: str, **changes: Any) -> dict[str, Any]:
        tables = {name: {"enabled": False} for name in off} | changes.pop("plugins", {})
        changes = {"keys": {"algorithms": ["RS256", "ES256"]}} | changes
        return OpenIDProvider(make_settings(clients=[ALONE], plugins=tables, **changes)).metadata

    return of


ALL_OFF = ("pkce", "iss", "id_token_claims", "client_credentials", "introspection", "revocation")


def test_the_metadata_of_the_core_alone(metadata: Metadata) -> None:
    """OpenID Connect Discovery 3, RFC 8414 2; DESIGN, URLs: explicitly also where the default would claim more."""
    base = "http://localhost:8400"
    assert metadata(*ALL_OFF) == {
        "issuer": base,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "userinfo_endpoint": f"{base}/userinfo",
        "jwks_uri": f"{base}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
        "claims_supported": metadata()["claims_supported"],
        "claim_types_supported": ["normal"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "ui_locales_supported": ["en", "de"],
        "display_values_supported": ["page", "popup", "touch"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
    }


PLUGINS: dict[str, dict[str, Any]] = {
    "pkce": {"code_challenge_methods_supported": ["S256"]},
    "iss": {"authorization_response_iss_parameter_supported": True},
    "id_token_claims": {},
    "client_credentials": {"grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"]},
    "introspection": {
        "introspection_endpoint": "http://localhost:8400/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    },
    "revocation": {
        "revocation_endpoint": "http://localhost:8400/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    },
}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_adds_exactly_what_it_brings(metadata: Metadata, name: str) -> None:
    """DESIGN, URLs: metadata says exactly what is switched on; for each plugin on and off."""
    without = metadata(*ALL_OFF)
    with_it = metadata(*(other for other in ALL_OFF if other != name))
    assert {member: value for member, value in with_it.items() if without.get(member) != value} == PLUGINS[name]
    assert without.keys() <= with_it.keys()


def test_plain_is_named_where_it_is_allowed(metadata: Metadata) -> None:
    """RFC 8414 2: code_challenge_methods_supported."""
    assert metadata(plugins={"pkce": {"allow_plain": True}})["code_challenge_methods_supported"] == ["S256", "plain"]


def test_urls_come_from_the_issuer_and_can_be_moved(metadata: Metadata) -> None:
    """DESIGN, URLs: each a setting, so that an adopted provider keeps the ones that it has."""
    paths = {"token": "/api/v1/oauth/token", "introspection": "/api/v1/oauth/introspect"}
    moved = metadata(issuer="https://op.example.org/tenant", endpoints=paths)
    assert moved["issuer"] == "https://op.example.org/tenant"
    assert moved["token_endpoint"] == "https://op.example.org/tenant/api/v1/oauth/token"
    assert moved["introspection_endpoint"] == "https://op.example.org/tenant/api/v1/oauth/introspect"
    assert moved["jwks_uri"] == "https://op.example.org/tenant/jwks"


def test_scopes_claims_and_algorithms_are_those_of_the_settings(metadata: Metadata) -> None:
    """OpenID Connect Discovery 3."""
    said = metadata(extra_scopes={"groups": ["groups"]}, keys={"algorithms": ["ES256"]})
    assert said["id_token_signing_alg_values_supported"] == ["ES256"]
    assert "groups" in said["scopes_supported"]
    assert "groups" in said["claims_supported"]
    assert "sub" in said["claims_supported"]


def test_a_method_of_a_plugin_is_named_at_every_endpoint_that_takes_it(
    metadata: Metadata, install_plugin: Callable[..., None]
) -> None:
    """RFC 8414 2: …_endpoint_auth_methods_supported."""
    install_plugin(
        "by_key",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def client_authentication_methods(self):
        return {"private_key_jwt": lambda parameters, headers: None}
""",
    )
    said = metadata(plugins={"by_key": {}})
    for endpoint in ("token", "introspection", "revocation"):
        assert "private_key_jwt" in said[f"{endpoint}_endpoint_auth_methods_supported"]


@pytest.mark.parametrize("name", ["introspection", "revocation", "tokn"])
def test_an_endpoint_that_is_not_there_cannot_be_moved(make_settings: Callable[..., Settings], name: str) -> None:
    """STYLE, a setting has one home: unknown names are refused."""
    off = {"introspection": {"enabled": False}, "revocation": {"enabled": False}}
    with pytest.raises(Exception, match=rf"^endpoints\.{name}: no such endpoint \(is its plugin on\?\)"):
        OpenIDProvider(make_settings(clients=[ALONE], plugins=off, endpoints={name: "/x"}))
