"""`[plugins.insecure_response_types]`: the implicit and hybrid flows, for clients that know no better yet, and off
unless the operator says so. OpenID Connect Core 3.2, 3.3; OAuth 2.0 Multiple Response Type Encoding Practices.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from creance.plugins.id_token_claims import left_hash
from creance.provider.testing import AuthorizationAnswer, Browser, RelyingParty, RunningProvider, forms_of

from ..consent_form import ConsentForm

RunProvider = Callable[..., RunningProvider]

CALLBACK = "https://app.example.org/callback"
HTTP_CALLBACK = "http://localhost:8401/callback"
ALL = ["id_token", "code id_token", "id_token token", "code token", "code id_token token"]
NO_PKCE: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}

CLIENT = """
[[clients]]
client_id = "{client_id}"
client_secret = "secret"
redirect_uris = ["{callback}"]
response_types = {response_types}
grant_types = {grant_types}
scope = "openid profile email offline_access"
{more}
"""
GRANTS = ["authorization_code", "implicit", "refresh_token"]


def client(
    client_id: str, types: list[str], *, callback: str = CALLBACK, grants: list[str] = GRANTS, more: str = ""
) -> str:
    named = {"response_types": json.dumps(types), "grant_types": json.dumps(grants)}
    return CLIENT.format(client_id=client_id, callback=callback, more=more, **named)


CLIENTS = "".join(
    [
        client("old", ["code", *ALL]),
        client("permuted", ["token id_token"], grants=["implicit"]),
        client("careful", ["code"]),
        client("partner-of-old", ["code id_token"], more="first_party = false"),
        client("web-on-http", ["id_token"], callback=HTTP_CALLBACK),
        client("native-on-http", ["id_token"], callback=HTTP_CALLBACK, more='application_type = "native"'),
        client("excused", ["id_token"], callback=HTTP_CALLBACK, more="insecure_http_redirect_uris = true"),
        client(
            "narrow", ["id_token", "code id_token"], more='plugins = {id_token_claims = {user_claims = "userinfo"}}'
        ),
    ]
)
PLUGIN = "[plugins.insecure_response_types]\n"


@pytest.fixture(scope="module")
def op(run_provider: RunProvider) -> RunningProvider:
    """All of them are allowed."""
    return run_provider(extra=f"{PLUGIN}allowed = {json.dumps(ALL)}\n{CLIENTS}")


@pytest.fixture(scope="module")
def by_default(run_provider: RunProvider) -> RunningProvider:
    """The plugin as it is without settings."""
    return run_provider(extra=PLUGIN + client("old", ["code", "id_token", "code id_token"]))


@pytest.fixture
def old(op: RunningProvider, alice: Browser) -> RelyingParty:
    """An app that is registered for all of them, used by alice."""
    return party(op, "old", browser=alice, scope="openid email offline_access")


def party(op: RunningProvider, client_id: str, **named: Any) -> RelyingParty:
    return op.client(client_id, secret="secret", **{"redirect_uri": CALLBACK, **named})


def at_once(app: RelyingParty, **changes: str | None) -> AuthorizationAnswer:
    """What the app is told by the browser that it has."""
    return app.answer_at_once(app.browser, **changes)


# ----- What comes back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response_type", "members"),
    [
        ("id_token", {"id_token"}),
        ("code id_token", {"code", "id_token"}),
        ("id_token token", {"id_token", "access_token", "token_type", "expires_in", "scope"}),
        ("code token", {"code", "access_token", "token_type", "expires_in", "scope"}),
        ("code id_token token", {"code", "id_token", "access_token", "token_type", "expires_in", "scope"}),
    ],
)
def test_each_gives_what_it_asks_for_in_the_fragment(
    op: RunningProvider, old: RelyingParty, response_type: str, members: set[str]
) -> None:
    """OpenID Connect Core 3.2.2.5, 3.3.2.5; RFC 6749 4.2.2: never a refresh token. RFC 9207 2: `iss` with it."""
    answer = at_once(old, response_type=response_type, state="a-state")
    assert set(answer) == members | {"state", "iss"}
    assert (answer.state, answer.iss) == ("a-state", op.issuer)
    assert urlsplit(answer.location).query == ""
    if "access_token" in members:
        assert (answer.token_type, answer.expires_in) == ("Bearer", "3600")
        assert old.userinfo(answer.access_token).email == "alice@example.org"


@pytest.mark.parametrize("response_type", ["token id_token", "id_token code", "token code", "token id_token code"])
def test_the_order_of_words_has_no_meaning(old: RelyingParty, response_type: str) -> None:
    """RFC 6749 3.1.1."""
    answer = at_once(old, response_type=response_type)
    assert ("code" in answer, "id_token" in answer) == ("code" in response_type, "id_token" in response_type)
    assert ("access_token" in answer) == ("token" in response_type.split())


def test_nor_has_it_in_a_registration(op: RunningProvider, alice: Browser) -> None:
    """RFC 6749 3.1.1: a client that registered "token id_token"."""
    app = party(op, "permuted", browser=alice)
    assert at_once(app, response_type="id_token token").id_token
    assert at_once(app, response_type="token id_token").id_token


def test_the_code_is_exchanged_as_ever(op: RunningProvider, old: RelyingParty) -> None:
    """OpenID Connect Core 3.3.3.6: both ID tokens are by the same issuer about the same person, for the same nonce."""
    answer = at_once(old, response_type="code id_token token")
    tokens = old.exchange(answer)
    first, second = old.verify(answer.id_token), old.verify(tokens.id_token)
    for name in ("iss", "sub", "aud", "nonce", "auth_time", "sid"):
        assert first[name] == second[name], name
    assert second["at_hash"] == left_hash(tokens.access_token, "RS256")
    assert "c_hash" not in second
    assert old.refresh(tokens.refresh_token).status == 200


def test_hashes_bind_what_came_together(old: RelyingParty) -> None:
    """OpenID Connect Core 3.2.2.9, 3.3.2.11: at_hash with an access token, c_hash with a code."""
    for response_type in ALL:
        if "id_token" not in response_type:
            continue
        answer = at_once(old, response_type=response_type)
        claims = old.verify(answer.id_token)
        assert claims.get("at_hash") == (left_hash(answer.access_token, "RS256") if answer.access_token else None)
        assert claims.get("c_hash") == (left_hash(answer.code, "RS256") if answer.code else None)
        assert (claims["nonce"], claims["aud"]) == (answer.nonce, "old")


# ----- Claims about the person ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("client_id", ["old", "narrow"])
def test_without_an_access_token_claims_are_in_the_id_token(
    op: RunningProvider, alice: Browser, client_id: str
) -> None:
    """OpenID Connect Core 5.4: whatever the setting says, as there is no other way to them."""
    app = party(op, client_id, browser=alice, scope="openid email")
    claims = app.verify(at_once(app, response_type="id_token").id_token)
    assert claims["email"] == "alice@example.org"
    assert "name" not in claims


@pytest.mark.parametrize("response_type", ["code id_token", "id_token token", "code id_token token"])
def test_where_there_is_a_way_to_userinfo_the_url_has_no_claims(old: RelyingParty, response_type: str) -> None:
    """OpenID Connect Core 5.4, 3.3.2.11: a URL is no place for a person's data."""
    assert "email" not in old.verify(at_once(old, response_type=response_type).id_token)


def test_a_claim_is_there_that_was_asked_for(old: RelyingParty) -> None:
    """OpenID Connect Core 5.5: by name, for the ID token."""
    asked = json.dumps({"id_token": {"given_name": None}})
    assert old.verify(at_once(old, response_type="code id_token", claims=asked).id_token)["given_name"] == "Alice"


def test_userinfo_cannot_be_asked_for_without_an_access_token(old: RelyingParty) -> None:
    """OpenID Connect Core 5.5: the userinfo member."""
    asked = json.dumps({"userinfo": {"email": None}})
    assert at_once(old, response_type="id_token", claims=asked).error == "invalid_request"
    assert at_once(old, response_type="code id_token", claims=asked).code


# ----- Refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"nonce": None}, "invalid_request"),
        ({"nonce": ""}, "invalid_request"),
        ({"scope": "email"}, "invalid_scope"),
        ({"scope": "nothing"}, "invalid_scope"),
        ({"response_mode": "query"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"prompt": "bogus"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
        ({"state": "x" * 3000}, "invalid_request"),
    ],
)
@pytest.mark.parametrize("response_type", ["id_token", "code id_token", "id_token token", "code id_token token"])
def test_a_refusal_is_in_the_fragment_too(
    op: RunningProvider, old: RelyingParty, response_type: str, changes: dict[str, str | None], error: str
) -> None:
    """OpenID Connect Core 3.2.2.1 (nonce), 3.2.2.6, 3.3.2.6; Multiple Response Types 3, 5: never in the query."""
    answer = at_once(old, **{"response_type": response_type, **changes})
    assert (answer.error, answer.iss) == (error, op.issuer)
    assert urlsplit(answer.location).query == ""
    assert {"code", "id_token", "access_token"}.isdisjoint(answer)


def test_code_token_needs_neither_nonce_nor_openid(old: RelyingParty) -> None:
    """OpenID Connect Core 3.3.2.11: the nonce is for who gets an ID token. Multiple Response Types 5: plain OAuth."""
    assert at_once(old, response_type="code token", nonce=None, scope="email").access_token


@pytest.mark.parametrize("response_type", ["code id_token", "code token", "code id_token token"])
def test_pkce_is_required_where_there_is_a_code(old: RelyingParty, response_type: str) -> None:
    """RFC 9700 2.1.1."""
    answer = at_once(old, response_type=response_type, **NO_PKCE)
    assert answer.error == "invalid_request"
    assert "code_challenge is missing" in answer.error_description
    wrong = old.exchange(at_once(old, response_type=response_type), code_verifier=secrets.token_urlsafe(48))
    assert wrong.error == "invalid_grant"


@pytest.mark.parametrize("response_type", ["id_token", "id_token token"])
def test_and_nowhere_else(old: RelyingParty, response_type: str) -> None:
    """RFC 7636 4.3: there is nothing to exchange."""
    assert at_once(old, response_type=response_type, **NO_PKCE).id_token


@pytest.mark.parametrize(
    "response_type",
    [
        *(
            "token",
            "none",
            "code none",
            "id_token id_token",
            "code id_token id_token",
            "code code",
            "id_token ",
            "ID_TOKEN",
        ),
        *("id_token,token", "id_token\ttoken", "code id_token token x", "id_token " * 500),
    ],
)
def test_what_there_is_not_is_unsupported(old: RelyingParty, response_type: str) -> None:
    """RFC 6749 3.1.1, 4.2.2.1."""
    answer = at_once(old, response_type=response_type)
    assert answer.error == "unsupported_response_type"
    assert {"code", "id_token", "access_token"}.isdisjoint(answer)


def test_a_repeated_response_type_is_refused(op: RunningProvider, old: RelyingParty) -> None:
    """RFC 6749 3.1."""
    parameters, _ = old.request(response_type="id_token")
    query = urlencode([*parameters.items(), ("response_type", "id_token token")])
    answer = op.browser().get(f"/authorize?{query}")
    assert "error=invalid_request" in answer.headers["Location"]
    assert "id_token=" not in answer.headers["Location"]


@pytest.mark.parametrize("changes", [{"redirect_uri": "https://evil.example/"}, {"client_id": "nobody"}])
def test_nobody_is_sent_anywhere_before_client_and_redirect_uri_are_certain(
    op: RunningProvider, old: RelyingParty, changes: dict[str, str]
) -> None:
    """RFC 6749 4.2.2.1: a page."""
    for more in ({}, {"response_mode": "query"}, {"nonce": ""}):
        parameters, _ = old.request(response_type="id_token token", **changes, **more)
        answer = op.browser().get("/authorize", params=parameters)
        assert (answer.status_code, "Location" in answer.headers) == (400, False)


@pytest.mark.parametrize("response_type", ALL)
def test_a_client_uses_what_it_is_registered_for(op: RunningProvider, alice: Browser, response_type: str) -> None:
    """RFC 6749 4.2.2.1, RFC 7591 2: unauthorized_client."""
    assert at_once(party(op, "careful", browser=alice), response_type=response_type).error == "unauthorized_client"


def test_a_client_without_code_gets_none(op: RunningProvider, alice: Browser) -> None:
    """RFC 6749 4.1.2.1."""
    app = party(op, "permuted", browser=alice)
    for response_type in ("code", "code id_token token"):
        assert at_once(app, response_type=response_type).error == "unauthorized_client"


def test_http_is_for_native_clients_on_loopback(op: RunningProvider, alice: Browser) -> None:
    """OpenID Connect Core 3.2.2.1; or where the operator says so of a client."""
    refused = party(op, "web-on-http", browser=alice, redirect_uri=HTTP_CALLBACK)
    assert at_once(refused, response_type="id_token").error == "invalid_request"
    for client_id in ("native-on-http", "excused"):
        app = party(op, client_id, browser=alice, redirect_uri=HTTP_CALLBACK)
        assert at_once(app, response_type="id_token").id_token


def test_the_token_endpoint_knows_no_implicit_grant(op: RunningProvider, old: RelyingParty) -> None:
    """RFC 6749 4.2: it is no grant of the token endpoint."""
    assert old.post("token_endpoint", {"grant_type": "implicit"}).error == "unsupported_grant_type"


# ----- People --------------------------------------------------------------------------------------------------------


def test_nobody_is_logged_in(op: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.1, 3.2.2.6: prompt=none, and its error in the fragment."""
    answer = party(op, "old").answer_at_once(response_type="id_token", prompt="none")
    assert answer.error == "login_required"
    assert urlsplit(answer.location).query == ""


def test_silent_authentication(old: RelyingParty) -> None:
    """OpenID Connect Core 3.1.2.1: what these apps do in a hidden frame."""
    assert at_once(old, response_type="id_token token", prompt="none").id_token


def test_the_way_over_the_login_page(op: RunningProvider) -> None:
    """DESIGN, A person's visit: the sealed request keeps the response_type; the form may lead to the app."""
    app, browser = party(op, "old", scope="openid email"), op.browser()
    page = app.begin(browser, response_type="id_token token", state="s")
    assert page.headers["Content-Security-Policy"].count("form-action 'self' https://app.example.org https:") == 1
    answer = AuthorizationAnswer(browser.log_in(page, "bob").headers["Location"], None, None, CALLBACK)
    assert answer.state == "s"
    assert app.userinfo(answer.access_token).email == "bob@example.org"


def test_the_way_over_the_consent_page(op: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.4, 3.3.2.6: what was allowed is given, and a refusal is in the fragment."""
    app, browser = party(op, "partner-of-old", scope="openid email"), op.browser()
    page = browser.log_in(app.begin(browser, response_type="code id_token"), "alice")
    denied = ConsentForm(page).press(browser, "deny")
    assert "#error=access_denied" in browser.follow(denied).headers["Location"]
    page = app.begin(browser, response_type="code id_token")
    allowed = browser.follow(ConsentForm(page).press(browser))
    answer = AuthorizationAnswer(allowed.headers["Location"], None, None, CALLBACK)
    assert set(answer) == {"code", "id_token", "state", "iss"}


# ----- What becomes of it --------------------------------------------------------------------------------------------


def test_an_access_token_of_the_front_channel_can_be_revoked(old: RelyingParty) -> None:
    """RFC 7009 2, RFC 7662 2.2: as any other."""
    answer = at_once(old, response_type="id_token token", scope="openid email")
    assert old.introspect(answer.access_token).client_id == "old"
    old.revoke(answer.access_token)
    assert old.introspect(answer.access_token) == {"active": False}
    assert old.userinfo(answer.access_token).error == "invalid_token"


def test_a_replayed_code_ends_it_too(old: RelyingParty) -> None:
    """RFC 6749 4.1.2: all that was issued for the code, on whatever way."""
    answer = at_once(old, response_type="code id_token token")
    assert old.exchange(answer).status == 200
    assert old.userinfo(answer.access_token).status == 200
    assert old.exchange(answer).error == "invalid_grant"
    assert old.userinfo(answer.access_token).error == "invalid_token"


def test_a_logout_ends_it(op: RunningProvider) -> None:
    """OpenID Connect Core 11, DESIGN, Grants: offline_access is not for who gets no code, so nothing outlives it."""
    app, browser = party(op, "old", scope="openid offline_access"), op.browser()
    answer = app.authorize(browser=browser, response_type="id_token token")
    assert answer.scope == "openid"
    assert app.userinfo(answer.access_token).status == 200
    (_, fields), *_ = forms_of(browser.get("/auth/logout").text)
    browser.post("/auth/logout", fields)
    assert app.userinfo(answer.access_token).error == "invalid_token"


# ----- What the operator sees ----------------------------------------------------------------------------------------


def test_discovery_says_what_is_allowed(old: RelyingParty, by_default: RunningProvider) -> None:
    """OpenID Connect Discovery 3: exactly what is on."""
    assert old.metadata["response_types_supported"] == ["code", *ALL]
    assert old.metadata["response_modes_supported"] == ["query", "fragment"]
    assert "implicit" in old.metadata["grant_types_supported"]
    metadata = by_default.client("app").metadata
    assert metadata["response_types_supported"] == ["code", "id_token", "code id_token"]


def test_access_tokens_in_urls_have_to_be_named(by_default: RunningProvider) -> None:
    """RFC 9700 2.1.2: without settings there are none; the refusal is where such an app looks for it."""
    app = party(by_default, "old")
    for response_type in ("id_token token", "code token", "code id_token token"):
        answer = app.answer_at_once(response_type=response_type)
        assert (answer.error, urlsplit(answer.location).query) == ("unsupported_response_type", "")
    assert app.authorize(response_type="id_token").id_token
    assert app.authorize(response_type="code id_token").code


def test_the_log_names_who_needs_it(op: RunningProvider, alice: Browser, old: RelyingParty) -> None:
    """docs/adopting.md: once an hour for each client and type, and none for those who do it right."""
    answers = [at_once(old, response_type="id_token token") for _ in range(3)]
    assert at_once(party(op, "careful", browser=alice), response_type="code").code
    lines = [line for line in op.log_lines() if line.get("event") == "insecure_response_type"]
    assert [(line["client_id"], line["response_type"]) for line in lines].count(("old", "id_token token")) == 1
    assert "careful" not in [line["client_id"] for line in lines]
    log = op.log_file.read_text()
    assert not [answer for answer in answers if answer.access_token in log or answer.id_token in log]


def test_code_is_as_ever(old: RelyingParty) -> None:
    """RFC 6749 4.1.2: in the query, also while the plugin is on; Multiple Response Types 2.1: or in the fragment."""
    answer = at_once(old, response_type="code")
    assert "#" not in answer.location
    assert set(answer) == {"code", "state", "iss"}
    assert old.exchange(answer).status == 200
    in_fragment = at_once(old, response_type="code", response_mode="fragment")
    assert urlsplit(in_fragment.location).query == ""
    assert old.exchange(in_fragment).status == 200


def test_nothing_of_it_is_there_without_the_plugin(run_provider: RunProvider) -> None:
    """RFC 9700 2.1.2: the default. Refused in the query, as by every provider of the code flow."""
    app = run_provider().client("app")
    for response_type in ALL:
        answer = app.answer_at_once(response_type=response_type)
        assert answer.error == "unsupported_response_type"
        assert "#" not in answer.location
    assert app.answer_at_once(response_mode="fragment").error == "invalid_request"
    assert app.metadata["response_types_supported"] == ["code"]
    assert app.metadata["response_modes_supported"] == ["query"]
    assert "implicit" not in app.metadata["grant_types_supported"]


# ----- Clients that register themselves ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registering(run_provider: RunProvider) -> RunningProvider:
    """Everybody may register a client of these flows."""
    grant_types = ["authorization_code", "implicit"]
    registration = f"[plugins.registration]\nunsafe_open_registration = true\ngrant_types = {json.dumps(grant_types)}\n"
    return run_provider(extra=PLUGIN + registration)


@pytest.mark.parametrize(
    ("response_types", "grant_types", "registered"),
    [
        (["id_token"], ["implicit"], ["id_token"]),
        (["id_token code"], ["implicit", "authorization_code"], ["code id_token"]),
        (["code", "id_token"], ["implicit", "authorization_code"], ["code", "id_token"]),
        (["id_token"], None, None),
        (["id_token"], ["authorization_code"], None),
        (["code", "id_token"], ["authorization_code"], None),
        (["code"], ["authorization_code", "implicit"], None),
        (["code id_token"], ["implicit"], None),
        (["id_token token"], ["implicit"], None),
        (["token"], ["implicit"], None),
        (["none"], ["implicit"], None),
        ([], ["implicit"], None),
        (None, ["implicit"], None),
    ],
)
def test_what_can_be_registered(
    registering: RunningProvider,
    response_types: list[str] | None,
    grant_types: list[str] | None,
    registered: list[str] | None,
) -> None:
    """RFC 7591 2.1: what is allowed, together with the grants that belong to it."""
    metadata: dict[str, Any] = {"redirect_uris": [CALLBACK]}
    metadata |= {"response_types": response_types} if response_types is not None else {}
    metadata |= {"grant_types": grant_types} if grant_types is not None else {}
    answer = registering.post("/register", json=metadata)
    if registered is None:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
        assert "response_types" in answer.json()["error_description"]
    else:
        assert (answer.status_code, answer.json()["response_types"]) == (201, registered)


def test_implicit_cannot_be_registered_by_default(run_provider: RunProvider) -> None:
    """RFC 9700 2.1.2: with the plugin alone it is the operator's configuration that names clients."""
    op = run_provider(extra=PLUGIN + "[plugins.registration]\nunsafe_open_registration = true\n")
    metadata = {"redirect_uris": [CALLBACK], "response_types": ["id_token"], "grant_types": ["implicit"]}
    assert op.post("/register", json=metadata).status_code == 400
