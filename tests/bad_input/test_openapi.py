"""Requests that Schemathesis makes out of /openapi.json, right ones and wrong ones: each answer is as described."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis", "4", reason="pip install 'schemathesis>=4'")

from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

APP = {"Authorization": "Basic YXBwOmFwcC1zZWNyZXQ="}
SERVICE = {"Authorization": "Basic c2VydmljZTpzZXJ2aWNlLXNlY3JldA=="}
PROVEN = {"client_id": "app", "redirect_uri": "http://localhost:8401/callback"}


def admitted(hostile: Any) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Headers and parameters by which some of the requests get beyond the first check."""
    token = hostile.op.client("app", scope="openid email").log_in().access_token
    bearer = {"Authorization": f"Bearer {token}"}
    return {
        "GET /authorize": ({}, PROVEN),
        "POST /authorize": ({}, PROVEN),
        "POST /token": (SERVICE, {"grant_type": "client_credentials"}),
        "POST /introspect": (SERVICE, {"token": token}),
        "POST /revoke": (APP, {"token": "x"}),
        "GET /userinfo": (bearer, {}),
        "POST /userinfo": (bearer, {}),
    }


@pytest.fixture
def watched(hostile_client: Any, undisturbed: Any) -> Iterator[Any]:
    """Some of what is asked for here is given, and written."""
    with undisturbed(hostile_client):
        yield hostile_client


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_every_answer_is_described(watched: Any, mode: GenerationMode) -> None:
    """Issue 3, seen from outside: the description is checked against real answers; RFC 6749 5.2."""
    attack(watched, mode, 25, derandomize=True)


@pytest.mark.long
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_every_answer_of_many_more_is_described(watched: Any, mode: GenerationMode) -> None:
    attack(watched, mode, 400, derandomize=False)


def test_all_there_is_is_described(hostile: Any) -> None:
    """Or the rounds here would leave something out: every plugin is on that needs no proxy or host in front and no
    tokens of the operator's, and has more than other ways to answer; and every endpoint is in the description.
    """
    ours = {entry.name for entry in entry_points(group="creance.plugins") if entry.value.startswith("creance.")}
    (start,) = [line for line in hostile.op.log_lines() if line["event"] == "start"]
    assert set(start["plugins"]) == ours - {"remote_user", "host_login", "registration", "insecure_response_types"}
    described = hostile.get("/openapi.json").json()["paths"]
    metadata = hostile.get("/.well-known/openid-configuration").json()
    places = [url for name, url in metadata.items() if name.endswith("_endpoint") or name == "jwks_uri"]
    assert {urlsplit(place).path for place in places} <= set(described)


def attack(hostile: Any, mode: GenerationMode, count: int, *, derandomize: bool) -> None:
    schema = schemathesis.openapi.from_url(hostile.op.url("/openapi.json"))
    operations = [result.ok() for result in schema.get_all_operations()]
    beyond, answered = admitted(hostile), defaultdict(set)
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
            continue  # there is nothing that could be wrong

        @settings(
            max_examples=count,
            derandomize=derandomize,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(mode))
        def call(case: Any) -> None:
            for headers, parameters in (({}, {}), beyond.get(case.operation.label, ({}, {}))):
                part = case.query if case.method.upper() == "GET" else case.body
                if isinstance(part, dict):
                    part.update(parameters)
                answer = case.call(session=hostile.http, headers=headers, allow_redirects=False, timeout=30)
                case.validate_response(answer, checks=CHECKS)
                answered[case.operation.label].add(answer.status_code)

        call()
    if mode is GenerationMode.POSITIVE:
        assert set(answered) == {operation.label for operation in operations}
        assert {label for label, statuses in answered.items() if not statuses & {200, 303}} <= NEED_A_BROWSER


NEED_A_BROWSER = {
    *("GET /auth/resume", "POST /auth/login", "POST /auth/logout", "GET /auth/session"),
    *("GET /auth/consent", "POST /auth/consent"),
}
"""Cookies that belong together: tests/protocol/test_openapi.py has them."""
