"""The issuer in the authorization response (RFC 9207)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from creance.provider import Browser

MakeApp = Callable[..., Any]
ALICE = {"user": "alice"}


def response(app: Any, cookies: dict[str, str], **changes: str | None) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(app.answer(Browser(cookies, "127.0.0.1"), **changes).location).query)


@pytest.mark.parametrize(
    ("cookies", "changes", "member"),
    [
        (ALICE, {}, "code"),
        (ALICE, {"scope": "admin"}, "error"),
        (ALICE, {"response_type": "token"}, "error"),
        (ALICE, {"code_challenge": None}, "error"),
        ({}, {"prompt": "none"}, "error"),
        ({"user": "nobody"}, {}, "error"),
    ],
)
def test_every_response_names_the_issuer_once_errors_included(
    make_app: MakeApp, login_plugin: dict[str, Any], cookies: dict[str, str], changes: dict[str, Any], member: str
) -> None:
    """RFC 9207 2."""
    members = response(make_app(plugins=login_plugin), cookies, **changes)
    assert [value for name, value in members if name == "iss"] == ["http://localhost:8400"]
    assert member in dict(members)


def test_it_is_the_issuer_of_the_metadata_and_of_the_id_token(make_app: MakeApp, login_plugin: dict[str, Any]) -> None:
    """RFC 9207 2, 2.4: compared by simple string comparison."""
    app = make_app(plugins=login_plugin)
    iss = dict(response(app, ALICE))["iss"]
    assert iss == app.provider.metadata["issuer"] == app.claims(app.log_in())["iss"]
    assert app.provider.metadata["authorization_response_iss_parameter_supported"] is True


def test_an_app_cannot_have_another_issuer_sent_back(make_app: MakeApp, login_plugin: dict[str, Any]) -> None:
    """RFC 9207 4: mix-up; what the request says of iss is ignored."""
    members = response(make_app(plugins=login_plugin), ALICE, iss="https://evil.example")
    assert [value for name, value in members if name == "iss"] == ["http://localhost:8400"]


def test_it_goes_off_by_a_line_only(make_app: MakeApp, login_plugin: dict[str, Any]) -> None:
    """DESIGN, Configuration; RFC 9207 3: then the metadata does not claim it."""
    app = make_app(plugins=login_plugin | {"iss": {"enabled": False}})
    assert "iss" not in dict(response(app, ALICE))
    assert "authorization_response_iss_parameter_supported" not in app.provider.metadata
