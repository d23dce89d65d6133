"""Which clients meet with checks that pyop does not make: the log of a host that calls pyop's methods."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import structlog
from creance.provider import OpenIDProvider
from pyop.exceptions import InvalidAccessToken, OAuthError
from pyop.provider import Provider

from .conftest import CALLBACK, SECRET, Client, basic

Adopt = Callable[..., OpenIDProvider]


def lines_of(visit: Callable[[], Any], event: str) -> list[dict[str, Any]]:
    """What is logged under this name while an app does something three times."""
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            with suppress(OAuthError):
                visit()
    return [
        {name: value for name, value in line.items() if name not in ("event", "log_level")}
        for line in lines
        if line["event"] == event
    ]


def test_an_authorization_that_is_refused_names_its_client(plain: Provider, adopt: Adopt) -> None:
    """docs/adopting.md: `authorization_refused`, once an hour; nothing of a client that is not proven."""
    app = Client(adopt(plain))
    (line,) = lines_of(lambda: app.authorize(state="s" * 5000), "authorization_refused")
    assert (line["client_id"], line["error"]) == ("app", "invalid_request")
    assert "state" in line["error_description"]
    other = Client(adopt(plain))
    for changes in ({"client_id": "nobody"}, {"redirect_uri": "https://evil.example.org"}):
        assert lines_of(lambda changes=changes: other.authorize(**changes), "authorization_refused") == []
    assert lines_of(other.authorize, "authorization_refused") == []


def test_what_is_not_granted_names_its_client(plain: Provider, adopt: Adopt) -> None:
    """docs/adopting.md: `scope_not_granted`, `claims_not_granted`: what pyop gave to whoever asked."""
    app = Client(adopt(plain))
    asked = json.dumps({"userinfo": {"employee_number": None, "email": None}, "id_token": {"room": None, "acr": None}})

    def visit() -> None:
        app.log_in(scope="openid email admin", claims=asked)

    assert lines_of(visit, "scope_not_granted") == [{"client_id": "app", "scope": "admin"}]
    app = Client(adopt(plain))
    assert lines_of(visit, "claims_not_granted") == [{"client_id": "app", "claims": "employee_number room"}]
    app = Client(adopt(plain))
    for event in ("scope_not_granted", "claims_not_granted"):
        assert lines_of(lambda: app.log_in(scope="openid email"), event) == []


def test_a_token_request_that_is_refused_names_its_client(plain: Provider, adopt: Adopt) -> None:
    """docs/adopting.md: `token_request_refused`: each error once an hour, without what was sent."""
    ours = adopt(plain, settings={"grants": {"refresh_token_grace": 0}})
    app = Client(ours)
    used = app.log_in()["refresh_token"]
    app.refresh(used)

    def reuse() -> None:
        with suppress(OAuthError):
            app.refresh(used)
        app.token({"grant_type": "password", "username": "alice"})

    lines = lines_of(reuse, "token_request_refused")
    assert [(line["client_id"], line["error"]) for line in lines] == [
        ("app", "invalid_grant"),
        ("app", "unsupported_grant_type"),
    ]
    assert all(line["hint"] for line in lines)
    assert used not in str(lines)


def test_what_names_no_client_names_none(plain: Provider, adopt: Adopt) -> None:
    """docs/adopting.md: whatever is sent, what comes of it is pyop's exception, and no line is about nobody."""
    ours = adopt(plain)
    bodies = ("", "client_id=nobody&client_secret=x", "x" * 100_000, "%ff", f"redirect_uri={CALLBACK}")
    for body in bodies:
        for headers in ({}, basic("nobody", "x"), {"Authorization": "Basic !"}):
            send = partial(ours.handle_token_request, body, headers)
            assert lines_of(send, "token_request_refused") == []


SERVICE = {"client_id": "service", "client_secret": SECRET, "grant_types": ["client_credentials"], "scope": "read"}


def test_a_userinfo_request_that_is_refused_names_its_client(plain: Provider, adopt: Adopt) -> None:
    """docs/adopting.md, RFC 6750 3.1: `userinfo_request_refused`: each error once an hour, without the token."""
    ours = adopt(plain, plugins=["client_credentials"], settings={"clients": [SERVICE]})
    of_nobody = ours.handle_token_request("grant_type=client_credentials", basic("service", SECRET))["access_token"]
    app = Client(ours)
    of_one_who_left = app.log_in()["access_token"]
    del plain.userinfo._db["alice"]
    ours.users.sources.forget("alice", "")

    def visit() -> None:
        for token in (of_nobody, of_one_who_left):
            with suppress(InvalidAccessToken):
                app.userinfo(token)

    assert lines_of(visit, "userinfo_request_refused") == [
        {
            "client_id": "service",
            "error": "insufficient_scope",
            "hint": "the access token was not granted the scope openid",
        },
        {"client_id": "app", "error": "invalid_token", "hint": "its client or its person is no longer there"},
    ]


def test_a_token_that_nobody_knows_names_nobody(plain: Provider, adopt: Adopt) -> None:
    """docs/adopting.md: each error once an hour for all of them together, so that nobody fills the log; and nothing
    of what was sent is in it.
    """
    ours = adopt(plain)
    sent = [f"Bearer made-up-{number}" for number in range(20)]
    sent += [f"Bearer made up {number}" for number in range(20)] + ["", "Basic bWFkZTp1cA==", "Bearer"]

    def visit() -> None:
        for header in sent:
            with suppress(InvalidAccessToken):
                ours.handle_userinfo_request("access_token=" + "x" * 100_000, {"Authorization": header})
            with suppress(InvalidAccessToken):
                ours.handle_userinfo_request(http_headers={"Authorization": header})

    lines = lines_of(visit, "userinfo_request_refused")
    assert [set(line) for line in lines] == [{"error", "hint"}] * 2
    assert {line["error"] for line in lines} == {"invalid_token", "invalid_request"}
    assert not any(part in str(lines) for part in ("made", "xxx", "bWFkZ"))
    assert (
        lines_of(lambda: Client(ours).userinfo(Client(ours).log_in()["access_token"]), "userinfo_request_refused") == []
    )


def test_the_lines_are_in_the_host_s_own_log(plain: Provider, adopt: Adopt, caplog: pytest.LogCaptureFixture) -> None:
    """docs/adopting.md: JSON, by the logger `creance` of `logging`."""
    app = Client(adopt(plain))
    with caplog.at_level(logging.INFO, "creance"):
        app.log_in(scope="openid email admin")
    lines = [json.loads(record.message) for record in caplog.records if record.name == "creance"]
    assert {"event": "scope_not_granted", "level": "warning", "client_id": "app", "scope": "admin"} in lines
