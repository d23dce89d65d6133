"""Races as a server meets them: 64 connections at one moment, and four workers that share nothing but the store."""

from __future__ import annotations

import base64
import json
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from creance.provider.testing import Answer, AuthorizationAnswer, RelyingParty, RunningProvider, forms_of

ENVIRONMENT = {"CREANCE_HTTP__WORKERS": "4", "CREANCE_STORE__TIMEOUT": "30"}
"""Nobody is to give up waiting where all contend for one document."""
CONNECTIONS = 64
AT_ONCE = 16


class Response:
    """What came back by one connection."""

    def __init__(self, connection: socket.socket) -> None:
        with HTTPResponse(connection) as response:
            response.begin()
            self.status = response.status
            self.location = response.headers.get("Location", "")
            body = response.read()
            is_json = response.headers.get("Content-Type") == "application/json"
        self.json: dict[str, Any] = json.loads(body) if is_json else {}


def send_at_once(op: RunningProvider, requests: Sequence[bytes]) -> list[Response]:
    """Each by a connection of its own. All but the last byte of each is there before the last byte of any."""
    with ExitStack() as stack:
        address = ("127.0.0.1", op.port)
        connections = [stack.enter_context(socket.create_connection(address, timeout=60)) for _ in requests]
        for connection, request in zip(connections, requests, strict=True):
            connection.sendall(request[:-1])
        for connection, request in zip(connections, requests, strict=True):
            connection.sendall(request[-1:])
        responses = [Response(connection) for connection in connections]
    assert [response.status for response in responses if response.status >= 500] == []
    return responses


def statuses(responses: Sequence[Response]) -> Counter[int]:
    return Counter(response.status for response in responses)


def post(app: RelyingParty, endpoint: str, form: Mapping[str, str | None], cookies: str = "") -> bytes:
    """A form from a client that authenticates by HTTP Basic; or from a browser, by its cookies."""
    url = urlsplit(app.metadata.get(endpoint, endpoint))
    body = urlencode({name: value for name, value in form.items() if value is not None})
    credentials = base64.b64encode(f"{app.client_id}:{app.secret}".encode()).decode()
    proof = f"Cookie: {cookies}" if cookies else f"Authorization: Basic {credentials}"
    return (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n{proof}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def exchange(app: RelyingParty, answer: AuthorizationAnswer) -> bytes:
    form = {"code": answer.code, "redirect_uri": answer.redirect_uri, "code_verifier": answer.code_verifier}
    return post(app, "token_endpoint", {"grant_type": "authorization_code", **form})


def refresh(app: RelyingParty, tokens: Answer) -> bytes:
    return post(app, "token_endpoint", {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token})


@pytest.fixture(scope="module")
def op(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    return run_provider(environment=ENVIRONMENT)


@pytest.fixture
def app(op: RunningProvider) -> RelyingParty:
    """An app, used by alice, who is logged in."""
    app = op.client("app", scope="openid offline_access", browser=op.browser())
    app.authorize()
    return app


def active(app: RelyingParty, tokens: Mapping[str, Any]) -> list[bool]:
    return [app.introspect(tokens[name]).active for name in ("access_token", "refresh_token")]


def test_a_code_has_one_winner_and_its_replays_revoke_what_it_won(
    op: RunningProvider, app: RelyingParty, rounds: range
) -> None:
    """RFC 6749 4.1.2; PYOP 4: 16 of 16 won."""
    for _ in rounds:
        code = app.authorize()
        responses = send_at_once(op, [exchange(app, code)] * CONNECTIONS)
        assert statuses(responses) == {200: 1, 400: CONNECTIONS - 1}
        assert {response.json["error"] for response in responses if response.status == 400} == {"invalid_grant"}
        won = next(response.json for response in responses if response.status == 200)
        assert active(app, won) == [False, False]


def test_within_the_grace_all_get_the_same_successor(op: RunningProvider, app: RelyingParty, rounds: range) -> None:
    """DESIGN, Grants: a retry by the same client gets the same successor while that is unused."""
    for _ in rounds[::3]:
        tokens = app.log_in()
        responses = send_at_once(op, [refresh(app, tokens)] * CONNECTIONS)
        assert statuses(responses) == {200: CONNECTIONS}
        assert len({response.json["refresh_token"] for response in responses}) == 1
        assert len({response.json["access_token"] for response in responses}) == CONNECTIONS
        assert active(app, responses[0].json) == active(app, responses[-1].json) == [True, True]


def test_a_revocation_and_a_refresh_leave_nothing_alive(op: RunningProvider, app: RelyingParty, rounds: range) -> None:
    """RFC 7009 2.1: the refresh token takes its whole grant with it, also what is being issued."""
    for _ in rounds:
        tokens = app.log_in()
        revocation = post(app, "revocation_endpoint", {"token": tokens.refresh_token})
        responses = send_at_once(op, [*[refresh(app, tokens)] * AT_ONCE, revocation, revocation])
        assert statuses(responses[AT_ONCE:]) == {200: 2}
        for each in [tokens, *(response.json for response in responses[:AT_ONCE] if response.status == 200)]:
            assert active(app, each) == [False, False]


def test_a_logout_leaves_nothing_of_what_apps_ask_for_at_that_moment(op: RunningProvider, rounds: range) -> None:
    """OpenID Connect Core 11: a code that was issued while the session ended gives nothing."""
    app = op.client("app", scope="openid")
    for _ in rounds[::5]:
        browser = op.browser()
        app.authorize(browser=browser)
        (_, form), *_ = forms_of(browser.get("/auth/logout").text)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies)
        parameters, verifier = app.request()
        visit = post(app, "authorization_endpoint", parameters, cookies)
        logout = post(app, op.url("/auth/logout"), form, cookies)
        responses = send_at_once(op, [visit, visit, logout, visit, visit] * 4)
        assert browser.get("/auth/session").status_code == 401
        for response in responses:
            answer = AuthorizationAnswer(response.location, verifier, None, app.redirect_uri)
            if answer.code:
                assert app.exchange(answer).error == "invalid_grant"


@pytest.fixture(scope="module")
def strict(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    return run_provider(environment={**ENVIRONMENT, "CREANCE_GRANTS__REFRESH_TOKEN_GRACE": "0"})


@pytest.mark.long
def test_without_a_grace_one_wins_and_its_grant_ends(strict: RunningProvider) -> None:
    """DESIGN, Grants: anything else is reuse and revokes the grant."""
    app = strict.client("app", scope="openid offline_access", browser=strict.browser())
    for _ in range(1000):
        tokens = app.log_in()
        responses = send_at_once(strict, [refresh(app, tokens)] * CONNECTIONS)
        assert statuses(responses) == {200: 1, 400: CONNECTIONS - 1}
        won = next(response.json for response in responses if response.status == 200)
        assert active(app, won) == active(app, tokens) == [False, False]
