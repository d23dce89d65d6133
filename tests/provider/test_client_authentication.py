"""Who is the client? Read from a Basic header or a form, and never from both."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from creance.provider import InvalidClient, InvalidRequest, OpenIDProvider, Parameters
from creance.provider.client_authentication import read_basic
from creance.provider.headers import any_case
from hypothesis import example, given
from hypothesis import strategies as st

SECRET = "marked+secret %41:ä"
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def basic(credentials: str | bytes, scheme: str = "Basic") -> str:
    raw = credentials if isinstance(credentials, bytes) else credentials.encode()
    return f"{scheme} {base64.b64encode(raw).decode()}"


@pytest.fixture(scope="module")
def shared(make_shared_provider: Callable[..., OpenIDProvider]) -> OpenIDProvider:
    return make_shared_provider(
        more_clients=[
            {"client_id": "odd: one%", "client_secret": SECRET, "grant_types": []},
            {
                "client_id": "odd-post",
                "client_secret": SECRET,
                "grant_types": [],
                "token_endpoint_auth_method": "client_secret_post",
            },
        ]
    )


def authenticate(provider: OpenIDProvider, form: dict[str, str], authorization: str | None = None) -> str:
    headers = any_case({"Authorization": authorization} if authorization is not None else {})
    return provider.client_authentication.authenticate(Parameters(form), headers).client_id


# The Basic header


@pytest.mark.parametrize(
    ("authorization", "client_id", "secret"),
    [
        (basic("app:app-secret"), "app", "app-secret"),
        (basic("app:app-secret", "basic"), "app", "app-secret"),
        (basic("app:app-secret", "BASIC"), "app", "app-secret"),
        (basic("app:app-secret", "Basic  "), "app", "app-secret"),
        (basic("app:app-secret") + " ", "app", "app-secret"),
        (basic("app:"), "app", ""),
        (basic(":"), "", ""),
        (basic("app:a:b:c"), "app", "a:b:c"),
        (basic("a%3Ab:c%3Ad"), "a:b", "c:d"),
        (basic("app:a%2Bb%2541"), "app", "a+b%41"),
        (basic("app:a+b"), "app", "a b"),
        (basic("app:a%20b"), "app", "a b"),
        (basic("app:%C3%A4"), "app", "ä"),
        (basic("app:ä"), "app", "ä"),
        (basic("app:100%"), "app", "100%"),
        (basic("app:%zz"), "app", "%zz"),
    ],
)
def test_a_basic_header_is_form_decoded(authorization: str, client_id: str, secret: str) -> None:
    """RFC 6749 2.3.1, RFC 9110 11.1: any case of the scheme; PYOP 8 and Basic header."""
    assert read_basic(authorization) == (client_id, secret)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic    ",
        "basic",
        "Basic=",
        "BasicYXBwOmFwcC1zZWNyZXQ=",
        "Basic\tYXBwOmFwcC1zZWNyZXQ=",
        "Basic:YXBwOmFwcC1zZWNyZXQ=",
        "YXBwOmFwcC1zZWNyZXQ=",
        "Bearer YXBwOmFwcC1zZWNyZXQ=",
        "Digest username=app",
        "Basic YXBwOmFwcC1zZWNyZXQ",
        "Basic YXBwOmFwcC1zZWNyZX",
        "Basic YXBwOmFwcC1zZWNyZXQ==",
        "Basic YXBwOmFwcC1z ZWNyZXQ=",
        "Basic YXBwOmFwcC1zZWNyZXQ=, Basic YXBwOmFwcC1zZWNyZXQ=",
        "Basic YXBwOmFwcC1zZWNyZXQ=\n",
        "Basic -_-_",
        "Basic ä",
        "Basic \ud800",
        "Basic \0",
        "Basic ====",
        "Basic A",
        basic(""),
        basic("app"),
        basic("app%3Aapp-secret"),
        basic(b"app:\xff"),
        basic(b"\xe4:x"),
        basic("app:%FF"),
        basic("app:%ED%A0%80"),
        basic("app:a\0b"),
        basic("app:a%00b"),
        basic("app%00:x"),
    ],
)
def test_a_bad_basic_header_is_invalid_client(authorization: str) -> None:
    """PYOP, Exceptions that escape, Basic header: each was another exception. RFC 6749 5.2: 401."""
    with pytest.raises(InvalidClient) as refusal:
        read_basic(authorization)
    assert refusal.value.status == 401
    assert "secret" not in refusal.value.description


@given(ANY_TEXT)
@example("Basic " + "=" * 99)
def test_any_header_is_read_or_invalid_client(authorization: str) -> None:
    """Issue 3, bad input: bad Basic headers."""
    for header in (authorization, f"Basic {authorization}", basic(authorization.encode("utf-8", "surrogatepass"))):
        try:
            client_id, secret = read_basic(header)
        except InvalidClient:
            continue
        assert "\0" not in client_id + secret
        (client_id + secret).encode()


@given(client_id=st.text(), secret=st.text())
def test_what_a_client_encodes_is_what_is_read(client_id: str, secret: str) -> None:
    """RFC 6749 2.3.1."""
    if "\0" not in client_id + secret:
        assert read_basic(basic(f"{quote_plus(client_id)}:{quote_plus(secret)}")) == (client_id, secret)


# The request


@pytest.mark.parametrize(
    ("form", "authorization", "client_id"),
    [
        ({}, basic("app:app-secret"), "app"),
        ({"client_id": "app"}, basic("app:app-secret"), "app"),
        ({"client_id": "app-post", "client_secret": "app-post-secret"}, None, "app-post"),
        ({"client_id": "spa"}, None, "spa"),
        ({}, basic(f"{quote_plus('odd: one%')}:{quote_plus(SECRET)}"), "odd: one%"),
        ({"client_id": "odd: one%"}, basic(f"{quote_plus('odd: one%')}:{quote_plus(SECRET)}"), "odd: one%"),
        ({"client_id": "odd-post", "client_secret": SECRET}, None, "odd-post"),
    ],
)
def test_a_client_proves_who_it_is_by_its_registered_method(
    shared: OpenIDProvider, form: dict[str, str], authorization: str | None, client_id: str
) -> None:
    """RFC 6749 2.3.1, 3.2.1; OpenID Connect Core 9."""
    assert authenticate(shared, form, authorization) == client_id


REFUSED = {"error": "invalid_client", "error_description": "client authentication failed"}


@pytest.mark.parametrize(
    ("form", "authorization"),
    [
        ({}, basic("app:wrong")),
        ({}, basic("nobody:app-secret")),
        ({}, basic("app:")),
        ({}, basic(":app-secret")),
        ({}, basic("app-post:app-post-secret")),
        ({}, basic("spa:")),
        ({"client_id": "app", "client_secret": "app-secret"}, None),
        ({"client_id": "app-post", "client_secret": "wrong"}, None),
        ({"client_id": "nobody", "client_secret": "app-post-secret"}, None),
        ({"client_id": "spa", "client_secret": "x"}, None),
        ({"client_id": "app"}, None),
        ({"client_id": "nobody"}, None),
        ({}, basic(f"odd: one%:{SECRET}")),
    ],
)
def test_whoever_cannot_prove_it_gets_one_answer(
    shared: OpenIDProvider, form: dict[str, str], authorization: str | None
) -> None:
    """RFC 6749 5.2; issue 3: the same answer for an unknown client, a wrong secret and another method."""
    with pytest.raises(InvalidClient) as refusal:
        authenticate(shared, form, authorization)
    assert refusal.value.to_dict() == REFUSED


@pytest.mark.parametrize("form", [{}, {"client_secret": "app-post-secret"}])
def test_a_request_without_a_client_is_invalid_client(shared: OpenIDProvider, form: dict[str, str]) -> None:
    """RFC 6749 5.2: no client authentication included."""
    with pytest.raises(InvalidClient, match="client authentication is missing"):
        authenticate(shared, form)


@pytest.mark.parametrize(
    ("form", "authorization"),
    [
        ({"client_id": "app", "client_secret": "app-secret"}, basic("app:app-secret")),
        ({"client_secret": "app-secret"}, basic("app:app-secret")),
        ({"client_id": "app-post", "client_secret": "app-post-secret"}, basic("app:app-secret")),
        ({"client_id": "spa"}, basic("app:app-secret")),
        ({"client_id": "app-post"}, basic("app:app-secret")),
        ({"client_id": "App"}, basic("app:app-secret")),
    ],
)
def test_two_methods_or_two_clients_at_once_are_invalid_request(
    shared: OpenIDProvider, form: dict[str, str], authorization: str
) -> None:
    """RFC 6749 2.3: not more than one method in each request; PYOP 8: conflicting credentials were accepted."""
    with pytest.raises(InvalidRequest):
        authenticate(shared, form, authorization)


def test_a_public_client_cannot_be_taken_for_a_confidential_one(shared: OpenIDProvider) -> None:
    """RFC 6749 3.2.1: naming a client_id proves nothing for a client that has a secret."""
    with pytest.raises(InvalidClient):
        authenticate(shared, {"client_id": "app"})


# Methods of plugins


BY_HEADER = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def client_authentication_methods(self):
        return {"by_header": self.authenticate}

    def authenticate(self, parameters, headers):
        if "X-Client" not in headers:
            return None
        if headers["X-Client"] == "evil":
            raise InvalidClient("client authentication failed")
        return self.provider.clients.authenticate_client(headers["X-Client"], "proven", "by_header")
"""


def test_a_plugin_adds_a_method(make_provider: Any, install_plugin: Callable[..., None]) -> None:
    """DESIGN, Plugins: client_authentication_methods."""
    install_plugin("by_header", BY_HEADER)
    client = {
        "client_id": "machine",
        "client_secret": "proven",
        "token_endpoint_auth_method": "by_header",
        "grant_types": ["client_credentials"],
    }
    provider = make_provider(more_clients=[client], plugins={"by_header": {}})

    def by_header(form: dict[str, str], **more: str) -> str:
        headers = any_case({"X-Client": "machine"} | more)
        return str(provider.client_authentication.authenticate(Parameters(form), headers).client_id)

    assert by_header({}) == "machine"
    assert authenticate(provider, {}, basic("app:app-secret")) == "app"
    assert "by_header" in provider.metadata["token_endpoint_auth_methods_supported"]
    with pytest.raises(InvalidRequest, match="beside by_header"):
        by_header({"client_secret": "x"})
    with pytest.raises(InvalidRequest, match="beside by_header"):
        by_header({}, Authorization=basic("machine:proven", "bAsIc"))
    with pytest.raises(InvalidRequest, match="client_id"):
        by_header({"client_id": "app"})
    with pytest.raises(InvalidClient):
        authenticate(provider, {"client_id": "machine", "client_secret": "proven"})
