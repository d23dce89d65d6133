"""OpenID Connect Core 1.0: the ID token, the claims, userinfo, and what an app may ask of a login."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from creance.provider.testing import Answer, Browser, RelyingParty, RunningProvider
from joserfc import jws
from joserfc.jwk import RSAKey

RunProvider = Callable[..., RunningProvider]

ALL = "openid profile email address phone"
CALLBACK = "http://localhost:8401/callback"

OTHER_CLIENTS = """
[extra_scopes]
locale = ["locale", "zoneinfo", "shoe_size"]

[[clients]]
client_id = "es256"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid email offline_access"
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "lean"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile email address phone locale offline_access"
[clients.plugins.id_token_claims]
user_claims = "userinfo"

[[clients]]
client_id = "rich"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
scope = "openid email locale"

[[clients]]
client_id = "impatient"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
default_max_age = 1

[[clients]]
client_id = "third-party"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
first_party = false
"""


@pytest.fixture(scope="module")
def others(run_provider: RunProvider) -> RunningProvider:
    """A provider whose clients are less common, whose ID tokens end after a second, and that cannot ask for consent."""
    environment = {"CREANCE_LIFETIMES__ID_TOKEN": "1", "CREANCE_PLUGINS__CONSENT__ENABLED": "false"}
    return run_provider(extra=OTHER_CLIENTS, environment=environment)


@pytest.fixture(scope="module")
def userinfo_only(run_provider: RunProvider) -> RunningProvider:
    """Keeps the claims about people to userinfo, one client excepted."""
    settings = """
[[clients]]
client_id = "wants-it-all"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
scope = "openid email"
[clients.plugins.id_token_claims]
user_claims = "id_token"

[plugins.id_token_claims]
user_claims = "userinfo"
"""
    return run_provider(extra=settings)


@pytest.fixture
def app(op: RunningProvider) -> RelyingParty:
    return op.client("app")


def encoded(value: bytes | dict[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def header_of(token: str) -> dict[str, Any]:
    header: dict[str, Any] = decoded(token.partition(".")[0])
    return header


def claims_of(token: str) -> dict[str, Any]:
    """Without looking at the signature."""
    claims: dict[str, Any] = decoded(token.split(".")[1])
    return claims


def left_half(value: str) -> str:
    """Of its SHA-256, as at_hash has it."""
    return encoded(hashlib.sha256(value.encode()).digest()[:16])


# ----- The ID token --------------------------------------------------------------------------------------------------


def test_an_id_token_says_who_logged_in_when_and_for_whom(app: RelyingParty, op: RunningProvider) -> None:
    """OpenID Connect Core 2, 3.1.3.3, 3.1.3.6, 3.1.3.7."""
    before = int(time.time())
    answer = app.authorize(user="alice")
    tokens = app.exchange(answer)
    after = time.time()
    claims = app.verify(tokens.id_token)

    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "sid", "azp", "at_hash"}
    assert claims["iss"] == op.issuer
    assert claims["aud"] == claims["azp"] == "app"
    assert claims["sub"] == app.userinfo(tokens.access_token).sub
    assert claims["sub"].isascii()
    assert len(claims["sub"]) <= 255
    assert before <= claims["auth_time"] <= claims["iat"] <= after
    assert claims["exp"] == claims["iat"] + 3600
    assert claims["nonce"] == answer.nonce
    assert claims["amr"] == ["pwd"]
    assert claims["at_hash"] == left_half(tokens.access_token)
    assert all(isinstance(claims[name], int) for name in ("exp", "iat", "auth_time"))


def test_an_id_token_is_signed_with_a_published_key(op: RunningProvider, app: RelyingParty) -> None:
    """OpenID Connect Core 10.1, 15.1: RS256 for who registers nothing; the key is named."""
    header = header_of(app.log_in().id_token)
    published = {key["kid"]: key for key in op.get("/jwks").json()["keys"]}
    assert header == {"alg": "RS256", "kid": header["kid"]}
    assert published[header["kid"]]["kty"] == "RSA"


def test_a_client_that_registered_es256_gets_es256(others: RunningProvider) -> None:
    """OpenID Connect Core 2, 3.1.3.6: and the hash of at_hash is that of the algorithm; after a refresh too."""
    app = others.client("es256", secret="secret", scope="openid email offline_access")
    first = app.log_in()
    for tokens in (first, app.refresh(first.refresh_token)):
        assert header_of(tokens.id_token)["alg"] == "ES256"
        claims = app.verify(tokens.id_token)
        assert claims["email"] == "alice@example.org"
        assert claims["at_hash"] == left_half(tokens.access_token)
    assert header_of(others.client("app").log_in().id_token)["alg"] == "RS256"


@pytest.mark.parametrize("nonce", ["n-0S6_WzA2Mj", "x" * 2048, "mit Leerzeichen & ümläut", '"}\\'])
def test_the_nonce_comes_back_as_it_was_sent(app: RelyingParty, alice: Browser, nonce: str) -> None:
    """OpenID Connect Core 2, 3.1.2.1: unmodified."""
    answer = app.authorize(browser=alice, nonce=nonce)
    assert app.verify(app.exchange(answer).id_token)["nonce"] == nonce


def test_a_nonce_is_not_made_up_and_not_endless(app: RelyingParty) -> None:
    """OpenID Connect Core 2: present only if it was sent."""
    assert "nonce" not in app.verify(app.log_in(nonce=None).id_token)
    assert app.answer_at_once(nonce="x" * 2049).error == "invalid_request"


def test_a_person_is_the_same_to_every_app_and_nobody_else(op: RunningProvider, app: RelyingParty) -> None:
    """OpenID Connect Core 2, 8: public subject identifiers, never reassigned."""
    alice = app.verify(app.log_in("alice").id_token)["sub"]
    spa = op.client("spa")
    assert spa.verify(spa.log_in("alice").id_token)["sub"] == alice
    assert app.verify(app.log_in("bob").id_token)["sub"] != alice


def test_auth_time_is_when_the_person_logged_in(app: RelyingParty, op: RunningProvider) -> None:
    """OpenID Connect Core 2: and not when the app asked, nor when the token was made."""
    browser = op.browser()
    first = app.verify(app.exchange(app.authorize(browser=browser)).id_token)
    time.sleep(1.1)
    second = app.verify(app.exchange(app.answer_at_once(browser)).id_token)
    assert second["auth_time"] == first["auth_time"]
    assert second["iat"] > first["iat"]
    other = op.client("spa")
    assert other.verify(other.exchange(other.answer_at_once(browser)).id_token)["auth_time"] == first["auth_time"]


def test_a_refreshed_id_token_speaks_of_the_same_login(app: RelyingParty) -> None:
    """OpenID Connect Core 12.2: same iss, sub, aud, azp and auth_time; no nonce; its own iat."""
    tokens = app.log_in(scope="openid email offline_access")
    first = app.verify(tokens.id_token)
    time.sleep(1.1)
    for _ in range(2):
        tokens = app.refresh(tokens.refresh_token)
        again = app.verify(tokens.id_token)
        for name in ("iss", "sub", "aud", "azp", "auth_time", "amr", "email"):
            assert again[name] == first[name], name
        assert "nonce" not in again
        assert again["iat"] > first["iat"]
        assert again["at_hash"] == left_half(tokens.access_token)


# ----- Claims --------------------------------------------------------------------------------------------------------

CLAIMS: dict[str, dict[str, Any]] = {
    "profile": {
        "name": "Alice Liddell",
        "given_name": "Alice",
        "family_name": "Liddell",
        "preferred_username": "alice",
        "website": "https://alice.example.org/",
        "locale": "en-GB",
        "zoneinfo": "Europe/London",
        "birthdate": "1852-05-04",
    },
    "email": {"email": "alice@example.org", "email_verified": True},
    "address": {
        "address": {
            "formatted": "The Deanery\nOxford\nUnited Kingdom",
            "locality": "Oxford",
            "country": "United Kingdom",
        }
    },
    "phone": {"phone_number": "+44 20 7946 0001", "phone_number_verified": True},
}


@pytest.mark.parametrize(
    "scopes", [[], ["profile"], ["email"], ["address"], ["phone"], ["email", "phone"], list(CLAIMS)]
)
def test_a_scope_gives_its_claims_and_no_others(app: RelyingParty, alice: Browser, scopes: list[str]) -> None:
    """OpenID Connect Core 5.1, 5.4: in the ID token and at userinfo."""
    expected = {name: value for scope in scopes for name, value in CLAIMS[scope].items()}
    tokens = app.log_in(scope=" ".join(["openid", *scopes]), browser=alice)
    claims = app.verify(tokens.id_token)
    assert app.userinfo(tokens.access_token) == {**expected, "sub": claims["sub"]}
    protocol = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "sid", "azp", "at_hash"}
    assert {name: value for name, value in claims.items() if name not in protocol} == expected


def test_a_client_may_keep_claims_to_userinfo(others: RunningProvider) -> None:
    """OpenID Connect Core 5.4: for one client; after a refresh too."""
    app = others.client("lean", secret="secret", scope=f"{ALL} offline_access")
    first = app.log_in()
    for tokens in (first, app.refresh(first.refresh_token)):
        assert not {"name", "email", "address", "phone_number"} & set(app.verify(tokens.id_token))
        assert app.userinfo(tokens.access_token).email == "alice@example.org"


def test_the_provider_may_keep_claims_to_userinfo(userinfo_only: RunningProvider) -> None:
    """OpenID Connect Core 5.4: for all clients but the one that says otherwise."""
    app = userinfo_only.client("app", scope=ALL)
    tokens = app.log_in()
    claims = app.verify(tokens.id_token)
    assert not {"name", "email", "address", "phone_number"} & set(claims)
    assert {"nonce", "at_hash", "auth_time"} <= set(claims)
    assert app.userinfo(tokens.access_token).email == "alice@example.org"
    other = userinfo_only.client("wants-it-all", secret="secret", scope="openid email")
    assert other.verify(other.log_in().id_token)["email"] == "alice@example.org"


def test_scopes_of_the_operators_own(others: RunningProvider) -> None:
    """OpenID Connect Core 5.1.2, 5.4: extra_scopes; a claim that the person does not have is left out (5.3.2)."""
    app = others.client("rich", secret="secret", scope="openid locale")
    tokens = app.log_in()
    assert app.userinfo(tokens.access_token) == {
        "sub": app.verify(tokens.id_token)["sub"],
        "locale": "en-GB",
        "zoneinfo": "Europe/London",
    }
    assert "locale" in app.metadata["scopes_supported"]
    assert {"locale", "shoe_size"} <= set(app.metadata["claims_supported"])


# ----- Userinfo ------------------------------------------------------------------------------------------------------


def test_userinfo_takes_get_and_post_header_and_form(op: RunningProvider, app: RelyingParty) -> None:
    """OpenID Connect Core 5.3.1, RFC 6750 2.1, 2.2."""
    token = app.log_in(scope="openid email").access_token
    header = {"Authorization": f"Bearer {token}"}
    answers = [
        op.get("/userinfo", headers=header),
        op.post("/userinfo", headers=header),
        op.post("/userinfo", {"access_token": token}),
        op.post("/userinfo", {"unknown": "x"}, headers=header),
        op.post("/userinfo", headers={**header, "Content-Type": "application/json"}),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json() == answers[0].json()
        assert answer.json()["email"] == "alice@example.org"


def test_userinfo_needs_openid(app: RelyingParty) -> None:
    """OpenID Connect Core 5.3, RFC 6750 3.1: a token of plain OAuth is good, and not for this."""
    refused = app.userinfo(app.log_in(scope="email").access_token)
    assert (refused.status, refused.error) == (403, "insufficient_scope")


# ----- prompt and max_age --------------------------------------------------------------------------------------------


def test_prompt_none_never_shows_a_page(app: RelyingParty, alice: Browser) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.2.6: a code for who is logged in, login_required for who is not."""
    stranger = app.answer_at_once(prompt="none", state="a-state")
    assert (stranger.error, stranger.state) == ("login_required", "a-state")
    assert app.exchange(app.answer_at_once(alice, prompt="none")).id_token


def test_prompt_login_asks_who_is_logged_in_too(op: RunningProvider, app: RelyingParty) -> None:
    """OpenID Connect Core 3.1.2.1: and the ID token shows that it was done."""
    browser = op.browser()
    first = app.verify(app.exchange(app.authorize(browser=browser)).id_token)
    time.sleep(1.1)
    page = app.begin(browser, prompt="login")
    assert page.status_code == 200
    assert 'name="password"' in page.text
    again = app.verify(app.exchange(app.authorize(browser=browser, prompt="login")).id_token)
    assert again["auth_time"] > first["auth_time"]
    assert again["sub"] == first["sub"]


def test_prompt_select_account_lets_somebody_else_in(op: RunningProvider, app: RelyingParty) -> None:
    """OpenID Connect Core 3.1.2.1."""
    browser = op.browser()
    app.authorize(user="alice", browser=browser)
    answer = app.authorize(user="bob", browser=browser, prompt="select_account", scope="openid email")
    assert app.verify(app.exchange(answer).id_token)["email"] == "bob@example.org"


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "none login"},
        {"prompt": "none consent select_account"},
        {"prompt": "register"},
        {"prompt": "NONE"},
        {"prompt": "login,consent"},
        {"max_age": "-1"},
        {"max_age": "soon"},
        {"max_age": "1.5"},
        {"max_age": "1e3"},
        {"max_age": " 5"},
        {"max_age": "٣"},
        {"max_age": "9" * 500},
        {"claims": "garbage"},
        {"claims": "[]"},
        {"claims": "null"},
        {"claims": '{"userinfo": 7}'},
        {"claims": '{"id_token": {'},
        {"claims": "[" * 3000},
        {"id_token_hint": "garbage"},
        {"id_token_hint": "a.b.c"},
        {"id_token_hint": ".."},
        {"id_token_hint": "☃"},
    ],
)
@pytest.mark.parametrize("who", ["nobody", "alice"])
def test_garbage_is_refused_by_redirect(
    app: RelyingParty, alice: Browser, who: str, changes: dict[str, str | None]
) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.2.2, 3.1.2.6: at once, whether or not somebody is logged in."""
    refused = app.answer_at_once(alice if who == "alice" else None, state="a-state", **changes)
    assert (refused.error, refused.state) == ("invalid_request", "a-state")
    assert refused.error_description


def test_max_age_wants_a_recent_login(op: RunningProvider, app: RelyingParty) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.2.6, 15.1: auth_time says that it was one."""
    browser = op.browser()
    first = app.verify(app.exchange(app.authorize(browser=browser, max_age="3600")).id_token)
    assert app.answer_at_once(browser, max_age="3600").code
    time.sleep(1.1)
    assert app.answer_at_once(browser, max_age="1", prompt="none").error == "login_required"
    assert 'name="password"' in app.begin(browser, max_age="1").text
    second = app.verify(app.exchange(app.authorize(browser=browser, max_age="1")).id_token)
    assert second["auth_time"] > first["auth_time"]


def test_max_age_zero_is_prompt_login(app: RelyingParty, alice: Browser) -> None:
    """OpenID Connect Core 3.1.2.1: and it ends, with a code."""
    assert app.answer_at_once(alice, max_age="0", prompt="none").error == "login_required"
    assert 'name="password"' in app.begin(alice, max_age="0").text
    assert app.authorize(browser=alice, max_age="0").code


def test_a_client_may_have_a_max_age_of_its_own(others: RunningProvider) -> None:
    """OpenID Connect Registration 2: default_max_age; the request's overrides it."""
    app, browser = others.client("impatient", secret="secret"), others.browser()
    app.authorize(browser=browser)
    time.sleep(1.1)
    assert app.answer_at_once(browser, prompt="none").error == "login_required"
    assert app.answer_at_once(browser, prompt="none", max_age="100").code


def test_consent_is_implied_for_the_operators_own_apps(others: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.4, 3.1.2.6: others are refused as long as nobody can be asked."""
    browser = others.browser()
    assert others.client("app").authorize(browser=browser).code
    refused = others.client("third-party", secret="secret").answer_at_once(browser)
    assert refused.error == "consent_required"
    assert "code" not in refused


# ----- id_token_hint -------------------------------------------------------------------------------------------------


def test_a_hint_names_who_is_expected(app: RelyingParty, op: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.2.2: a code for them, and for nobody else."""
    browser = op.browser()
    of_alice = app.log_in("alice", browser=browser).id_token
    of_bob = app.log_in("bob").id_token
    assert app.answer_at_once(browser, prompt="none", id_token_hint=of_alice).code
    assert app.answer_at_once(browser, prompt="none", id_token_hint=of_bob).error == "login_required"
    assert app.answer_at_once(prompt="none", id_token_hint=of_alice).error == "login_required"

    page = app.begin(browser, id_token_hint=of_bob)
    assert 'name="password"' in page.text, "somebody else is expected: they may log in"
    answer = app.authorize(user="bob", browser=browser, id_token_hint=of_bob)
    assert app.verify(app.exchange(answer).id_token)["sub"] == claims_of(of_bob)["sub"]


def test_who_logs_in_instead_of_the_one_expected_is_not_passed_off_as_them(app: RelyingParty) -> None:
    """OpenID Connect Core 3.1.2.2."""
    of_bob = app.log_in("bob").id_token
    answer = app.authorize(user="alice", id_token_hint=of_bob)
    assert answer.error == "login_required"
    assert "code" not in answer


def test_an_expired_hint_is_still_a_hint(others: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.1, RP-Initiated Logout 2: who it was, not that it is so."""
    app, browser = others.client("app"), others.browser()
    hint = app.exchange(app.authorize(browser=browser)).id_token
    time.sleep(1.1)
    assert claims_of(hint)["exp"] < time.time()
    assert app.answer_at_once(browser, prompt="none", id_token_hint=hint).code


def test_a_forged_hint_is_refused(
    op: RunningProvider, others: RunningProvider, app: RelyingParty, alice: Browser
) -> None:
    """OpenID Connect Core 3.1.2.2, RFC 8725 2.1, 3.1: by its algorithm, key, issuer, audience, bytes."""
    genuine = app.exchange(app.answer_at_once(alice)).id_token
    header, claims = header_of(genuine), claims_of(genuine)
    first, payload, signature = genuine.split(".")
    (published,) = [key for key in op.get("/jwks").json()["keys"] if key["kid"] == header["kid"]]
    public = RSAKey.import_key(published)
    stranger = RSAKey.generate_key(2048)

    def hs256(secret: bytes) -> str:
        signed = f"{encoded({'alg': 'HS256', 'kid': header['kid']})}.{payload}"
        return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"

    def by_stranger(**changes: Any) -> str:
        return jws.serialize_compact({**header, **changes}, json.dumps(claims), stranger, algorithms=["RS256"])

    forged = {
        "alg none": f"{encoded({'alg': 'none'})}.{payload}.",
        "alg none, our kid": f"{encoded({'alg': 'none', 'kid': header['kid']})}.{payload}.",
        "alg NONE, signed": f"{encoded({'alg': 'NONE', 'kid': header['kid']})}.{payload}.{signature}",
        "HS256 with the public key": hs256(public.as_pem(private=False)),
        "HS256 with the modulus": hs256(published["n"].encode()),
        "HS256 with the client secret": hs256(b"app-secret"),
        "a stranger's key": by_stranger(),
        "a stranger's key in the header": by_stranger(jwk=stranger.as_dict(private=False)),
        "no kid": f"{encoded({'alg': 'RS256'})}.{payload}.{signature}",
        "no signature": f"{first}.{payload}.",
        "other claims": f"{first}.{encoded({**claims, 'sub': 'bob'})}.{signature}",
        "another issuer": others.client("app").log_in().id_token,
        "another client": op.client("spa").log_in().id_token,
        "an access token": app.log_in().access_token,
    }
    for what, hint in forged.items():
        for browser in (alice, op.browser()):
            refused = app.answer_at_once(browser, prompt="none", id_token_hint=hint)
            assert (refused.error, "code" in refused) == ("invalid_request", False), what
    assert app.answer_at_once(alice, prompt="none", id_token_hint=genuine).code


# ----- What is not offered -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request": "garbage"}, "request_not_supported"),
        ({"request_uri": "https://evil.example.org/request"}, "request_uri_not_supported"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
    ],
)
@pytest.mark.parametrize("prompt", [None, "none"])
def test_what_is_not_offered_is_refused_by_name(
    app: RelyingParty, changes: dict[str, str | None], error: str, prompt: str | None
) -> None:
    """OpenID Connect Core 3.1.2.6, 6: ignoring it would be to answer another question than was asked."""
    refused = app.answer_at_once(prompt=prompt, **changes)
    assert refused.error == error


@pytest.mark.parametrize(
    "changes",
    [
        {"claims": '{"_comment": "what is not understood MUST be ignored", "x": [1]}'},
        {"display": "popup"},
        {"ui_locales": "de fr"},
        {"claims_locales": "de"},
        {"acr_values": "urn:example:gold"},
        {"login_hint": "alice"},
        {"response_mode": "query"},
    ],
)
def test_what_may_be_ignored_does_no_harm(app: RelyingParty, alice: Browser, changes: dict[str, str | None]) -> None:
    """OpenID Connect Core 3.1.2.1, 5.5, 15.1: and nothing is given that was not granted."""
    tokens = app.exchange(app.authorize(browser=alice, **changes))
    assert set(app.userinfo(tokens.access_token)) == {"sub"}


# ----- By POST -------------------------------------------------------------------------------------------------------


def finish(app: RelyingParty, browser: Browser, location: str, verifier: str) -> Answer:
    """The tokens, from where a browser was sent by hand."""
    response = browser.follow(browser.get(location))
    if "Location" not in response.headers:
        response = browser.log_in(response, "alice")
    answer = dict(parse_qsl(urlsplit(response.headers["Location"]).query))
    return app.post(
        "token_endpoint",
        {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": verifier,
        },
    )


def test_a_form_of_another_site_becomes_a_get(op: RunningProvider, app: RelyingParty) -> None:
    """OpenID Connect Core 3.1.2.1, 13.2: browsers keep our SameSite=Lax cookies back, which GET then has."""
    parameters, verifier = app.request(state="&=ü")
    browser = op.browser()
    response = browser.post("/authorize", parameters, headers={"Origin": "http://localhost:8401"})
    assert response.status_code == 303
    location = urlsplit(response.headers["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == op.url("/authorize")
    assert dict(parse_qsl(location.query)) == parameters
    assert "Set-Cookie" not in response.headers
    tokens = finish(app, browser, response.headers["Location"], verifier)
    assert app.verify(tokens.id_token)["nonce"] == parameters["nonce"]


def test_a_form_with_the_session_is_answered_at_once(app: RelyingParty, alice: Browser) -> None:
    """OpenID Connect Core 3.1.2.1: POST as GET."""
    parameters, _ = app.request(state="a-state")
    response = alice.post("/authorize", parameters)
    assert response.status_code == 303
    answer = dict(parse_qsl(urlsplit(response.headers["Location"]).query))
    assert answer["code"]
    assert answer["state"] == "a-state"


def test_a_form_of_another_site_finds_who_is_logged_in(app: RelyingParty, alice: Browser, op: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.1: first without cookies, then by GET with them."""
    parameters, verifier = app.request(prompt="none")
    response = op.post("/authorize", parameters)
    tokens = finish(app, alice, response.headers["Location"], verifier)
    assert tokens.id_token


def test_a_cookie_of_somebody_else_is_no_session(app: RelyingParty, alice: Browser, op: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.1: cookies know no ports, and one with SameSite=None comes along where ours do not."""
    parameters, verifier = app.request(prompt="none")
    response = op.post("/authorize", parameters, cookies={"theirs": "x"})
    assert response.headers["Location"].startswith(op.url("/authorize?"))
    assert finish(app, alice, response.headers["Location"], verifier).id_token


@pytest.mark.parametrize("cookies", [False, True])
def test_errors_of_a_form_reach_the_app_too(app: RelyingParty, alice: Browser, cookies: bool) -> None:
    """OpenID Connect Core 3.1.2.6."""
    parameters, _ = app.request(response_type="token", state="a-state")
    browser = alice if cookies else Browser(app.issuer)
    response = browser.follow(browser.post("/authorize", parameters))
    answer = dict(parse_qsl(urlsplit(response.headers["Location"]).query))
    assert (answer["error"], answer["state"]) == ("unsupported_response_type", "a-state")


def test_a_form_has_its_parameters_in_the_body(app: RelyingParty, alice: Browser) -> None:
    """OpenID Connect Core 3.1.2.1, 13.2: form serialization; what stands in the query of a POST is not looked at."""
    parameters, _ = app.request()
    response = alice.http.post(
        f"{app.issuer}/authorize", params=parameters, data={"x": "y"}, allow_redirects=False, timeout=30
    )
    assert response.status_code == 400
