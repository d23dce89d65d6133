"""The authorization request, clause by clause: who may be sent where first, and then everything else."""

from __future__ import annotations

from typing import Any

import pytest
from creance.provider import ClaimsRequest, ClientSettings, InvalidRequest, OAuthError, Parameters, UnprovenRedirect
from creance.provider.authorization_request import (
    AuthorizationRequest,
    check_parameters,
    one_subject,
    prove_redirect_uri,
    read_acr_values,
    read_max_age,
    read_prompt,
    read_response_mode,
    read_response_type,
    read_scope,
)
from creance.provider.claims_request import read_claims_request
from creance.provider.clients import Client
from creance.provider.parameters import parse_parameters
from creance.provider.scopes import split_scope
from hypothesis import given
from hypothesis import strategies as st

CALLBACK, OTHER = "https://app.example/cb", "https://app.example/other"
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def make_client(**changes: Any) -> Client:
    settings = ClientSettings.model_validate(
        {
            "client_id": "app",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email offline_access read",
            **changes,
        }
    )
    return Client(
        client_id="app",
        name="app",
        secret_hash=None,
        secret_expires_at=0,
        redirect_uris=frozenset(settings.redirect_uris),
        grant_types=frozenset(settings.grant_types),
        response_types=frozenset(settings.response_types),
        scope=split_scope(settings.scope),
        authentication_method="none",
        settings=settings,
        plugin_settings={},
    )


CLIENT = make_client()


# Client and redirect URI, before anything else


def test_a_redirect_uri_of_the_client_is_proven() -> None:
    """RFC 6749 3.1.2.3."""
    assert prove_redirect_uri(Parameters({"client_id": "app", "redirect_uri": CALLBACK}), CLIENT) == CALLBACK


@pytest.mark.parametrize(
    ("query", "client", "why"),
    [
        ("", None, "client_id is missing"),
        ("client_id=", None, "client_id is missing"),
        (f"redirect_uri={CALLBACK}", CLIENT, "client_id is missing"),
        ("client_id=nobody", None, "client_id is not that of a client of this provider"),
        ("client_id=app&scope=openid", CLIENT, "redirect_uri is missing"),
        ("client_id=app&redirect_uri=&scope=openid", CLIENT, "redirect_uri is missing"),
        ("client_id=app&scope=profile+openid", CLIENT, "redirect_uri is missing"),
        ("client_id=app&redirect_uri=https://evil.example/", CLIENT, "redirect_uri is not registered"),
        (f"client_id=app&redirect_uri={CALLBACK}/", CLIENT, "redirect_uri is not registered"),
        (f"client_id=app&redirect_uri={CALLBACK}?x", CLIENT, "redirect_uri is not registered"),
        (f"client_id=app&redirect_uri={CALLBACK}%23", CLIENT, "redirect_uri is not registered"),
        (f"client_id=app&redirect_uri={CALLBACK}%20", CLIENT, "redirect_uri is not registered"),
        (f"client_id=app&redirect_uri={CALLBACK.upper()}", CLIENT, "redirect_uri is not registered"),
        (f"client_id=app&redirect_uri={OTHER}", CLIENT, "redirect_uri is not registered"),
        (f"client_id=app&client_id=app&redirect_uri={CALLBACK}", CLIENT, "client_id is there more than once"),
        (f"client_id=app&redirect_uri={CALLBACK}&redirect_uri={CALLBACK}", CLIENT, "redirect_uri is there more than"),
        (f"client_id=app&redirect_uri={CALLBACK}&redirect_uri=", CLIENT, "redirect_uri is there more than once"),
        (f"client_id=app%00&redirect_uri={CALLBACK}", CLIENT, "client_id holds a NUL"),
        (f"client_id=app&redirect_uri={CALLBACK}%00", CLIENT, "redirect_uri holds a NUL"),
        (f"client_id=app&redirect_uri={CALLBACK}&redirect_uri=%00", CLIENT, "redirect_uri holds a NUL"),
    ],
)
def test_without_proof_nobody_is_sent_anywhere(query: str, client: Client | None, why: str) -> None:
    """RFC 6749 4.1.2.1, RFC 9700 4.11; PYOP 1: an open redirect."""
    with pytest.raises(UnprovenRedirect) as refusal:
        prove_redirect_uri(parse_parameters(query, limit=100), client)
    assert str(refusal.value).startswith(why)


def test_a_client_with_one_redirect_uri_need_not_name_it_outside_openid() -> None:
    """RFC 6749 3.1.2.3; OpenID Connect Core 3.1.2.1 requires it."""
    for scope in ({}, {"scope": "read"}, {"scope": "openidx"}):
        assert prove_redirect_uri(Parameters({"client_id": "app", **scope}), CLIENT) == CALLBACK


@pytest.mark.parametrize("uris", [[CALLBACK, OTHER], []])
def test_a_client_with_several_or_none_must_name_one(uris: list[str]) -> None:
    """RFC 6749 3.1.2.3."""
    client = make_client(redirect_uris=uris, grant_types=["refresh_token"])
    with pytest.raises(UnprovenRedirect, match="redirect_uri is missing"):
        prove_redirect_uri(Parameters({"client_id": "app"}), client)


# The request as a whole


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("state=a&state=b", "invalid_request"),
        ("nonce=a&nonce=a", "invalid_request"),
        ("unknown=a&unknown=b", "invalid_request"),
        ("state=%00", "invalid_request"),
        ("x%00y=1", "invalid_request"),
        ("request=e30", "request_not_supported"),
        ("request_uri=https://app.example/r", "request_uri_not_supported"),
        ("request=a&request_uri=b", "request_not_supported"),
        ("registration=%7B%7D", "registration_not_supported"),
        ("state=" + "a" * 2049, "invalid_request"),
        ("nonce=" + "ä" * 2049, "invalid_request"),
        ("request=a&request=b", "invalid_request"),
    ],
)
def test_what_is_wrong_with_the_request_has_its_error(query: str, error: str) -> None:
    """RFC 6749 3.1, 4.1.2.1; OpenID Connect Core 3.1.2.6; issue 3: refused by name, not ignored."""
    with pytest.raises(OAuthError) as refusal:
        check_parameters(parse_parameters(query, limit=100), longest=2048)
    assert refusal.value.error == error


@pytest.mark.parametrize("query", ["", "unknown=a", "state=" + "ä" * 2048, "request=&request_uri=", "foo[]=1"])
def test_what_is_unknown_is_ignored(query: str) -> None:
    """RFC 6749 3.1."""
    check_parameters(parse_parameters(query, limit=100), longest=2048)


@pytest.mark.parametrize(
    ("response_type", "error"),
    [
        (None, "invalid_request"),
        ("token", "unsupported_response_type"),
        ("id_token", "unsupported_response_type"),
        ("code token", "unsupported_response_type"),
        ("code code", "unsupported_response_type"),
        ("code ", "unsupported_response_type"),
        ("CODE", "unsupported_response_type"),
        ("none", "unsupported_response_type"),
    ],
)
def test_the_response_type_is_code(response_type: str | None, error: str) -> None:
    """RFC 6749 3.1.1, 4.1.2.1; RFC 9700 2.1.2."""
    parameters = Parameters({"response_type": response_type} if response_type else {})
    with pytest.raises(OAuthError) as refusal:
        read_response_type(parameters, CLIENT, ["code"])
    assert refusal.value.error == error


@pytest.mark.parametrize(
    "changes", [{"response_types": []}, {"grant_types": ["client_credentials"]}, {"grant_types": ["refresh_token"]}]
)
def test_a_client_that_is_not_registered_for_codes_gets_none(changes: dict[str, Any]) -> None:
    """RFC 6749 4.1.2.1: unauthorized_client."""
    with pytest.raises(OAuthError) as refusal:
        read_response_type(Parameters({"response_type": "code"}), make_client(**changes), ["code"])
    assert refusal.value.error == "unauthorized_client"


def test_a_response_mode_is_one_of_those_that_are_on() -> None:
    """OAuth 2.0 Multiple Response Type Encoding Practices 2.1."""
    assert read_response_mode(Parameters(), ["query"]) == "query"
    assert read_response_mode(Parameters({"response_mode": "jwt"}), ["query", "jwt"]) == "jwt"
    for mode in ("fragment", "form_post", "QUERY", "query "):
        with pytest.raises(OAuthError, match="response_mode is not supported"):
            read_response_mode(Parameters({"response_mode": mode}), ["query"])


# Scope


@pytest.mark.parametrize(
    ("requested", "registered", "granted"),
    [
        ("openid", "openid profile", "openid"),
        ("openid profile email", "openid profile", "openid profile"),
        ("profile openid", "openid profile", "profile openid"),
        ("openid openid", "openid", "openid"),
        ("openid unknown admin", "openid", "openid"),
        ("openid offline_access", "openid offline_access", "openid offline_access"),
        ("openid offline_access", "openid", "openid"),
        (None, "openid profile offline_access read", "profile read"),
        ("read", "read", "read"),
        ("openid OPENID", "openid OPENID", "openid OPENID"),
    ],
)
def test_what_may_be_granted_is_what_was_asked_and_is_registered(
    requested: str | None, registered: str, granted: str
) -> None:
    """RFC 6749 3.3; OpenID Connect Core 3.1.2.1; PYOP 11: unsupported scopes were granted."""
    parameters = Parameters({"scope": requested} if requested is not None else {})
    assert " ".join(read_scope(parameters, make_client(scope=registered))) == granted


def test_offline_access_is_for_clients_that_can_refresh() -> None:
    """OpenID Connect Core 11: it asks for a refresh token; issue 3: registered grant_types count."""
    client = make_client(grant_types=["authorization_code"])
    assert read_scope(Parameters({"scope": "openid offline_access"}), client) == ("openid",)


def test_offline_access_is_for_who_gets_a_code() -> None:
    """OpenID Connect Core 11: ignored where the response_type gives none."""
    parameters = Parameters({"scope": "openid offline_access"})
    assert read_scope(parameters, CLIENT, with_code=False) == ("openid",)


@pytest.mark.parametrize(
    ("requested", "registered"),
    [
        ("admin", "openid profile"),
        ("offline_access", "openid"),
        (" ", "openid"),
        ("openid\tprofile", "openid profile"),
        ('openid "', "openid"),
        ("öpenid", "openid"),
        (None, "openid offline_access"),
        ("openid", ""),
    ],
)
def test_nothing_that_may_be_granted_is_invalid_scope(requested: str | None, registered: str) -> None:
    """RFC 6749 3.3, 4.1.2.1."""
    parameters = Parameters({"scope": requested} if requested is not None else {})
    with pytest.raises(OAuthError) as refusal:
        read_scope(parameters, make_client(scope=registered))
    assert refusal.value.error == "invalid_scope"


@given(ANY_TEXT)
def test_never_more_is_granted_than_is_registered(requested: str) -> None:
    """RFC 6749 3.3."""
    try:
        granted = read_scope(Parameters({"scope": requested}), CLIENT)
    except OAuthError as refusal:
        assert refusal.error == "invalid_scope"  # noqa: PT017
    else:
        assert set(granted) <= set(CLIENT.scope)


# prompt, max_age, claims


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        (None, set()),
        ("none", {"none"}),
        ("login", {"login"}),
        ("login consent", {"login", "consent"}),
        ("login login", {"login"}),
        ("select_account", {"select_account"}),
    ],
)
def test_a_prompt_is_a_set_of_known_words(prompt: str | None, read: set[str]) -> None:
    """OpenID Connect Core 3.1.2.1."""
    assert read_prompt(Parameters({"prompt": prompt} if prompt else {})) == read


@pytest.mark.parametrize(
    "prompt", ["bogus", "none login", "none consent", "NONE", "login\tconsent", "create", "login,"]
)
def test_another_prompt_is_invalid_request(prompt: str) -> None:
    """OpenID Connect Core 3.1.2.1: none alone; PYOP: an exception escaped."""
    with pytest.raises(OAuthError) as refusal:
        read_prompt(Parameters({"prompt": prompt}))
    assert refusal.value.error == "invalid_request"


@pytest.mark.parametrize(("max_age", "read"), [("0", 0), ("3600", 3600), ("0060", 60), ("99999999999", 99999999999)])
def test_max_age_is_a_number_of_seconds(max_age: str, read: int) -> None:
    """OpenID Connect Core 3.1.2.1."""
    assert read_max_age(Parameters({"max_age": max_age}), CLIENT) == read


@pytest.mark.parametrize(
    "max_age", ["abc", "-1", "+1", "1.5", "1e3", " 1", "1_000", "٣", "²", "9" * 12, "9" * 5000, "0x1"]
)
def test_another_max_age_is_invalid_request(max_age: str) -> None:
    """OpenID Connect Core 3.1.2.1; PYOP: ValueError."""
    with pytest.raises(OAuthError) as refusal:
        read_max_age(Parameters({"max_age": max_age}), CLIENT)
    assert refusal.value.error == "invalid_request"


def test_a_client_has_a_default_max_age() -> None:
    """OpenID Connect Registration 2: default_max_age; the request's own comes first."""
    client = make_client(default_max_age=60)
    assert read_max_age(Parameters(), client) == 60
    assert read_max_age(Parameters({"max_age": "0"}), client) == 0
    assert read_max_age(Parameters(), CLIENT) is None


def test_acr_values_come_from_three_places() -> None:
    """OpenID Connect Core 3.1.2.1, 5.5.1.1, Registration 2: default_acr_values only where the request has none."""
    client = make_client(default_acr_values=["low"])
    demanded = read_claims_request('{"id_token": {"acr": {"values": ["high", "middle", 7]}}}')
    assert read_acr_values(Parameters(), client, ClaimsRequest()) == ("low",)
    assert read_acr_values(Parameters({"acr_values": "a b"}), client, ClaimsRequest()) == ("a", "b")
    assert read_acr_values(Parameters({"acr_values": "middle"}), client, demanded) == ("high", "middle")
    assert read_acr_values(Parameters(), CLIENT, ClaimsRequest()) == ()


def test_an_app_expects_one_person() -> None:
    """OpenID Connect Core 3.1.2.1, 5.5.1: id_token_hint, or `sub` with a value; two that differ are a contradiction."""
    demanding = read_claims_request('{"id_token": {"sub": {"value": "a"}}}')
    assert one_subject(None, ClaimsRequest()) is None
    assert one_subject("a", ClaimsRequest()) == one_subject(None, demanding) == one_subject("a", demanding) == "a"
    with pytest.raises(InvalidRequest):
        one_subject("b", demanding)


@given(st.sampled_from(["prompt", "max_age", "claims", "response_mode", "response_type"]), ANY_TEXT.filter(bool))
def test_garbage_in_any_parameter_is_an_oauth_error(name: str, value: str) -> None:
    """Issue 3, bad input: never another exception."""
    parameters = Parameters({name: value})
    for read in (
        read_prompt,
        lambda parameters: read_max_age(parameters, CLIENT),
        lambda parameters: read_claims_request(parameters.get("claims")),
        lambda parameters: read_response_mode(parameters, ["query"]),
        lambda parameters: read_response_type(parameters, CLIENT, ["code"]),
        lambda parameters: check_parameters(parameters, longest=2048),
        lambda parameters: prove_redirect_uri(parameters, CLIENT),
    ):
        try:
            read(parameters)
        except OAuthError as refusal:
            assert refusal.description.isascii()  # noqa: PT017


# The earliest login that counts


@pytest.mark.parametrize(
    ("prompt", "max_age", "after"),
    [
        ("", None, None),
        ("none", None, None),
        ("consent", None, None),
        ("login", None, 1000.0),
        ("select_account", None, None),
        ("login", 600, 1000.0),
        ("", 600, 400.0),
        ("", 0, 1000.0),
        ("", 99999999999, 1000.0 - 99999999999),
    ],
)
def test_the_earliest_login_that_counts(prompt: str, max_age: int | None, after: float | None) -> None:
    """OpenID Connect Core 3.1.2.1; DESIGN, A person's visit: an auth_time after the request's start."""
    request = AuthorizationRequest(
        parameters=Parameters({"state": "s"}),
        client=CLIENT,
        redirect_uri=CALLBACK,
        response_type="code",
        response_mode="query",
        scope=("openid",),
        prompt=frozenset(prompt.split()),
        max_age=max_age,
        hinted_subject=None,
        started_at=1000.0,
    )
    assert request.authenticated_after == after
    assert (request.state, request.nonce, request.get("state")) == ("s", None, "s")
