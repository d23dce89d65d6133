"""The implicit and hybrid flows (OpenID Connect Core 3.2, 3.3), at the level of objects."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import structlog.testing
from creance.plugins.id_token_claims import left_hash
from creance.provider import (
    Authenticated,
    Browser,
    ClientSettings,
    ConfigurationError,
    Consented,
    OpenIDProvider,
    Parameters,
)
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MakeApp = Callable[..., Any]
MakeSettings = Callable[..., Any]

CALLBACK = "https://app.example/cb"
ALL = ["id_token", "code id_token", "id_token token", "code token", "code id_token token"]
ALICE = Browser({"user": "alice"}, "127.0.0.1")


def client(**changes: Any) -> dict[str, Any]:
    return {
        "client_id": "old",
        "client_secret": "s",
        "redirect_uris": [CALLBACK],
        "response_types": ["code", *ALL],
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "scope": "openid email offline_access",
        **changes,
    }


def allowing(*response_types: str) -> dict[str, Any]:
    return {"insecure_response_types": {"allowed": list(response_types)}}


@pytest.fixture
def old(make_app: MakeApp, login_plugin: dict[str, Any]) -> Any:
    """An app that is registered for all of them, at a provider that allows them."""
    return make_app("old", plugins=login_plugin | allowing(*ALL), more_clients=[client()])


def grant(app: Any, response_type: str, **changes: str | None) -> dict[str, str]:
    """What a person's login gives, without a browser."""
    parameters, _ = app.request(response_type=response_type, **changes)
    authorization = app.provider.authorization
    request = authorization.read(*authorization.prove(parameters), time.time())
    authenticated = Authenticated("alice", time.time(), ("pwd",), None, "a-session")
    person = app.provider.users.find("alice")
    return dict(authorization.grant(request, authenticated, person, Consented(request.scope)))


def error(app: Any, browser: Browser = ALICE, **changes: str | None) -> tuple[str, str]:
    """The error that comes back, and the part of the URL that it is in."""
    location = urlsplit(app.answer(browser, **changes).location)
    part = "fragment" if location.fragment else "query"
    return dict(parse_qsl(getattr(location, part)))["error"], part


# What is written


@pytest.mark.parametrize(
    ("response_type", "collections"),
    [
        ("id_token", []),
        ("code id_token", [["authorization_codes"]]),
        ("id_token token", [["access_tokens"]]),
        ("code token", [["authorization_codes", "access_tokens"]]),
        ("code id_token token", [["authorization_codes", "access_tokens"]]),
    ],
)
def test_all_of_it_is_one_write(
    old: Any, monkeypatch: pytest.MonkeyPatch, response_type: str, collections: list[list[str]]
) -> None:
    """DESIGN, Performance: no more round trips than the code flow has, and none where nothing is kept."""
    store, written = old.provider.store, []
    write = store.write

    def noting(operations: Sequence[Any]) -> Any:
        written.append([operation.collection.name for operation in operations])
        return write(operations)

    monkeypatch.setattr(store, "write", noting)
    grant(old, response_type)
    assert written == collections


def test_what_is_given_together_belongs_to_one_grant(old: Any) -> None:
    """DESIGN, Grants: code and access token end together, by a session's end too."""
    issued = grant(old, "code token", scope="openid")
    tokens = old.provider.tokens
    code, access = tokens.read_code(issued["code"]), tokens.read_access_token(issued["access_token"])
    assert code.grant.grant_id == access.grant.grant_id
    assert access.grant.parameters == {}
    tokens.end_session("a-session")
    assert tokens.read_code(issued["code"]) is None
    assert tokens.read_access_token(issued["access_token"]) is None


def test_a_failure_to_sign_leaves_nothing(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN, The store: sign first, write last."""

    def fail(*_: object) -> str:
        raise RuntimeError("no signature")

    monkeypatch.setattr(old.provider.keyring, "sign", fail)
    with pytest.raises(RuntimeError):
        grant(old, "code id_token token")
    for collection in (AUTHORIZATION_CODES, ACCESS_TOKENS):
        assert old.provider.store.page(collection) == []


def test_the_event_is_that_of_an_authorization(make_app: MakeApp, install_plugin: Callable[..., None]) -> None:
    """DESIGN, Plugins: also where nothing is kept."""
    install_plugin(
        "audit",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def event(self, event):
        self.__dict__.setdefault("seen", []).append(event.name)
""",
    )
    app = make_app("old", plugins=allowing(*ALL) | {"audit": {}}, more_clients=[client()])
    for response_type in ALL:
        grant(app, response_type)
    assert app.provider.plugins.plugins["audit"].seen == ["authorization"] * len(ALL)


# The ID token


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_hashes_are_by_the_algorithm_of_the_client(make_app: MakeApp, algorithm: str) -> None:
    """OpenID Connect Core 3.3.2.11."""
    registered = client(id_token_signed_response_alg=algorithm)
    keys = {"algorithms": ["ES256", "RS256"]}
    app = make_app("old", plugins=allowing(*ALL), keys=keys, more_clients=[registered])
    issued = grant(app, "code id_token token")
    claims = app.claims(issued)
    assert claims["c_hash"] == left_hash(issued["code"], algorithm)
    assert claims["at_hash"] == left_hash(issued["access_token"], algorithm)


def test_the_example_of_the_specification() -> None:
    """OpenID Connect Core A.4: c_hash of its code."""
    assert left_hash("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "RS256") == "LDktKdoQak3Pk0cnXxCltA"


@pytest.mark.parametrize("setting", ["id_token", "userinfo"])
@pytest.mark.parametrize(
    ("response_type", "with_claims"),
    [("id_token", True), ("code id_token", False), ("id_token token", False), ("code id_token token", False)],
)
def test_claims_of_the_scopes(make_app: MakeApp, setting: str, response_type: str, with_claims: bool) -> None:
    """OpenID Connect Core 5.4: as pyop gives them, whatever is set for the token endpoint."""
    plugins = allowing(*ALL) | {"id_token_claims": {"user_claims": setting}}
    app = make_app("old", plugins=plugins, more_clients=[client()])
    assert ("email" in app.claims(grant(app, response_type, scope="openid email"))) is with_claims


# Refusals


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"response_type": "id_token", "nonce": None}, ("invalid_request", "fragment")),
        ({"response_type": "id_token", "scope": "email"}, ("invalid_scope", "fragment")),
        ({"response_type": "code token", "response_mode": "query"}, ("invalid_request", "fragment")),
        ({"response_type": "id_token", "response_mode": "jwt"}, ("invalid_request", "fragment")),
        ({"response_type": "code id_token", "code_challenge": None}, ("invalid_request", "fragment")),
        ({"response_type": "token"}, ("unsupported_response_type", "fragment")),
        ({"response_type": "token", "response_mode": "query"}, ("unsupported_response_type", "fragment")),
        ({"response_type": "code", "scope": "nothing", "response_mode": "fragment"}, ("invalid_scope", "fragment")),
        ({"response_type": "none"}, ("unsupported_response_type", "query")),
        ({"response_type": None}, ("invalid_request", "query")),
        ({"response_type": "code", "nonce": None, "scope": "nothing"}, ("invalid_scope", "query")),
    ],
)
def test_where_an_error_goes(old: Any, changes: dict[str, str | None], expected: tuple[str, str]) -> None:
    """OpenID Connect Core 3.2.2.6, 3.3.2.6; Multiple Response Types 2.1, 5."""
    assert error(old, **changes) == expected


@given(
    words=st.lists(st.sampled_from(["code", "id_token", "token", "none", "", "x", "ID_TOKEN", "\t"]), max_size=5),
    mode=st.sampled_from([None, "query", "fragment", "form_post", "jwt", "query.jwt", " fragment"]),
    nonce=st.sampled_from([None, "n"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_whatever_is_asked_no_token_is_in_a_query(
    old: Any, words: list[str], mode: str | None, nonce: str | None
) -> None:
    """Multiple Response Types 3, 5; RFC 6749 3.1.1: an answer is what was asked for, or an error."""
    asked = " ".join(words) or None
    answer = old.answer(ALICE, response_type=asked, response_mode=mode, nonce=nonce)
    location = urlsplit(answer.location)
    query, fragment = dict(parse_qsl(location.query)), dict(parse_qsl(location.fragment))
    assert {"access_token", "id_token"}.isdisjoint(query)
    assert not (query and fragment)
    if answer.error is None:
        given = {"code" if "code" in fragment | query else "", "id_token" if "id_token" in fragment else ""}
        assert sorted({*given, "token" if "access_token" in fragment else ""} - {""}) == sorted(words)


def test_a_defect_is_told_in_the_fragment(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6749 4.2.2.1: server_error."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("gone")

    monkeypatch.setattr(old.provider.users, "find", fail)
    assert error(old, response_type="id_token") == ("server_error", "fragment")


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"redirect_uris": ["http://localhost:8401/cb"]}, True),
        ({"redirect_uris": ["http://localhost:8401/cb"], "application_type": "native"}, False),
        ({"redirect_uris": ["http://localhost:8401/cb"], "insecure_http_redirect_uris": True}, False),
        ({"redirect_uris": ["http://app.example/cb"], "insecure_http_redirect_uris": True}, False),
        ({"redirect_uris": ["com.example.app:/cb"], "application_type": "native"}, False),
        ({"redirect_uris": ["https://localhost/cb"]}, False),
    ],
)
@pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
def test_redirect_uris_of_plain_http(
    make_app: MakeApp, login_plugin: dict[str, Any], response_type: str, changes: dict[str, Any], refused: bool
) -> None:
    """OpenID Connect Core 3.2.2.1."""
    app = make_app("old", plugins=login_plugin | allowing(*ALL), more_clients=[client(**changes)])
    answer = app.answer(ALICE, response_type=response_type)
    assert (answer.error is not None) is refused
    assert app.answer(ALICE, response_type="code").error is None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_types": ["implicit"]}, {"code id_token": "unauthorized_client"}),
        ({"response_types": ["id_token"]}, {"id_token token": "unauthorized_client", "code": "unauthorized_client"}),
    ],
)
def test_what_a_client_is_not_registered_for(
    make_app: MakeApp, login_plugin: dict[str, Any], changes: dict[str, Any], error: dict[str, str]
) -> None:
    """RFC 6749 4.2.2.1, RFC 7591 2.1: the response type, and the grants that belong to it."""
    app = make_app("old", plugins=login_plugin | allowing(*ALL), more_clients=[client(**changes)])
    for response_type, expected in error.items():
        answer = app.answer(ALICE, response_type=response_type)
        assert answer.error is not None
        assert answer.error.error == expected
    assert app.answer(ALICE, response_type="id_token").error is None


# The line of the log


def test_one_line_an_hour_for_each_client_and_type(make_app: MakeApp) -> None:
    """docs/adopting.md: none for what is refused."""
    app = make_app("old", plugins=allowing(*ALL), more_clients=[client()])
    with structlog.testing.capture_logs() as lines:
        app.answer(response_type="id_token", nonce=None)
        for response_type in ("id_token", "id_token", "token id_token", "id_token token", "code"):
            grant(app, response_type)
    told = [line for line in lines if line["event"] == "insecure_response_type"]
    assert [(line["client_id"], line["response_type"], line["log_level"]) for line in told] == [
        ("old", "id_token", "warning"),
        ("old", "id_token token", "warning"),
    ]


# Settings


@pytest.mark.parametrize("allowed", [[], ["token"], ["code"], ["none"], ["id_token id_token"], ["id_token", "x"]])
def test_only_those_of_openid_connect_can_be_allowed(make_settings: MakeSettings, allowed: list[str]) -> None:
    """RFC 9700 2.1.2: `token` alone is offered by no setting, as by pyop."""
    with pytest.raises(ConfigurationError, match=r"plugins\.insecure_response_types\.allowed"):
        OpenIDProvider(make_settings(plugins={"insecure_response_types": {"allowed": allowed}}))


def test_it_goes_on_by_a_line_only(make_settings: MakeSettings) -> None:
    """RFC 9700 2.1.2: the name says that it is not safe, and the default is without access tokens in URLs."""
    assert OpenIDProvider(make_settings()).metadata["response_types_supported"] == ["code"]
    metadata = OpenIDProvider(make_settings(plugins={"insecure_response_types": {}})).metadata
    assert metadata["response_types_supported"] == ["code", "id_token", "code id_token"]
    assert metadata["response_modes_supported"] == ["query", "fragment"]
    assert "implicit" in metadata["grant_types_supported"]


@pytest.mark.parametrize(
    ("plugins", "changes", "told"),
    [
        ({}, {}, "response_types[1]: no such response type (is its plugin on?)"),
        ({}, {"response_types": ["code"]}, "grant_types[1]: no such grant (is its plugin on?)"),
        (allowing("id_token"), {}, "response_types[2]: no such response type"),
        (allowing("id_token"), {"response_types": ["code", "id_tokn"]}, "did you mean 'id_token'"),
    ],
)
def test_what_is_not_on_cannot_be_registered(
    make_settings: MakeSettings, plugins: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    """DESIGN, Configuration: said with its place, before anything is served."""
    with pytest.raises(ConfigurationError) as raised:
        OpenIDProvider(make_settings(plugins=plugins, more_clients=[client(**changes)]))
    assert told in str(raised.value)


@pytest.mark.parametrize("response_type", ["id_token", "token id_token", "code token"])
def test_a_registration_names_the_grant_too(response_type: str) -> None:
    """RFC 7591 2.1."""
    fields = client(response_types=[response_type], grant_types=["authorization_code"])
    with pytest.raises(ValueError, match="which needs the grant implicit"):
        ClientSettings.model_validate(fields)


def test_a_client_of_the_store_outlives_the_plugin(make_app: MakeApp, login_plugin: dict[str, Any]) -> None:
    """DESIGN, Plugins: when it goes off, its clients are there, and refused."""
    app = make_app(plugins=login_plugin | allowing(*ALL))
    app.provider.clients.add(ClientSettings.model_validate(client()))
    without = make_app("old", plugins=login_plugin | {"insecure_response_types": {"enabled": False}})
    assert error(without, response_type="id_token") == ("unsupported_response_type", "query")
    assert "code" in dict(parse_qsl(urlsplit(without.answer(ALICE).location).query))


def test_without_a_response_type_the_answer_is_in_the_query(old: Any) -> None:
    """RFC 6749 4.1.2.1: where every app looks for it."""
    provider = old.provider
    assert provider.authorization.respond(Parameters(), old.client, CALLBACK, {"error": "x"}).startswith(f"{CALLBACK}?")


def test_without_nonce_and_hashes_there_is_no_start(make_provider: Callable[..., OpenIDProvider]) -> None:
    """OpenID Connect Core 3.2.2.10, 3.3.2.11: the app could not tell an ID token that somebody else put in."""
    off = {"id_token_claims": {"enabled": False}}
    with pytest.raises(ConfigurationError, match="id_token_claims: switch it on"):
        make_provider(plugins=allowing("id_token") | off)
