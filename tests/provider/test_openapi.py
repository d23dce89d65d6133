"""The OpenAPI description: valid, and of the endpoints that are on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import falcon.testing
import pytest
from creance.provider import OpenIDProvider, create_app
from openapi_spec_validator import OpenAPIV31SpecValidator

MakeProvider = Callable[..., OpenIDProvider]


def description(provider: OpenIDProvider) -> dict[str, Any]:
    client = falcon.testing.TestClient(create_app(provider))
    path = urlsplit(provider.url("openapi")).path
    answer = client.simulate_get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    return dict(answer.json)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"plugins": {"sessions": {}}},
        {"plugins": {"introspection": {"enabled": False}, "revocation": {"enabled": False}}, "clients": []},
        {"issuer": "http://localhost:8400/op", "endpoints": {"token": "/api/token"}},
    ],
)
def test_the_description_is_valid(make_provider: MakeProvider, tmp_path: Any, changes: dict[str, Any]) -> None:
    """OpenAPI 3.1."""
    store = {"uri": f"sqlite:{tmp_path}/other.db"}  # of its own, since an issuer cannot be renamed
    said = description(make_provider(**changes, store=store))
    assert said["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(said).validate()


def test_it_is_of_exactly_the_endpoints_that_are_on(make_provider: MakeProvider) -> None:
    """Issue 3, seen from outside: for every endpoint that is on."""
    provider = make_provider()
    said = description(provider)
    assert set(said["paths"]) == {endpoint.path for endpoint in provider.endpoints}
    assert all(item for item in said["paths"].values())
    assert said["servers"] == [{"url": "http://localhost:8400"}]
    without = make_provider(
        plugins={"introspection": {"enabled": False}},
        clients=[{"client_id": "a", "token_endpoint_auth_method": "none", "grant_types": []}],
    )
    assert set(said["paths"]) - set(description(without)["paths"]) == {"/introspect"}


def test_an_endpoint_of_a_plugin_that_describes_nothing_is_left_out(
    make_provider: MakeProvider, install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: endpoints; `Resource.openapi`."""
    install_plugin(
        "silent",
        """
class Silent(Resource):
    def on_get(self, req, resp):
        resp.text = "here"

class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def endpoints(self):
        return [Endpoint("silent", "/silent", Silent())]
""",
    )
    provider = make_provider(plugins={"silent": {}})
    assert "/silent" not in description(provider)["paths"]
    assert falcon.testing.TestClient(create_app(provider)).simulate_get("/silent").text == "here"


def test_every_method_that_answers_is_described(make_provider: MakeProvider) -> None:
    """Issue 3, seen from outside: made from the code."""
    provider = make_provider()
    said = description(provider)
    client = falcon.testing.TestClient(create_app(provider))
    for path, item in said["paths"].items():
        for method in ("get", "post", "put", "delete", "patch"):
            answer = client.simulate_request(method.upper(), path)
            assert (answer.status_code != 405) == (method in item), (method, path)
