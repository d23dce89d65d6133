"""Proof Key for Code Exchange (RFC 7636), clause by clause, at the level of objects."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import structlog.testing
from creance.provider import Browser, InvalidGrant, InvalidRequest
from creance.provider.tokens import ACCESS_TOKENS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MakeApp = Callable[..., Any]
NO_CHALLENGE = {"code_challenge": None, "code_challenge_method": None}
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture
def app(make_app: MakeApp) -> Any:
    return make_app()


def client(**changes: Any) -> dict[str, Any]:
    return {
        "client_id": "exempt",
        "client_secret": "s",
        "redirect_uris": ["http://localhost:8401/callback"],
        "plugins": {"pkce": {"required": False}},
        **changes,
    }


# The authorization request


def test_the_example_of_the_specification(app: Any) -> None:
    """RFC 7636 B."""
    code = app.authorize(code_challenge=CHALLENGE)
    assert app.exchange(code, code_verifier=VERIFIER)["access_token"]


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        (NO_CHALLENGE, "code_challenge is missing: this provider requires PKCE (RFC 7636)"),
        ({"code_challenge": None}, "code_challenge_method without code_challenge (RFC 7636 4.3)"),
        ({"code_challenge_method": None}, "code_challenge_method must be S256 (RFC 7636 4.3)"),
        ({"code_challenge_method": "plain"}, "code_challenge_method must be S256 (RFC 7636 4.3)"),
        ({"code_challenge_method": "s256"}, "code_challenge_method must be S256 (RFC 7636 4.3)"),
        ({"code_challenge_method": "S512"}, "code_challenge_method must be S256 (RFC 7636 4.3)"),
        ({"code_challenge_method": "S256 plain"}, "code_challenge_method must be S256 (RFC 7636 4.3)"),
        ({"code_challenge": CHALLENGE[:-1]}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": CHALLENGE + "A"}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": CHALLENGE[:-1] + "="}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": CHALLENGE[:-1] + "+"}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": CHALLENGE[:-1] + "."}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": CHALLENGE[:-1] + "~"}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": CHALLENGE[:-1] + "é"}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": CHALLENGE[:-1] + "\n"}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": CHALLENGE + "\n"}, "code_challenge is malformed (RFC 7636 4.2)"),
        ({"code_challenge": "A" * 10_000}, "code_challenge is malformed (RFC 7636 4.2)"),
    ],
)
def test_a_bad_challenge_is_told_to_the_app_before_anybody_logs_in(
    make_app: MakeApp, login_plugin: dict[str, Any], changes: dict[str, str | None], description: str
) -> None:
    """RFC 7636 4.4.1; issue 3: by redirect before login is considered, also with prompt=none."""
    app = make_app(plugins=login_plugin)
    seen = type(app.provider.plugins.plugins["believes"]).seen
    for prompt in (None, "none", "login"):
        for cookies in ({}, {"user": "alice"}):
            answer = app.answer(Browser(cookies, "127.0.0.1"), prompt=prompt, **changes)
            response = dict(parse_qsl(urlsplit(answer.location).query))
            assert response["error"] == "invalid_request"
            assert response["error_description"] == description
            assert response["state"] == "a-state"
    assert seen == []


def test_every_client_needs_it_unless_told_otherwise(make_app: MakeApp) -> None:
    """RFC 9700 2.1.1; OAuth 2.1 7.5.2: public and confidential."""
    app = make_app()
    for client_id in ("app", "app-post", "spa"):
        with pytest.raises(InvalidRequest, match="code_challenge is missing"):
            make_app(client_id, app.provider).authorize(**NO_CHALLENGE)


# Exemption


def test_a_confidential_client_can_be_exempted_and_sends_a_nonce_instead(make_app: MakeApp) -> None:
    """RFC 9700 2.1.1: confidential OpenID clients may rely on the nonce."""
    app = make_app("exempt", None, more_clients=[client()])
    assert app.exchange(app.authorize(scope="openid", **NO_CHALLENGE), code_verifier=None)["id_token"]
    for changes in ({"nonce": None}, {"scope": "profile", "redirect_uri": "http://localhost:8401/callback"}):
        with pytest.raises(Exception, match=r"code_challenge is missing|no scope"):
            app.authorize(**{"scope": "openid", **NO_CHALLENGE, **changes})


def test_an_exempted_client_may_still_use_it_and_then_must(make_app: MakeApp) -> None:
    """RFC 7636 4.6, RFC 9700 2.1.1."""
    app = make_app("exempt", None, more_clients=[client()])
    code = app.authorize(scope="openid")
    app.refused(code, code_verifier=None)
    assert app.exchange(app.authorize(scope="openid"))["id_token"]
    with pytest.raises(InvalidRequest, match="code_challenge_method without code_challenge"):
        app.authorize(scope="openid", code_challenge=None)


def test_a_public_client_cannot_be_exempted(make_app: MakeApp) -> None:
    """RFC 9700 2.1.1: public clients MUST use PKCE, whatever the configuration says."""
    public = client(token_endpoint_auth_method="none", client_secret=None)
    app = make_app("exempt", None, more_clients=[public])
    with pytest.raises(InvalidRequest, match="code_challenge is missing"):
        app.authorize(scope="openid", **NO_CHALLENGE)


def test_clients_without_it_can_go_on_for_a_while_and_are_named(make_app: MakeApp) -> None:
    """RFC 9700 2.1.1: for a move from a provider that did not ask for it; the operator sees who still needs that."""
    app = make_app("spa", plugins={"pkce": {"insecure_optional": True}})
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert app.exchange(app.authorize(**NO_CHALLENGE), code_verifier=None)["access_token"]
    named = [line for line in lines if line["event"] == "pkce_missing"]
    assert [(line["client_id"], line["public"]) for line in named] == [("spa", True)]
    app.refused(app.authorize(), code_verifier=None)  # who sends a challenge is held to it
    with pytest.raises(InvalidRequest):
        app.authorize(code_challenge=None)


def test_a_verifier_without_a_challenge_is_a_downgrade_and_refused(make_app: MakeApp) -> None:
    """RFC 9700 2.1.1, 4.8.2: an attacker has taken the challenge out of the request; PYOP 7."""
    app = make_app("exempt", None, more_clients=[client()])
    code = app.authorize(scope="openid", **NO_CHALLENGE)
    assert "no code_challenge" in app.refused(code).description
    app.refused(code, code_verifier=None)
    assert app.provider.store.page(ACCESS_TOKENS) == []


# The verifier


@pytest.mark.parametrize(
    "verifier",
    [
        None,
        "A" * 42,
        "A" * 129,
        "A" * 43,
        "A" * 128,
        "é" * 43,
        VERIFIER + "\n",
        VERIFIER + " ",
        VERIFIER + "=",
        VERIFIER.lower(),
        VERIFIER[:-1],
        CHALLENGE,
        "A" * 60_000,
        "\ud800" * 43,
    ],
)
def test_a_wrong_verifier_is_invalid_grant_spends_the_code_and_tells_nothing(app: Any, verifier: str | None) -> None:
    """RFC 7636 4.6; PYOP 7: invalid_request, and it disclosed the stored challenge."""
    code = app.authorize(code_challenge=CHALLENGE)
    refusal = app.refused(code, code_verifier=verifier)
    assert refusal.error == "invalid_grant"
    assert CHALLENGE not in f"{refusal.description} {refusal.hint}"
    if verifier:
        assert verifier not in f"{refusal.description} {refusal.hint}"
    app.refused(code, code_verifier=VERIFIER)
    assert app.provider.store.page(ACCESS_TOKENS) == []


def test_the_verifier_of_another_request_does_not_do(app: Any) -> None:
    """RFC 7636 1: the intercepted code is worth nothing to whoever did not begin the request."""
    mine, theirs = app.authorize(), app.authorize()
    app.refused(mine, code_verifier=theirs.verifier)


def test_a_client_that_does_not_own_the_code_cannot_spend_it_by_guessing(app: Any, make_app: MakeApp) -> None:
    """Issue 3: spends the code once the client is authenticated and owns it."""
    code = app.authorize()
    make_app("app-post", app.provider).refused(code, code_verifier="A" * 43)
    assert app.exchange(code)["access_token"]


@given(
    verifier=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=43, max_size=128)
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_verifier_of_the_specification_is_good(app: Any, verifier: str) -> None:
    """RFC 7636 4.1, 4.2: 43 to 128 unreserved characters."""
    digest = hashlib.sha256(verifier.encode()).digest()
    code = app.authorize(code_challenge=base64.urlsafe_b64encode(digest).rstrip(b"=").decode())
    assert app.exchange(code, code_verifier=verifier)["access_token"]


# plain


def test_plain_can_be_allowed(make_app: MakeApp) -> None:
    """RFC 7636 4.2, 4.3: only for clients that cannot do S256; absent means plain."""
    app = make_app(plugins={"pkce": {"allow_plain": True}})
    verifier = secrets.token_urlsafe(48)
    for method in ("plain", None):
        code = app.authorize(code_challenge=verifier, code_challenge_method=method)
        assert app.exchange(code, code_verifier=verifier)["access_token"]
        app.refused(app.authorize(code_challenge=verifier, code_challenge_method=method))
    assert app.exchange(app.authorize())["access_token"]


def test_a_plain_challenge_is_not_its_own_s256_verifier(make_app: MakeApp) -> None:
    """RFC 7636 4.6: by the method of the authorization request."""
    app = make_app(plugins={"pkce": {"allow_plain": True}})
    app.refused(app.authorize(code_challenge=CHALLENGE), code_verifier=CHALLENGE)
    plain = app.authorize(code_challenge=CHALLENGE, code_challenge_method="plain")
    app.refused(plain, code_verifier=VERIFIER)


def test_without_the_plugin_nothing_is_asked_and_nothing_claimed(make_app: MakeApp) -> None:
    """DESIGN, Configuration: off only by `enabled = false`."""
    app = make_app(plugins={"pkce": {"enabled": False}})
    assert "code_challenge_methods_supported" not in app.provider.metadata
    assert app.exchange(app.authorize(**NO_CHALLENGE), code_verifier=None)["access_token"]


def test_a_code_keeps_its_challenge_when_the_settings_change(make_app: MakeApp) -> None:
    """RFC 7636 4.6: the code is bound, whatever is allowed now."""
    before = make_app(plugins={"pkce": {"allow_plain": True}})
    verifier = secrets.token_urlsafe(48)
    code = before.authorize(code_challenge=verifier, code_challenge_method="plain")
    after = make_app()
    with pytest.raises(InvalidGrant):
        after.exchange(code, code_verifier="A" * 43)
