"""OpenID Connect Discovery 1.0 and RFC 8414: the provider does what it says of itself. And its keys (RFC 7517)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from creance.provider.testing import RunningProvider

RunProvider = Callable[..., RunningProvider]

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"

BARE = """
issuer = "ISSUER"
[http]
bind = "BIND"
[keys]
algorithms = ["RS256"]
[lifetimes]
discovery = 60
[extra_scopes]
groups = ["groups", "department"]
[[clients]]
client_id = "app"
client_secret = "app-secret"
redirect_uris = ["http://localhost:8401/callback"]
[[users]]
username = "alice"
password = "wonderland"
[plugins.sessions]
[plugins.pkce]
enabled = false
[plugins.iss]
enabled = false
[plugins.introspection]
enabled = false
"""


@pytest.fixture(scope="module")
def with_path(run_provider: RunProvider) -> RunningProvider:
    """Its issuer has a path."""
    return run_provider(path="/tenants/idp")


@pytest.fixture(scope="module")
def bare(run_provider: RunProvider) -> RunningProvider:
    """All plugins are off but the login page, and the documents may be kept for a minute only."""
    return run_provider(configuration=BARE)


def metadata_of(provider: RunningProvider) -> dict[str, Any]:
    metadata: dict[str, Any] = provider.get(OPENID).json()
    return metadata


def test_the_document_as_a_whole(op: RunningProvider) -> None:
    """OpenID Connect Discovery 3, RFC 8414 2, RFC 9207 3: every member, so that none comes or goes unnoticed."""
    assert metadata_of(op) == {
        "issuer": op.issuer,
        "authorization_endpoint": op.url("/authorize"),
        "token_endpoint": op.url("/token"),
        "userinfo_endpoint": op.url("/userinfo"),
        "end_session_endpoint": f"{op.issuer}/logout",
        "jwks_uri": op.url("/jwks"),
        "introspection_endpoint": op.url("/introspect"),
        "revocation_endpoint": op.url("/revoke"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
        "claims_supported": [
            "sub",
            "address",
            "birthdate",
            "email",
            "email_verified",
            "family_name",
            "gender",
            "given_name",
            "locale",
            "middle_name",
            "name",
            "nickname",
            "phone_number",
            "phone_number_verified",
            "picture",
            "preferred_username",
            "profile",
            "updated_at",
            "website",
            "zoneinfo",
        ],
        "claim_types_supported": ["normal"],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "ui_locales_supported": ["en", "de"],
        "display_values_supported": ["page", "popup", "touch"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


@pytest.mark.parametrize("path", [OPENID, OAUTH])
def test_both_documents_are_the_same_json(op: RunningProvider, path: str) -> None:
    """OpenID Connect Discovery 4.2, RFC 8414 3.2: 200, application/json, and clients may keep it for a while."""
    response = op.get(path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in response.headers
    assert response.json() == metadata_of(op)
    head = requests.head(op.url(path), timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == response.headers["Content-Length"]


def test_an_issuer_with_a_path(with_path: RunningProvider) -> None:
    """OpenID Connect Discovery 4.1 appends the well-known path, RFC 8414 3.1 puts it in front: clients do either."""
    origin = with_path.issuer.removesuffix("/tenants/idp")
    places = [
        f"{origin}/tenants/idp{OPENID}",
        f"{origin}/tenants/idp{OAUTH}",
        f"{origin}{OAUTH}/tenants/idp",
    ]
    documents = [requests.get(place, timeout=30) for place in places]
    assert [document.status_code for document in documents] == [200, 200, 200]
    for document in documents:
        assert document.json()["issuer"] == with_path.issuer
        assert document.json()["token_endpoint"] == f"{with_path.issuer}/token"
        assert document.json() == documents[0].json()
    assert requests.get(f"{origin}{OPENID}", timeout=30).status_code == 404, "not this issuer's"
    assert requests.get(f"{origin}{OAUTH}", timeout=30).status_code == 404


def test_the_whole_flow_under_a_path(with_path: RunningProvider) -> None:
    """OpenID Connect Discovery 3: every URL is under the issuer, those of pages and cookies too."""
    app = with_path.client("app", scope="openid email offline_access")
    tokens = app.log_in()
    assert app.verify(tokens.id_token)["iss"] == with_path.issuer
    assert app.userinfo(app.refresh(tokens.refresh_token).access_token).email == "alice@example.org"
    assert app.revoke(tokens.access_token).status == 200


@pytest.mark.parametrize("which", ["op", "with_path", "bare"])
def test_every_url_in_the_metadata_answers(which: str, request: pytest.FixtureRequest) -> None:
    """RFC 8414 2: none is promised that is not there."""
    provider: RunningProvider = request.getfixturevalue(which)
    urls = {
        name: value
        for name, value in metadata_of(provider).items()
        if isinstance(value, str) and value.startswith("http")
    }
    assert {"issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} <= set(urls)
    for name, url in urls.items():
        assert url.startswith(provider.issuer)
        statuses = [requests.request(method, url, timeout=30).status_code for method in ("GET", "POST")]
        assert not {404, 500} & set(statuses), name


def test_nothing_is_said_that_is_switched_off(bare: RunningProvider) -> None:
    """RFC 8414 2: and what is off is not there, whoever knows its usual address."""
    metadata = metadata_of(bare)
    for member in (
        "introspection_endpoint",
        "introspection_endpoint_auth_methods_supported",
        "revocation_endpoint",
        "revocation_endpoint_auth_methods_supported",
        "code_challenge_methods_supported",
        "authorization_response_iss_parameter_supported",
    ):
        assert member not in metadata
    assert metadata["id_token_signing_alg_values_supported"] == ["RS256"]
    assert " ".join(metadata["scopes_supported"]) == "openid profile email address phone groups offline_access"
    assert {"groups", "department"} <= set(metadata["claims_supported"])
    for path in ("/introspect", "/revoke"):
        assert bare.post(path, {"token": "x"}, auth=("app", "app-secret")).status_code == 404
    assert {key["alg"] for key in bare.get("/jwks").json()["keys"]} == {"RS256"}
    app = bare.client("app")
    without_pkce = app.authorize(code_challenge=None, code_challenge_method=None)
    assert app.exchange(without_pkce, code_verifier=None).id_token


def test_a_grant_that_is_switched_off_is_not_said(bare: RunningProvider) -> None:
    """RFC 8414 2, RFC 6749 5.2: unsupported_grant_type, for everybody."""
    assert metadata_of(bare)["grant_types_supported"] == ["authorization_code", "refresh_token"]
    answer = bare.post("/token", {"grant_type": "client_credentials"}, auth=("app", "app-secret"))
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_where_nobody_can_log_in_apps_are_told(run_provider: RunProvider) -> None:
    """OpenID Connect Core 3.1.2.6: without a plugin that knows people there is no login page, and no dead end."""
    settings = BARE.replace("[plugins.sessions]", "[plugins.sessions]\nenabled = false").replace("RS256", "ES256")
    provider = run_provider(configuration=settings)
    assert metadata_of(provider)["id_token_signing_alg_values_supported"] == ["ES256"]
    assert provider.get("/auth/login").status_code == 404
    assert provider.client("app").answer_at_once().error == "login_required"


def test_a_document_may_be_kept_as_long_as_the_operator_says(bare: RunningProvider) -> None:
    """RFC 9111 5.2.2.1: [lifetimes] discovery."""
    for path in (OPENID, OAUTH, "/jwks"):
        assert bare.get(path).headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto", "X-Original-URL"])
def test_what_a_request_says_of_its_host_changes_nothing(op: RunningProvider, name: str) -> None:
    """OpenID Connect Discovery 4.3: every URL comes from the issuer."""
    value = "host=evil.example.org" if name == "Forwarded" else "evil.example.org"
    response = op.get(OPENID, headers={name: value})
    assert response.json() == metadata_of(op)
    assert "evil" not in op.get("/", headers={name: value, "Accept": "text/html"}).text


def test_the_keys_are_public_and_say_what_they_are_for(op: RunningProvider) -> None:
    """RFC 7517 4, 5, 8.5.1, RFC 7518 6.2.2, 6.3.2: one active and one next of each algorithm, and nothing private."""
    response = op.get("/jwks")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/jwk-set+json"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    keys = response.json()["keys"]
    assert sorted(key["alg"] for key in keys) == ["ES256", "ES256", "RS256", "RS256"]
    assert len({key["kid"] for key in keys}) == 4
    for key in keys:
        assert key["use"] == "sig"
        assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & set(key)
        members = {"kty", "n", "e"} if key["alg"] == "RS256" else {"kty", "crv", "x", "y"}
        assert set(key) == members | {"kid", "use", "alg"}
        assert key.get("crv", "P-256") == "P-256"
        assert key["alg"] == "ES256" or len(key["n"]) >= 342, "2048 bits"


def test_there_is_nothing_else_under_well_known(op: RunningProvider) -> None:
    """RFC 8615: what is not offered is not found."""
    for path in ("/.well-known/webfinger", f"{OPENID}/", f"{OPENID}.json", f"{OAUTH}/other"):
        assert op.get(path).status_code == 404
    assert op.post(OPENID, {"x": "y"}).status_code == 405
