"""SATOSA with its own OpenID Connect frontend, and with ours in its place: apps with Authlib, over HTTP."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from joserfc import jwt
from joserfc.jwk import KeySet
from pymongo import MongoClient

from ..polling import eventually
from .satosa_deployment import CALLBACK, ISSUER, OURS, PLAIN, Deployment, Site

SERVICE = {
    "client_id": "service",
    "client_secret": "service-secret",
    "grant_types": ["client_credentials"],
    "scope": "read",
    "plugins": {"introspection": {"sees": "any"}},
}
INITIAL_ACCESS_TOKEN = "an-initial-access-token"
REGISTRATION = {"initial_access_token_hashes": [f"sha256:{hashlib.sha256(INITIAL_ACCESS_TOKEN.encode()).hexdigest()}"]}
SCOPE = "openid email affiliation"
NOBODY = ""


@dataclass
class LoggedIn:
    """What an app has after a login."""

    session: Any
    tokens: dict[str, Any]
    claims: dict[str, Any]
    userinfo: dict[str, Any]


def request_code(site: Site, app: Any, user: str = "alice", **parameters: str) -> tuple[str, str]:
    """The redirect that ends a person's visit, and the code_verifier of the request."""
    verifier = secrets.token_urlsafe(48)
    url, _ = app.create_authorization_url(
        site.metadata()["authorization_endpoint"], code_verifier=verifier, nonce="a-nonce", **parameters
    )
    return site.visit(url, user), verifier


def redeem(site: Site, app: Any, answer: str, verifier: str) -> LoggedIn:
    """What comes after, up to userinfo."""
    metadata = site.metadata()
    tokens = app.fetch_token(metadata["token_endpoint"], authorization_response=answer, code_verifier=verifier)
    keys = KeySet.import_key_set(app.get(metadata["jwks_uri"], withhold_token=True).json())
    claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    return LoggedIn(app, tokens, claims, app.get(metadata["userinfo_endpoint"]).json())


def log_in(site: Site, client_id: str = "app", user: str = "alice") -> LoggedIn:
    app = site.app(client_id, scope=SCOPE, code_challenge_method="S256")
    return redeem(site, app, *request_code(site, app, user))


def error_of(answer: str) -> dict[str, str]:
    """What an app reads in a redirect."""
    assert answer.startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer).query).items()}


@dataclass
class Before:
    """What a deployment has seen with the plain frontend."""

    metadata: dict[str, Any]
    logins: dict[str, LoggedIn]
    answer: str = ""
    verifier: str = ""


def seen_before(site: Site) -> Before:
    before = Before(site.metadata(), {client_id: log_in(site, client_id) for client_id in ("app", "portal")})
    app = site.app(scope=SCOPE, code_challenge_method="S256")
    before.answer, before.verifier = request_code(site, app)
    return before


pytestmark = pytest.mark.default_store("SATOSA's deployments bring their own")


# A deployment that keeps its state in memory.


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
    assert [line["scope"] for line in site.lines("scope_not_granted")] == ["phone"]


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


# A deployment on MongoDB.


@dataclass
class Swapped:
    """A deployment with ours in the place of the plain frontend, and what that had issued."""

    before: Before
    site: Site
    databases: str


@pytest.fixture(scope="module")
def on_mongodb(mongodb_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, str]]:
    name = f"creance_test_{secrets.token_hex(6)}"
    yield Deployment(tmp_path_factory.mktemp("satosa")), mongodb_server.uri_of(name)
    with MongoClient[dict[str, Any]](mongodb_server.uri_of(name)) as client:
        client.drop_database(name)


@pytest.fixture(scope="module")
def swapped(on_mongodb: tuple[Deployment, str]) -> Iterator[Swapped]:
    """Two workers that are forked from a process which has loaded SATOSA already; PKCE is not asked for yet."""
    deployment, uri = on_mongodb
    with deployment.serving(PLAIN, databases=uri) as plain:
        before = seen_before(plain)
    tolerant = {"plugins": {"pkce": {"insecure_optional": True}}, "settings": {"grants": {"refresh_token_grace": 0}}}
    with deployment.serving(OURS, databases=uri, workers=2, preload=True, creance=tolerant) as site:
        yield Swapped(before, site, uri)


def test_a_code_of_the_plain_frontend_is_good_once(swapped: Swapped) -> None:
    """RFC 6749 4.1.2, whichever of the workers is asked."""
    app = swapped.site.app(scope=SCOPE)
    login = redeem(swapped.site, app, swapped.before.answer, swapped.before.verifier)
    assert login.claims["sub"] == swapped.before.logins["app"].claims["sub"]
    assert login.claims["affiliation"] == ["member"]
    for _ in range(4):
        with pytest.raises(OAuthError):
            redeem(swapped.site, swapped.site.app(), swapped.before.answer, swapped.before.verifier)


def test_tokens_of_the_plain_frontend_go_on(swapped: Swapped) -> None:
    """RFC 6750, RFC 6749 6: the access token, and the refresh token from its first use on as one of ours."""
    login = swapped.before.logins["portal"]
    metadata = swapped.site.metadata()
    app = swapped.site.app("portal", token=dict(login.tokens))
    assert app.get(metadata["userinfo_endpoint"]).json() == login.userinfo
    refreshed = app.refresh_token(metadata["token_endpoint"], refresh_token=login.tokens["refresh_token"])
    assert refreshed["refresh_token"] != login.tokens["refresh_token"]
    assert app.get(metadata["userinfo_endpoint"]).json() == login.userinfo
    with pytest.raises(OAuthError):
        app.refresh_token(metadata["token_endpoint"], refresh_token=login.tokens["refresh_token"])


def test_logins_outlive_the_claims(swapped: Swapped) -> None:
    """RFC 6749 6: SATOSA's claims end with the codes (`user_db` is `authz_codes`); ours are kept with the tokens, and
    who logged in before the swap can go on without.
    """
    ours, plain = log_in(swapped.site, "app", "carol"), swapped.before.logins["app"]
    with MongoClient[dict[str, Any]](swapped.databases) as client:
        database = client.get_default_database()
        assert database["creance_people"].find_one({"lookup_key": "carol"})["data"]["email"] == "carol@example.org"
        index = database["creance_people"].index_information()["expiry"]
        assert index["expireAfterSeconds"] > 15552000
        database["authz_codes"].delete_many({"lookup_key": {"$in": ["alice", "carol"]}})
    metadata = swapped.site.metadata()
    assert ours.session.get(metadata["userinfo_endpoint"]).json() == ours.userinfo
    app = swapped.site.app(token=dict(plain.tokens))
    refreshed = app.refresh_token(metadata["token_endpoint"], refresh_token=plain.tokens["refresh_token"])
    assert refreshed["access_token"] != plain.tokens["access_token"]


def started(site: Site) -> int:
    return len(site.lines("satosa_frontend_started"))


def test_workers_share_what_they_know(swapped: Swapped) -> None:
    """RFC 6749 4.1.2: what one worker issues is known to all; each has started for itself, after the fork."""
    with ThreadPoolExecutor(8) as browsers:
        eventually(
            lambda: list(browsers.map(lambda _: swapped.site.metadata(), range(8))) and started(swapped.site) == 2
        )
    for user in ("dora", "emil", "fay", "gus"):
        assert log_in(swapped.site, "app", user).userinfo["email"] == f"{user}@example.org"


def test_pkce_may_be_left_out_for_a_while(swapped: Swapped) -> None:
    """RFC 7636: the setting that is documented for a move; each client is named once, and not once a request."""
    for _ in range(3):
        app = swapped.site.app("portal", scope=SCOPE)
        url, _ = app.create_authorization_url(swapped.site.metadata()["authorization_endpoint"])
        answer = swapped.site.visit(url)
        assert app.fetch_token(swapped.site.metadata()["token_endpoint"], authorization_response=answer)["id_token"]
    lines = swapped.site.lines("pkce_missing")
    assert {line["client_id"] for line in lines} == {"portal"}
    assert len(lines) <= 2  # one a worker


def test_one_can_go_back(swapped: Swapped, on_mongodb: tuple[Deployment, str], tmp_path: Path) -> None:
    """OpenID Connect Core 8: the plain frontend finds its own, and who came in between is who they are."""
    between = {client_id: log_in(swapped.site, client_id, "bob") for client_id in ("app", "portal")}
    deployment, uri = on_mongodb
    again = Deployment(tmp_path)
    (tmp_path / "signing.pem").write_bytes(deployment.signing_key().read_bytes())
    with again.serving(PLAIN, databases=uri) as site:
        for client_id, login in between.items():
            assert log_in(site, client_id, "bob").claims["sub"] == login.claims["sub"]


def test_a_database_that_is_away_is_said_and_awaited(
    tmp_path: Path, mongodb_proxy: Any, mongodb_proxy_uri: str
) -> None:
    """RFC 9110 15.6.4: 503 while it is away, without what is wrong; and then an answer, with nobody's help."""
    mongodb_proxy.shut()
    with Deployment(tmp_path).serving(OURS, databases=mongodb_proxy_uri) as site:
        answer = site.get("/OIDC/jwks")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "127.0.0.1" not in answer.text
        assert site.lines("not_available")
        mongodb_proxy.listen()
        eventually(lambda: site.get("/OIDC/jwks").status_code == 200)
        assert log_in(site).userinfo["email"] == "alice@example.org"
