"""The implicit and hybrid flows with relying parties that others wrote: oic's, which pyop's users know, and Authlib's
validation of ID tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest
from authlib.oidc.core import HybridIDToken, ImplicitIDToken
from creance.provider.testing import RunningProvider
from joserfc import jwt
from joserfc.jwk import KeySet
from oic import rndstr
from oic.oic import Client
from oic.oic.message import AccessTokenResponse, AuthorizationResponse, RegistrationResponse
from oic.utils.authn.client import CLIENT_AUTHN_METHOD

CALLBACK = "https://app.example.org/callback"
ALL = ["id_token", "code id_token", "id_token token", "code token", "code id_token token"]
EXTRA = f"""
[[clients]]
client_id = "old"
client_secret = "secret"
redirect_uris = ["{CALLBACK}"]
response_types = {json.dumps(ALL)}
grant_types = ["authorization_code", "implicit"]
scope = "openid email"

[plugins.insecure_response_types]
allowed = {json.dumps(ALL)}
"""


@pytest.fixture(scope="module")
def op(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    return run_provider(extra=EXTRA)


@pytest.mark.parametrize("response_type", ALL)
def test_oic_completes_them(op: RunningProvider, response_type: str) -> None:
    """OpenID Connect Core 3.2, 3.3: signature, nonce, at_hash and c_hash are verified by the library."""
    client = Client(
        client_authn_method=CLIENT_AUTHN_METHOD, config={"code_challenge": {"length": 64, "method": "S256"}}
    )
    client.provider_config(op.issuer)
    client.store_registration_info(
        RegistrationResponse(client_id="old", client_secret="secret", redirect_uris=[CALLBACK])
    )
    client.redirect_uris = [CALLBACK]
    state, nonce = rndstr(), rndstr()
    challenge, verifier = client.add_code_challenge()
    request = client.construct_AuthorizationRequest(
        request_args={
            "response_type": response_type.split(),
            "scope": ["openid", "email"],
            "redirect_uri": CALLBACK,
            "state": state,
            "nonce": nonce,
            **challenge,
        }
    )
    browser = op.browser()
    page = browser.follow(browser.get(request.request(client.authorization_endpoint)))
    location = browser.log_in(page, "alice").headers["Location"]

    response = client.parse_response(AuthorizationResponse, info=urlsplit(location).fragment, sformat="urlencoded")
    assert isinstance(response, AuthorizationResponse), response
    assert response["state"] == state
    if "id_token" in response_type.split():
        assert response["id_token"]["nonce"] == nonce
    if "token" in response_type.split():
        person = client.do_user_info_request(state=state, token=response["access_token"])
        assert person["email"] == "alice@example.org"
    if "code" in response_type.split():
        tokens = client.do_access_token_request(
            state=state,
            request_args={"code": response["code"], "redirect_uri": CALLBACK, "code_verifier": verifier},
            authn_method="client_secret_basic",
        )
        assert isinstance(tokens, AccessTokenResponse)
        assert tokens["id_token"]["nonce"] == nonce


@pytest.mark.parametrize("response_type", [each for each in ALL if "id_token" in each])
def test_authlib_believes_the_id_token(op: RunningProvider, response_type: str) -> None:
    """OpenID Connect Core 3.2.2.11, 3.3.2.12: with its own rules for each flow."""
    app = op.client("old", secret="secret", redirect_uri=CALLBACK, scope="openid email")
    answer = app.authorize(response_type=response_type)
    response = dict(parse_qsl(urlsplit(answer.location).fragment))
    decoded = jwt.decode(response["id_token"], KeySet.import_key_set(op.get("/jwks").json()), algorithms=["RS256"])
    claims = (HybridIDToken if "code" in response else ImplicitIDToken)(
        decoded.claims,
        decoded.header,
        {"iss": {"essential": True, "value": op.issuer}, "aud": {"essential": True, "value": "old"}},
        {"nonce": answer.nonce, "client_id": "old", **response},
    )
    claims.validate()
    assert claims["nonce"] == answer.nonce
