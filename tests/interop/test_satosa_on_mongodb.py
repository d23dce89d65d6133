"""A SATOSA deployment on MongoDB: what the plain frontend has issued goes on with ours, and one can go back."""

from __future__ import annotations

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
from pymongo import MongoClient

from ..polling import eventually
from .satosa_apps import SCOPE, Before, log_in, redeem, request_code, seen_before
from .satosa_deployment import CALLBACK, OURS, PLAIN, SECRET, Deployment, Site


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
    """Two workers that are forked from a process which has loaded SATOSA already. All is allowed that can be."""
    deployment, uri = on_mongodb
    with deployment.serving(PLAIN, databases=uri) as plain:
        before = seen_before(plain)
    tolerant = {
        "plugins": {"pkce": {"insecure_optional": True}},
        "settings": {"grants": {"refresh_token_grace": 0}, "http": {"insecure_credentials_in_urls": True}},
    }
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


def test_credentials_may_be_in_urls_for_a_while(swapped: Swapped) -> None:
    """RFC 6749 3.2, RFC 6750 2.3: as the plain frontend takes them, and the log tells whose they are."""
    app = swapped.site.app("portal", scope=SCOPE, code_challenge_method="S256")
    answer, verifier = request_code(swapped.site, app, "hal")
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": verifier}
    form |= {"code": parse_qs(urlsplit(answer).query)["code"][0]}
    by_url = swapped.site.open(requests.Session())
    tokens = by_url.get(swapped.site.metadata()["token_endpoint"], params=form, auth=("portal", SECRET)).json()
    parameters = {"access_token": tokens["access_token"]}
    told = by_url.get(swapped.site.metadata()["userinfo_endpoint"], params=parameters).json()
    assert told["email"] == "hal@example.org"
    lines = swapped.site.lines("credentials_in_url")
    assert {(line["client_id"], line["endpoint"]) for line in lines} == {("portal", "token"), ("portal", "userinfo")}


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
