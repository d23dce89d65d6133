"""Apps of a SATOSA deployment that use the implicit and hybrid flows: with its own frontend, and with ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import structlog.testing
from creance.provider.satosa import OpenIDConnectFrontend
from joserfc import jwt
from joserfc.jwk import KeySet

from .satosa_deployment import CALLBACK, CLIENTS, ISSUER, OURS, PLAIN, Deployment, Site

pytestmark = pytest.mark.default_store("SATOSA's deployments bring their own")

TYPES = ["id_token", "id_token token", "code id_token"]
OFFERED = ["code", *TYPES]
ALLOWED = {"plugins": {"insecure_response_types": {"allowed": TYPES}, "pkce": {"insecure_optional": True}}}
ADDED = {"iss", "scope"}
"""RFC 9207; RFC 6749 4.2.2."""


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """Its app is registered for them, in the order that oic writes."""
    clients = {"app": {**CLIENTS["app"], "response_types": ["code", "id_token", "token id_token", "code id_token"]}}
    (tmp_path / "old-clients.json").write_text(json.dumps(clients))
    return Deployment(tmp_path)


def changes(deployment: Deployment, **more: Any) -> dict[str, Any]:
    offered = {"response_types_supported": OFFERED, "scopes_supported": ["openid", "email"]}
    return {"client_db_path": str(deployment.folder / "old-clients.json"), "provider": offered, **more}


def visit(site: Site, response_type: str, user: str | None = "alice", **more: str) -> str:
    """Where a person's browser ends."""
    asked = {"client_id": "app", "redirect_uri": CALLBACK, "scope": "openid email", "state": "s", "nonce": "n"}
    query = urlencode({**asked, "response_type": response_type, **more})
    return site.visit(f"{site.metadata()['authorization_endpoint']}?{query}", user)


def told(location: str) -> dict[str, str]:
    """What an app reads in the fragment, where there is nothing in the query."""
    parts = urlsplit(location)
    assert (location.startswith(f"{CALLBACK}#"), parts.query) == (True, "")
    return dict(parse_qsl(parts.fragment))


def claims(site: Site, answer: dict[str, str]) -> dict[str, Any]:
    """Of the ID token, verified by what the site publishes."""
    keys = KeySet.import_key_set(site.get("/OIDC/jwks").json())
    return dict(jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims)


def test_apps_go_on_after_the_swap(deployment: Deployment) -> None:
    """OpenID Connect Core 3.2.2.5, 3.3.2.5: the same members, the same person and the same claims."""
    with deployment.serving(PLAIN, **changes(deployment)) as site:
        before = {kind: told(visit(site, kind)) for kind in TYPES}
        claimed = {kind: claims(site, answer) for kind, answer in before.items()}
    with deployment.serving(OURS, **changes(deployment, creance=ALLOWED)) as site:
        for kind, plain in before.items():
            ours = told(visit(site, kind))
            assert set(ours) - ADDED == set(plain), kind
            assert claims(site, ours)["sub"] == claimed[kind]["sub"]
            assert set(claims(site, ours)) - set(claimed[kind]) == {"azp"}, kind
            assert claims(site, ours).get("email") == claimed[kind].get("email")
        assert claimed["id_token"]["email"] == "alice@example.org"

        failed = told(visit(site, "id_token", user=""))
        assert (failed["error"], failed["state"], failed["iss"]) == ("access_denied", "s", ISSUER)
        refused = told(visit(site, "id_token", user=None, nonce=""))
        assert (refused["error"], refused["iss"]) == ("invalid_request", ISSUER)
        (line,) = site.lines("authorization_refused")
        assert "nonce" in line["error_description"]
        named = {(line["client_id"], line["response_type"]) for line in site.lines("insecure_response_type")}
        assert named == {("app", kind) for kind in TYPES}
        assert site.metadata()["response_types_supported"] == OFFERED


@pytest.mark.parametrize(
    ("section", "left"),
    [({}, TYPES), ({"plugins": {"insecure_response_types": None}}, ["id_token token"]), (ALLOWED, None)],
)
def test_the_start_says_what_is_left(deployment: Deployment, section: dict[str, Any], left: list[str] | None) -> None:
    """docs/adopting.md: `response_types_not_offered`, before anything is served."""
    proxy = json.loads(deployment.configure(OURS, **changes(deployment, creance=section)).read_text())
    config = proxy["FRONTEND_MODULES"][0]["config"]
    with structlog.testing.capture_logs() as lines:
        frontend = OpenIDConnectFrontend(lambda *_: None, proxy["INTERNAL_ATTRIBUTES"], config, ISSUER, "OIDC")
        frontend.register_endpoints(["Login"])
    said = [(line["frontend"], line["types"]) for line in lines if line["event"] == "response_types_not_offered"]
    assert said == ([("OIDC", left)] if left else [])
