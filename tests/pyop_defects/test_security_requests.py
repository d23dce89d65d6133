"""Security 1 and 2: who may be sent where, and who is believed."""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any

import pytest
from creance.provider import InvalidRequest, OpenIDProvider
from jwkest import JWKESTException
from oic.oauth2.message import MissingSigningKey
from oic.oic.message import EndSessionRequest
from pyop.exceptions import InvalidAccessToken, InvalidAuthenticationRequest, InvalidRedirectURI, UnknownClientId
from pyop.provider import Provider

from ..pyop_provider import ISSUER, Client, claims_of
from .forgeries import FORGERIES, forged, unsigned

EVIL = "https://evil.example.org/callback"


@pytest.mark.parametrize("mistake", [{"scope": "email"}, {"prompt": "bogus"}, {"response_type": None}], ids=str)
def test_nobody_is_sent_to_a_place_that_is_not_the_clients(
    plain: Provider, ours: OpenIDProvider, mistake: dict[str, str | None]
) -> None:
    """Security 1; RFC 6749 4.1.2.1: pyop looks at all else before, and leads wherever the request says."""
    request = Client(plain).request(**{"response_type": "code", **mistake}, redirect_uri=EVIL)
    with pytest.raises(InvalidAuthenticationRequest) as refused:
        plain.parse_authentication_request(request)
    url = refused.value.to_error_url()
    assert url is None if "response_type" in mistake else str(url).startswith(EVIL + "?error=")

    with pytest.raises(InvalidRedirectURI) as refused:
        ours.parse_authentication_request(request)
    assert refused.value.to_error_url() is None


def test_nobody_is_sent_anywhere_for_a_client_that_is_none(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 1; RFC 6749 4.1.2.1: the client first, then its redirect URI."""
    for changes in ({"client_id": None}, {"client_id": "nobody", "scope": "email"}):
        request = Client(plain).request(redirect_uri=EVIL, **changes)
        with pytest.raises(InvalidAuthenticationRequest) as refused:
            plain.parse_authentication_request(request)
        assert str(refused.value.to_error_url()).startswith(EVIL)
        with pytest.raises(UnknownClientId) as refused:
            ours.parse_authentication_request(request)
        assert refused.value.to_error_url() is None


@pytest.mark.parametrize(
    ("absent", "refused"),
    [
        ("client_id", UnknownClientId),
        ("redirect_uri", InvalidRedirectURI),
        ("response_type", InvalidAuthenticationRequest),
    ],
)
def test_the_checks_survive_what_is_absent(ours: OpenIDProvider, absent: str, refused: type[Exception]) -> None:
    """Security 1: pyop's checks in the right order are a KeyError where their parameter is not there."""
    with pytest.raises(InvalidAuthenticationRequest, match=f"{absent} is missing") as error:
        ours.parse_authentication_request(Client(ours).request(**{absent: None}))
    assert isinstance(error.value, refused)


def logged_in(plain: Provider, ours: OpenIDProvider) -> tuple[dict[str, Any], dict[str, Any]]:
    """alice's tokens of either."""
    return Client(plain).log_in(), Client(ours).log_in()


def test_an_unsigned_hint_logs_nobody_out(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 2; RP-Initiated Logout 4, RFC 8725 3.1."""
    theirs, own = logged_in(plain, ours)
    hint = unsigned({"iss": ISSUER, "sub": claims_of(own, ours)["sub"], "aud": ["app"], "exp": 4e9, "iat": 1})

    plain.logout_user(end_session_request=EndSessionRequest(id_token_hint=hint))
    with pytest.raises(InvalidAccessToken):
        Client(plain).userinfo(theirs["access_token"])

    with pytest.raises(InvalidRequest):
        ours.logout_user(end_session_request=EndSessionRequest(id_token_hint=hint))
    assert Client(ours).userinfo(own["access_token"])


def test_an_unsigned_hint_leads_nowhere(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 2; RP-Initiated Logout 3: the way back after a logout is that of the hint's client."""
    plain.clients["app"]["post_logout_redirect_uris"] = ["https://app.example.org/bye"]
    request = EndSessionRequest(
        id_token_hint=unsigned({"iss": ISSUER, "sub": "x", "aud": ["app"], "exp": 4e9, "iat": 1}),
        post_logout_redirect_uri="https://app.example.org/bye",
    )
    assert plain.do_post_logout_redirect(request).startswith("https://app.example.org/bye")
    assert ours.do_post_logout_redirect(request) is None


def test_an_unsigned_hint_or_request_object_is_not_accepted(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 2; OpenID Connect Core 3.1.2.1, 6.1."""
    hint = unsigned({"iss": ISSUER, "sub": "somebody", "aud": ["app"], "exp": 4e9, "iat": 1})
    request_object = unsigned({"client_id": "app", "display": "page"})
    for changes in ({"id_token_hint": hint}, {"request": request_object}):
        request = Client(plain).request(**changes)
        assert plain.parse_authentication_request(request)["client_id"] == "app"
        with pytest.raises(InvalidAuthenticationRequest):
            ours.parse_authentication_request(request)


def test_a_genuine_hint_is_accepted(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 2; OpenID Connect Core 3.1.2.1: what was signed is refused where what was not is taken."""
    theirs, own = logged_in(plain, ours)
    with pytest.raises(MissingSigningKey):
        plain.parse_authentication_request(Client(plain).request(id_token_hint=theirs["id_token"]))

    for hint in (own["id_token"], theirs["id_token"]):
        assert Client(ours).authorize(id_token_hint=hint)


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_hint_is_nobodys(plain: Provider, ours: OpenIDProvider, kind: str) -> None:
    """Security 2; RFC 8725 2.1, 3.1, 3.10: algorithm confusion, keys from the header, and what a kid may do."""
    theirs, own = logged_in(plain, ours)
    (published,) = ours.jwks["keys"]
    hint = forged(kind, own["id_token"], published)
    request = EndSessionRequest(id_token_hint=hint)
    _, pyop_believes = FORGERIES[kind]
    if pyop_believes:
        plain.logout_user(end_session_request=request)
        with pytest.raises(InvalidAccessToken):
            Client(plain).userinfo(theirs["access_token"])
    else:
        with pytest.raises((JWKESTException, JSONDecodeError)):
            plain.logout_user(end_session_request=request)

    with pytest.raises(InvalidRequest):
        ours.logout_user(end_session_request=request)
    assert Client(ours).userinfo(own["access_token"])
    with pytest.raises(InvalidAuthenticationRequest):
        ours.parse_authentication_request(Client(ours).request(id_token_hint=hint))
