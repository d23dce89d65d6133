"""oic's own relying party, which pyop's users know, against a running provider."""

from __future__ import annotations

from urllib.parse import urlsplit

from creance.provider.testing import RunningProvider
from oic import rndstr
from oic.oic import Client
from oic.oic.message import AccessTokenResponse, AuthorizationResponse, RegistrationResponse
from oic.utils.authn.client import CLIENT_AUTHN_METHOD

from ..consent_form import ConsentForm

REDIRECT_URI = "http://localhost:8401/callback"


def relying_party(op: RunningProvider) -> Client:
    client = Client(
        client_authn_method=CLIENT_AUTHN_METHOD, config={"code_challenge": {"length": 64, "method": "S256"}}
    )
    client.provider_config(op.issuer)
    client.store_registration_info(
        RegistrationResponse(client_id="app", client_secret="app-secret", redirect_uris=[REDIRECT_URI])
    )
    client.redirect_uris = [REDIRECT_URI]
    return client


def test_oic_completes_the_code_flow(op: RunningProvider) -> None:
    """OpenID Connect Core 3.1: discovery, PKCE, exchange, ID token verified by the library, userinfo, refresh."""
    client = relying_party(op)
    state, nonce = rndstr(), rndstr()
    challenge, verifier = client.add_code_challenge()
    request = client.construct_AuthorizationRequest(
        request_args={
            "response_type": "code",
            "scope": ["openid", "profile", "email", "offline_access"],
            "redirect_uri": REDIRECT_URI,
            "state": state,
            "nonce": nonce,
            "prompt": "consent",  # OpenID Connect Core 11: with offline_access
            **challenge,
        }
    )
    browser = op.browser()
    page = browser.follow(browser.get(request.request(client.authorization_endpoint)))
    asked = ConsentForm(browser.log_in(page, "alice"))
    answer = asked.press(browser).headers["Location"]

    response = client.parse_response(AuthorizationResponse, info=urlsplit(answer).query, sformat="urlencoded")
    assert response["state"] == state
    tokens = client.do_access_token_request(
        state=state,
        request_args={"code": response["code"], "redirect_uri": REDIRECT_URI, "code_verifier": verifier},
        authn_method="client_secret_basic",
    )
    assert isinstance(tokens, AccessTokenResponse)
    assert tokens["id_token"]["nonce"] == nonce
    assert tokens["id_token"]["iss"] == op.issuer
    person = client.do_user_info_request(state=state)
    assert person["sub"] == tokens["id_token"]["sub"]
    assert person["name"] == "Alice Liddell"

    refreshed = client.do_access_token_refresh(state=state, authn_method="client_secret_basic")
    assert isinstance(refreshed, AccessTokenResponse)
    assert refreshed["access_token"] != tokens["access_token"]
