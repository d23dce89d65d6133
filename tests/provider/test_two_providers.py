"""No global state: two providers can live in one process."""

from __future__ import annotations

import base64
from pathlib import Path

import falcon.testing
import pytest
from creance.provider import InvalidClient, OpenIDProvider, Parameters, Settings, create_app
from creance.provider.headers import any_case


def provider_of(folder: Path, issuer: str, secret: str) -> OpenIDProvider:
    client = {
        "client_id": "service",
        "client_secret": secret,
        "grant_types": ["client_credentials"],
        "scope": "read",
    }
    settings = Settings.model_validate(
        {
            "issuer": issuer,
            "clients": [client],
            "plugins": {"client_credentials": {}},
            "keys": {"algorithms": ["ES256"]},
        }
    )
    settings._folder = folder
    provider = OpenIDProvider(settings)
    provider.prepare()
    return provider


def test_two_providers_share_nothing(tmp_path: Path) -> None:
    """Each has its own clients, keys, tokens and metadata, served side by side."""
    one = provider_of(tmp_path / "one", "http://localhost:1001", "one-secret")
    two = provider_of(tmp_path / "two", "http://localhost:1002", "two-secret")
    apps = {provider: falcon.testing.TestClient(create_app(provider)) for provider in (one, two)}
    try:
        basic = {"Authorization": "Basic " + base64.b64encode(b"service:one-secret").decode()}
        form = Parameters({"grant_type": "client_credentials"})
        token = one.token(form, any_case(basic))["access_token"]
        with pytest.raises(InvalidClient):
            two.token(form, any_case(basic))
        assert one.tokens.read_access_token(token) is not None
        assert two.tokens.read_access_token(token) is None
        for provider, app in apps.items():
            metadata = app.simulate_get("/.well-known/openid-configuration").json
            assert metadata["issuer"] == provider.settings.issuer
        kids = [{key["kid"] for key in app.simulate_get("/jwks").json["keys"]} for app in apps.values()]
        assert kids[0].isdisjoint(kids[1])
    finally:
        one.stop()
        two.stop()
