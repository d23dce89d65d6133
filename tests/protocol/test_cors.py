"""Scripts of other origins (Fetch 3.2): welcome where no cookie counts, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from creance.provider.testing import Browser, RunningProvider

ORIGIN = {"Origin": "https://spa.example.org"}

Request = Callable[[RunningProvider], requests.Response]


def get(path: str, **headers: str) -> Request:
    return lambda op: op.get(path, headers={**ORIGIN, **headers})


def post(path: str, form: Any, **options: Any) -> Request:
    headers = options.pop("headers", {})
    return lambda op: op.post(path, form, headers={**ORIGIN, **headers}, **options)


APP = ("app", "app-secret")
OPEN: dict[str, tuple[int, Request]] = {
    "discovery": (200, get("/.well-known/openid-configuration")),
    "discovery of RFC 8414": (200, get("/.well-known/oauth-authorization-server")),
    "discovery, POST": (405, post("/.well-known/openid-configuration", {"x": "y"})),
    "JWKS": (200, get("/jwks")),
    "JWKS, POST": (405, post("/jwks", {"x": "y"})),
    "token": (200, post("/token", {"grant_type": "client_credentials"}, auth=("service", "service-secret"))),
    "token, bad request": (400, post("/token", {"client_id": "spa"})),
    "token, bad grant": (
        400,
        post("/token", {"client_id": "spa", "grant_type": "refresh_token", "refresh_token": "x"}),
    ),
    "token, bad client": (401, post("/token", {"client_id": "nobody"})),
    "token, GET": (405, get("/token")),
    "token, too large": (413, post("/token", {"client_id": "spa", "x": "x" * 70000})),
    "token, JSON": (415, lambda op: op.post("/token", json={}, headers=ORIGIN)),
    "userinfo, nothing": (401, get("/userinfo")),
    "userinfo, bad token": (401, get("/userinfo", Authorization="Bearer x")),
    "userinfo, malformed": (400, get("/userinfo", Authorization="Bearer a b")),
    "userinfo, form": (401, post("/userinfo", {"access_token": "x"})),
    "userinfo, PUT": (405, lambda op: requests.put(op.url("/userinfo"), headers=ORIGIN, timeout=30)),
    "revocation": (200, post("/revoke", {"token": "x"}, auth=APP)),
    "revocation, bad request": (400, post("/revoke", {"client_id": "spa"})),
    "revocation, bad client": (401, post("/revoke", {"client_id": "nobody", "token": "x"})),
    "revocation, GET": (405, get("/revoke")),
}

CLOSED: dict[str, tuple[int, Request]] = {
    "authorization, page": (400, get("/authorize")),
    "authorization, POST": (400, post("/authorize", {"client_id": ["a", "b"]})),
    "authorization, redirect to the app": (
        303,
        get("/authorize?client_id=app&redirect_uri=http%3A%2F%2Flocalhost%3A8401%2Fcallback"),
    ),
    "resume": (400, get("/auth/resume")),
    "login": (200, get("/auth/login")),
    "login, POST": (403, post("/auth/login", {"username": "alice", "password": "wonderland"})),
    "logout": (200, get("/auth/logout")),
    "logout, POST": (403, post("/auth/logout", {"x": "y"})),
    "session": (401, get("/auth/session")),
    "front page": (200, get("/")),
    "introspection": (200, post("/introspect", {"token": "x"}, auth=APP)),
    "introspection, bad client": (401, post("/introspect", {"token": "x"})),
    "health": (200, get("/health/ready")),
    "nothing": (404, get("/nothing")),
}


def allowances(response: requests.Response) -> dict[str, str]:
    """All that a response says to scripts of other origins."""
    return {name: value for name, value in response.headers.items() if name.lower().startswith("access-control-")}


@pytest.mark.parametrize("which", OPEN)
def test_scripts_of_any_origin_may_read_it(op: RunningProvider, which: str) -> None:
    """Fetch 3.2.3, OpenID Connect Core 5.3, OAuth 2.0 for Browser-Based Apps 6.3: errors too, or no script could tell
    them from a dead network. Never with credentials: a cookie plays no part there.
    """
    status, request = OPEN[which]
    response = request(op)
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("which", CLOSED)
def test_scripts_of_other_origins_may_not_read_it(op: RunningProvider, which: str) -> None:
    """Fetch 3.2.1: where a cookie counts, a page is shown, or only servers have business (RFC 9700 2.6)."""
    status, request = CLOSED[which]
    response = request(op)
    assert response.status_code == status
    assert not allowances(response)


def test_a_redirect_after_a_login_is_not_for_scripts(op: RunningProvider) -> None:
    """RFC 9700 2.6: the authorization endpoint MUST NOT support CORS, with a session least of all."""
    app, browser = op.client("app"), op.browser()
    app.authorize(browser=browser)
    parameters, _ = app.request()
    response = browser.get("/authorize", params=parameters, headers=ORIGIN)
    assert "code=" in response.headers["Location"]
    assert not allowances(response)
    assert not allowances(browser.get("/auth/session", headers=ORIGIN))


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/jwks",
        "/token",
        "/userinfo",
        "/revoke",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_preflight_is_answered(op: RunningProvider, path: str, method: str) -> None:
    """Fetch 4.8, 3.2.2: before any credentials; Authorization must be named, `*` does not cover it."""
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    response = requests.options(op.url(path), headers={**ORIGIN, **asked}, timeout=30)
    assert response.status_code in (200, 204)
    assert not response.content
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    methods = {word.strip() for word in response.headers["Access-Control-Allow-Methods"].split(",")}
    assert {"GET", "POST"} <= methods
    headers = {word.strip().lower() for word in response.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type"} <= headers
    assert int(response.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    "path", ["/authorize", "/auth/login", "/auth/logout", "/auth/session", "/auth/resume", "/introspect", "/"]
)
def test_a_preflight_elsewhere_allows_nothing(op: RunningProvider, path: str) -> None:
    """Fetch 4.8."""
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    response = requests.options(op.url(path), headers={**ORIGIN, **asked}, timeout=30)
    assert not allowances(response)


def test_an_app_in_the_browser_gets_all_the_way(op: RunningProvider) -> None:
    """OAuth 2.0 for Browser-Based Apps 6.3: what the demonstration's spa asks by script, it may read."""
    spa = op.client("spa", scope="openid email offline_access")
    spa.http.headers.update({"Origin": "http://localhost:8402"})
    tokens = spa.exchange(spa.authorize(browser=Browser(op.issuer)))
    answers = [tokens, spa.refresh(tokens.refresh_token), spa.userinfo(tokens.access_token)]
    answers.append(spa.revoke(answers[1].refresh_token))
    for answer in answers:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
