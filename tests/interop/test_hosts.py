"""The hosts of docs/adopting.md, run as they stand there, with Authlib as the app: Flask and Django with pyop, the same
adopted by the diffs of the page, and our endpoints mounted in both beside their own pages.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from creance.provider import OpenIDProvider
from creance.provider.testing import Browser
from creance.provider.testing.running import free_port
from joserfc import jwt
from joserfc.jwk import KeySet
from jwkest.jwk import RSAKey

from ..polling import eventually
from ..pyop_provider import Client, plain_provider, signing_key
from .adopting_page import code, patched
from .django_project import make_project
from .host_site import HostSite

__all__ = ["signing_key"]

IDP = {"flask": code("Flask", "python", "# idp.py"), "django": code("Django", "python", "# idp.py")}
DIFF = {"flask": code("Flask", "diff"), "django": code("Django", "diff")}
ADOPTED = {framework: patched(IDP[framework], DIFF[framework]) for framework in IDP}
APP = "https://app.example.org/callback"
pytestmark = pytest.mark.default_store("hosts keep their data where the page says")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """pyop takes https issuers alone."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(["openssl", "req", "-x509", *names, *made], check=True, capture_output=True)
    return files


class Host:
    """A host that runs, and what Authlib and a person do with it."""

    def __init__(self, issuer: str, verify: str | bool, site: HostSite) -> None:
        self.issuer = issuer
        self.verify = verify
        self.site = site
        self.home = "{0.scheme}://{0.netloc}".format(urlsplit(issuer))

    def browser(self) -> Browser:
        browser = Browser(self.issuer)
        browser.http.verify = self.verify
        browser.http.headers["Referer"] = self.home  # as any browser: Django wants to know it with https
        return browser

    def app(self, redirect_uri: str) -> Any:
        session = OAuth2Session(
            "app", "app-secret", scope="openid profile email", redirect_uri=redirect_uri, code_challenge_method="S256"
        )
        session.verify = self.verify
        session.trust_env = False
        return session

    def metadata(self) -> dict[str, Any]:
        found = requests.get(f"{self.issuer}/.well-known/openid-configuration", verify=self.verify, timeout=30)
        return dict(found.json())

    def answer(self, app: Any, browser: Browser, **changes: str) -> tuple[str, str, str]:
        """Where a login leads back to the app, with the verifier of PKCE and the nonce."""
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        url, _ = app.create_authorization_url(
            self.metadata()["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **changes
        )
        page = browser.follow(browser.get(url))
        if "Location" not in page.headers:
            page = browser.log_in(page, "alice", "wonderland")
        location = page.headers["Location"]
        assert location.startswith(app.redirect_uri)
        return location, verifier, nonce

    def log_in(self, app: Any, browser: Browser, **changes: str) -> dict[str, Any]:
        """The whole code flow; the claims of the ID token, verified, are among the tokens."""
        metadata = self.metadata()
        answer, verifier, nonce = self.answer(app, browser, **changes)
        tokens = app.fetch_token(metadata["token_endpoint"], authorization_response=answer, code_verifier=verifier)
        keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], verify=self.verify, timeout=30).json())
        claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256", "ES256"]).claims
        assert (claims["iss"], claims["nonce"]) == (self.issuer, nonce)
        return {**tokens, "claims": claims}


# Flask and Django with pyop, and adopted.

Serve = Callable[[str], HostSite]


@pytest.fixture
def serve(tmp_path: Path, certificate: tuple[Path, Path], request: pytest.FixtureRequest) -> Serve:
    """Serves code of the page in its framework, always at the same address, with the same database if it has one."""
    port, framework = free_port(), request.getfixturevalue("framework")
    places = {"https://localhost:5000": f"https://localhost:{port}"}
    (tmp_path / "signing_key.pem").write_bytes(
        subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    )
    if framework == "django":
        make_project(tmp_path, urls='path("", include("idp"))')
        place = request.getfixturevalue("mongodb_uri").partition("?")[0]
        if "@" in place:
            pytest.skip("pyop cannot log in at a server with pymongo 4")
        places["mongodb://localhost/idp"] = f"{place}?directConnection=true"

    def start(idp: str) -> HostSite:
        for in_the_page, here in places.items():
            assert in_the_page in idp
            idp = idp.replace(in_the_page, here)
        (tmp_path / "idp.py").write_text(idp)
        return HostSite(tmp_path, "project_wsgi" if framework == "django" else "idp", port, certificate)

    return start


@pytest.fixture
def at(certificate: tuple[Path, Path]) -> Callable[[HostSite], Host]:
    return lambda site: Host(f"https://localhost:{site.port}", str(certificate[0]), site)


@pytest.mark.parametrize("framework", IDP)
def test_the_difference_is_small(framework: str) -> None:
    """Issue 7, item 4: fewer than 15 lines."""
    changed = [line for line in DIFF[framework].splitlines() if line[:1] in ("+", "-")]
    assert 0 < len(changed) < 15
    assert ADOPTED[framework] != IDP[framework]


@pytest.mark.parametrize("framework", IDP)
def test_a_host_is_adopted(framework: str, serve: Serve, at: Callable[[HostSite], Host]) -> None:
    """OpenID Connect Core 3.1, 8, 12: the same app and person before and after; the same sub and key."""
    subjects, kids = [], []
    for idp in (IDP[framework], ADOPTED[framework]):
        with serve(idp) as site:
            host = at(site)
            app = host.app(APP)
            tokens = host.log_in(app, host.browser())
            subjects.append(tokens["claims"]["sub"])
            keys = requests.get(host.metadata()["jwks_uri"], verify=host.verify, timeout=30).json()["keys"]
            kids.append(keys[0]["n"])
            claims = app.get(host.metadata()["userinfo_endpoint"]).json()
            assert (claims["name"], claims["email"]) == ("Alice Liddell", "alice@example.org")
            refreshed = app.refresh_token(host.metadata()["token_endpoint"])
            assert refreshed["access_token"] != tokens["access_token"]
    assert len(set(subjects)) == len(set(kids)) == 1
    assert refreshed["refresh_token"] != tokens["refresh_token"]


@pytest.mark.parametrize("framework", ["django"])
def test_what_a_host_has_issued_goes_on(framework: str, serve: Serve, at: Callable[[HostSite], Host]) -> None:
    """RFC 6749 4.1.2, 6, RFC 6750: from its MongoDB; a code once, and a refresh token gives one of ours."""
    with serve(IDP[framework]) as site:
        host = at(site)
        app = host.app(APP)
        tokens = host.log_in(app, host.browser())
        claims = app.get(host.metadata()["userinfo_endpoint"]).json()
        answer, verifier, _ = host.answer(waiting := host.app(APP), host.browser())
    with serve(ADOPTED[framework]) as site:
        host = at(site)
        metadata = host.metadata()
        assert app.get(metadata["userinfo_endpoint"]).json() == claims
        assert app.refresh_token(metadata["token_endpoint"])["refresh_token"] != tokens["refresh_token"]
        assert app.get(metadata["userinfo_endpoint"]).json() == claims
        redeemed = {"authorization_response": answer, "code_verifier": verifier}
        waiting.fetch_token(metadata["token_endpoint"], **redeemed)
        assert waiting.get(metadata["userinfo_endpoint"]).json() == claims
        with pytest.raises(OAuthError, match="invalid_grant"):
            waiting.fetch_token(metadata["token_endpoint"], **redeemed)


@pytest.mark.parametrize("framework", IDP)
def test_what_an_adopted_host_refuses(framework: str, serve: Serve, at: Callable[[HostSite], Host]) -> None:
    """RFC 6749 5.2, RFC 6750 3.1, RFC 7636 4.4.1: the host's own error handling answers what ours refuses."""
    with serve(ADOPTED[framework]) as site:
        host = at(site)
        metadata = host.metadata()

        def post(endpoint: str, secret: str, **form: str) -> requests.Response:
            auth = ("app", secret)
            return requests.post(metadata[endpoint], form, auth=auth, verify=host.verify, timeout=30)

        unknown = {"grant_type": "authorization_code", "code": "unknown", "redirect_uri": APP}
        refused = post("token_endpoint", "app-secret", **unknown)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        refused = post("token_endpoint", "wrong", **unknown)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert refused.headers["WWW-Authenticate"].startswith("Basic")
        refused = post("userinfo_endpoint", "app-secret", access_token="unknown")
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        url, _ = host.app(APP).create_authorization_url(metadata["authorization_endpoint"])
        answer = host.browser().get(url).headers["Location"]
        assert answer.startswith(APP)
        assert "error=invalid_request" in answer
        url = url.replace("client_id=app", "client_id=nobody")
        assert host.browser().get(url).status_code == 400


@pytest.mark.parametrize("framework", ["flask"])
def test_what_pyop_does_not_have(framework: str, serve: Serve, at: Callable[[HostSite], Host]) -> None:
    """RFC 7662, RFC 7009: introspection and revocation at the host."""
    with serve(ADOPTED[framework]) as site:
        host = at(site)
        app = host.app(APP)
        tokens, metadata = host.log_in(app, host.browser()), host.metadata()
        seen = app.introspect_token(metadata["introspection_endpoint"], token=tokens["access_token"]).json()
        assert (seen["active"], seen["client_id"]) == (True, "app")
        assert app.revoke_token(metadata["revocation_endpoint"], token=tokens["refresh_token"]).status_code == 200
        again = app.introspect_token(metadata["introspection_endpoint"], token=tokens["access_token"]).json()
        assert again == {"active": False}


def test_what_loosens_the_checks(signing_key: RSAKey) -> None:
    """RFC 7636 4.4.1, RFC 9700 4.14.2: for a while, for clients without PKCE and with one refresh token."""
    loosened = code("What changes for clients of Flask and Django hosts", "python")
    adopted = eval(loosened, {"OpenIDProvider": OpenIDProvider, "provider": plain_provider(signing_key)})
    try:
        client = Client(adopted)
        tokens = client.exchange(client.authorize(code_challenge=None, code_challenge_method=None), code_verifier=None)
        assert client.refresh(tokens["refresh_token"])["refresh_token"] == tokens["refresh_token"]
    finally:
        adopted.stop()


# Our endpoints in a host.


@pytest.fixture(scope="module", params=["flask", "django"])
def mounted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    configuration = code("Flask", "toml").replace("http://localhost:5000", f"http://localhost:{port}")
    (folder / "creance.toml").write_text(configuration)
    if request.param == "flask":
        (folder / "flask_site.py").write_text(code("Flask", "python", "# host.py"))
    else:
        make_project(folder)
        (folder / "django_site.py").write_text(code("Django", "python", "# wsgi.py"))
    with HostSite(folder, f"{request.param}_site", port) as site:
        yield Host(f"http://localhost:{port}/op", True, site)


CALLBACK = "http://localhost:8401/callback"


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def test_an_app_uses_the_host_s_login(mounted: Host) -> None:
    """OpenID Connect Core 3.1, 5.3, RFC 7662: login at the host's page, tokens, userinfo, introspection."""
    app, browser = mounted.app(CALLBACK), mounted.browser()
    tokens, metadata = mounted.log_in(app, browser, prompt="consent"), mounted.metadata()
    assert tokens["claims"]["auth_time"]
    claims = app.get(metadata["userinfo_endpoint"]).json()
    assert (claims["name"], claims["email"]) == ("Alice Liddell", "alice@example.org")
    seen = app.introspect_token(metadata["introspection_endpoint"], token=tokens["access_token"]).json()
    assert seen["active"]
    assert "Hello alice" in browser.get(f"{mounted.home}/").text


def test_a_refresh_at_a_mounted_provider(mounted: Host) -> None:
    """RFC 6749 6, OpenID Connect Core 11: with offline_access; what the host said of the person is still there."""
    app, browser = mounted.app(CALLBACK), mounted.browser()
    app.scope += " offline_access"
    tokens = mounted.log_in(app, browser)
    refreshed = app.refresh_token(mounted.metadata()["token_endpoint"])
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    assert app.get(mounted.metadata()["userinfo_endpoint"]).json()["sub"] == tokens["claims"]["sub"]


def test_who_is_logged_in_at_the_host_is_not_asked_again(mounted: Host) -> None:
    """OpenID Connect Core 3.1.2.1, prompt=none: the host's session counts; without one it is login_required."""
    app, browser = mounted.app(CALLBACK), mounted.browser()
    url, _ = app.create_authorization_url(
        mounted.metadata()["authorization_endpoint"], code_verifier="v" * 43, prompt="none"
    )
    assert dict(parse_qsl(urlsplit(browser.get(url).headers["Location"]).query))["error"] == "login_required"
    browser.log_in(browser.get(f"{mounted.home}/login"), "alice", "wonderland")
    assert "code" in dict(parse_qsl(urlsplit(browser.get(url).headers["Location"]).query))


def test_a_fresh_login_is_not_pretended(mounted: Host) -> None:
    """OpenID Connect Core 3.1.2.1, prompt=login: the page has no way to force one, so the app is told."""
    app, browser = mounted.app(CALLBACK), mounted.browser()
    browser.log_in(browser.get(f"{mounted.home}/login"), "alice", "wonderland")
    url, _ = app.create_authorization_url(
        mounted.metadata()["authorization_endpoint"], code_verifier="v" * 43, prompt="login"
    )
    assert dict(parse_qsl(urlsplit(browser.get(url).headers["Location"]).query))["error"] == "login_required"


def test_a_login_at_another_browser_is_none_at_this_one(mounted: Host) -> None:
    """OpenID Connect Core 2, auth_time, 3.1.2.1, max_age: else a session that somebody left open would be a fresh login
    as soon as the person logs in elsewhere.
    """
    app, left_open = mounted.app(CALLBACK), mounted.browser()
    logged_in_at = mounted.log_in(app, left_open)["claims"]["auth_time"]
    eventually(lambda: time.time() > logged_in_at + 1)
    assert mounted.log_in(app, mounted.browser())["claims"]["auth_time"] > logged_in_at
    assert mounted.log_in(app, left_open)["claims"]["auth_time"] == logged_in_at


def test_the_host_s_own_pages_are_the_host_s(mounted: Host) -> None:
    """PEP 3333: what is not under the prefix; and RFC 8414 3.1, metadata at the root of the host."""
    assert "Hello stranger" in requests.get(f"{mounted.home}/", timeout=30).text
    assert requests.get(f"{mounted.home}/token", timeout=30).status_code == 404
    assert requests.get(f"{mounted.issuer}/health/ready", timeout=30).json() == {"status": "ready"}
    well_known = f"{mounted.home}/.well-known/oauth-authorization-server/op"
    assert requests.get(well_known, timeout=30).json()["issuer"] == mounted.issuer
    assert requests.get(f"{mounted.issuer}/nothing", timeout=30).status_code == 404
