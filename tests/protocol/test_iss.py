"""The issuer in the authorization response (RFC 9207)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from creance.provider.testing import RunningProvider

RunProvider = Callable[..., RunningProvider]


@pytest.fixture(scope="module")
def with_path(run_provider: RunProvider) -> RunningProvider:
    """Its issuer has a path."""
    return run_provider(path="/idp")


@pytest.fixture(scope="module")
def without(run_provider: RunProvider) -> RunningProvider:
    """The plugin is switched off."""
    return run_provider(extra="[plugins.iss]\nenabled = false")


def test_the_response_names_who_gives_it(op: RunningProvider, with_path: RunningProvider) -> None:
    """RFC 9207 2: identical to the issuer of the metadata and of the ID token, path and all."""
    for provider in (op, with_path):
        app = provider.client("app")
        answer = app.authorize()
        assert answer.iss == provider.issuer == app.metadata["issuer"]
        assert app.verify(app.exchange(answer).id_token)["iss"] == answer.iss


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"prompt": "none"}, "login_required"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "nothing"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
        ({"state": "x" * 3000}, "invalid_request"),
    ],
)
def test_an_error_names_who_gives_it(op: RunningProvider, changes: dict[str, str | None], error: str) -> None:
    """RFC 9207 2: in error responses too."""
    refused = op.client("app").answer_at_once(**changes)
    assert (refused.error, refused.iss) == (error, op.issuer)


def test_the_request_cannot_name_another(op: RunningProvider) -> None:
    """RFC 9207 2: once, and the provider's own."""
    answer = op.client("app").authorize(iss="https://evil.example.org")
    assert answer.iss == op.issuer
    assert answer.location.count("iss=") == 1


def test_the_metadata_says_so(op: RunningProvider) -> None:
    """RFC 9207 3."""
    assert op.client("app").metadata["authorization_response_iss_parameter_supported"] is True


def test_where_it_is_off_neither_is_there(without: RunningProvider) -> None:
    """RFC 9207 3: the metadata does not promise it, and an app that was not promised does not look for it."""
    app = without.client("app")
    assert "authorization_response_iss_parameter_supported" not in app.metadata
    assert "iss" not in app.authorize()
    assert "iss" not in app.answer_at_once(prompt="none")
