"""Token revocation (RFC 7009)."""

from __future__ import annotations

import pytest
from creance.provider.testing import RelyingParty, RunningProvider

INACTIVE = {"active": False}
OFFLINE = "openid offline_access"


def test_an_access_token_ends_at_once(app: RelyingParty) -> None:
    """RFC 7009 2, 2.2: 200 without a body; the refresh token may stay (2.1), and does."""
    tokens = app.log_in()
    answer = app.revoke(tokens.access_token)
    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["Cache-Control"] == "no-store"
    assert app.introspect(tokens.access_token) == INACTIVE
    assert app.userinfo(tokens.access_token).error == "invalid_token"
    assert app.refresh(tokens.refresh_token).access_token


def test_a_refresh_token_takes_the_whole_grant_with_it(app: RelyingParty) -> None:
    """RFC 7009 2.1: SHOULD also invalidate all access tokens based on the same grant."""
    first = app.log_in()
    second = app.refresh(first.refresh_token)
    other_device = app.log_in()
    assert app.revoke(second.refresh_token).status == 200
    assert app.refresh(second.refresh_token).error == "invalid_grant"
    for token in (first.access_token, second.access_token, second.refresh_token):
        assert app.introspect(token) == INACTIVE
    assert app.introspect(other_device.access_token).active is True
    assert app.refresh(other_device.refresh_token).access_token


def test_a_refresh_token_that_was_spent_names_its_grant_too(app: RelyingParty) -> None:
    """RFC 7009 2.1: the app missed an answer, and its user logs out: nothing may live on."""
    first = app.log_in()
    second = app.refresh(first.refresh_token)
    assert app.revoke(first.refresh_token).status == 200
    assert app.refresh(second.refresh_token).error == "invalid_grant"
    assert app.introspect(second.access_token) == INACTIVE


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "urn:x:unknown", "", "☃"])
def test_a_hint_is_only_a_hint(app: RelyingParty, hint: str) -> None:
    """RFC 7009 2.1: a wrong or unknown one still finds the token."""
    tokens = app.log_in()
    assert app.revoke(tokens.access_token, token_type_hint=hint).status == 200
    assert app.introspect(tokens.access_token) == INACTIVE
    assert app.revoke(tokens.refresh_token, token_type_hint=hint).status == 200
    assert app.refresh(tokens.refresh_token).error == "invalid_grant"


@pytest.mark.parametrize("token", ["unknown", "x" * 20000, "☃", "' OR 1=1 --", "app"])
def test_an_unknown_token_is_no_error(app: RelyingParty, token: str) -> None:
    """RFC 7009 2.2: what the client wants is so already."""
    answer = app.revoke(token)
    assert (answer.status, answer.text) == (200, "")


def test_twice_is_as_good_as_once(app: RelyingParty) -> None:
    """RFC 7009 2.2."""
    tokens = app.log_in()
    for token in (tokens.access_token, tokens.access_token, tokens.refresh_token, tokens.refresh_token):
        assert app.revoke(token).status == 200


def test_what_is_no_token_stays_as_it_is(app: RelyingParty) -> None:
    """RFC 7009 2: access and refresh tokens; a code is neither, and an ID token is not ours to take back."""
    answer = app.authorize()
    assert app.revoke(answer.code).status == 200
    tokens = app.exchange(answer)
    assert app.revoke(tokens.id_token).status == 200
    assert app.introspect(tokens.access_token).active is True


def test_somebody_elses_token_stays(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 7009 2.1: issued to the client that asks; who asks for another's does not learn that it is there."""
    tokens = app.log_in()
    for other in (op.client("app-post"), op.client("spa"), op.client("service")):
        for token in (tokens.access_token, tokens.refresh_token):
            answer = other.revoke(token)
            assert (answer.status, answer.text) == (200, "")
    assert app.introspect(tokens.access_token).active is True
    assert app.refresh(tokens.refresh_token).access_token


@pytest.mark.parametrize("client_id", ["app", "app-post", "spa"])
def test_every_kind_of_client_can_give_its_tokens_back(op: RunningProvider, client_id: str) -> None:
    """RFC 7009 2.1, 5: public clients too, by their client_id."""
    client = op.client(client_id, scope=OFFLINE)
    tokens = client.log_in()
    assert client.revoke(tokens.refresh_token).status == 200
    assert client.userinfo(tokens.access_token).status == 401
    assert client.refresh(tokens.refresh_token).error == "invalid_grant"


def test_a_program_gives_its_token_back(op: RunningProvider) -> None:
    """RFC 7009 2, RFC 6749 4.4."""
    service = op.client("service")
    token = service.client_credentials().access_token
    assert service.revoke(token).status == 200
    assert service.introspect(token) == INACTIVE


def test_who_asks_proves_who_they_are(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 7009 2.1, 2.2.1, RFC 6749 5.2."""
    token = app.log_in().access_token
    for refused in (
        op.client("app", secret="wrong").revoke(token),
        op.client("nobody").revoke(token),
        op.client("app", method="client_secret_post", secret="app-secret").revoke(token),
    ):
        assert (refused.status, refused.error) == (401, "invalid_client")
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
    assert app.introspect(token).active is True


def test_a_token_must_be_given(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 7009 2.1: REQUIRED; once, and in the body."""
    token = app.log_in().access_token
    credentials = ("app", "app-secret")
    for answer in (
        op.post("/revoke", {"token_type_hint": "access_token"}, auth=credentials),
        op.post("/revoke", {"token": ""}, auth=credentials),
        op.post("/revoke", [("token", token), ("token", token)], auth=credentials),
        op.post("/revoke", {"x": "y"}, params={"token": token}, auth=credentials),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert app.introspect(token).active is True


def test_it_takes_post_alone(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 7009 2.1: and no JSONP (2.3)."""
    token = app.log_in().access_token
    response = op.get("/revoke", params={"token": token, "callback": "f"}, auth=("app", "app-secret"))
    assert response.status_code == 405
    assert app.introspect(token).active is True
