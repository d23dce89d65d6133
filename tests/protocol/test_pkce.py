"""Proof Key for Code Exchange (RFC 7636), required of every client as RFC 9700 2.1.1 advises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from creance.provider.testing import Browser, RunningProvider

RunProvider = Callable[..., RunningProvider]

CALLBACK = "http://localhost:8401/callback"

# RFC 7636, appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

LENIENT = """
[plugins.pkce]
allow_plain = true

[[clients]]
client_id = "exempt"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
scope = "openid email"
[clients.plugins.pkce]
required = false

[[clients]]
client_id = "public"
token_endpoint_auth_method = "none"
redirect_uris = ["http://localhost:8401/callback"]
scope = "openid"
[clients.plugins.pkce]
required = false
"""

WITHOUT: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}

REFUSED: list[dict[str, str | None]] = [
    WITHOUT,
    {"code_challenge": None},
    {"code_challenge_method": None},
    {"code_challenge_method": "plain"},
    {"code_challenge_method": "s256"},
    {"code_challenge_method": "S512"},
    {"code_challenge_method": "S256 plain"},
    {"code_challenge": CHALLENGE[:-1]},
    {"code_challenge": CHALLENGE + "x"},
    {"code_challenge": CHALLENGE + "="},
    {"code_challenge": CHALLENGE[:-1] + "+"},
    {"code_challenge": CHALLENGE[:-1] + "\n"},
    {"code_challenge": CHALLENGE[:-1] + "é"},
    {"code_challenge": "x" * 129},
    {"code_challenge": " "},
]


@pytest.fixture(scope="module")
def lenient(run_provider: RunProvider) -> RunningProvider:
    """Takes plain, and names two clients as exempt."""
    return run_provider(extra=LENIENT)


# ----- The authorization request -------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", REFUSED)
@pytest.mark.parametrize("prompt", [None, "none", "login"])
@pytest.mark.parametrize("client_id", ["app", "spa"])
def test_an_app_learns_of_its_mistake_before_anybody_logs_in(
    op: RunningProvider, client_id: str, prompt: str | None, changes: dict[str, str | None]
) -> None:
    """RFC 7636 4.4.1, RFC 9700 2.1.1: by redirect, at once, also where prompt=none would end in login_required."""
    app, browser = op.client(client_id), op.browser()
    refused = app.answer_at_once(browser, state="a-state", prompt=prompt, **changes)
    assert refused.location.startswith(f"{app.redirect_uri}?")
    assert set(refused) == {"error", "error_description", "state", "iss"}
    assert refused.error == "invalid_request"
    assert refused.error_description.startswith("code_challenge")
    assert refused.state == "a-state"
    assert not browser.http.cookies, "nothing was begun"


def test_who_is_logged_in_does_not_help(op: RunningProvider) -> None:
    """RFC 7636 4.4.1: a session gives no code without PKCE."""
    app, browser = op.client("app"), op.browser()
    assert app.authorize(browser=browser).code
    assert app.answer_at_once(browser, **WITHOUT).error == "invalid_request"
    assert app.answer_at_once(browser, prompt="none").code


def test_the_methods_are_published(op: RunningProvider, lenient: RunningProvider) -> None:
    """RFC 8414 2."""
    assert op.client("app").metadata["code_challenge_methods_supported"] == ["S256"]
    assert lenient.client("app").metadata["code_challenge_methods_supported"] == ["S256", "plain"]


# ----- The exchange --------------------------------------------------------------------------------------------------


def test_the_example_of_the_specification(op: RunningProvider) -> None:
    """RFC 7636 4.6, appendix B."""
    app = op.client("spa")
    answer = app.authorize(code_challenge=CHALLENGE, code_challenge_method="S256")
    assert app.exchange(answer, code_verifier=VERIFIER).access_token


@pytest.mark.parametrize("verifier", ["a" * 43, "a" * 128, "-._~" + "0Zz9" * 10])
def test_a_verifier_of_any_length_that_is_allowed(lenient: RunningProvider, verifier: str) -> None:
    """RFC 7636 4.1: 43 to 128 unreserved characters; as plain its own challenge (4.2)."""
    app = lenient.client("spa")
    answer = app.authorize(code_challenge=verifier, code_challenge_method="plain")
    assert app.exchange(answer, code_verifier=verifier).access_token


@pytest.mark.parametrize("client_id", ["app", "spa"])
@pytest.mark.parametrize(
    "verifier",
    [
        None,
        "",
        "x" * 43,
        VERIFIER[:-1] + "K",
        VERIFIER + "x",
        VERIFIER[:-1],
        VERIFIER + "=",
        f" {VERIFIER}",
        VERIFIER.lower(),
        CHALLENGE,
        "x" * 129,
        "é" * 43,
    ],
)
def test_a_wrong_verifier_spends_the_code_and_learns_nothing(
    op: RunningProvider, alice: Browser, client_id: str, verifier: str | None
) -> None:
    """RFC 7636 4.6, 7.1: invalid_grant; there is no second guess, and not a word of what was stored."""
    app = op.client(client_id, browser=alice)
    answer = app.authorize(code_challenge=CHALLENGE, code_challenge_method="S256")
    refused = app.exchange(answer, code_verifier=verifier)
    assert (refused.status, refused.error) == (400, "invalid_grant")
    assert set(refused) == {"error", "error_description"}
    assert not any(word in refused.text for word in (CHALLENGE, VERIFIER, "S256", "plain", answer.code))

    late = app.exchange(answer, code_verifier=VERIFIER)
    assert (late.status, late.error) == (400, "invalid_grant")
    assert "access_token" not in late


def test_only_the_owner_of_a_code_can_spend_it(op: RunningProvider) -> None:
    """RFC 7636 4.6, RFC 6749 10.5: a thief's guess, without the client's secret or as another client, burns nothing."""
    app = op.client("app")
    answer = app.authorize(code_challenge=CHALLENGE)
    assert op.client("app-post").exchange(answer, code_verifier="x" * 43).error == "invalid_grant"
    assert op.client("app-post").exchange(answer, code_verifier=VERIFIER).error == "invalid_grant"
    assert op.client("app", secret="wrong").exchange(answer, code_verifier="x" * 43).error == "invalid_client"
    assert app.exchange(answer, code_verifier=VERIFIER).access_token


def test_a_thief_with_the_code_alone_gets_nothing(op: RunningProvider) -> None:
    """RFC 7636 1: what PKCE is for. The spa has no secret: whoever sees the code could say that they are it."""
    app = op.client("spa")
    answer = app.authorize()
    thief = op.client("spa")
    assert thief.exchange(answer, code_verifier=None).error == "invalid_grant"


def test_two_requests_do_not_share_a_verifier(op: RunningProvider) -> None:
    """RFC 7636 7.1, RFC 9700 4.5.3.1: a code that is injected into another request of the same app is refused."""
    app, browser = op.client("app"), op.browser()
    mine, injected = app.authorize(browser=browser), app.authorize(browser=browser)
    assert app.exchange(injected, code_verifier=mine.code_verifier).error == "invalid_grant"
    assert app.exchange(mine).access_token


# ----- Clients that are exempt, and plain ----------------------------------------------------------------------------


def test_a_confidential_client_may_be_exempt_if_it_sends_a_nonce(lenient: RunningProvider) -> None:
    """RFC 9700 2.1.1."""
    app = lenient.client("exempt", secret="secret")
    answer = app.authorize(nonce="a-nonce", **WITHOUT)
    tokens = app.exchange(answer, code_verifier=None)
    assert app.verify(tokens.id_token)["nonce"] == "a-nonce"


@pytest.mark.parametrize("prompt", [None, "none"])
@pytest.mark.parametrize("changes", [{"nonce": None}, {"nonce": ""}, {"scope": "email"}])
def test_without_a_nonce_that_protects_it_nobody_is_exempt(
    lenient: RunningProvider, changes: dict[str, str | None], prompt: str | None
) -> None:
    """RFC 9700 2.1.1: the nonce is only held against anything where there is an ID token."""
    app = lenient.client("exempt", secret="secret")
    refused = app.answer_at_once(prompt=prompt, **WITHOUT, **changes)
    assert refused.error == "invalid_request"


def test_a_public_client_is_never_exempt(lenient: RunningProvider) -> None:
    """RFC 9700 2.1.1: whatever its settings say."""
    assert lenient.client("public").answer_at_once(nonce="a-nonce", **WITHOUT).error == "invalid_request"


def test_who_need_not_and_does_is_held_to_it(lenient: RunningProvider) -> None:
    """RFC 7636 4.6."""
    app = lenient.client("exempt", secret="secret")
    answer = app.authorize()
    assert app.exchange(answer, code_verifier=None).error == "invalid_grant"
    assert app.exchange(app.authorize()).access_token


def test_a_downgrade_is_noticed(lenient: RunningProvider) -> None:
    """RFC 9700 2.1.1, 4.8.2: an attacker took the challenge out of the request; the app still sends its verifier."""
    app = lenient.client("exempt", secret="secret")
    answer = app.authorize(**WITHOUT)
    assert app.exchange(answer, code_verifier=VERIFIER).error == "invalid_grant"
    assert app.exchange(answer, code_verifier=None).error == "invalid_grant", "spent"
    assert app.answer_at_once(code_challenge=None).error == "invalid_request", "a method without a challenge"


def test_plain_where_the_operator_takes_it(lenient: RunningProvider) -> None:
    """RFC 7636 4.2, 4.3, 4.6: also where no method is named."""
    app = lenient.client("spa")
    for method in ("plain", None):
        answer = app.authorize(code_challenge=VERIFIER, code_challenge_method=method)
        assert app.exchange(answer, code_verifier=VERIFIER).access_token
        answer = app.authorize(code_challenge=VERIFIER, code_challenge_method=method)
        assert app.exchange(answer, code_verifier="x" * 43).error == "invalid_grant"


def test_s256_does_not_become_plain(lenient: RunningProvider) -> None:
    """RFC 7636 7.2: whoever has seen the challenge cannot present it as the verifier."""
    app = lenient.client("spa")
    answer = app.authorize(code_challenge=CHALLENGE, code_challenge_method="S256")
    assert app.exchange(answer, code_verifier=CHALLENGE).error == "invalid_grant"


@pytest.mark.parametrize("challenge", ["x" * 42, "x" * 129, "x" * 42 + "!"])
def test_plain_challenges_have_their_form_too(lenient: RunningProvider, challenge: str) -> None:
    """RFC 7636 4.2."""
    refused = lenient.client("spa").answer_at_once(code_challenge=challenge, code_challenge_method="plain")
    assert refused.error == "invalid_request"
