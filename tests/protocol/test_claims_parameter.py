"""The claims parameter over HTTP: OpenID Connect Core 5.5."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from creance.provider.testing import RelyingParty, RunningProvider

EXTRA = """
[[clients]]
client_id = "narrow"
client_secret = "narrow-secret"
redirect_uris = ["http://localhost:8401/callback"]
scope = "openid email"
[clients.plugins.id_token_claims]
user_claims = "userinfo"
"""


@pytest.fixture(scope="module")
def claims_op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(tmp_path_factory.mktemp("claims"), extra=EXTRA) as running:
        yield running


@pytest.fixture
def narrow(claims_op: RunningProvider) -> RelyingParty:
    """A client of the scope email, with the claims of scopes at userinfo only."""
    return claims_op.client("narrow", secret="narrow-secret")


def asking(**places: dict[str, Any]) -> str:
    return json.dumps(places)


def test_discovery_says_so(narrow: RelyingParty) -> None:
    """OpenID Connect Discovery 3: claims_parameter_supported."""
    assert narrow.metadata["claims_parameter_supported"] is True


def test_a_claim_is_given_where_it_was_asked_for(narrow: RelyingParty) -> None:
    """OpenID Connect Core 5.5: each place for itself, and without the scope that would give more."""
    tokens = narrow.log_in(claims=asking(userinfo={"email": None}))
    assert narrow.userinfo(tokens.access_token) == {
        "sub": narrow.verify(tokens.id_token)["sub"],
        "email": "alice@example.org",
    }
    assert "email" not in narrow.verify(tokens.id_token)
    tokens = narrow.log_in(claims=asking(id_token={"email": {"essential": True}}))
    assert narrow.verify(tokens.id_token)["email"] == "alice@example.org"
    assert set(narrow.userinfo(tokens.access_token)) == {"sub"}


def test_a_value_that_is_not_wanted_is_not_given(narrow: RelyingParty) -> None:
    """OpenID Connect Core 5.5.1: value, values."""
    tokens = narrow.log_in(claims=asking(userinfo={"email": {"value": "bob@example.org"}, "email_verified": None}))
    assert set(narrow.userinfo(tokens.access_token)) == {"sub", "email_verified"}


def test_nothing_beyond_the_registered_scopes(narrow: RelyingParty) -> None:
    """OpenID Connect Core 5.5, RFC 6749 3.3: asking for a claim by name is no way around the client's registration."""
    wanted = {"phone_number": {"essential": True}, "name": None, "password": None, "username": None}
    tokens = narrow.log_in(claims=asking(userinfo=wanted, id_token=wanted))
    assert set(narrow.userinfo(tokens.access_token)) == {"sub"}
    assert not set(wanted) & set(narrow.verify(tokens.id_token))


def test_nobody_speaks_for_the_protocol(narrow: RelyingParty) -> None:
    """OpenID Connect Core 2: what is asked for as a claim of the protocol's changes none."""
    tokens = narrow.log_in(claims=asking(id_token={"aud": {"value": "other"}, "iss": {"value": "x"}, "exp": None}))
    assert narrow.verify(tokens.id_token)["aud"] == "narrow"


def test_without_openid_the_parameter_means_nothing(narrow: RelyingParty) -> None:
    """OpenID Connect Core 5.5: a request of plain OAuth has no claims; RFC 6749 3.1 has them ignored."""
    tokens = narrow.log_in(scope="email", claims=asking(userinfo={"email": None}))
    assert narrow.userinfo(tokens.access_token).error == "insufficient_scope"


def test_a_refreshed_token_has_them_too(claims_op: RunningProvider) -> None:
    """OpenID Connect Core 12.2: the claims are those of the grant."""
    app = claims_op.client("app")
    first = app.log_in(scope="openid offline_access", claims=asking(userinfo={"email": None}, id_token={"name": None}))
    again = app.refresh(first.refresh_token)
    assert set(app.userinfo(again.access_token)) == {"sub", "email"}
    assert app.verify(again.id_token)["name"] == "Alice Liddell"


def test_sub_names_the_person(narrow: RelyingParty, claims_op: RunningProvider) -> None:
    """OpenID Connect Core 5.5.1: only that person's session is answered."""
    browser = claims_op.browser()
    alice = narrow.verify(narrow.log_in(browser=browser).id_token)["sub"]
    bob = narrow.verify(narrow.log_in("bob").id_token)["sub"]
    for place in ("id_token", "userinfo"):
        hers, his = asking(**{place: {"sub": {"value": alice}}}), asking(**{place: {"sub": {"value": bob}}})
        assert narrow.answer_at_once(browser, prompt="none", claims=hers).code
        assert narrow.answer_at_once(browser, prompt="none", claims=his).error == "login_required"
    either = asking(id_token={"sub": {"values": [bob, alice]}})
    assert narrow.answer_at_once(browser, prompt="none", claims=either).code
    neither = asking(id_token={"sub": {"values": [bob, "x"]}})
    assert narrow.answer_at_once(browser, prompt="none", claims=neither).error == "login_required"


def test_who_is_expected_may_log_in(narrow: RelyingParty, claims_op: RunningProvider) -> None:
    """OpenID Connect Core 5.5.1: another's session leads to the login page, and that login is looked at."""
    browser = claims_op.browser()
    narrow.log_in(browser=browser)
    bob = narrow.verify(narrow.log_in("bob").id_token)["sub"]
    claims = asking(id_token={"sub": {"value": bob}})
    page = narrow.begin(browser, claims=claims)
    assert page.status_code == 200
    assert browser.log_in(page, "bob").headers["Location"].startswith("http://localhost:8401/callback?code=")
    assert narrow.authorize(user="alice", claims=claims).error == "login_required"


def test_a_hint_and_a_claim_that_differ_are_a_contradiction(narrow: RelyingParty) -> None:
    """OpenID Connect Core 3.1.2.1, 5.5.1."""
    hint = narrow.log_in().id_token
    refused = narrow.answer_at_once(id_token_hint=hint, claims=asking(id_token={"sub": {"value": "x"}}))
    assert refused.error == "invalid_request"


def test_an_essential_acr_that_is_not_reached_fails(narrow: RelyingParty, claims_op: RunningProvider) -> None:
    """OpenID Connect Core 5.5.1.1; OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""
    browser = claims_op.browser()
    narrow.log_in(browser=browser)
    demanded = asking(id_token={"acr": {"essential": True, "values": ["urn:example:gold"]}})
    assert narrow.answer_at_once(browser, claims=demanded).error == "unmet_authentication_requirements"
    wished = asking(id_token={"acr": {"values": ["urn:example:gold"]}})
    assert narrow.answer_at_once(browser, claims=wished).code
    assert narrow.answer_at_once(browser, acr_values="urn:example:gold").code


@pytest.mark.parametrize("claims", ["[]", '{"userinfo": {"email": 7}}', '{"id_token": {"sub": {"value": "\\u0000"}}}'])
def test_garbage_is_told_by_redirect(narrow: RelyingParty, claims: str) -> None:
    """OpenID Connect Core 3.1.2.6, 5.5."""
    assert narrow.answer_at_once(claims=claims).error == "invalid_request"
