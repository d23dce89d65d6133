"""What a pyop provider refuses, ours refuses in its place: by an exception that its host catches there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from creance.provider import OpenIDProvider
from pyop.exceptions import (
    BearerTokenError,
    InvalidAccessToken,
    InvalidAuthenticationRequest,
    InvalidAuthorizationCode,
    InvalidClientAuthentication,
    InvalidClientRegistrationRequest,
    InvalidRedirectURI,
    InvalidRefreshToken,
    InvalidScope,
    InvalidSubjectIdentifier,
    InvalidTokenRequest,
    UnknownClientId,
)
from pyop.provider import Provider

from .conftest import CALLBACK, SECRET, Client, basic

SUBJECT = "a subject that nobody has"
Call = Callable[[Provider], Any]


def parsed(**changes: str | None) -> Call:
    return lambda op: op.parse_authentication_request(Client(op).request(**changes))


def exchanged(headers: dict[str, str] | None = None, **changes: str) -> Call:
    def call(op: Provider) -> Any:
        app = Client(op)
        form = app.code_form(app.authorize(), **changes)
        return op.handle_token_request(urlencode(form), headers or basic("app", SECRET))

    return call


def token(**parameters: str) -> Call:
    return lambda op: op.handle_token_request(urlencode(parameters), basic("app", SECRET))


def widened(op: Provider) -> Any:
    app = Client(op)
    refresh_token = app.log_in()["refresh_token"]
    return app.token({"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": "openid email profile"})


def spent(op: Provider) -> Any:
    app = Client(op)
    code = app.authorize()
    app.exchange(code)
    return app.exchange(code)


REFUSED: dict[str, tuple[Call, type[Exception], str | None]] = {
    "unknown client": (parsed(client_id="nobody"), UnknownClientId, None),
    "other redirect_uri": (parsed(redirect_uri="https://evil.example.org"), InvalidRedirectURI, "invalid_request"),
    "no response_type": (parsed(response_type=None), InvalidAuthenticationRequest, "invalid_request"),
    "unknown prompt": (parsed(prompt="bogus"), InvalidAuthenticationRequest, "invalid_request"),
    "no proof": (exchanged({"X": "y"}), InvalidClientAuthentication, "invalid_client"),
    "wrong secret": (exchanged(basic("app", "wrong")), InvalidClientAuthentication, "invalid_client"),
    "another scheme": (exchanged({"Authorization": "Digest x"}), InvalidClientAuthentication, "invalid_client"),
    "unknown code": (exchanged(code="nonsense"), InvalidAuthorizationCode, "invalid_grant"),
    "spent code": (spent, InvalidAuthorizationCode, "invalid_grant"),
    "no grant_type": (token(code="x"), InvalidTokenRequest, "invalid_request"),
    "unknown grant_type": (token(grant_type="password"), InvalidTokenRequest, "unsupported_grant_type"),
    "no code": (token(grant_type="authorization_code", redirect_uri=CALLBACK), InvalidTokenRequest, "invalid_request"),
    "no refresh_token": (token(grant_type="refresh_token"), InvalidTokenRequest, "invalid_request"),
    "unknown refresh_token": (
        token(grant_type="refresh_token", refresh_token="x"),
        InvalidRefreshToken,
        "invalid_grant",
    ),
    "more scope": (widened, InvalidScope, "invalid_scope"),
    "no access token": (lambda op: op.handle_userinfo_request(""), BearerTokenError, None),
    "unknown access token": (
        lambda op: op.handle_userinfo_request("", {"Authorization": "Bearer x"}),
        InvalidAccessToken,
        "invalid_token",
    ),
    "registration without URIs": (
        lambda op: op.handle_client_registration_request("{}"),
        InvalidClientRegistrationRequest,
        None,
    ),
    "logout of nobody": (lambda op: op.logout_user(SUBJECT), InvalidSubjectIdentifier, None),
    "logout of whom?": (lambda op: op.logout_user(), InvalidSubjectIdentifier, None),
    "subject of nobody": (
        lambda op: op.authz_state.get_user_id_for_subject_identifier(SUBJECT),
        InvalidSubjectIdentifier,
        None,
    ),
    "subject of a strange type": (
        lambda op: op.authz_state.get_subject_identifier("strange", "alice"),
        ValueError,
        None,
    ),
    "code in the state": (
        lambda op: op.authz_state.exchange_code_for_token("x"),
        InvalidAuthorizationCode,
        "invalid_grant",
    ),
    "no code in the state": (
        lambda op: op.authz_state.exchange_code_for_token(None),  # type: ignore[arg-type]
        InvalidAuthorizationCode,
        "invalid_grant",
    ),
    "no token in the state": (
        lambda op: op.authz_state.introspect_access_token(None),  # type: ignore[arg-type]
        InvalidAccessToken,
        "invalid_token",
    ),
    "no subject in the state": (
        lambda op: op.authz_state.get_user_id_for_subject_identifier(None),  # type: ignore[arg-type]
        InvalidSubjectIdentifier,
        None,
    ),
    "token in the state": (lambda op: op.authz_state.introspect_access_token("x"), InvalidAccessToken, "invalid_token"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_is_caught_where_it_was(pair: tuple[Provider, OpenIDProvider], what: str) -> None:
    """Seams: the exception that a host catches, with the error code that it answers."""
    call, family, error = REFUSED[what]
    for provider in pair:
        with pytest.raises(family) as refused:
            call(provider)
        if error is not None:
            assert refused.value.oauth_error == error  # type: ignore[attr-defined]


def test_refusals_lead_to_the_same_place(pair: tuple[Provider, OpenIDProvider]) -> None:
    """RFC 6749 4.1.2.1: `to_error_url`, for a request whose client and redirect URI are right."""
    urls = []
    for provider in pair:
        with pytest.raises(InvalidAuthenticationRequest) as refused:
            parsed(prompt="bogus")(provider)
        urls.append(dict(parse_qsl(urlsplit(refused.value.to_error_url()).query)))
    one, two = urls
    assert {name: two[name] for name in ("error", "state")} == {name: one[name] for name in ("error", "state")}
    assert set(two) - set(one) == {"iss"}


def test_a_response_type_has_to_be_registered(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> None:
    """RFC 7591 2: response_types."""
    plain.clients["app"]["response_types"] = ["id_token"]
    for provider in (plain, adopt(plain)):
        with pytest.raises(InvalidAuthenticationRequest):
            parsed()(provider)
