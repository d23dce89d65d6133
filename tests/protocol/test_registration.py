"""Dynamic registration over HTTP: RFC 7591, RFC 7592, OpenID Connect Registration 1.0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from creance.provider.client_secrets import hash_client_secret
from creance.provider.testing import Answer, AuthorizationAnswer, Browser, RelyingParty, RunningProvider
from jsonschema import Draft202012Validator
from oic.oic import Client as OicClient
from oic.oic.message import RegistrationResponse
from oic.utils.authn.client import CLIENT_AUTHN_METHOD
from openapi_spec_validator import OpenAPIV31SpecValidator

from ..consent_form import ConsentForm, asks_for_consent
from ..plugins.https_server import HTTPSServer, https_server

RunProvider = Callable[..., RunningProvider]

TOKEN = "an initial access token of the tests".replace(" ", "-")
CALLBACK = "https://client.example/callback"
MINIMAL = {"redirect_uris": [CALLBACK]}
SWITCHED_ON = f"""
[plugins.registration]
initial_access_token_hashes = ["{hash_client_secret(TOKEN)}"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
scope = "openid profile email offline_access"
requests_per_hour = 100000
allow_loopback_fetches_for_tests = true
"""
KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6p",
}


@pytest.fixture(scope="module")
def sectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HTTPSServer]:
    with https_server(tmp_path_factory.mktemp("sectors")) as running:
        yield running


@pytest.fixture(scope="module")
def registering(run_provider: RunProvider, sectors: HTTPSServer) -> RunningProvider:
    """The demonstration with registration switched on, which trusts the authority of `sectors`."""
    environment = {"CREANCE_SUBJECTS__SALT": "salt of the tests", "SSL_CERT_FILE": str(sectors.certificate)}
    return run_provider(extra=SWITCHED_ON, environment=environment)


def send(
    op: RunningProvider, method: str, url: str = "/register", token: str | None = TOKEN, **options: Any
) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    headers |= options.pop("headers", {})
    return requests.request(method, url if "://" in url else op.url(url), headers=headers, timeout=30, **options)


def register(op: RunningProvider, token: str | None = TOKEN, **metadata: Any) -> Answer:
    return Answer(send(op, "POST", token=token, json={**MINIMAL, **metadata}))


class Registered:
    """A client that has registered itself, and looks after that."""

    def __init__(self, op: RunningProvider, **metadata: Any) -> None:
        self.op = op
        self.answer = register(op, **metadata)
        assert self.answer.status == 201, self.answer
        self.token = self.answer.registration_access_token
        self.url = self.answer.registration_client_uri

    def send(self, method: str, **options: Any) -> Answer:
        return Answer(send(self.op, method, self.url, options.pop("token", self.token), **options))

    def put(self, **metadata: Any) -> Answer:
        return self.send("PUT", json={"client_id": self.answer.client_id, **MINIMAL, **metadata})

    def party(self, **named: Any) -> RelyingParty:
        named = {"secret": self.answer.client_secret, "redirect_uri": CALLBACK, "scope": "openid email", **named}
        return self.op.client(self.answer.client_id, **named)


def agree(app: RelyingParty, browser: Browser) -> AuthorizationAnswer:
    """A person logs in and agrees."""
    parameters, verifier = app.request()
    page = browser.follow(browser.get(app.metadata["authorization_endpoint"], params=parameters))
    if not asks_for_consent(page):
        page = browser.log_in(page, "alice")
    assert asks_for_consent(page)
    back = browser.follow(ConsentForm(page).press(browser))
    return AuthorizationAnswer(back.headers["Location"], verifier, parameters["nonce"], parameters["redirect_uri"])


def test_it_is_off_by_default(op: RunningProvider) -> None:
    """RFC 7591 3: nobody registers anything unless the operator says so."""
    assert op.post("/register", json=MINIMAL).status_code == 404
    assert "registration_endpoint" not in op.get("/.well-known/openid-configuration").json()


def test_the_metadata_says_where(registering: RunningProvider) -> None:
    """RFC 8414 2, OpenID Connect Discovery 3: registration_endpoint."""
    metadata = registering.get("/.well-known/openid-configuration").json()
    assert metadata["registration_endpoint"] == registering.url("/register")


@pytest.mark.parametrize(
    ("header", "status", "error"),
    [
        ({}, 401, None),
        ({"Authorization": "Basic YTpi"}, 401, None),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401, "invalid_token"),
        ({"Authorization": f"Bearer {hash_client_secret(TOKEN).replace(':', '-')}"}, 401, "invalid_token"),
        ({"Authorization": "Bearer a b"}, 400, "invalid_request"),
    ],
)
def test_an_initial_access_token_is_needed(
    registering: RunningProvider, header: dict[str, str], status: int, error: str | None
) -> None:
    """RFC 7591 3, RFC 6750 3."""
    answer = Answer(send(registering, "POST", token=None, json=MINIMAL, headers=header))
    assert answer.status == status
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert (f'error="{error}"' in challenge) if error else ("error" not in challenge)
    assert answer.client_id is None


def test_what_a_registration_answers(registering: RunningProvider) -> None:
    """RFC 7591 3.2.1, 2: 201, all that is registered with the defaults, never stored."""
    answer = register(registering, client_name="App", contacts=["a@client.example"], software_version="1")
    assert answer.status == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.client_secret) == len(answer.registration_access_token) == 43  # 256 bits
    assert answer == {
        **{name: answer[name] for name in ("client_id", "client_secret", "client_id_issued_at")},
        **{name: answer[name] for name in ("registration_access_token", "registration_client_uri")},
        "client_secret_expires_at": 0,
        "client_name": "App",
        "contacts": ["a@client.example"],
        "software_version": "1",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "application_type": "web",
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "openid profile email offline_access",
        "subject_type": "public",
        "require_auth_time": False,
        "default_acr_values": [],
    }
    assert answer.registration_client_uri == f"{registering.url('/register')}?client_id={answer.client_id}"
    assert register(registering).client_id != answer.client_id


def test_a_registered_client_is_a_client_of_somebody_else(registering: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.4: the person is asked, whatever the client says of itself."""
    client = Registered(registering, client_name="Register Me", first_party=True)
    app, browser = client.party(), registering.browser()
    tokens = app.exchange(agree(app, browser))
    assert app.verify(tokens.id_token)["aud"] == client.answer.client_id
    assert app.userinfo(tokens.access_token).email == "alice@example.org"


def test_the_consent_page_leads_to_the_pages_of_the_app(registering: RunningProvider) -> None:
    """OpenID Connect Registration 2: client_uri, policy_uri, tos_uri. They open beside it, and no image is loaded."""
    pages = {name: f"https://client.example/{name}?a&b" for name in ("client_uri", "policy_uri", "tos_uri")}
    client = Registered(registering, **pages, logo_uri="https://client.example/logo")
    browser = registering.browser()
    page = browser.log_in(client.party().begin(browser), "alice")
    assert asks_for_consent(page)
    for url in pages.values():
        link = f'<a href="{url.replace("&", "&amp;")}" target="_blank" rel="noopener noreferrer">'
        assert link in page.text
    assert "client.example/logo" not in page.text


def test_a_public_client_has_no_secret(registering: RunningProvider) -> None:
    """RFC 7591 3.2.1, RFC 8252 8.4."""
    native = {"application_type": "native", "redirect_uris": ["com.example.app:/callback", "http://127.0.0.1/cb"]}
    answer = register(registering, token_endpoint_auth_method="none", **native)
    assert answer.status == 201
    assert not {"client_secret", "client_secret_expires_at"} & answer.keys()
    assert answer.redirect_uris == native["redirect_uris"]


def test_a_client_without_people(registering: RunningProvider) -> None:
    """RFC 7591 2.1: client_credentials goes with no response type."""
    answer = register(registering, grant_types=["client_credentials"], redirect_uris=[], scope="openid")
    assert (answer.status, answer.response_types) == (201, [])


def test_what_is_not_understood_is_ignored(registering: RunningProvider) -> None:
    """RFC 7591 2, 2.2; RFC 7592 2.2: null is as good as nothing; a name in another language is kept."""
    more = {"unknown": {"a": [1]}, "client_uri": None, "client_id": "chosen", "client_secret": "chosen", "plugins": {}}
    answer = register(registering, **more, **{"client_name#de": "Ein Ding", "client_name#!": "x"}, scope="openid read")
    assert answer.status == 201
    assert answer["client_name#de"] == "Ein Ding"
    assert not {"unknown", "client_uri", "client_name#!", "plugins"} & answer.keys()
    assert "chosen" not in answer.values()
    assert answer.scope == "openid"


REDIRECT, METADATA = "invalid_redirect_uri", "invalid_client_metadata"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    *(
        ({"redirect_uris": uris}, REDIRECT, "redirect_uris")
        for uris in (
            *(
                "https://client.example/",
                {},
                1,
                [],
                [1],
                [None],
                [""],
                [["https://a.example"]],
                ["https://a.example"] * 51,
            ),
            *(["javascript:alert(1)"], ["data:text/html,x"], ["file:///etc/passwd"], ["com.example.app:/callback"]),
            *(["https://a.example/#f"], ["https://a.example/*"], ["https://u@a.example/"], ["https:///x"], ["/x"]),
            *(["http://a.example/"], ["http://localhost/cb"], ["http://127.0.0.1/cb"], ["https://a.example/ b"]),
            *(["https://[::1"], ["https://a.example:99999/"], ["https://é.example/"], [CALLBACK, "http://a.example"]),
            ["https://a.example/" + "x" * 2048],
        )
    ),
    *(
        ({"application_type": "native", "redirect_uris": [uri]}, REDIRECT, "redirect_uris")
        for uri in ("javascript:alert(1)", "data:x", "myapp:/callback", "http://a.example/", "http://10.0.0.1/")
    ),
    ({"post_logout_redirect_uris": "https://a.example"}, METADATA, "post_logout_redirect_uris"),
    ({"post_logout_redirect_uris": ["javascript:x"]}, METADATA, "post_logout_redirect_uris"),
    ({"post_logout_redirect_uris": ["http://a.example/"]}, METADATA, "post_logout_redirect_uris"),
    ({"application_type": "desktop"}, METADATA, "application_type"),
    ({"response_types": ["token"]}, METADATA, "response_types"),
    ({"response_types": ["code", "id_token"]}, METADATA, "response_types"),
    ({"response_types": "code"}, METADATA, "response_types"),
    ({"response_types": []}, METADATA, "response_types"),
    ({"grant_types": ["implicit"]}, METADATA, "grant_types"),
    ({"grant_types": ["refresh_token"]}, METADATA, "grant_types"),
    ({"grant_types": []}, METADATA, "grant_types"),
    ({"grant_types": "authorization_code"}, METADATA, "grant_types"),
    ({"grant_types": ["client_credentials"], "response_types": ["code"]}, METADATA, "response_types"),
    (
        {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"},
        *(METADATA, "token_endpoint_auth_method"),
    ),
    ({"token_endpoint_auth_method": "private_key_jwt"}, METADATA, "token_endpoint_auth_method"),
    ({"token_endpoint_auth_method": ["none"]}, METADATA, "token_endpoint_auth_method"),
    *(({"id_token_signed_response_alg": alg}, METADATA, "id_token_signed") for alg in ("none", "HS256", "RS1", 1)),
    *(
        ({name: "RS256"}, METADATA, name)
        for name in (
            *("userinfo_signed_response_alg", "id_token_encrypted_response_alg", "request_object_signing_alg"),
            *("token_endpoint_auth_signing_alg", "authorization_signed_response_alg"),
        )
    ),
    ({"dpop_bound_access_tokens": True}, METADATA, "dpop_bound_access_tokens"),
    ({"scope": "admin"}, METADATA, "scope"),
    ({"scope": ["openid"]}, METADATA, "scope"),
    ({"scope": "a  b"}, METADATA, "scope"),
    ({"subject_type": "private"}, METADATA, "subject_type"),
    (
        {"subject_type": "pairwise", "redirect_uris": [CALLBACK, "https://b.example/"]},
        METADATA,
        "sector_identifier_uri",
    ),
    ({"sector_identifier_uri": "http://a.example/"}, METADATA, "sector_identifier_uri"),
    ({"sector_identifier_uri": "https://10.0.0.1/"}, METADATA, "sector_identifier_uri"),
    ({"sector_identifier_uri": "https://a.example/#f"}, METADATA, "sector_identifier_uri"),
    *(({"default_max_age": age}, METADATA, "default_max_age") for age in (-1, "1", True, 1.5, 10**30)),
    ({"require_auth_time": "true"}, METADATA, "require_auth_time"),
    ({"default_acr_values": "pwd"}, METADATA, "default_acr_values"),
    ({"client_name": "x" * 201}, METADATA, "client_name"),
    ({"client_name": "a\nb"}, METADATA, "client_name"),
    ({"client_name#de": 1}, METADATA, "client_name#de"),
    ({"contacts": "a@b"}, METADATA, "contacts"),
    *(
        ({name: url}, METADATA, name)
        for name in ("client_uri", "policy_uri", "tos_uri", "logo_uri", "jwks_uri")
        for url in ("http://a.example/", "javascript:alert(1)", "//a.example", 1, "https://u:p@a.example/")
    ),
    ({"jwks": {"keys": [KEY]}, "jwks_uri": "https://a.example/jwks"}, METADATA, "jwks"),
    ({"jwks": {"keys": [{**KEY, "d": "secret"}]}}, METADATA, "jwks"),
    ({"jwks": {"keys": "x"}}, METADATA, "jwks"),
    ({"jwks": []}, METADATA, "jwks"),
]


@pytest.mark.parametrize(("metadata", "error", "field"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_registered_is_refused_by_name(
    registering: RunningProvider, metadata: dict[str, Any], error: str, field: str
) -> None:
    """RFC 7591 3.2.2, 5; OpenID Connect Registration 2, 3.3."""
    answer = register(registering, **metadata)
    assert (answer.status, answer.error) == (400, error), answer
    assert field in answer.error_description
    assert answer.headers["Cache-Control"] == "no-store"


BODIES: list[tuple[bytes, dict[str, str], int, str]] = [
    *(
        (body, {}, 400, METADATA)
        for body in (
            *(b"", b"x", b"[]", b"null", b'"x"', b"{", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1, "a": 2}'),
            *(b'{"redirect_uris": ["https://a.example"], "redirect_uris": []}', b"\xff{}", b"\xef\xbb\xbf{}"),
            *(b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b'{"a":' * 5000, b"[" * 60000, b'{"a": 1e999}'),
            *(b'{"a":' * 60 + b"1" + b"}" * 60, b'{"default_max_age": ' + b"9" * 5000 + b"}"),
        )
    ),
    (b"{}", {"Content-Type": "text/plain"}, 415, "invalid_request"),
    (b"{}", {"Content-Type": "application/json; charset=latin-1"}, 415, "invalid_request"),
    (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "invalid_request"),
    (b"{" + b" " * 70000 + b"}", {}, 413, "invalid_request"),
]


@pytest.mark.parametrize(("body", "headers", "status", "error"), BODIES, ids=lambda value: str(value)[:40])
def test_a_body_that_is_not_json_is_refused(
    registering: RunningProvider, body: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    """RFC 7591 3.1, RFC 8259: what two readers read in two ways, and what has no end."""
    answer = Answer(
        send(registering, "POST", data=body, headers={"Content-Type": "application/json; charset=UTF-8"} | headers)
    )
    assert (answer.status, answer.error) == (status, error)


def test_pairwise_subjects_by_sector(registering: RunningProvider, sectors: HTTPSServer) -> None:
    """OpenID Connect Registration 5, Core 8.1: the document must list all redirect URIs."""
    uris = [CALLBACK, "https://other.example/callback"]
    asked = {"subject_type": "pairwise", "redirect_uris": uris}
    complete = sectors.gives(json.dumps([*uris, "https://more.example/"]).encode(), "/complete.json")
    answer = register(registering, **asked, sector_identifier_uri=complete)
    assert (answer.status, answer.sector_identifier_uri) == (201, complete)
    for content in (json.dumps(uris[:1]), json.dumps({"uris": uris}), json.dumps([*uris, 1]), "<html>"):
        url = sectors.gives(content.encode(), "/incomplete.json")
        refused = register(registering, **asked, sector_identifier_uri=url)
        assert (refused.status, refused.error) == (400, METADATA)
        assert "sector_identifier_uri" in refused.error_description
    moved = sectors.gives(b"", "/moved.json", 302, Location=complete)
    assert register(registering, **asked, sector_identifier_uri=moved).error == METADATA
    assert register(registering, subject_type="pairwise").subject_type == "pairwise"


def test_keys_by_reference_are_looked_at(registering: RunningProvider, sectors: HTTPSServer) -> None:
    """RFC 7591 2, jwks_uri; RFC 7517 5, 9.2: fetched with all care, when it is registered and when it is changed."""
    public = sectors.gives(json.dumps({"keys": [KEY]}).encode(), "/public.json")
    client = Registered(registering, jwks_uri=public)
    assert client.answer.jwks_uri == public
    assert "/public.json" in sectors.asked
    private = {"keys": [{**KEY, "d": "x"}]}
    for content in (json.dumps(private), json.dumps([KEY]), json.dumps({"keys": ["x"]}), '"keys"', "<html>"):
        url = sectors.gives(content.encode(), "/others.json")
        for refused in (register(registering, jwks_uri=url), client.put(jwks_uri=url)):
            assert (refused.status, refused.error) == (400, METADATA)
            assert "jwks_uri" in refused.error_description
    moved = sectors.gives(b"", "/moved.json", 302, Location=public)
    for url in (moved, "https://10.0.0.1/jwks", "https://169.254.169.254/latest", "https://[fd00::1]/jwks"):
        assert register(registering, jwks_uri=url).error == METADATA


@pytest.mark.parametrize("uri", ["com.evil.app://client.example/callback", "com.evil.app://callback"])
def test_nobody_gets_into_the_sector_of_a_host_by_a_scheme(registering: RunningProvider, uri: str) -> None:
    """OpenID Connect Core 8.1, RFC 8252 7.1: pyop's formula would take it for the sector of that host."""
    asked = {"application_type": "native", "redirect_uris": [uri]}
    refused = register(registering, **asked, subject_type="pairwise")
    assert (refused.status, refused.error) == (400, "invalid_redirect_uri")
    assert register(registering, **asked, subject_type="public").status == 201
    several = ["com.one.app:/callback", "com.two.app:/callback"]
    assert register(registering, **{**asked, "redirect_uris": several}, subject_type="pairwise").error == METADATA


@pytest.mark.parametrize("name", ["\u200b\u2060", "\u202egro.elpmaxe.knab", "App\u2066", " \u00ad "])
def test_a_name_is_what_it_looks_like(registering: RunningProvider, name: str) -> None:
    """RFC 7591 5: people decide by the name. Nothing that cannot be seen, and nothing that turns other text around."""
    refused = register(registering, client_name=name)
    assert (refused.status, refused.error) == (400, METADATA)
    tagged = register(registering, **{"client_name#he": name})
    assert (tagged.status, tagged.error) == (400, METADATA)


def test_a_name_in_any_script_is_one(registering: RunningProvider) -> None:
    """OpenID Connect Registration 2.1."""
    for name in (
        "\u05d1\u05e0\u05e7 \u200fX",
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u9280\u884c",
        "7",
    ):
        assert register(registering, client_name=name).client_name == name


def test_a_client_reads_its_registration(registering: RunningProvider) -> None:
    """RFC 7592 2.1, 3: all of it but the secret, which is kept as a hash."""
    client = Registered(registering, client_name="App", jwks={"keys": [KEY]})
    read = client.send("GET")
    assert read.status == 200
    assert read.headers["Cache-Control"] == "no-store"
    assert read == {name: value for name, value in client.answer.items() if name != "client_secret"}


def test_only_its_own_token_opens_a_registration(registering: RunningProvider) -> None:
    """RFC 7592 2, 2.1: one answer, whether there is such a client or not, or one that the operator made."""
    client, other = Registered(registering), Registered(registering)
    for client_id in (client.answer.client_id, "unknown", "app", "x" * 300, "\u20ac"):
        for token in (other.token, TOKEN, client.answer.client_secret, "x"):
            for method in ("GET", "PUT", "DELETE"):
                answer = Answer(
                    send(
                        registering, method, token=token, params={"client_id": client_id}, json={"client_id": client_id}
                    )
                )
                assert (answer.status, answer.error) == (401, "invalid_token")
    assert send(registering, "GET", token=None, params={"client_id": "x"}).status_code == 401
    assert Answer(send(registering, "GET", token=client.token)).error == "invalid_request"
    assert client.send("GET").status == 200


def test_a_client_changes_its_registration(registering: RunningProvider) -> None:
    """RFC 7592 2.2: what is left out is deleted; another token from then on; what it holds goes on."""
    client = Registered(registering, client_name="Before", contacts=["a@b.example"], scope="openid email")
    app, browser = client.party(), registering.browser()
    tokens = app.exchange(agree(app, browser))
    changed = client.put(
        redirect_uris=[CALLBACK, "https://client.example/2"], client_secret=client.answer.client_secret
    )
    assert changed.status == 200
    assert changed.redirect_uris == [CALLBACK, "https://client.example/2"]
    assert not {"client_name", "contacts", "client_secret"} & changed.keys()
    assert changed.client_id_issued_at == client.answer.client_id_issued_at
    assert changed.registration_access_token != client.token
    assert client.send("GET").error == "invalid_token"
    assert client.send("GET", token=changed.registration_access_token) == changed
    assert app.userinfo(tokens.access_token).sub
    assert app.post("token_endpoint", {"grant_type": "authorization_code", "code": "x"}).error == "invalid_grant"


def test_from_public_to_confidential_and_back(registering: RunningProvider) -> None:
    """RFC 7592 2.2: a secret comes and goes with the method."""
    client = Registered(registering, token_endpoint_auth_method="none")
    confidential = client.put(token_endpoint_auth_method="client_secret_post")
    assert len(confidential.client_secret) == 43
    client.token = confidential.registration_access_token
    public = client.put(token_endpoint_auth_method="none")
    assert (public.status, "client_secret_expires_at" in public) == (200, False)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"client_id": "another"}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"client_secret": "of my own"}, "client_secret"),
        ({"client_secret": 1}, "client_secret"),
        ({"registration_access_token": "x"}, "registration_access_token"),
        ({"registration_client_uri": "x"}, "registration_client_uri"),
        ({"client_secret_expires_at": 0}, "client_secret_expires_at"),
        ({"client_id_issued_at": 1}, "client_id_issued_at"),
        ({"grant_types": ["implicit"]}, "grant_types"),
        ({"client_name": 1}, "client_name"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(
    registering: RunningProvider, change: dict[str, Any], field: str
) -> None:
    """RFC 7592 2.2: what the client must not say; and the token stays."""
    client = Registered(registering, client_name="App")
    answer = client.put(**change)
    assert (answer.status, answer.error) == (400, METADATA)
    assert answer.error_description.startswith(f"{field}:")
    assert client.send("GET").client_name == "App"


def test_of_two_changes_at_once_one_wins(registering: RunningProvider) -> None:
    """RFC 7592 2.2, DESIGN, The store: compare-and-swap; the token of the others is none any more."""
    for _ in range(5):
        client = Registered(registering)
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda number: client.put(client_name=f"name {number}"), range(6)))  # noqa: B023
        assert sorted(answer.status for answer in answers) == [200, *[401] * 5]
        winner = next(answer for answer in answers if answer.status == 200)
        assert client.send("GET", token=winner.registration_access_token).client_name == winner.client_name


def test_of_a_change_and_an_end_at_once_one_wins(registering: RunningProvider) -> None:
    """RFC 7592 2.2, 2.3: whoever was told that it is changed has it, and whoever ended it ended all of it."""
    for _ in range(15):
        client = Registered(registering)
        with ThreadPoolExecutor(4) as pool:
            changes = [pool.submit(client.put, client_name="changed"), pool.submit(client.put, client_name="too")]
            ends = [pool.submit(client.send, "DELETE") for _ in range(2)]
        answers = [future.result() for future in (*changes, *ends)]
        (winner,) = [answer for answer in answers if answer.status != 401]
        token = winner.registration_access_token or client.token
        assert client.send("GET", token=token).status == (200 if winner.status == 200 else 401)


def test_a_client_ends_its_registration(registering: RunningProvider) -> None:
    """RFC 7592 2.3: 204; its codes, tokens and secret give nothing from then on."""
    client = Registered(registering, grant_types=["authorization_code", "refresh_token"])
    app, browser = client.party(scope="openid email offline_access"), registering.browser()
    tokens, code = app.exchange(agree(app, browser)), app.answer_at_once(browser, scope="openid email")
    ended = client.send("DELETE")
    assert (ended.status, ended.text) == (204, "")
    assert client.send("GET").error == client.send("DELETE").error == "invalid_token"
    assert app.userinfo(tokens.access_token).error == "invalid_token"
    assert app.exchange(code).error == "invalid_client"
    service = registering.client("service")
    assert service.introspect(tokens.access_token) == {"active": False}


def test_a_network_may_ask_so_often(run_provider: RunProvider) -> None:
    """RFC 7591 5, RFC 6585 4: 429 with Retry-After, for each network and for each initial access token."""
    settings = SWITCHED_ON.replace("100000", "5")
    op = run_provider(extra=settings)
    answers = [register(op) for _ in range(7)]
    assert [answer.status for answer in answers] == [201] * 5 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert send(op, "GET", params={"client_id": "x"}).status_code == 429
    op = run_provider(extra=SWITCHED_ON + "registrations_per_day = 2\n")
    assert [register(op).status for _ in range(3)] == [201, 201, 429]
    assert register(op, token="another").status == 401


def test_open_registration_has_to_be_named(run_provider: RunProvider) -> None:
    """RFC 7591 3, 5: open registration is allowed, and unsafe."""
    op = run_provider(extra="[plugins.registration]\nunsafe_open_registration = true\n")
    assert register(op, token=None).status == 201


def test_a_library_of_somebody_else_registers_and_reads(run_provider: RunProvider) -> None:
    """OpenID Connect Registration 3, 4: oic's own relying party, which checks what it is answered."""
    op = run_provider(extra="[plugins.registration]\nunsafe_open_registration = true\n")
    client = OicClient(client_authn_method=CLIENT_AUTHN_METHOD)
    client.provider_config(op.issuer)
    endpoint = client.provider_info["registration_endpoint"]
    registered = client.register(endpoint, redirect_uris=[CALLBACK], response_types=["code"], client_name="App")
    assert isinstance(registered, RegistrationResponse)
    read = client.registration_read()
    assert isinstance(read, RegistrationResponse)
    assert {**read, "client_secret": registered["client_secret"]} == registered.to_dict()


def test_nothing_secret_is_in_the_log(registering: RunningProvider) -> None:
    """RFC 7591 5: no token, no secret, of what went well and of what did not."""
    client = Registered(registering)
    again = client.put(client_secret="of-my-own-choice")
    written = Path(registering.log_file).read_text("utf-8")
    assert again.error == METADATA
    assert f'"client_id": "{client.answer.client_id}"' in written
    for secret in (TOKEN, client.token, client.answer.client_secret, "of-my-own-choice"):
        assert secret not in written


def test_openapi_says_what_really_comes(registering: RunningProvider) -> None:
    """OpenAPI 3.1.0, 4.8.16: each answer is described, and each description is seen."""
    document = registering.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    operations = document["paths"]["/register"]
    seen = set()
    for answer in answers_of_all_kinds(registering):
        method, status = str(answer.request.method).lower(), str(answer.status_code)
        described = operations[method]["responses"][status]
        seen.add((method, status))
        while "$ref" in described:
            described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
        if "content" not in described:
            assert not answer.content
            continue
        schema = described["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())
    rare = {"408", "429", "503"}
    promised = {(method, status) for method, each in operations.items() for status in each["responses"]}
    assert {(method, status) for method, status in promised if status not in rare} == seen
    assert send(registering, "PATCH").status_code == 405


def answers_of_all_kinds(op: RunningProvider) -> Iterator[requests.Response]:
    client = Registered(op)
    long, chunks = {"client_id": "x" * 17000}, {"Content-Type": "application/json"}
    token, url = client.token, client.url
    for method, where in (("POST", "/register"), ("PUT", url)):
        yield (
            send(op, method, where, token, data=iter([b"{}"]), headers=chunks)
            if method == "PUT"
            else send(op, method, where, data=iter([b"{}"]), headers=chunks)
        )
        for options in ({"data": b"{}"}, {"data": b" " * 70000, "headers": chunks}, {"json": []}):
            yield send(op, method, where, token if method == "PUT" else TOKEN, **options)
    yield send(op, "POST", json=MINIMAL)
    yield send(op, "POST", token="x", json=MINIMAL)
    for method in ("GET", "PUT", "DELETE"):
        yield send(op, method, token="x", params=long)
        yield send(op, method, token="x", params={"client_id": "x"}, json={})
        yield send(op, method)
    yield send(op, "GET", url, token)
    changed = send(op, "PUT", url, token, json={**MINIMAL, "client_id": client.answer.client_id})
    yield changed
    yield send(op, "DELETE", url, changed.json()["registration_access_token"])
