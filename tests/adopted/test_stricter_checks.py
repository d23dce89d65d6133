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
from pyop.exceptions import OAuthError
from pyop.provider import Provider

from .conftest import CALLBACK, Client, basic

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


def test_the_lines_are_in_the_host_s_own_log(plain: Provider, adopt: Adopt, caplog: pytest.LogCaptureFixture) -> None:
    """docs/adopting.md: JSON, by the logger `creance` of `logging`."""
    app = Client(adopt(plain))
    with caplog.at_level(logging.INFO, "creance"):
        app.log_in(scope="openid email admin")
    lines = [json.loads(record.message) for record in caplog.records if record.name == "creance"]
    assert {"event": "scope_not_granted", "level": "warning", "client_id": "app", "scope": "admin"} in lines
