"""`http.insecure_credentials_in_urls`: for clients that know no better yet, and off unless the operator says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from creance.provider.testing import RunningProvider

SERVICE = {"grant_type": "client_credentials", "client_id": "poster", "client_secret": "poster-secret"}
CLIENTS = """
[[clients]]
client_id = "poster"
client_secret = "poster-secret"
token_endpoint_auth_method = "client_secret_post"
grant_types = ["client_credentials"]
scope = "read"

[[clients]]
client_id = "careful"
client_secret = "careful-secret"
redirect_uris = ["http://localhost:8401/callback"]
scope = "openid"
"""


@pytest.fixture(scope="module")
def provider(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    """One that takes them."""
    return run_provider(extra=CLIENTS, environment={"CREANCE_HTTP__INSECURE_CREDENTIALS_IN_URLS": "true"})


def by_get(provider: RunningProvider, path: str, **parameters: Any) -> requests.Response:
    return requests.get(provider.url(path), params=parameters, timeout=30)


def named(provider: RunningProvider, endpoint: str) -> list[str]:
    """The clients that the log says it of."""
    lines = [line for line in provider.log_lines() if line.get("event") == "credentials_in_url"]
    return [line["client_id"] for line in lines if line["endpoint"] == endpoint]


def test_the_token_endpoint_by_get(provider: RunningProvider) -> None:
    """RFC 6749 3.2, 5.1: as pyop's hosts answer it. The log tells once whose it was, and no secret."""
    answers = [by_get(provider, "/token", **SERVICE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].headers["Cache-Control"] == "no-store"
    assert answers[0].json()["scope"] == "read"
    assert named(provider, "token") == ["poster"]
    log = provider.log_file.read_text()
    assert "poster-secret" not in log
    assert answers[0].json()["access_token"] not in log


def test_a_code_is_exchanged_by_get(provider: RunningProvider) -> None:
    """RFC 6749 4.1.3: with the client's secret in the header; the code is spent as ever."""
    app = provider.client("app", scope="openid email")
    answer = app.authorize()
    form = {
        "grant_type": "authorization_code",
        "code": answer.code,
        "redirect_uri": answer.redirect_uri,
        "code_verifier": answer.code_verifier,
    }
    first, second = (
        requests.get(provider.url("/token"), params=form, auth=("app", "app-secret"), timeout=30) for _ in range(2)
    )
    assert app.verify(first.json()["id_token"])["email"] == "alice@example.org"
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=poster&client_secret=wrong", 401, "invalid_client"),
        (
            "grant_type=client_credentials&client_id=poster&client_id=poster&client_secret=poster-secret",
            400,
            "invalid_request",
        ),
        ("grant_type=%ff&client_id=poster&client_secret=poster-secret", 400, "invalid_request"),
        ("x=" + "y" * 17000, 414, "invalid_request"),
    ],
    ids=["nothing", "wrong secret", "repeated", "no UTF-8", "too long"],
)
def test_what_is_wrong_in_a_url_is_told(provider: RunningProvider, query: str, status: int, error: str) -> None:
    """RFC 6749 5.2, 3.2: the same checks as for a form."""
    answer = requests.get(f"{provider.url('/token')}?{query}", timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_form_with_a_query_is_still_refused(provider: RunningProvider) -> None:
    """RFC 6749 3.2: which of the two would count?"""
    answer = requests.post(provider.url("/token?grant_type=refresh_token"), SERVICE, timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_userinfo_with_a_token_in_the_query(provider: RunningProvider) -> None:
    """RFC 6750 2.3: never to be kept by a cache; the log tells whose it was, and no token."""
    tokens = provider.client("app", scope="openid email").log_in()
    answer = by_get(provider, "/userinfo", access_token=tokens.access_token)
    assert answer.json()["email"] == "alice@example.org"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "app" in named(provider, "userinfo")
    assert tokens.access_token not in provider.log_file.read_text()


def test_two_tokens_are_still_refused(provider: RunningProvider) -> None:
    """RFC 6750 2: one way for each request."""
    token = provider.client("app", scope="openid").log_in().access_token
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(provider.url("/userinfo"), params={"access_token": token}, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_who_does_it_right_is_not_named(provider: RunningProvider) -> None:
    """What the operator looks for are those who still need the setting."""
    careful = provider.client("careful", secret="careful-secret")
    assert careful.userinfo(careful.log_in().access_token).status == 200
    assert "careful" not in [*named(provider, "token"), *named(provider, "userinfo")]


def test_without_the_setting_neither_is_taken(op: RunningProvider) -> None:
    """RFC 6749 3.2, RFC 9700 4.3.2: the default."""
    assert by_get(op, "/token", **SERVICE).status_code == 405
    token = op.client("app", scope="openid").log_in().access_token
    assert by_get(op, "/userinfo", access_token=token).status_code == 401
