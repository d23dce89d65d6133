"""Requests that Schemathesis makes out of /openapi.json, right ones and wrong ones: each answer is as described."""

from __future__ import annotations

from typing import Any

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

CREDENTIALS = {"Authorization": "Basic YXBwOmFwcC1zZWNyZXQ="}
PROVEN = {"client_id": "app", "redirect_uri": "http://localhost:8401/callback"}
"""So that some of the requests get beyond the first check."""


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_every_answer_is_described(hostile: Any, mode: GenerationMode) -> None:
    """Issue 3, seen from outside: the description is checked against real answers; RFC 6749 5.2."""
    attack(hostile, mode, 25, derandomize=True)


@pytest.mark.long
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_every_answer_of_many_more_is_described(hostile: Any, mode: GenerationMode) -> None:
    attack(hostile, mode, 400, derandomize=False)


def attack(hostile: Any, mode: GenerationMode, count: int, *, derandomize: bool) -> None:
    schema = schemathesis.openapi.from_url(hostile.op.url("/openapi.json"))
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 15
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
            for headers, query in (({}, {}), (CREDENTIALS, PROVEN)):
                if "client_id" in (case.query or {}):
                    case.query.update(query)
                answer = case.call(session=hostile.http, headers=headers, allow_redirects=False, timeout=30)
                case.validate_response(answer, checks=CHECKS)

        call()
