"""How an access token is presented, and how it is refused (RFC 6750)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
import requests
from creance.provider.testing import RunningProvider

RunProvider = Callable[..., RunningProvider]


@pytest.fixture(scope="module")
def token(op: RunningProvider) -> str:
    """An access token of alice's that gives openid."""
    return str(op.client("app").log_in().access_token)


def challenge_of(response: requests.Response) -> dict[str, str]:
    """The parameters of a Bearer challenge (RFC 9110 11.6.1)."""
    header = response.headers["WWW-Authenticate"]
    scheme, _, parameters = header.partition(" ")
    assert scheme == "Bearer"
    assert re.fullmatch(r'[a-z_]+="[^"\\]*"(, [a-z_]+="[^"\\]*")*', parameters)
    return dict(re.findall(r'([a-z_]+)="([^"]*)"', parameters))


def test_who_brings_nothing_learns_what_to_bring(op: RunningProvider) -> None:
    """RFC 6750 3, 3.1: the scheme and the realm, and no error, since there was no token to be wrong."""
    for response in (
        op.get("/userinfo"),
        op.post("/userinfo", {"x": "y"}),
        op.post("/userinfo", {"access_token": ""}),
        op.get("/userinfo", headers={"Authorization": "Basic YXBwOmFwcC1zZWNyZXQ="}),
    ):
        assert response.status_code == 401
        assert challenge_of(response) == {"realm": op.issuer}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_known_in_any_case(op: RunningProvider, token: str, scheme: str) -> None:
    """RFC 6750 2.1, RFC 9110 11.1."""
    assert op.get("/userinfo", headers={"Authorization": f"{scheme} {token}"}).status_code == 200


def test_the_form_will_do(op: RunningProvider, token: str) -> None:
    """RFC 6750 2.2."""
    assert op.post("/userinfo", {"access_token": token}).status_code == 200


def test_the_query_will_not(op: RunningProvider, token: str) -> None:
    """RFC 6750 2.3, RFC 9700 4.3.2: a URL ends up in logs and histories."""
    response = op.get("/userinfo", params={"access_token": token})
    assert response.status_code == 401
    assert "sub" not in response.json()
    response = op.post("/userinfo", {"x": "y"}, params={"access_token": token})
    assert response.status_code in (400, 401)
    assert "sub" not in response.json()


def test_the_body_of_a_get_will_not(op: RunningProvider, token: str) -> None:
    """RFC 6750 2.2: only methods whose body has a meaning."""
    assert op.get("/userinfo", data={"access_token": token}).status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", 'Bearer "a"', "Bearer =", "Bearer a=b", "Bearer a%20b"],
)
def test_a_malformed_header_is_a_bad_request(op: RunningProvider, authorization: str) -> None:
    """RFC 6750 2.1, 3, 3.1: 400 invalid_request, with a challenge: it brought no token that gives access."""
    response = op.get("/userinfo", headers={"Authorization": authorization})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert challenge_of(response)["error"] == "invalid_request"


def test_two_tokens_are_a_bad_request(op: RunningProvider, token: str) -> None:
    """RFC 6750 2, 3.1: MUST NOT use more than one method."""
    header = {"Authorization": f"Bearer {token}"}
    for response in (
        op.post("/userinfo", {"access_token": token}, headers=header),
        op.post("/userinfo", [("access_token", token), ("access_token", token)]),
    ):
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
        assert challenge_of(response)["error"] == "invalid_request"


def test_what_is_no_valid_token_is_refused_in_one_way(op: RunningProvider) -> None:
    """RFC 6750 3.1: 401 invalid_token; unknown, revoked, or something else of ours, all the same."""
    app = op.client("app", scope="openid offline_access")
    answer = app.authorize()
    tokens = app.exchange(answer)
    revoked = app.log_in().access_token
    app.revoke(revoked)
    values = ["unknown", tokens.access_token[:-1], revoked, tokens.refresh_token, tokens.id_token, app.authorize().code]
    bodies = set()
    for value in values:
        response = op.get("/userinfo", headers={"Authorization": f"Bearer {value}"})
        assert response.status_code == 401
        challenge = challenge_of(response)
        assert set(challenge) == {"realm", "error", "error_description"}
        assert challenge["error"] == response.json()["error"] == "invalid_token"
        bodies.add(response.text)
    assert len(bodies) == 1
    assert app.userinfo(tokens.access_token).status == 200


def test_an_expired_token_is_invalid(run_provider: RunProvider) -> None:
    """RFC 6750 3.1."""
    provider = run_provider(
        environment={"CREANCE_LIFETIMES__ACCESS_TOKEN": "1", "CREANCE_KEYS__ALGORITHMS": '["ES256"]'}
    )
    app = provider.client("app")
    tokens = app.log_in()
    assert tokens.expires_in == 1
    time.sleep(1.1)
    response = provider.get("/userinfo", headers={"Authorization": f"Bearer {tokens.access_token}"})
    assert response.status_code == 401
    assert challenge_of(response)["error"] == "invalid_token"


@pytest.mark.parametrize(("client_id", "scope"), [("service", None), ("app", "email")])
def test_a_token_for_something_else_is_insufficient(op: RunningProvider, client_id: str, scope: str | None) -> None:
    """RFC 6750 3.1: 403."""
    client = op.client(client_id)
    tokens = client.log_in(scope=scope) if scope else client.client_credentials()
    response = op.get("/userinfo", headers={"Authorization": f"Bearer {tokens.access_token}"})
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
    assert challenge_of(response)["error"] == "insufficient_scope"


def test_no_answer_is_stored(op: RunningProvider, token: str) -> None:
    """RFC 6750 2.3, 5.3, OpenID Connect Core 5.3.2: claims and refusals alike."""
    for headers in ({}, {"Authorization": f"Bearer {token}"}, {"Authorization": "Bearer x"}):
        assert op.get("/userinfo", headers=headers).headers["Cache-Control"] == "no-store"
