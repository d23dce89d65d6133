"""SATOSA with its own OpenID Connect frontend, and with ours in its place: apps with Authlib, over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError

from .satosa_apps import SCOPE, Before, error_of, log_in, redeem, request_code, seen_before
from .satosa_deployment import CALLBACK, ISSUER, OURS, PLAIN, Deployment, Site

pytestmark = pytest.mark.default_store("SATOSA's deployments bring their own")

SERVICE = {
    "client_id": "service",
    "client_secret": "service-secret",
    "grant_types": ["client_credentials"],
    "scope": "read",
    "plugins": {"introspection": {"sees": "any"}},
}
INITIAL_ACCESS_TOKEN = "an-initial-access-token"
REGISTRATION = {"initial_access_token_hashes": [f"sha256:{hashlib.sha256(INITIAL_ACCESS_TOKEN.encode()).hexdigest()}"]}
NOBODY = ""


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return Deployment(tmp_path_factory.mktemp("satosa"))


@pytest.fixture(scope="module")
def plain_in_memory(in_memory: Deployment) -> Before:
    """What the plain frontend does, which is no more there when ours comes."""
    with in_memory.serving(PLAIN) as site:
        return seen_before(site)


@pytest.fixture(scope="module")
def site(in_memory: Deployment, plain_in_memory: Before) -> Iterator[Site]:
    """The same deployment with one line changed, and a client of its own for the grant that is new."""
    section = {"plugins": {"registration": REGISTRATION}, "settings": {"clients": [SERVICE]}}
    with in_memory.serving(OURS, creance=section) as site:
        yield site


@pytest.mark.parametrize("client_id", ["app", "portal"])
def test_an_app_goes_on_after_the_swap(plain_in_memory: Before, site: Site, client_id: str) -> None:
    """OpenID Connect Core 3.1, 8: the same app, the same `sub` (pairwise, public), key and claims."""
    before, after = plain_in_memory.logins[client_id], log_in(site, client_id)
    assert after.claims["sub"] == before.claims["sub"] == after.userinfo["sub"]
    assert after.userinfo == before.userinfo
    assert after.userinfo["email"] == "alice@example.org"
    assert after.claims["aud"] in (client_id, [client_id])
    # extra_id_token_claims of SATOSA's configuration
    assert after.claims.get("affiliation") == before.claims.get("affiliation") == {"app": ["member"]}.get(client_id)


def test_urls_stay(plain_in_memory: Before, site: Site) -> None:
    """OpenID Connect Discovery 4.2; what is new is beside them (RFC 8414 2)."""
    before, after = plain_in_memory.metadata, site.metadata()
    same = [name for name in before if name.endswith(("_endpoint", "_uri")) or name == "issuer"]
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["introspection_endpoint"] == f"{ISSUER}/OIDC/introspect"
    assert after["revocation_endpoint"] == f"{ISSUER}/OIDC/revoke"
    assert after["response_types_supported"] == ["code"]
    assert "client_credentials" in after["grant_types_supported"]
    assert site.get("/.well-known/oauth-authorization-server").json() == after


def test_what_is_new_is_there(site: Site) -> None:
    """RFC 6749 4.4, RFC 7662, RFC 7009, RFC 9207."""
    login, metadata = log_in(site), site.metadata()
    service = site.app("service", SERVICE["client_secret"], scope="read")
    assert service.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")["scope"] == "read"
    access_token = login.tokens["access_token"]
    seen = service.introspect_token(metadata["introspection_endpoint"], token=access_token).json()
    assert (seen["active"], seen["client_id"], seen["sub"]) == (True, "app", login.claims["sub"])
    login.session.revoke_token(metadata["revocation_endpoint"], token=access_token)
    assert service.introspect_token(metadata["introspection_endpoint"], token=access_token).json() == {"active": False}


def test_refresh_tokens_rotate(site: Site) -> None:
    """RFC 9700 4.14.2."""
    login, endpoint = log_in(site), site.metadata()["token_endpoint"]
    first = login.tokens["refresh_token"]
    second = login.session.refresh_token(endpoint, refresh_token=first)["refresh_token"]
    third = login.session.refresh_token(endpoint, refresh_token=second)["refresh_token"]
    assert len({first, second, third}) == 3
    with pytest.raises(OAuthError):
        login.session.refresh_token(endpoint, refresh_token=first)


def test_a_client_registers_itself(site: Site) -> None:
    """OpenID Connect Dynamic Client Registration 3, RFC 7591 3: by our plugin, at SATOSA's URL."""
    endpoint = site.metadata()["registration_endpoint"]
    assert endpoint == f"{ISSUER}/OIDC/registration"
    asked = {"redirect_uris": [CALLBACK], "client_name": "New", "scope": SCOPE}
    session = site.open(requests.Session())
    assert session.post(endpoint, json=asked).status_code == 401
    answer = session.post(endpoint, json=asked, headers={"Authorization": f"Bearer {INITIAL_ACCESS_TOKEN}"})
    assert answer.status_code == 201, answer.text
    new = answer.json()
    app = site.app(new["client_id"], new["client_secret"], scope=SCOPE, code_challenge_method="S256")
    assert redeem(site, app, *request_code(site, app)).userinfo["email"] == "alice@example.org"


def test_a_client_reads_and_ends_its_registration(site: Site) -> None:
    """RFC 7592 2.1, 2.3: at the URL that it was told; nobody does it with another token."""
    session = site.open(requests.Session())
    initial = {"Authorization": f"Bearer {INITIAL_ACCESS_TOKEN}"}
    asked = {"redirect_uris": [CALLBACK], "client_name": "Short-lived"}
    new = session.post(site.metadata()["registration_endpoint"], json=asked, headers=initial).json()
    uri = new["registration_client_uri"]
    own = {"Authorization": f"Bearer {new['registration_access_token']}"}
    assert session.get(uri, headers=initial).status_code == 401
    assert session.get(uri, headers=own).json()["client_name"] == "Short-lived"
    assert session.delete(uri, headers=initial).status_code == 401
    assert session.delete(uri, headers=own).status_code == 204
    assert session.get(uri, headers=own).status_code == 401


def test_pkce_is_asked_for_before_anybody_logs_in(site: Site) -> None:
    """RFC 7636 4.4.1, RFC 9700 2.1.1: the app learns at once; the operator sees which it is."""
    app = site.app(scope=SCOPE)
    url, state = app.create_authorization_url(site.metadata()["authorization_endpoint"])
    told = error_of(site.visit(url, user=None))
    assert (told["error"], told["state"], told["iss"]) == ("invalid_request", state, ISSUER)
    (line,) = site.lines("authorization_refused")
    assert line["client_id"] == "app"
    assert "PKCE" in line["error_description"]


def test_a_scope_that_is_not_offered_is_seen_by_the_operator(site: Site) -> None:
    """OpenID Connect Core 3.1.2.1: pyop gives claims of scopes that are not in scopes_supported."""
    app = site.app("portal", scope="openid phone", code_challenge_method="S256")
    login = redeem(site, app, *request_code(site, app))
    assert login.tokens["scope"] == "openid"
    said = [line["scope"] for line in site.lines("scope_not_granted") if line["client_id"] == "portal"]
    assert said == ["phone"]


def test_a_login_that_fails_goes_back_to_the_app(site: Site) -> None:
    """RFC 6749 4.1.2.1, RFC 9207 2."""
    app = site.app(scope=SCOPE, code_challenge_method="S256")
    answer, _ = request_code(site, app, user=NOBODY)
    told = error_of(answer)
    assert (told["error"], told["iss"]) == ("access_denied", ISSUER)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/OIDC/token", None, 405),
        ("POST", "/OIDC/token", b"", 401),
        ("POST", "/OIDC/token", b"client_id=app&client_secret=%ff", 401),
        ("POST", "/OIDC/token/introspect", b"token=x", 404),
        ("POST", "/OIDC/introspect", b"token=x", 401),
        ("GET", "/OIDC/userinfo", None, 401),
        ("GET", "/OIDC/userinfo/../token", None, 405),
        ("GET", "/Login/OIDC/authorization", None, 400),
        ("GET", "/Login/OIDC/authorization?client_id=app&redirect_uri=https://evil.example", None, 400),
    ],
)
def test_what_cannot_be_is_refused(site: Site, method: str, path: str, body: bytes | None, status: int) -> None:
    """RFC 6749 5.2: never a failure for what a client sends, and SATOSA's `^OIDC/token` catches no more than that."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    answer = site.open(requests.Session()).request(method, f"{ISSUER}{path}", data=body, headers=headers)
    assert answer.status_code == status, answer.text


def test_claims_by_their_names(site: Site) -> None:
    """OpenID Connect Core 5.5: in the ID token; and what is malformed goes back to the app."""
    app = site.app(scope="openid email", code_challenge_method="S256")
    answer, verifier = request_code(site, app, claims='{"id_token": {"email": null}}')
    assert redeem(site, app, answer, verifier).claims["email"] == "alice@example.org"
    for claims in ("null", '{"userinfo": null}', '{"id_token": []}', "{"):
        answer, _ = request_code(site, app, claims=claims)
        assert error_of(answer)["error"] == "invalid_request"
