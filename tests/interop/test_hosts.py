"""The hosts of docs/adopting.md, run as they stand there, with Authlib as the app: Flask with pyop, the same adopted by
the diff of the page, and our endpoints mounted in Flask and in Django beside their own pages.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from creance.provider import OpenIDProvider
from creance.provider.testing import Browser
from creance.provider.testing.running import free_port
from joserfc import jwt
from joserfc.jwk import KeySet
from jwkest.jwk import RSAKey

from ..polling import eventually
from ..pyop_provider import Client, plain_provider, signing_key
from .host_site import HostSite

__all__ = ["signing_key"]

PAGE = (Path(__file__).parents[2] / "docs" / "adopting.md").read_text("utf-8")
FLASK, DJANGO = PAGE[PAGE.index("\n## Flask\n") : PAGE.index("\n## Django\n")], PAGE[PAGE.index("\n## Django\n") :]
IDP, SITE = re.findall(r"```python\n(.*?)```", FLASK, re.DOTALL)
(DIFF,) = re.findall(r"```diff\n(.*?)```", FLASK, re.DOTALL)
(CONFIGURATION,) = re.findall(r"```toml\n(.*?)```", FLASK, re.DOTALL)
WSGI, *OTHERS = re.findall(r"```python\n(.*?)```", DJANGO, re.DOTALL)
pytestmark = pytest.mark.default_store("hosts keep their data where the page says")

# What a project of Django has: settings, a page, and its login.
DJANGO_SETTINGS = """
SECRET_KEY = "a secret of the host's"
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "project_urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "django.db"}}
FORM = '<form method="post">{% csrf_token %}{{ form }}</form>'
LOADERS = [("django.template.loaders.locmem.Loader", {"login.html": FORM})]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": LOADERS}}]
"""
DJANGO_URLS = """
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("", lambda request: HttpResponse(f"Hello {request.user.get_username() or 'stranger'}")),
    path("login", LoginView.as_view(template_name="login.html", next_page="/")),
]
"""
DJANGO_DATABASE = """
import os
import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
django.setup()
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User

User.objects.create_user("alice", "alice@example.org", "wonderland", first_name="Alice", last_name="Liddell")
"""


def patched(before: str, diff: str) -> str:
    """A text with a diff in the form of the page: hunks by their context."""
    for hunk in diff.split("@@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert before.count(old) == 1, old
        before = before.replace(old, new)
    return before


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

    def log_in(self, app: Any, browser: Browser, **changes: str) -> dict[str, Any]:
        """The whole code flow; the claims of the ID token, verified, are among the tokens."""
        metadata, verifier, nonce = self.metadata(), secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        url, state = app.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **changes
        )
        page = browser.follow(browser.get(url))
        if "Location" not in page.headers:
            page = browser.log_in(page, "alice", "wonderland")
        answer = page.headers["Location"]
        assert answer.startswith(app.redirect_uri)
        tokens = app.fetch_token(
            metadata["token_endpoint"], authorization_response=answer, code_verifier=verifier, state=state
        )
        keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], verify=self.verify, timeout=30).json())
        claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256", "ES256"]).claims
        assert (claims["iss"], claims["nonce"]) == (self.issuer, nonce)
        return {**tokens, "claims": claims}


# Flask with pyop, and adopted.


@pytest.fixture
def serve(tmp_path: Path, certificate: tuple[Path, Path]) -> Callable[..., HostSite]:
    """Serves the host of the page with pyop, as it stands there or changed, always at the same address."""
    port = free_port()
    key = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    (tmp_path / "signing_key.pem").write_bytes(key)

    def start(name: str, code: str) -> HostSite:
        (tmp_path / f"{name}.py").write_text(code.replace("https://localhost:5000", f"https://localhost:{port}"))
        return HostSite(tmp_path, name, port, certificate)

    return start


def test_the_difference_is_small() -> None:
    """Issue 7, item 4: fewer than 15 lines."""
    changed = [line for line in DIFF.splitlines() if line[:1] in ("+", "-")]
    assert 0 < len(changed) < 15
    assert patched(IDP, DIFF) != IDP


def test_a_flask_host_is_adopted(serve: Callable[..., HostSite], certificate: tuple[Path, Path]) -> None:
    """OpenID Connect Core 3.1, 8, 12, RFC 7662: the same app and person before and after; the same sub and key."""
    subjects, kids = [], []
    for name, code in (("before", IDP), ("after", patched(IDP, DIFF))):
        with serve(name, code) as site:
            host = Host(f"https://localhost:{site.port}", str(certificate[0]), site)
            app = host.app("https://app.example.org/callback")
            tokens = host.log_in(app, host.browser())
            subjects.append(tokens["claims"]["sub"])
            keys = requests.get(host.metadata()["jwks_uri"], verify=host.verify, timeout=30).json()["keys"]
            kids.append(keys[0]["n"])
            claims = app.get(host.metadata()["userinfo_endpoint"]).json()
            assert (claims["name"], claims["email"]) == ("Alice Liddell", "alice@example.org")
            refreshed = app.refresh_token(host.metadata()["token_endpoint"])
            assert refreshed["access_token"] != tokens["access_token"]
            assert ("introspection_endpoint" in host.metadata()) == (name == "after")
    assert len(set(subjects)) == len(set(kids)) == 1
    assert refreshed["refresh_token"] != tokens["refresh_token"]


def test_what_pyop_does_not_have(serve: Callable[..., HostSite], certificate: tuple[Path, Path]) -> None:
    """RFC 7662, RFC 7009, RFC 6749 4.1.2, 5.2: introspection and revocation at the host; the host's own error handling
    answers a code that is used again.
    """
    with serve("after", patched(IDP, DIFF)) as site:
        host = Host(f"https://localhost:{site.port}", str(certificate[0]), site)
        app = host.app("https://app.example.org/callback")
        tokens, metadata = host.log_in(app, host.browser()), host.metadata()
        seen = app.introspect_token(metadata["introspection_endpoint"], token=tokens["access_token"]).json()
        assert (seen["active"], seen["client_id"]) == (True, "app")
        assert app.revoke_token(metadata["revocation_endpoint"], token=tokens["refresh_token"]).status_code == 200
        again = app.introspect_token(metadata["introspection_endpoint"], token=tokens["access_token"]).json()
        assert again == {"active": False}
        unknown = {"grant_type": "authorization_code", "code": "unknown", "redirect_uri": app.redirect_uri}
        refused = requests.post(
            metadata["token_endpoint"], unknown, auth=("app", "app-secret"), verify=host.verify, timeout=30
        )
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_what_loosens_the_checks(signing_key: RSAKey) -> None:
    """RFC 7636 4.4.1, RFC 9700 4.14.2: for a while, for clients without PKCE and with one refresh token."""
    (code,) = (code for code in OTHERS if code.startswith("OpenIDProvider.adopt("))
    adopted = eval(code, {"OpenIDProvider": OpenIDProvider, "provider": plain_provider(signing_key)})
    try:
        client = Client(adopted)
        code = client.authorize(code_challenge=None, code_challenge_method=None)
        tokens = client.exchange(code, code_verifier=None)
        assert client.refresh(tokens["refresh_token"])["refresh_token"] == tokens["refresh_token"]
    finally:
        adopted.stop()


# Our endpoints in a host.


@pytest.fixture(scope="module", params=["flask", "django"])
def mounted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    (folder / "creance.toml").write_text(CONFIGURATION.replace("http://localhost:5000", f"http://localhost:{port}"))
    if request.param == "flask":
        (folder / "flask_site.py").write_text(SITE)
    else:
        (folder / "project_settings.py").write_text(DJANGO_SETTINGS)
        (folder / "project_urls.py").write_text(DJANGO_URLS)
        (folder / "django_site.py").write_text(WSGI)
        subprocess.run([sys.executable, "-c", DJANGO_DATABASE], cwd=folder, check=True, timeout=60)
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
