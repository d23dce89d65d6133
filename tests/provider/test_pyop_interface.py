"""The provider as a host written for pyop drives it: SATOSA's frontend, Flask and Django views."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote_plus, urlencode, urlsplit

import jwkest.jws
import jwkest.jwt
import oic.oauth2.message
import pytest
from creance.provider import OpenIDProvider, hookimpl
from creance.provider.store import StoreUnavailable, delete
from creance.provider.testing.running import DemoStores, demo_configuration
from creance.provider.users import USERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey
from oic.oic.message import (
    AccessTokenResponse,
    AuthorizationResponse,
    EndSessionRequest,
    OpenIDSchema,
    ProviderConfigurationResponse,
)
from oic.oic.message import AuthorizationRequest as OICAuthorizationRequest
from pyop.exceptions import (
    AuthorizationError,
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
    OAuthError,
    UnknownClientId,
)
from pyop.message import AuthorizationRequest
from pyop.provider import Provider
from pyop.userinfo import Userinfo
from pyop.util import should_fragment_encode

EMBEDDED = demo_configuration("http://localhost:8400", "127.0.0.1:8400", DemoStores.URI)
ISSUER = "http://localhost:8400"
CALLBACK = "http://localhost:8401/callback"
GOODBYE = "http://localhost:8401/goodbye"
MORE = f"""
[[clients]]
client_id = "portal"
client_secret = "p q+r%41:s"
redirect_uris = ["{CALLBACK}?kept=1"]
post_logout_redirect_uris = ["{GOODBYE}", "{GOODBYE}?kept=1"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid email"

[[clients]]
client_id = "plain"
client_secret = "plain-secret"
redirect_uris = ["{CALLBACK}"]
scope = "email"

[[users]]
username = "eve"
disabled = true
"""
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REQUEST = {
    "client_id": "app",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid email offline_access",
    "state": "a state",
    "nonce": "a nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., OpenIDProvider]]:
    """Starts a provider of the demonstration's configuration, with more lines, on a store of its own."""
    started = []

    def start_one(more: str = MORE) -> OpenIDProvider:
        configuration = tmp_path_factory.mktemp("provider") / "creance.toml"
        configuration.write_text(EMBEDDED + more, "utf-8")
        provider = OpenIDProvider.from_config(configuration)
        provider.prepare()
        provider.start()
        started.append(provider)
        return provider

    yield start_one
    for provider in started:
        provider.stop()


@pytest.fixture(scope="module")
def shared(start: Callable[..., OpenIDProvider]) -> OpenIDProvider:
    return start()


@pytest.fixture
def op(shared: OpenIDProvider) -> Iterator[OpenIDProvider]:
    """The module's provider, with the validators that a host appended taken off again."""
    yield shared
    shared.authentication_request_validators.clear()


def basic(client_id: str = "app", secret: str = "app-secret") -> dict[str, str]:
    credentials = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    return {"Authorization": "Basic " + base64.b64encode(credentials).decode()}


def code_form(code: str, **changes: str) -> str:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return urlencode(form | changes)


def authorized(op: OpenIDProvider, claims: Any = None, user: str = "alice", **changes: str) -> AuthorizationResponse:
    request = op.parse_authentication_request(urlencode(REQUEST | changes))
    return op.authorize(request, user, claims)


def tokens(op: OpenIDProvider, claims: Any = None, user: str = "alice", **changes: str) -> AccessTokenResponse:
    return op.handle_token_request(code_form(authorized(op, user=user, **changes)["code"]), basic(), claims)


def id_token(op: OpenIDProvider, response: AccessTokenResponse) -> dict[str, Any]:
    return op.keyring.verify(response["id_token"])


def bearer(response: AccessTokenResponse) -> dict[str, str]:
    return {"Authorization": f"Bearer {response['access_token']}"}


def members(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


# ----- The whole way --------------------------------------------------------------------------------------------------


def test_a_provider_is_pyops(op: OpenIDProvider) -> None:
    """pyop 3.5, Seams: a host finds the class and the attributes that it knows."""
    assert isinstance(op, Provider)
    assert isinstance(op.userinfo, Userinfo)
    assert op.userinfo["alice"]["email"] == "alice@example.org"
    assert "alice" in op.userinfo
    assert op.clients["app"]["redirect_uris"] == [CALLBACK]
    assert op.id_token_lifetime == op.settings.lifetimes.id_token
    assert op.stateless is False
    assert op.authentication_request_validators == []
    assert op.registration_request_validators == []


def satosa_keeps(raw: str, parsed: AuthorizationRequest) -> OICAuthorizationRequest:
    """SATOSA keeps the query in its state cookie, and reads it again with oic's own class."""
    return OICAuthorizationRequest().deserialize(raw)


def flask_keeps(raw: str, parsed: AuthorizationRequest) -> AuthorizationRequest:
    """A Flask host keeps the parsed request in its session, as JSON."""
    return AuthorizationRequest().from_dict(json.loads(json.dumps(parsed.to_dict())))


def the_same(raw: str, parsed: AuthorizationRequest) -> AuthorizationRequest:
    """A host that authorizes at once hands back what it got."""
    return parsed


@pytest.mark.parametrize("keep", [satosa_keeps, flask_keeps, the_same])
def test_a_hosts_whole_way(op: OpenIDProvider, keep: Callable[[str, AuthorizationRequest], Any]) -> None:
    """pyop 3.5, Who hosts pyop: authentication request, code, tokens, userinfo, refresh, logout."""
    raw = urlencode(REQUEST | {"prompt": "login consent", "max_age": "600", "claims": '{"userinfo": {"email": null}}'})
    request = keep(raw, op.parse_authentication_request(raw, {"Host": "op.example.org"}))

    response = op.authorize(
        request, "alice", lambda user, client: {"auth_time": 1700000000, "seen": f"{user}@{client}"}
    )
    assert isinstance(response, AuthorizationResponse)
    location = response.request(request["redirect_uri"], should_fragment_encode(request))
    assert location.startswith(CALLBACK + "?")
    assert members(location) == {"code": response["code"], "state": "a state", "iss": ISSUER}

    issued = op.handle_token_request(code_form(members(location)["code"]), basic())
    assert isinstance(issued, AccessTokenResponse)
    answer = json.loads(issued.to_json())
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600
    assert answer["scope"] == "openid email offline_access"
    claims = id_token(op, issued)
    assert claims["aud"] == "app"
    assert claims["nonce"] == "a nonce"
    assert claims["auth_time"] == 1700000000
    assert claims["seen"] == "alice@app"

    told = op.handle_userinfo_request("", bearer(issued))
    assert isinstance(told, OpenIDSchema)
    assert json.loads(told.to_json()) == {
        "sub": claims["sub"],
        "email": "alice@example.org",
        "email_verified": True,
    }

    form = urlencode({"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]})
    refreshed = op.handle_token_request(form, basic())
    assert refreshed["access_token"] != issued["access_token"]
    assert op.handle_userinfo_request(http_headers=bearer(refreshed))["sub"] == claims["sub"]

    op.logout_user(end_session_request=EndSessionRequest(id_token_hint=issued["id_token"]))
    with pytest.raises(InvalidAccessToken):
        op.handle_userinfo_request("", bearer(refreshed))


def test_documents(op: OpenIDProvider) -> None:
    """provider_configuration (OpenID Connect Discovery 1.0, 3) and jwks (RFC 7517 5), as hosts serve them."""
    configuration = op.provider_configuration
    assert isinstance(configuration, ProviderConfigurationResponse)
    served = json.loads(configuration.to_json())
    assert served.items() >= op.metadata.items()

    configuration["issuer"] = "https://changed.example.org"
    assert op.provider_configuration["issuer"] == ISSUER
    op.configuration_information["service_documentation"] = "https://op.example.org/docs"
    assert op.provider_configuration["service_documentation"] == "https://op.example.org/docs"

    assert json.loads(json.dumps(op.jwks)) == json.loads(op.keyring.jwks)
    assert all("d" not in key for key in op.jwks["keys"])


def test_nothing_goes_through_pyjwkest(op: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyop 3.5, Seams: pyjwkest declares itself unmaintained; nothing of ours signs, verifies or parses with it."""

    def used(*_: object, **__: object) -> None:
        raise AssertionError("pyjwkest was used")

    for name in ("sign_compact", "verify_compact", "verify_json", "_decode"):
        monkeypatch.setattr(jwkest.jws.JWS, name, used, raising=False)
    for module in (jwkest.jws, oic.oauth2.message):
        monkeypatch.setattr(module, "JWS", used)
    monkeypatch.setattr(jwkest.jws, "left_hash", used)
    monkeypatch.setattr(jwkest.jwt.JWT, "unpack", used)

    issued = tokens(op)
    hint = issued["id_token"]
    authorized(op, id_token_hint=hint)
    op.handle_userinfo_request("", bearer(issued))
    assert op.jwks["keys"]
    op.do_post_logout_redirect(EndSessionRequest(id_token_hint=hint, post_logout_redirect_uri=GOODBYE))
    op.logout_user(end_session_request=EndSessionRequest(id_token_hint=hint))


def test_no_secret_is_logged(op: OpenIDProvider, caplog: pytest.LogCaptureFixture) -> None:
    """pyop 3.5, Security 13: there, secrets, codes and tokens are in DEBUG logs, and a live code at INFO."""
    with caplog.at_level(logging.DEBUG):
        code = authorized(op)["code"]
        with pytest.raises(InvalidClientAuthentication):
            op.handle_token_request(code_form(code), basic(secret="not-the-secret"))
        with pytest.raises(InvalidAuthorizationCode):
            op.handle_token_request(code_form(code), basic("portal", "p q+r%41:s"))
        issued = op.handle_token_request(code_form(code), basic())
        op.handle_userinfo_request(urlencode({"access_token": issued["access_token"]}))

    for value in (code, "app-secret", "not-the-secret", issued["access_token"], issued["id_token"], VERIFIER):
        assert value not in caplog.text


# ----- Where an error may go ------------------------------------------------------------------------------------------

EVIL = "https://evil.example.org/"


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({}, UnknownClientId),
        ({"scope": "email", "redirect_uri": EVIL}, UnknownClientId),
        ({"redirect_uri": EVIL, "response_type": "code"}, UnknownClientId),
        ({"redirect_uri": EVIL, "response_type": "code", "prompt": "bogus"}, UnknownClientId),
        ({**REQUEST, "client_id": "nobody"}, UnknownClientId),
        ({**REQUEST, "client_id": ""}, UnknownClientId),
        ({**REQUEST, "client_id": "nobody", "redirect_uri": EVIL}, UnknownClientId),
        ({"client_id": "app"}, InvalidRedirectURI),
        ({"client_id": "app", "redirect_uri": EVIL}, InvalidRedirectURI),
        ({**REQUEST, "redirect_uri": EVIL}, InvalidRedirectURI),
        ({**REQUEST, "redirect_uri": ""}, InvalidRedirectURI),
        ({**REQUEST, "redirect_uri": CALLBACK + "/"}, InvalidRedirectURI),
        ({**REQUEST, "redirect_uri": CALLBACK + "?more=1"}, InvalidRedirectURI),
        ({**REQUEST, "redirect_uri": EVIL, "scope": "email"}, InvalidRedirectURI),
        ({**REQUEST, "redirect_uri": EVIL, "prompt": "bogus"}, InvalidRedirectURI),
        ({**REQUEST, "redirect_uri": EVIL, "max_age": "abc"}, InvalidRedirectURI),
        ({**REQUEST, "redirect_uri": EVIL, "request": "not.a.jwt"}, InvalidRedirectURI),
        ({"client_id": "plain", "response_type": "code", "scope": "email"}, InvalidRedirectURI),
        ([*REQUEST.items(), ("client_id", "app")], UnknownClientId),
        ([*REQUEST.items(), ("redirect_uri", CALLBACK)], InvalidRedirectURI),
        ([*REQUEST.items(), ("redirect_uri", EVIL)], InvalidRedirectURI),
        ({**REQUEST, "client_id": "app\0"}, UnknownClientId),
        ({**REQUEST, "redirect_uri": CALLBACK + "\0"}, InvalidRedirectURI),
    ],
)
def test_nobody_is_sent_to_a_redirect_uri_that_is_not_proven(
    op: OpenIDProvider, parameters: Any, kind: type[Exception]
) -> None:
    """pyop 3.5, Security 1; RFC 6749 4.1.2.1: client_id, redirect_uri, then the rest, also where they are absent."""
    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.parse_authentication_request(urlencode(parameters))

    assert isinstance(refused.value, kind)
    assert refused.value.to_error_url() is None
    assert "redirect_uri" not in refused.value.request


LONE_SURROGATE = "client_id=app\udcff"


@pytest.mark.parametrize("body", ["client_id=%ff", LONE_SURROGATE, b"\xff", "&" * 500_000, "a=1&" * 500, "a" * 100_000])
def test_what_cannot_be_read_goes_nowhere(op: OpenIDProvider, body: str | bytes) -> None:
    """pyop 3.5, Exceptions that escape: 500,000 parameters cost 0.86 s. RFC 6749 B: UTF-8."""
    begun = time.thread_time()

    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.parse_authentication_request(body)

    assert refused.value.to_error_url() is None
    assert refused.value.oauth_error == "invalid_request"
    assert time.thread_time() - begun < 0.2


@pytest.mark.parametrize("more", [dict.fromkeys(map(str, range(200)), "1"), {"more": "x" * 70_000}])
def test_nothing_is_read_beyond_the_limits(op: OpenIDProvider, more: dict[str, str]) -> None:
    """pyop 3.5, Exceptions that escape: body size and parameter count are limited. Persistence: a 17 MB state."""
    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.parse_authentication_request(urlencode(REQUEST | more))

    assert refused.value.to_error_url() is None


@pytest.mark.parametrize("body", [None, "", b""])
def test_no_request_at_all_is_refused(op: OpenIDProvider, body: str | bytes | None) -> None:
    """pyop 3.5, Security 1: the checks survive absent parameters."""
    with pytest.raises(UnknownClientId):
        op.parse_authentication_request(body)


PROVEN = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "id_token"}, "unsupported_response_type"),
    ({"response_type": "code token"}, "unsupported_response_type"),
    ({"scope": "unheard-of"}, "invalid_scope"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"prompt": "bogus"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"max_age": "abc"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "9" * 5000}, "invalid_request"),
    ({"claims": "not JSON"}, "invalid_request"),
    ({"claims": "[]"}, "invalid_request"),
    ({"claims": '{"userinfo": 1}'}, "invalid_request"),
    ({"claims": "[" * 10_000}, "invalid_request"),
    ({"claims": '{"id_token": ' + '{"a":' * 900 + "1" + "}" * 900 + "}"}, "invalid_request"),
    ({"claims": '{"id_token": {"sub": {"value": "\\u0000"}}}'}, "invalid_request"),
    ({"request": "not.a.jwt"}, "request_not_supported"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    ({"request_uri": "https://app.example.org/request"}, "request_uri_not_supported"),
    ({"registration": "{}"}, "registration_not_supported"),
    ({"id_token_hint": "not.a.jwt"}, "invalid_request"),
    ({"id_token_hint": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."}, "invalid_request"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"nonce": "n" * 5000}, "invalid_request"),
    ({"bad\0name": "x"}, "invalid_request"),
    ({"nonce": "x\0"}, "invalid_request"),
    ("state", "invalid_request"),
    ("nonce", "invalid_request"),
    ("max_age", "invalid_request"),
    ("code_challenge", "invalid_request"),
    ("scope", "invalid_request"),
    ("unknown", "invalid_request"),
]


@pytest.mark.parametrize(("change", "error"), PROVEN)
def test_afterwards_the_app_learns_of_every_error(op: OpenIDProvider, change: Any, error: str) -> None:
    """pyop 3.5, Exceptions that escape, authorize (a name alone: that parameter twice); RFC 6749 4.1.2.1, RFC 9207."""
    if isinstance(change, str):
        query = [*REQUEST.items(), (change, "1"), *([(change, "1")] if change not in REQUEST else [])]
        state = None if change == "state" else "a state"
    else:
        query = [(name, value) for name, value in {**REQUEST, **change}.items() if value is not None]
        state = "a state"

    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.parse_authentication_request(urlencode(query))

    url = refused.value.to_error_url()
    assert url is not None
    assert url.startswith(CALLBACK + "?")
    told = members(url)
    assert told["error"] == refused.value.oauth_error == error
    assert told.get("state") == state
    assert told["iss"] == ISSUER
    assert refused.value.request["client_id"] == "app"
    assert refused.value.__cause__


NAMES = st.sampled_from([*AuthorizationRequest.c_param, "claims#en", "max_age#en", "self", "lax"]) | st.text(max_size=6)
VALUES = st.text(max_size=8) | st.sampled_from(["none", "login", "1", "{}", "[[]]", '{"id_token": {"sub": {}}}'])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(NAMES, VALUES, max_size=4))
def test_whatever_is_sent_only_pyops_exceptions_escape(op: OpenIDProvider, changes: dict[str, str]) -> None:
    """pyop 3.5, Exceptions that escape: what is accepted can be kept as JSON and authorized, all else has its URL."""
    try:
        parsed = op.parse_authentication_request(urlencode(REQUEST | changes, errors="surrogatepass"))
    except InvalidAuthenticationRequest as refused:
        url = refused.to_error_url()
        assert url is None or url.startswith(CALLBACK + "?")
        return

    kept = AuthorizationRequest().from_dict(json.loads(json.dumps(parsed.to_dict())))
    assert op.authorize(kept, "alice")["code"]


def test_a_parameter_that_may_be_repeated_is_a_list(op: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8707 2: where a plugin owns such a parameter, it survives the host's keeping."""
    resources = ("https://a.example.org/", "https://b.example.org/")
    seen = []

    class Witness:
        @hookimpl
        def check_authorization_request(self, request: Any) -> None:
            seen.append(request.parameters.multiple["resource"])

    monkeypatch.setattr(op, "repeatable_parameters", frozenset({"resource"}))
    witness = Witness()
    op.plugins._manager.register(witness)
    try:
        parsed = op.parse_authentication_request(urlencode(REQUEST | {"resource": resources}, doseq=True))
        assert op.authorize(parsed, "alice")["code"]
    finally:
        op.plugins._manager.unregister(witness)

    assert parsed["resource"] == list(resources)
    assert seen == [resources, resources]


def test_a_response_mode_that_the_host_cannot_give_is_refused(
    op: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OAuth 2.0 Multiple Response Types 2.1: a host of pyop's answers in the query, whatever plugins can do."""
    monkeypatch.setitem(op.response_modes, "fragment", lambda uri, members: f"{uri}#{urlencode(members)}")

    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.parse_authentication_request(urlencode(REQUEST | {"response_mode": "fragment"}))

    assert str(refused.value.to_error_url()).startswith(CALLBACK + "#error=invalid_request")
    assert op.parse_authentication_request(urlencode(REQUEST | {"response_mode": "query"}))


def test_a_redirect_uri_keeps_its_own_query(op: OpenIDProvider) -> None:
    """RFC 6749 3.1.2: the query component is kept when parameters are added."""
    request = REQUEST | {"client_id": "portal", "redirect_uri": CALLBACK + "?kept=1", "scope": "openid"}

    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.parse_authentication_request(urlencode(request | {"prompt": "bogus"}))

    assert parse_qs(urlsplit(str(refused.value.to_error_url())).query)["kept"] == ["1"]
    response = op.authorize(op.parse_authentication_request(urlencode(request)), "alice")
    location = response.request(request["redirect_uri"], should_fragment_encode(request))
    assert parse_qs(urlsplit(location).query)["kept"] == ["1"]


def test_a_hint_for_another_client_is_refused(op: OpenIDProvider) -> None:
    """OpenID Connect Core 3.1.2.1; pyop 3.5, Security 2: there, a genuine hint fails and a forged one works."""
    hint = tokens(op)["id_token"]
    assert op.parse_authentication_request(urlencode(REQUEST | {"id_token_hint": hint}))
    request = REQUEST | {"client_id": "portal", "redirect_uri": CALLBACK + "?kept=1", "scope": "openid"}

    with pytest.raises(InvalidAuthenticationRequest):
        op.parse_authentication_request(urlencode(request | {"id_token_hint": hint}))


# ----- What a host may add to the checks ------------------------------------------------------------------------------


def test_a_hosts_validator_sees_what_is_proven(op: OpenIDProvider) -> None:
    """pyop 3.5, Seams: `authentication_request_validators`, called after client and redirect URI are proven."""
    seen = []
    op.authentication_request_validators.append(seen.append)

    for bad in ({"client_id": "nobody"}, {"redirect_uri": EVIL}, {"prompt": "bogus"}):
        with pytest.raises(InvalidAuthenticationRequest):
            op.parse_authentication_request(urlencode(REQUEST | bad))
    assert seen == []

    parsed = op.parse_authentication_request(urlencode(REQUEST))
    assert seen == [parsed]
    assert isinstance(seen[0], AuthorizationRequest)


@pytest.mark.parametrize("oauth_error", ["invalid_request", None])
def test_a_hosts_validator_may_refuse(op: OpenIDProvider, oauth_error: str | None) -> None:
    """pyop 3.5, Seams: with an error code the app learns of it, without one the person does; state and iss are ours."""

    def no_request_on_sundays(request: AuthorizationRequest) -> None:
        raise InvalidAuthenticationRequest('not "today"\n', request, oauth_error=oauth_error)

    op.authentication_request_validators.append(no_request_on_sundays)
    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.parse_authentication_request(urlencode(REQUEST))

    url = refused.value.to_error_url()
    if oauth_error is None:
        assert url is None
    else:
        assert members(str(url)) == {
            "error": "invalid_request",
            "error_description": "not 'today'?",
            "state": "a state",
            "iss": ISSUER,
        }


# ----- authorize ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": EVIL},
        {"client_id": "nobody"},
        {"code_challenge": None},
        {"response_type": "id_token"},
        {"nonce": "x\0"},
        {"state": "\udcff"},
        {"client_id": None, "redirect_uri": None},
    ],
)
def test_a_request_that_was_changed_on_its_way_is_refused(op: OpenIDProvider, change: dict[str, str | None]) -> None:
    """The request was in the host's hands, maybe in the browser's: `authorize` proves it again."""
    request = op.parse_authentication_request(urlencode(REQUEST))
    for name, value in change.items():
        if value is None:
            del request[name]
        else:
            request[name] = value

    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.authorize(request, "alice")

    url = refused.value.to_error_url()
    assert url is None or url.startswith(CALLBACK + "?")
    assert url is None or {"client_id", "redirect_uri"}.isdisjoint(change)


@pytest.mark.parametrize("user", ["nobody", "", "eve"])
def test_nobody_is_authorized_who_is_no_user(op: OpenIDProvider, user: str) -> None:
    """pyop 3.5: there, a KeyError. RFC 6749 4.1.2.1, access_denied."""
    with pytest.raises(AuthorizationError) as refused:
        authorized(op, user=user)

    assert isinstance(refused.value, InvalidAuthenticationRequest)
    assert members(str(refused.value.to_error_url()))["error"] == "access_denied"


def test_nobody_else_is_authorized_than_the_hint_names(op: OpenIDProvider) -> None:
    """OpenID Connect Core 3.1.2.2: the person of the id_token_hint, or login_required."""
    hint = tokens(op)["id_token"]

    assert authorized(op, id_token_hint=hint)["code"]
    with pytest.raises(AuthorizationError) as refused:
        authorized(op, user="bob", id_token_hint=hint)
    assert members(str(refused.value.to_error_url()))["error"] == "login_required"


def test_a_response_has_only_what_was_asked_and_what_plugins_add(op: OpenIDProvider) -> None:
    """RFC 6749 4.1.2: state only where the request had one. RFC 9207 2: iss."""
    request = {name: value for name, value in REQUEST.items() if name != "state"}

    response = op.authorize(op.parse_authentication_request(urlencode(request)), "alice")

    assert set(response.keys()) == {"code", "iss"}
    assert response["iss"] == ISSUER


def test_plain_oauth_needs_no_openid(op: OpenIDProvider) -> None:
    """RFC 6749 3.3; not inherited from pyop: the refusal of requests without `openid`. There is no ID token then."""
    request = {name: value for name, value in REQUEST.items() if name not in ("scope", "nonce")} | {
        "client_id": "plain"
    }

    parsed = op.parse_authentication_request(urlencode(request))
    code = op.authorize(parsed, "alice")["code"]
    issued = op.handle_token_request(code_form(code), basic("plain", "plain-secret"))

    assert parsed["scope"] == ["email"]
    assert "id_token" not in issued


# ----- What a host says of the login ----------------------------------------------------------------------------------


def test_without_a_word_of_the_host_there_is_no_auth_time(op: OpenIDProvider) -> None:
    """OpenID Connect Core 2: auth_time is when the person logged in, which only the host knows."""
    claims = id_token(op, tokens(op))

    assert not {"auth_time", "acr", "amr"} & claims.keys()


@pytest.mark.parametrize("form", ["mapping", "callable"])
@pytest.mark.parametrize("moment", ["authorize", "token"])
def test_a_host_says_when_and_how_the_person_logged_in(op: OpenIDProvider, moment: str, form: str) -> None:
    """OpenID Connect Core 2 and 12.2: at either moment, and the same after a refresh."""
    said = {"auth_time": 1700000000, "acr": "loa2", "amr": ["pwd", "otp"], "department": "tea"}
    given = said if form == "mapping" else lambda user, client: said | {"asked": f"{user} {client}"}

    code = authorized(op, given if moment == "authorize" else None)["code"]
    issued = op.handle_token_request(code_form(code), basic(), given if moment == "token" else None)
    again = urlencode({"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]})
    refreshed = op.handle_token_request(again, basic())

    for response in (issued, refreshed):
        claims = id_token(op, response)
        assert said.items() <= claims.items()
        assert claims.get("asked") == (None if form == "mapping" else "alice app")


def test_what_was_said_at_the_login_is_not_changed_by_the_token_request(op: OpenIDProvider) -> None:
    """OpenID Connect Core 2; so does pyop where it keeps claims with the code."""
    code = authorized(op, {"auth_time": 1700000000, "department": "tea"})["code"]

    issued = op.handle_token_request(
        code_form(code), basic(), {"auth_time": 1800000000, "department": "coffee", "desk": 4}
    )

    claims = id_token(op, issued)
    assert (claims["auth_time"], claims["department"], claims["desk"]) == (1700000000, "tea", 4)


def test_a_hosts_claims_are_beneath_those_of_the_protocol(op: OpenIDProvider) -> None:
    """pyop 3.5, Security 10: there, extra claims overwrite at_hash and auth_time, and iss, sub, aud, exp TypeError."""
    protocol = ["iss", "sub", "aud", "exp", "iat", "nonce", "at_hash", "c_hash", "azp", "sid", "jti", "cnf"]
    forged: dict[str, object] = dict.fromkeys(protocol, "forged")

    claims = id_token(op, tokens(op, forged | {"name": "Queen of Hearts"}, scope="openid profile offline_access"))

    assert "forged" not in claims.values()
    assert claims["nonce"] == "a nonce"
    assert claims["name"] == "Queen of Hearts"


def test_claims_that_cannot_be_in_a_token_leave_the_code_as_it_was(op: OpenIDProvider) -> None:
    """pyop 3.5, Persistence: there, a failure while signing consumes the code and orphans an access token."""
    code = authorized(op)["code"]

    for unusable in ({"auth_time": "yesterday"}, {"x": object()}, lambda user, client: 5):
        with pytest.raises(OAuthError) as refused:
            op.handle_token_request(code_form(code), basic(), unusable)
        assert refused.value.oauth_error == "server_error"

    assert op.handle_token_request(code_form(code), basic())["access_token"]


# ----- The token endpoint ---------------------------------------------------------------------------------------------


def header(text: str) -> dict[str, str]:
    return {"Authorization": text}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        header("Basic"),
        header("Basic "),
        header("Basic    "),
        header("    "),
        header("Basic " + encoded("app")),
        header("Basic " + encoded("app:app-secret:more")),
        header("Basic " + encoded("")),
        header("Basic " + encoded(":")),
        header("Basic " + encoded("app:")),
        header("Basic *not base64*"),
        header("Basic " + encoded("app:app-secret")[:-1]),
        header("Basic " + base64.b64encode(b"app:\xff").decode()),
        header("Basic " + encoded("app:%ff")),
        header("Basic \u00e9"),
        header("Bearer " + encoded("app:app-secret")),
        header("Digest username=app"),
        header("\0"),
        header("Basic " + encoded("nobody:app-secret")),
        header("Basic " + encoded("app:wrong")),
        header("Basic " + encoded("app-post:app-post-secret")),
        {},
        None,
        header(""),
    ],
)
def test_a_client_that_does_not_prove_who_it_is(op: OpenIDProvider, headers: dict[str, str] | None) -> None:
    """pyop 3.5, Exceptions that escape, Basic header; RFC 6749 2.3.1, 5.2: invalid_client."""
    code = authorized(op)["code"]

    with pytest.raises(InvalidClientAuthentication) as refused:
        op.handle_token_request(code_form(code), headers)

    assert refused.value.oauth_error == "invalid_client"
    assert op.handle_token_request(code_form(code), basic())["access_token"]


@pytest.mark.parametrize(
    "headers",
    [
        basic(),
        {"authorization": basic()["Authorization"]},
        {"AUTHORIZATION": basic()["Authorization"]},
        header("basic " + encoded("app:app-secret")),
        header("BASIC   " + encoded("app:app-secret")),
        header("Basic " + encoded("%61pp:app%2Dsecret")),
    ],
)
def test_a_client_that_proves_who_it_is(op: OpenIDProvider, headers: dict[str, str]) -> None:
    """pyop 3.5, Exceptions that escape: `basic` in lower case. RFC 9110 5.1, 11.1, RFC 6749 2.3.1."""
    assert op.handle_token_request(code_form(authorized(op)["code"]), headers)["access_token"]


def test_a_secret_with_every_kind_of_character(op: OpenIDProvider) -> None:
    """pyop 3.5, Exceptions that escape: form-encoded secrets with `+` fail. RFC 6749 2.3.1, B."""
    uri = CALLBACK + "?kept=1"
    request = REQUEST | {"client_id": "portal", "redirect_uri": uri, "scope": "openid"}
    code = op.authorize(op.parse_authentication_request(urlencode(request)), "alice")["code"]

    assert op.handle_token_request(code_form(code, redirect_uri=uri), basic("portal", "p q+r%41:s"))["access_token"]


def test_an_empty_header_is_none(op: OpenIDProvider) -> None:
    """SATOSA passes an empty Authorization header where the request has none."""
    request = REQUEST | {"client_id": "app-post"}
    code = op.authorize(op.parse_authentication_request(urlencode(request)), "alice")["code"]
    form = code_form(code, client_id="app-post", client_secret="app-post-secret")

    assert op.handle_token_request(form, {"Authorization": ""})["access_token"]


def test_two_ways_of_authentication_at_once_are_refused(op: OpenIDProvider) -> None:
    """pyop 3.5, Security 8; RFC 6749 2.3."""
    for extra in ({"client_secret": "app-secret"}, {"client_id": "portal"}):
        with pytest.raises(OAuthError) as refused:
            op.handle_token_request(code_form(authorized(op)["code"], **extra), basic())
        assert refused.value.oauth_error == "invalid_request"


@pytest.mark.parametrize(
    ("form", "kind", "error"),
    [
        ("", InvalidTokenRequest, "invalid_request"),
        (None, InvalidTokenRequest, "invalid_request"),
        ("grant_type=", InvalidTokenRequest, "invalid_request"),
        ("grant_type=password", InvalidTokenRequest, "unsupported_grant_type"),
        ("grant_type=client_credentials", InvalidTokenRequest, "unauthorized_client"),
        ("grant_type=authorization_code", InvalidTokenRequest, "invalid_request"),
        ("grant_type=refresh_token", InvalidTokenRequest, "invalid_request"),
        ("grant_type=authorization_code&code=x&code=x", InvalidTokenRequest, "invalid_request"),
        ("grant_type=authorization_code&grant_type=refresh_token&code=x", InvalidTokenRequest, "invalid_request"),
        ("grant_type=authorization_code&code=x%00", InvalidTokenRequest, "invalid_request"),
        ("grant_type=authorization_code&code=%ff", InvalidTokenRequest, "invalid_request"),
        ("grant_type=authorization_code&code=\udcff", InvalidTokenRequest, "invalid_request"),
        ("a=1&" * 500_000, InvalidTokenRequest, "invalid_request"),
        ("a=1&" * 5_000, InvalidTokenRequest, "invalid_request"),
        ("grant_type=authorization_code&code=never-issued", InvalidAuthorizationCode, "invalid_grant"),
        ("grant_type=refresh_token&refresh_token=never-issued", InvalidRefreshToken, "invalid_grant"),
    ],
)
def test_a_token_request_that_is_wrong(
    op: OpenIDProvider, form: str | None, kind: type[OAuthError], error: str
) -> None:
    """pyop 3.5, Exceptions that escape, token: repeated parameters, too many; RFC 6749 3.2, 5.2."""
    begun = time.thread_time()

    with pytest.raises(kind) as refused:
        op.handle_token_request(form, basic())

    assert refused.value.oauth_error == error
    assert time.thread_time() - begun < 0.2


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": EVIL},
        {"redirect_uri": ""},
        {"code_verifier": ""},
        {"code_verifier": "w" * 43},
        {"code_verifier": "short"},
        {"code_verifier": "\u00e9" * 43},
    ],
)
def test_a_code_without_its_proof(op: OpenIDProvider, changes: dict[str, str]) -> None:
    """pyop 3.5, Security 7; RFC 7636 4.6, RFC 6749 4.1.3: invalid_grant, and the code is spent."""
    code = authorized(op)["code"]

    with pytest.raises(InvalidAuthorizationCode) as refused:
        op.handle_token_request(code_form(code, **changes), basic())

    assert refused.value.oauth_error == "invalid_grant"
    assert CHALLENGE not in str(refused.value)
    with pytest.raises(InvalidAuthorizationCode):
        op.handle_token_request(code_form(code), basic())


def test_a_code_and_a_refresh_token_are_their_clients_own(op: OpenIDProvider) -> None:
    """pyop 3.5, Security 3; RFC 6749 4.1.3, 6."""
    other = basic("portal", "p q+r%41:s")
    code = authorized(op)["code"]

    with pytest.raises(InvalidAuthorizationCode):
        op.handle_token_request(code_form(code), other)
    issued = op.handle_token_request(code_form(code), basic())
    form = urlencode({"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]})
    with pytest.raises(InvalidRefreshToken):
        op.handle_token_request(form, other)

    assert op.handle_token_request(form, basic())["access_token"]


def test_a_replayed_code_ends_what_it_gave(op: OpenIDProvider) -> None:
    """pyop 3.5, Security 5; RFC 6749 4.1.2."""
    code = authorized(op)["code"]
    issued = op.handle_token_request(code_form(code), basic())

    with pytest.raises(InvalidAuthorizationCode):
        op.handle_token_request(code_form(code), basic())

    with pytest.raises(InvalidAccessToken):
        op.handle_userinfo_request("", bearer(issued))
    form = urlencode({"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]})
    with pytest.raises(InvalidRefreshToken):
        op.handle_token_request(form, basic())


def test_of_many_exchanges_at_once_at_most_one_succeeds(op: OpenIDProvider) -> None:
    """pyop 3.5, Security 4."""
    form = code_form(authorized(op)["code"])
    barrier = Barrier(16)

    def exchange() -> object:
        barrier.wait()
        try:
            return op.handle_token_request(form, basic())
        except InvalidAuthorizationCode as error:
            return error

    with ThreadPoolExecutor(16) as pool:
        answers = [future.result() for future in [pool.submit(exchange) for _ in range(16)]]

    assert sum(isinstance(answer, AccessTokenResponse) for answer in answers) == 1


def test_a_refresh_may_not_ask_for_more(op: OpenIDProvider) -> None:
    """RFC 6749 6, invalid_scope."""
    form = {"grant_type": "refresh_token", "refresh_token": tokens(op)["refresh_token"], "scope": "openid phone"}

    with pytest.raises(InvalidScope):
        op.handle_token_request(urlencode(form), basic())


def test_a_host_proves_clients_at_endpoints_of_its_own(op: OpenIDProvider) -> None:
    """pyop 3.5, Seams: `_verify_client_authentication`, with which hosts add grants and endpoints."""
    assert op._verify_client_authentication("token=x", basic()) == {"token": "x", "client_id": "app"}
    with pytest.raises(InvalidClientAuthentication):
        op._verify_client_authentication("token=x", basic(secret="wrong"))
    with pytest.raises(OAuthError):
        op._verify_client_authentication("token=x&token=y", basic())


# ----- Userinfo -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_userinfo_by_header(op: OpenIDProvider, scheme: str) -> None:
    """pyop 3.5, Exceptions that escape, userinfo: `bearer` in lower case. RFC 6750 2.1, RFC 9110 5.1, 11.1."""
    headers = {"authorization": scheme + tokens(op)["access_token"]}

    assert op.handle_userinfo_request(None, headers)["email"] == "alice@example.org"


def test_userinfo_by_form(op: OpenIDProvider) -> None:
    """RFC 6750 2.2; with the empty header that SATOSA passes."""
    form = urlencode({"access_token": tokens(op)["access_token"]})

    assert op.handle_userinfo_request(form)["email"] == "alice@example.org"
    assert op.handle_userinfo_request(form, {"Authorization": ""})["email"] == "alice@example.org"


@pytest.mark.parametrize(
    ("form", "authorization", "error"),
    [
        (None, None, "invalid_token"),
        ("", "", "invalid_token"),
        ("access_token=", None, "invalid_token"),
        ("access_token=never-issued", None, "invalid_token"),
        ("access_token={token}&access_token={token}", None, "invalid_request"),
        ("access_token={token}", "Bearer {token}", "invalid_request"),
        ("access_token=%ff", None, "invalid_request"),
        ("access_token=\udcff", None, "invalid_request"),
        ("access_token=x%00", None, "invalid_request"),
        ("a=1&" * 500_000, "Bearer {token}", "invalid_request"),
        ("", "Bearer", "invalid_request"),
        ("", "Bearer ", "invalid_request"),
        ("", "BearerX{token}", "invalid_token"),
        ("", "Bearer{token}", "invalid_token"),
        ("", "Bearer {token} more", "invalid_request"),
        ("", "Bearer \u00e9", "invalid_request"),
        ("", "Bearer \0", "invalid_request"),
        ("", "Basic {token}", "invalid_token"),
        ("", "Bearer never-issued", "invalid_token"),
        ("", "Bearer {refresh_token}", "invalid_token"),
        ("", "Bearer {id_token}", "invalid_token"),
    ],
)
def test_userinfo_is_refused(op: OpenIDProvider, form: str | None, authorization: str | None, error: str) -> None:
    """pyop 3.5, Exceptions that escape, userinfo: two bearer methods, BearerX. Hosts catch these two, and no others."""
    issued = tokens(op)
    values = {"token": issued["access_token"], **{name: issued[name] for name in ("refresh_token", "id_token")}}
    form = form and form.format(**values)
    headers = None if authorization is None else {"Authorization": authorization.format(**values)}

    with pytest.raises((BearerTokenError, InvalidAccessToken)) as refused:
        op.handle_userinfo_request(form, headers)

    assert isinstance(refused.value, BearerTokenError)
    assert isinstance(refused.value, InvalidAccessToken)
    assert refused.value.oauth_error == error
    assert not any(value in str(refused.value) for value in values.values())


def test_userinfo_needs_openid(op: OpenIDProvider) -> None:
    """OpenID Connect Core 5.3; RFC 6750 3.1, insufficient_scope."""
    issued = tokens(op, scope="email offline_access")

    with pytest.raises(InvalidAccessToken) as refused:
        op.handle_userinfo_request("", bearer(issued))

    assert refused.value.oauth_error == "insufficient_scope"


def test_userinfo_of_somebody_who_is_gone(start: Callable[..., OpenIDProvider]) -> None:
    """pyop 3.5, Exceptions that escape: user gone -> KeyError."""
    op = start()
    carol = op.users.create_user("carol")
    issued = tokens(op, user="carol")
    op.store.write([delete(USERS, "carol")])
    op.users._forget("carol", carol.subject)

    with pytest.raises(InvalidAccessToken):
        op.handle_userinfo_request("", bearer(issued))
    with pytest.raises(InvalidSubjectIdentifier):
        op.logout_user(end_session_request=EndSessionRequest(id_token_hint=issued["id_token"]))


def test_claims_are_told_as_the_directory_has_them(start: Callable[..., OpenIDProvider]) -> None:
    """OpenID Connect Core 5.1 gives types that directories do not keep to: there, they raise oic's ParameterError."""
    op = start()
    claims = {"email": "d@example.org", "email_verified": "yes", "name": ["Dana", "D."], "self": 1, "address": "Oxford"}
    op.users.create_user("dana", claims=claims)

    told = op.handle_userinfo_request("", bearer(tokens(op, user="dana", scope="openid profile email address")))

    assert told["email_verified"] == "yes"
    assert told["name"] == ["Dana", "D."]
    assert told["address"] == "Oxford"
    assert json.loads(told.to_json()) == dict(told)


# ----- Registration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["", None, "not JSON", "[]", "null", "{}", json.dumps({"redirect_uris": ["https://a.example/"]}), "[" * 9999],
)
def test_no_client_registers_itself(op: OpenIDProvider, body: str | None) -> None:
    """pyop 3.5, Exceptions that escape, registration; Security 15: there, anybody registers anything."""
    known = list(op.clients)

    with pytest.raises(InvalidClientRegistrationRequest) as refused:
        op.handle_client_registration_request(body, {})

    assert json.loads(refused.value.to_json())["error"] == "invalid_request"
    assert list(op.clients) == known


def test_no_preferences_are_matched(op: OpenIDProvider) -> None:
    """match_client_preferences_with_provider_capabilities is a part of registration."""
    with pytest.raises(InvalidClientRegistrationRequest):
        op.match_client_preferences_with_provider_capabilities({})


# ----- Logout ---------------------------------------------------------------------------------------------------------


def forged_hints(op: OpenIDProvider, genuine: str) -> Mapping[str, str]:
    """ID tokens that are not this provider's, by what is wrong with them."""
    header, payload, signature = genuine.split(".")
    claims = op.keyring.verify(genuine)
    key = op.jwks["keys"][0]
    stranger = RSAKey.generate_key(2048)

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    body = json.dumps(claims).encode()
    secret = OctKey.import_key(json.dumps(key).encode())
    algorithms = ["RS256", "ES256", "HS256"]
    return {
        "nothing": "",
        "not a JWS": "garbage",
        "three dots": "...",
        "alg none": f"{part({'alg': 'none'})}.{payload}.",
        "alg none, kid": f"{part({'alg': 'none', 'kid': key['kid']})}.{payload}.{signature}",
        "another person": f"{header}.{part(claims | {'sub': 'bob'})}.{signature}",
        "another key": jws.serialize_compact({"alg": "RS256", "kid": key["kid"]}, body, stranger, algorithms),
        "own key in the header": jws.serialize_compact(
            {"alg": "ES256", "jwk": ECKey.generate_key("P-256").as_dict(private=False)},
            body,
            ECKey.generate_key("P-256"),
            algorithms,
        ),
        "public key as secret": jws.serialize_compact({"alg": "HS256", "kid": key["kid"]}, body, secret, algorithms),
        "not ASCII": "\u00e9.\u00e9.\u00e9",
        "not a claims set": op.keyring.sign("RS256", ["a", "list"]),  # type: ignore[arg-type]
        "another issuer": op.keyring.sign("RS256", claims | {"iss": "https://other.example.org"}),
    }


def test_a_forged_hint_logs_nobody_out(op: OpenIDProvider) -> None:
    """pyop 3.5, Security 2: there, an unsigned hint logs a victim out; bad ones raise what hosts do not know."""
    issued = tokens(op)

    for what, hint in forged_hints(op, issued["id_token"]).items():
        request = {"id_token_hint": hint, "post_logout_redirect_uri": GOODBYE}
        with pytest.raises(OAuthError) as refused:
            op.logout_user("ignored where there is a hint", request)
        assert refused.value.oauth_error == "invalid_request", what
        assert op.do_post_logout_redirect(request) is None, what

    assert op.handle_userinfo_request("", bearer(issued))["sub"]


def test_logout_by_subject(op: OpenIDProvider) -> None:
    """logout_user: all of a person's tokens, and nobody else's."""
    of_alice, of_bob = tokens(op), tokens(op, user="bob")
    subject = id_token(op, of_alice)["sub"]

    op.logout_user(subject_identifier=subject)

    with pytest.raises(InvalidAccessToken):
        op.handle_userinfo_request("", bearer(of_alice))
    assert op.handle_userinfo_request("", bearer(of_bob))["sub"] != subject


def test_logout_of_nobody(op: OpenIDProvider) -> None:
    """pyop 3.5, Exceptions that escape, logout: unknown sub. pyop's InvalidSubjectIdentifier."""
    nobody = op.keyring.sign("RS256", {"iss": ISSUER, "sub": "nobody", "aud": "app"})
    without = op.keyring.sign("RS256", {"iss": ISSUER, "aud": "app"})

    for subject, request in [
        (None, None),
        ("", None),
        ("nobody", None),
        ("nobody", EndSessionRequest()),
        (None, EndSessionRequest(id_token_hint=nobody)),
        (None, EndSessionRequest(id_token_hint=without)),
    ]:
        with pytest.raises(InvalidSubjectIdentifier):
            op.logout_user(subject, request)


def test_a_logout_is_an_event(start: Callable[..., OpenIDProvider]) -> None:
    """For audit logs and back-channel logout."""
    op = start()
    seen = []

    class Witness:
        @hookimpl
        def event(self, event: Any) -> None:
            seen.append((event.name, event.username))

    op.plugins._manager.register(Witness())

    issued = tokens(op)
    op.logout_user(end_session_request=EndSessionRequest(id_token_hint=issued["id_token"]))

    assert seen == [("authorization", "alice"), ("token", "alice"), ("logout", "alice")]


def portal_hint(op: OpenIDProvider, **changes: str) -> str:
    subject = op.users.find("alice").subject  # type: ignore[union-attr]
    return op.keyring.sign("RS256", {"iss": ISSUER, "sub": subject, "aud": "portal", "exp": 1} | changes)


@pytest.mark.parametrize(
    ("request_", "location"),
    [
        ({"post_logout_redirect_uri": GOODBYE}, GOODBYE),
        ({"post_logout_redirect_uri": GOODBYE, "state": "a&b"}, GOODBYE + "?state=a%26b"),
        ({"post_logout_redirect_uri": GOODBYE + "?kept=1", "state": "s"}, GOODBYE + "?kept=1&state=s"),
        ({"post_logout_redirect_uri": GOODBYE + "/"}, None),
        ({"post_logout_redirect_uri": GOODBYE + "?more=1"}, None),
        ({"post_logout_redirect_uri": CALLBACK}, None),
        ({"post_logout_redirect_uri": EVIL}, None),
        ({"state": "s"}, None),
        ({}, None),
    ],
)
def test_the_way_back_after_logout(op: OpenIDProvider, request_: dict[str, str], location: str | None) -> None:
    """do_post_logout_redirect; OpenID Connect RP-Initiated Logout 2 and 3: exactly as registered, with state; the ID
    token may have expired.
    """
    request = EndSessionRequest(**request_, id_token_hint=portal_hint(op))

    assert op.do_post_logout_redirect(request) == location


def test_no_way_back_without_a_client(op: OpenIDProvider) -> None:
    """pyop 3.5, Exceptions that escape, logout: unknown aud -> KeyError."""
    way_back = {"post_logout_redirect_uri": GOODBYE}

    assert op.do_post_logout_redirect(EndSessionRequest(**way_back)) is None
    assert op.do_post_logout_redirect(EndSessionRequest(**way_back, id_token_hint=portal_hint(op, aud="gone"))) is None
    assert op.do_post_logout_redirect(EndSessionRequest(**way_back, id_token_hint=portal_hint(op, aud="app"))) is None


# ----- A store that does not answer -----------------------------------------------------------------------------------


@pytest.fixture
def outage(op: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Ends the store's answers."""

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("the disk is full")

    def end() -> None:
        for name in ("get", "get_kept", "find", "delete_where", "write"):
            monkeypatch.setattr(op.store, name, fail)

    return end


def test_what_pyops_hosts_catch_is_raised_when_the_store_is_away(
    op: OpenIDProvider, outage: Callable[[], None]
) -> None:
    """RFC 6749 4.1.2.1, temporarily_unavailable: an OAuthError, and by redirect once the redirect URI is proven."""
    request = op.parse_authentication_request(urlencode(REQUEST))
    code = op.authorize(request, "alice")["code"]
    issued = tokens(op)
    unknown = urlencode(REQUEST | {"client_id": "not-looked-up-before"})
    outage()

    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.parse_authentication_request(unknown)
    assert refused.value.to_error_url() is None
    assert refused.value.oauth_error == "temporarily_unavailable"

    with pytest.raises(InvalidAuthenticationRequest) as refused:
        op.authorize(request, "alice")
    assert members(str(refused.value.to_error_url()))["error"] == "temporarily_unavailable"

    for call in (
        lambda: op.handle_token_request(code_form(code), basic()),
        lambda: op.handle_userinfo_request("", bearer(issued)),
        lambda: op.logout_user(id_token(op, issued)["sub"]),
        lambda: op.do_post_logout_redirect(
            {"post_logout_redirect_uri": GOODBYE, "id_token_hint": portal_hint(op, aud="not-looked-up-either")}
        ),
        lambda: op._verify_client_authentication("", basic("not-looked-up", "secret")),
    ):
        with pytest.raises(OAuthError) as away:
            call()
        assert away.value.oauth_error == "temporarily_unavailable"
        assert "disk" not in str(away.value)
