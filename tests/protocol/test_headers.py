"""Headers of every response: what must not be kept, guessed, framed or told on; and its line in the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from creance.provider.testing import RunningProvider

from ..polling import eventually

RunProvider = Callable[..., RunningProvider]

SERVICE = ("service", "service-secret")

HTTPS = """
issuer = "https://login.example.org"
[http]
bind = "BIND"
[keys]
algorithms = ["ES256"]
[[clients]]
client_id = "app"
client_secret = "secret"
redirect_uris = ["https://app.example.org/callback"]
[[users]]
username = "alice"
password = "wonderland"
[plugins.sessions]
"""

REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "front page": ("GET", "/", {}),
    "stylesheet": ("GET", "/auth/style.css", {}),
    "discovery": ("GET", "/.well-known/openid-configuration", {}),
    "JWKS": ("GET", "/jwks", {}),
    "OpenAPI": ("GET", "/openapi.json", {}),
    "alive": ("GET", "/health/live", {}),
    "ready": ("GET", "/health/ready", {}),
    "authorization, page": ("GET", "/authorize", {}),
    "authorization, too long": ("GET", "/authorize?x=" + "x" * 17000, {}),
    "authorization, redirect": (
        "GET",
        "/authorize?client_id=app&redirect_uri=http%3A%2F%2Flocalhost%3A8401%2Fcallback&state=x",
        {},
    ),
    "resume": ("GET", "/auth/resume?request=x", {}),
    "login": ("GET", "/auth/login", {}),
    "login refused": ("POST", "/auth/login", {"data": {"username": "alice", "password": "wrong"}}),
    "logout": ("GET", "/auth/logout", {}),
    "session": ("GET", "/auth/session", {}),
    "token": ("POST", "/token", {"data": {"grant_type": "client_credentials"}, "auth": SERVICE}),
    "token, error": ("POST", "/token", {"data": {"grant_type": "x"}, "auth": SERVICE}),
    "token, unproven": ("POST", "/token", {"data": {"grant_type": "x"}}),
    "token, JSON": ("POST", "/token", {"json": {}}),
    "userinfo": ("GET", "/userinfo", {}),
    "introspection": ("POST", "/introspect", {"data": {"token": "x"}, "auth": SERVICE}),
    "revocation": ("POST", "/revoke", {"data": {"token": "x"}, "auth": SERVICE}),
    "not found": ("GET", "/nothing", {}),
    "not found, page": ("GET", "/nothing", {"headers": {"Accept": "text/html"}}),
    "not allowed": ("DELETE", "/token", {}),
    "not allowed, page": ("PUT", "/auth/login", {}),
    "preflight": ("OPTIONS", "/token", {}),
}

MAY_BE_KEPT = {"stylesheet", "discovery", "JWKS", "OpenAPI"}
NOTHING_IN_IT = {"not found", "not allowed", "preflight"}


def ask(provider: RunningProvider, which: str) -> requests.Response:
    method, path, options = REQUESTS[which]
    return requests.request(method, provider.url(path), allow_redirects=False, timeout=30, **options)


@pytest.mark.parametrize("which", REQUESTS)
def test_on_every_response(op: RunningProvider, which: str) -> None:
    """Fetch 3.6 (nosniff), Referrer Policy 3.5: what a URL of ours holds goes to no other site."""
    response = ask(op, which)
    assert response.status_code < 500
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-Id"])
    assert "Strict-Transport-Security" not in response.headers, "http on loopback"


@pytest.mark.parametrize("which", REQUESTS)
def test_what_holds_a_token_a_code_or_a_claim_is_never_stored(op: RunningProvider, which: str) -> None:
    """RFC 6749 5.1, RFC 9111 5.2.2.5, OpenID Connect Core 3.1.3.3: and neither are pages and errors."""
    control = ask(op, which).headers.get("Cache-Control")
    if which in MAY_BE_KEPT:
        assert re.fullmatch(r"public, max-age=\d+", control or "")
    elif which not in NOTHING_IN_IT:
        assert control == "no-store"


def test_the_way_of_a_login_is_never_stored(op: RunningProvider) -> None:
    """RFC 9111 5.2.2.5: every response between the app's request and its code."""
    app, browser = op.client("app"), op.browser()
    parameters, _ = app.request()
    to_login = browser.get("/authorize", params=parameters)
    page = browser.get(to_login.headers["Location"])
    to_app = browser.log_in(page, "alice")
    again = browser.get("/authorize", params=parameters)
    assert "code=" in to_app.headers["Location"]
    assert "code=" in again.headers["Location"]
    for response in (to_login, page, to_app, again, browser.get("/auth/session")):
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "which",
    ["front page", "authorization, page", "login", "login refused", "logout", "resume", "not found, page"],
)
def test_pages_run_nothing_and_are_framed_by_nobody(op: RunningProvider, which: str) -> None:
    """Content Security Policy 3, 6.1, 6.4.2, RFC 9700 4.16: no script, nothing from elsewhere, no frame."""
    response = ask(op, which)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(
        directive.strip().split(" ", 1) for directive in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["form-action"].startswith("'self'")
    assert "script-src" not in policy
    assert "unsafe" not in str(policy)
    assert "<script" not in response.text
    assert " on" + "click=" not in response.text


def test_a_request_is_found_in_the_log_by_its_id(op: RunningProvider) -> None:
    """RFC 9110 6.6: what a client is told is what the operator looks for; what a client says is not believed."""
    told = {}
    for which in ("token", "token, unproven", "authorization, page", "not found"):
        told[which] = ask(op, which).headers["X-Request-Id"]
    own = op.get("/health/live", headers={"X-Request-Id": "mine"}).headers["X-Request-Id"]
    assert own != "mine"
    assert len({*told.values(), own}) == 5

    def lines_by_id() -> dict[str, dict[str, Any]]:
        return {line["request_id"]: line for line in op.log_lines() if "request_id" in line}

    eventually(lambda: {*told.values(), own} <= set(lines_by_id()))
    lines = lines_by_id()
    token = lines[told["token"]]
    expected = {
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": "/token",
        "status": 200,
        "outcome": "ok",
        "client_id": "service",
        "grant": "client_credentials",
        "request_id": told["token"],
    }
    assert token == {**expected, "ms": token["ms"], "timestamp": token["timestamp"]}
    assert token["ms"] > 0
    refused = lines[told["token, unproven"]]
    assert (refused["status"], refused["outcome"], refused["error"]) == (401, "refused", "invalid_client")
    assert refused["hint"]
    assert lines[told["authorization, page"]]["error"] == "invalid_request"
    assert lines[told["not found"]]["path"] == "unknown", "what was typed is not logged"


def test_an_empty_response_is_not_called_json(op: RunningProvider) -> None:
    """RFC 9110 8.3: a client that believes Content-Type does not read JSON where there is none."""
    for which in ("authorization, redirect", "revocation", "preflight"):
        response = ask(op, which)
        assert not response.content
        assert "json" not in response.headers.get("Content-Type", "")


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/jwks", "/.well-known/openid-configuration"])
def test_a_monitor_may_ask_by_head(op: RunningProvider, path: str) -> None:
    """RFC 9110 9.3.2: the headers of GET, and nothing else."""
    head, get = requests.head(op.url(path), timeout=30), op.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Cache-Control"):
        assert head.headers[name] == get.headers[name]


def test_a_page_names_its_request_too(op: RunningProvider) -> None:
    """RFC 9110 15.5: a person can tell the operator which one it was."""
    response = ask(op, "authorization, page")
    assert response.headers["X-Request-Id"] in response.text


def test_an_https_issuer_is_https_for_good(run_provider: RunProvider) -> None:
    """RFC 6797 6.1, 7.1, 7.2: said by who is reached by https alone, on every response."""
    provider = run_provider(configuration=HTTPS)
    for path in ("/", "/.well-known/openid-configuration", "/auth/login", "/authorize", "/token", "/nothing"):
        value = provider.get(path).headers["Strict-Transport-Security"]
        assert int(value.removeprefix("max-age=").partition(";")[0]) >= 31536000
    assert provider.get("/.well-known/openid-configuration").json()["issuer"] == "https://login.example.org"
