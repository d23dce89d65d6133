"""The endpoints that programs talk to: token, introspection, revocation, userinfo (RFC 6749 3.2, 5.2)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest

FORM = "application/x-www-form-urlencoded"
REFUSED = (400, "invalid_request", "json")
UNKNOWN_CLIENT = (401, "invalid_client", "json")
TOO_LARGE = (413, "invalid_request", "json")
NOT_A_FORM = (415, "invalid_request", "json")
INVALID_GRANT = (400, "invalid_grant", "json")

EXCHANGE = {
    "grant_type": "authorization_code",
    "code": "x",
    "redirect_uri": "http://localhost:8401/callback",
    "code_verifier": "x" * 43,
}
SERVICE = "service:service-secret"


def basic(credentials: str | bytes) -> str:
    raw = credentials if isinstance(credentials, bytes) else credentials.encode()
    return "Basic " + base64.b64encode(raw).decode()


# ----- Parameters that are there twice, and too many -----------------------------------------------------------------


@pytest.mark.parametrize("second", ["same", "other", "empty"])
@pytest.mark.parametrize(
    "name",
    [
        *("grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "scope"),
        *("refresh_token", "unknown", "resource", "code_challenge", "assertion", "client_assertion"),
    ],
)
def test_a_token_request_says_nothing_twice(hostile: Any, name: str, second: str) -> None:
    """RFC 6749 3.2; PYOP: the last one won silently."""
    form = {name: "x", **EXCHANGE}
    again = {"same": form[name], "other": "y", "empty": ""}[second]
    for pairs in ([*form.items(), (name, again)], [(name, again), *form.items()]):
        assert hostile.verdict(hostile.token(pairs)) == REFUSED
        assert hostile.verdict(hostile.token(pairs, client="")) == REFUSED


@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
@pytest.mark.parametrize("name", ["token", "token_type_hint", "client_id", "client_secret", "unknown"])
def test_nor_does_any_other_form_of_a_client(hostile: Any, path: str, name: str) -> None:
    """RFC 7662 2.1, RFC 7009 2.1: forms as at the token endpoint."""
    pairs = [("token", "x"), (name, "y"), (name, "z")]
    answer = hostile.post(path, pairs, headers={"Authorization": basic(SERVICE)})
    assert hostile.verdict(answer) == REFUSED


def test_too_many_parameters(hostile: Any) -> None:
    """PYOP: half a million of them were taken apart before anybody was authenticated."""
    more = [(f"p{number}", "x") for number in range(100 - len(EXCHANGE))]
    assert hostile.verdict(hostile.token([*EXCHANGE.items(), *more])) == INVALID_GRANT
    assert hostile.verdict(hostile.token([*EXCHANGE.items(), *more, ("one", "more")])) == REFUSED
    assert hostile.verdict(hostile.token(b"&" * 60000)) == REFUSED
    assert hostile.verdict(hostile.token(b"a&" * 30000)) == REFUSED


# ----- Bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke", "/userinfo"])
def test_a_body_over_the_limit(hostile: Any, path: str) -> None:
    """RFC 9110 15.5.14: whether it is sent or only announced. One byte less is looked at."""
    headers = {"Content-Type": FORM, "Authorization": basic(SERVICE)}
    assert hostile.post(path, b"x=" + b"a" * 65534, headers=headers).status_code in (400, 401)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: ".encode()
    for size, sent in ((65537, 65537), (5_000_000, 5_000_000), (65537, 0), (10**15, 10)):
        said = hostile.raw(head + str(size).encode() + b"\r\n\r\n" + b"a" * sent)
        assert said.startswith(b"HTTP/1.1 413 ")
        assert b'{"error": "invalid_request", "error_description": "the body is larger than 65536 bytes"}' in said


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
        "application/x-www-form-urlencoded, application/json",
        "x/application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=iso-8859-1",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/x-www-form-urlencoded; boundary=utf-8",
        "application/x-www-form-urlencoded; charset=utf-8; charset=utf-16",
        ";",
        "/",
        "x" * 9000,
        b"\xff\xfe",
    ],
)
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_what_is_not_a_form_in_utf_8(hostile: Any, path: str, kind: str | bytes | None) -> None:
    """RFC 6749 3.2, B: the media type, and UTF-8."""
    headers = {"Authorization": basic(SERVICE)} | ({} if kind is None else {"Content-Type": kind})
    answer = hostile.post(path, b'{"grant_type": "client_credentials"}', headers=headers)
    assert hostile.verdict(answer) == NOT_A_FORM


@pytest.mark.parametrize(
    "kind",
    [
        f"{FORM};charset=UTF-8",
        f'{FORM}; charset="utf-8"',
        f"{FORM} ; charset=utf-8",
        FORM.upper(),
        f"{FORM};",
        f" {FORM}",
    ],
)
def test_a_form_by_another_spelling(hostile: Any, kind: str) -> None:
    """RFC 9110 8.3.1: types, and what follows them, in any case."""
    headers = {"Authorization": basic(SERVICE), "Content-Type": kind.strip()}
    assert hostile.post("/introspect", b"token=x", headers=headers).json() == {"active": False}


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=\xff",
        b"code=%FF",
        b"\xff=x",
        b"%C3=x",
        b"code=%ED%A0%80",
        b"code=\xed\xa0\x80",
        b"x=%C0%80",
        b"\xfe\xff\x00a",
    ],
)
def test_a_form_that_is_not_utf_8(hostile: Any, body: bytes) -> None:
    """RFC 6749 B. Lone surrogates and overlong forms are not UTF-8 (RFC 3629 3)."""
    good = urlencode(EXCHANGE).encode()
    assert hostile.verdict(hostile.token(good + b"&" + body)) == REFUSED
    assert hostile.verdict(hostile.token(body, client="")) == REFUSED


@pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "client_secret", "unknown", "un\0known"])
def test_nul(hostile: Any, name: str) -> None:
    """Issue 3, bad input (PYOP: it broke the store)."""
    form = [(key, value) for key, value in EXCHANGE.items() if key != name]
    assert hostile.verdict(hostile.token([*form, (name, "a\0b")])) == REFUSED


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_parameters_in_the_query(hostile: Any, path: str) -> None:
    """RFC 6749 2.3.1: never in the URI. A query of any length is refused, unread."""
    headers = {"Authorization": basic(SERVICE)}
    for query in ("grant_type=client_credentials&token=x", "client_secret=x", "x", "x" * 20000, "%FF"):
        answer = hostile.post(f"{path}?{query}", b"token=x", headers={**headers, "Content-Type": FORM})
        assert hostile.verdict(answer) == REFUSED


@pytest.mark.parametrize("body", [b"", b"=", b"&", b"%", b"\r\n", b"{}", b"null", b"grant_type", b"<x/>"])
def test_a_form_of_nothing(hostile: Any, body: bytes) -> None:
    """RFC 6749 5.2: the client first, then what is missing."""
    assert hostile.verdict(hostile.token(body, client="")) == UNKNOWN_CLIENT
    assert hostile.verdict(hostile.token(body)) == REFUSED


# ----- Garbage in one parameter --------------------------------------------------------------------------------------

ODD = {
    "blank": " ",
    "long": "x" * 60000,
    "newline": "x\r\nSet-Cookie: a=b\r\n\r\n",
    "unicode": "\u202e\U0001f600\u00e9\uffff",
    "sql": "'; DROP TABLE c_authorization_codes; --",
    "mongo": '{"$ne": null}',
    "path": "../../../etc/passwd",
    "json": json.dumps([[]] * 100),
    "control": "\x01\x7f",
    "jwt": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
    "wildcard": "%",
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_a_token_of_any_content_and_length_is_an_unknown_one(hostile: Any, value: str) -> None:
    """RFC 6749 5.2, RFC 7662 2.2, RFC 7009 2.2, RFC 6750 3.1."""
    assert hostile.verdict(hostile.token({**EXCHANGE, "code": value})) == INVALID_GRANT
    refresh = {"grant_type": "refresh_token", "refresh_token": value}
    assert hostile.verdict(hostile.token(refresh)) == INVALID_GRANT
    as_service = {"headers": {"Authorization": basic(SERVICE)}}
    for hint in ("access_token", "refresh_token", value[:2000]):
        form = {"token": value, "token_type_hint": hint}
        assert hostile.post("/introspect", form, **as_service).json() == {"active": False}
        assert hostile.post("/revoke", form, **as_service).status_code == 200
    assert hostile.verdict(hostile.post("/userinfo", {"access_token": value})) == (401, "invalid_token", "json")


def test_a_token_of_100_kilobytes(hostile: Any) -> None:
    """Issue 3, bad input: 413 where it is in a body; in a header it is looked up, and not there."""
    token = "x" * 102_400
    headers = {"Authorization": basic(SERVICE), "Connection": "close"}  # what is not read cannot be skipped
    for path, form in (
        ("/token", {**EXCHANGE, "code": token}),
        ("/token", {"grant_type": "refresh_token", "refresh_token": token}),
        ("/introspect", {"token": token}),
        ("/revoke", {"token": token}),
        ("/userinfo", {"access_token": token}),
    ):
        assert hostile.verdict(hostile.post(path, form, headers=headers)) == TOO_LARGE
    answer = hostile.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert hostile.verdict(answer) == (401, "invalid_token", "json")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"grant_type": None}, REFUSED),
        ({"grant_type": ""}, REFUSED),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", "json")),
        ({"grant_type": "AUTHORIZATION_CODE"}, (400, "unsupported_grant_type", "json")),
        ({"grant_type": "authorization_code "}, (400, "unsupported_grant_type", "json")),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, (400, "unsupported_grant_type", "json")),
        ({"grant_type": "\u00e9"}, (400, "unsupported_grant_type", "json")),
        ({"grant_type": "__class__"}, (400, "unsupported_grant_type", "json")),
        ({"grant_type": "client_credentials"}, (400, "unauthorized_client", "json")),
        ({"grant_type": "refresh_token"}, REFUSED),
        ({"code": None}, REFUSED),
        ({"code": ""}, REFUSED),
        ({"code": None, "code[]": "x", "code[$ne]": "x"}, REFUSED),
        ({"redirect_uri": "https://evil.example/"}, INVALID_GRANT),
        ({"code_verifier": "\u00e9" * 43}, INVALID_GRANT),
        ({"code_verifier": "x" * 50000}, INVALID_GRANT),
        ({"client_id": "spa"}, REFUSED),
        ({"client_secret": "app-secret"}, REFUSED),
        ({"client_secret": "x", "client_id": "app"}, REFUSED),
    ],
)
def test_a_token_request_with_something_wrong(hostile: Any, changes: dict[str, str | None], verdict: Any) -> None:
    """RFC 6749 5.2; 2.3: one way of client authentication."""
    form = {name: value for name, value in {**EXCHANGE, **changes}.items() if value is not None}
    assert hostile.verdict(hostile.token(form)) == verdict


@pytest.mark.parametrize(
    "scope", ["admin", "read admin", '"', "\\", "\u00e9", "read\nwrite", "READ", "openid", "x " * 9000]
)
def test_a_scope_that_is_malformed_or_too_much(hostile: Any, scope: str) -> None:
    """RFC 6749 3.3, 5.2."""
    form = {"grant_type": "client_credentials", "scope": scope}
    assert hostile.verdict(hostile.token(form, SERVICE)) == (400, "invalid_scope", "json")


# ----- Who is the client? --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic     ",
        "Basic\tYXBwOmFwcC1zZWNyZXQ=",
        "Basic !!!!",
        "Basic =",
        "Basic ====",
        "Basic YQ",
        "Basic YXBwOmFwcC1zZWNyZXQ",
        "Basic YXBwOmFwcC1zZWNyZXQ==",
        "Basic YXBwOmFwcC1zZWNyZXQ= x",
        "Basic YXBwOmFwcC1z ZWNyZXQ=",
        "Basic Basic YXBwOmFwcC1zZWNyZXQ=",
        "Basic YXBwOmFwcC1zZWNyZXQ=, Basic YXBwOmFwcC1zZWNyZXQ=",
        "YXBwOmFwcC1zZWNyZXQ=",
        "BasicYXBwOmFwcC1zZWNyZXQ=",
        "Bearer YXBwOmFwcC1zZWNyZXQ=",
        'Digest username="app"',
        "Negotiate x",
        basic("app"),
        basic(""),
        basic(":"),
        basic("app:"),
        basic(":app-secret"),
        basic("app:app-secret:"),
        basic("app:app:secret"),
        basic("app:app-secret\0"),
        basic("app%00:app-secret"),
        basic("app:app-secret%00"),
        basic("app:app-secret%zz"),
        basic("app:app-secret%"),
        basic("app:%FF"),
        basic("app :app-secret"),
        basic("app: app-secret"),
        basic("app:app-secret\n"),
        basic("APP:app-secret"),
        basic("app:APP-SECRET"),
        basic(b"app:\xff\xfe"),
        basic(b"\xed\xa0\x80:x"),
        basic("\u00e9:\u00e9"),
        basic("app:" + "x" * 50000),
        basic("x" * 50000 + ":x"),
        basic("app-post:app-post-secret"),
        basic("spa:"),
        basic("spa:x"),
        basic("' OR 1=1 --:x"),
        b"Basic \xff\xfe",
        b"\xff",
    ],
)
def test_a_basic_header_that_proves_nothing(hostile: Any, header: str | bytes) -> None:
    """RFC 6749 2.3.1, 5.2; PYOP: ValueError, binascii.Error and IndexError escaped. 401 and a challenge, always."""
    form = urlencode({"grant_type": "authorization_code", "code": "x", "token": "x"})
    headers = {"Authorization": header.strip() if isinstance(header, str) else header, "Content-Type": FORM}
    for path in ("/token", "/introspect", "/revoke"):
        answer = hostile.post(path, form, headers=headers)
        assert hostile.verdict(answer) == UNKNOWN_CLIENT
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
def test_the_scheme_is_read_in_any_case(hostile: Any, scheme: str) -> None:
    """RFC 9110 11.1; PYOP: `basic` was refused."""
    header = basic("app:app-secret").replace("Basic", scheme)
    assert hostile.verdict(hostile.token(EXCHANGE, "", Authorization=header)) == INVALID_GRANT
    header = header.replace(" ", "   ")
    assert hostile.verdict(hostile.token(EXCHANGE, "", Authorization=header)) == INVALID_GRANT


@pytest.mark.parametrize(
    "credentials",
    [
        {"client_id": "app", "client_secret": "app-secret"},
        {"client_id": "app-post", "client_secret": "wrong"},
        {"client_id": "app-post", "client_secret": "app-post-secret "},
        {"client_id": "app-post", "client_secret": ""},
        {"client_id": "app-post"},
        {"client_id": "app"},
        {"client_id": "spa", "client_secret": "x"},
        {"client_id": "nobody"},
        {"client_id": "nobody", "client_secret": "x"},
        {"client_id": "\u00e9" * 3000, "client_secret": "\u00e9" * 3000},
        {"client_secret": "app-post-secret"},
        {"client_assertion": "x", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
    ],
)
def test_a_form_that_proves_nothing(hostile: Any, credentials: dict[str, str]) -> None:
    """RFC 6749 2.3: the registered way only; an unknown client is answered like a wrong secret."""
    answer = hostile.token({**EXCHANGE, **credentials}, client="")
    assert hostile.verdict(answer) == UNKNOWN_CLIENT
    known = "client_id" in credentials
    assert answer.json()["error_description"] == f"client authentication {'failed' if known else 'is missing'}"


# ----- Who bears the token? ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (None, (401, "invalid_token", "json")),
        ("", (401, "invalid_token", "json")),
        ("Bearer", REFUSED),
        ("Bearer x y", REFUSED),
        ("Bearer x,Bearer y", REFUSED),
        ("Bearer \u00ff", (401, "invalid_token", "json")),
        ("Bearer x\ty", REFUSED),
        ("Bearer {}", REFUSED),
        ("Bearer 'x'", REFUSED),
        ("Bearerx", (401, "invalid_token", "json")),
        ("BearerBearer x", (401, "invalid_token", "json")),
        ("Basic YXBwOmFwcC1zZWNyZXQ=", (401, "invalid_token", "json")),
        ("DPoP x", (401, "invalid_token", "json")),
        ("Bearer x", (401, "invalid_token", "json")),
        ("bearer x", (401, "invalid_token", "json")),
        ("Bearer ====", REFUSED),
        ("Bearer " + "x" * 60000, (401, "invalid_token", "json")),
    ],
)
def test_a_bearer_header_that_opens_nothing(hostile: Any, header: str | None, verdict: Any) -> None:
    """RFC 6750 2.1, 3.1."""
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for send in (hostile.get, hostile.post):
        answer = send("/userinfo", headers=headers)
        assert hostile.verdict(answer) == verdict
        if verdict[0] == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("form", "header", "verdict"),
    [
        ("access_token=x", "Bearer x", REFUSED),
        ("access_token=x&access_token=x", None, REFUSED),
        ("access_token=x%00", None, REFUSED),
        ("access_token=%FF", None, REFUSED),
        ("access_token=", None, (401, "invalid_token", "json")),
        ("token=x", None, (401, "invalid_token", "json")),
        ("x=" + "x" * 70000, None, TOO_LARGE),
    ],
)
def test_a_token_in_a_form_that_opens_nothing(hostile: Any, form: str, header: str | None, verdict: Any) -> None:
    """RFC 6750 2.2; PYOP: two ways at once were accepted."""
    headers = {"Content-Type": FORM} | ({"Authorization": header} if header else {})
    assert hostile.verdict(hostile.post("/userinfo", form, headers=headers)) == verdict


def test_a_good_token_in_the_wrong_place_opens_nothing(hostile_client: Any, unharmed: Any) -> None:
    """RFC 6750 2.3 is not offered: a token in a query is in logs and histories."""
    token = hostile_client.op.client("app").log_in().access_token
    for hostile in unharmed(hostile_client):
        assert hostile.verdict(hostile.get(f"/userinfo?access_token={token}"))[0] == 401
        assert hostile.verdict(hostile.get("/userinfo", headers={"Cookie": f"access_token={token}"}))[0] == 401
        assert hostile.verdict(hostile.get("/userinfo", headers={"X-Access-Token": token}))[0] == 401
        assert hostile.verdict(hostile.get("/userinfo", headers={"Authorization": token}))[0] == 401
        assert hostile.verdict(hostile.get("/userinfo", headers={"Authorization": f"BearerX{token}"}))[0] == 401
        double = hostile.post("/userinfo", {"access_token": token}, headers={"Authorization": f"Bearer {token}"})
        assert hostile.verdict(double) == REFUSED
        body = json.dumps({"access_token": token})
        as_json = hostile.post("/userinfo", body, headers={"Content-Type": "application/json"})
        assert hostile.verdict(as_json)[0] == 401
        with_get = hostile.http.get(hostile.op.url("/userinfo"), data={"access_token": token}, timeout=30)
        assert hostile.verdict(with_get)[0] == 401


# ----- Clients with odd secrets and redirect URIs --------------------------------------------------------------------

STRANGE = """
[[clients]]
client_id = "a b+c:%&="
client_secret = "a+b c%41:d&=é%"
grant_types = ["client_credentials"]
scope = "read"

[[clients]]
client_id = "native"
application_type = "native"
token_endpoint_auth_method = "none"
redirect_uris = ["http://127.0.0.1/callback", "http://[::1]/callback", "com.example.app:/callback"]
grant_types = ["authorization_code"]
scope = "openid"
"""


@pytest.fixture(scope="module")
def strange_provider(run_provider: Any, make_hostile: Any) -> Any:
    return make_hostile(run_provider(extra=STRANGE))


@pytest.fixture
def strange(strange_provider: Any, unharmed: Any) -> Iterator[Any]:
    yield from unharmed(strange_provider)


def test_credentials_are_form_encoded_within_basic(strange_provider: Any) -> None:
    """RFC 6749 2.3.1; PYOP: secrets with `+` and `%41` failed. Unencoded they are other secrets."""
    form = {"grant_type": "client_credentials"}
    name, secret = "a b+c:%&=", "a+b c%41:d&=é%"
    for encode in (quote_plus, lambda text: quote(text, safe="")):
        answer = strange_provider.token(form, f"{encode(name)}:{encode(secret)}")
        assert answer.json()["scope"] == "read"
    assert strange_provider.verdict(strange_provider.token(form, f"{name}:{secret}")) == UNKNOWN_CLIENT


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000/call\nback",
        "http://127.0.0.1:5000/callback\r\nX-Evil: 1",
        "http://127.0.0.1:5000/callback\t",
        " http://127.0.0.1:5000/callback",
        "\x01http://127.0.0.1:5000/callback",
        "http:\n//127.0.0.1:5000/callback",
        "http://127.0.0.1:5000\t/callback",
        "HTTP://127.0.0.1:5000/callback",
        "http://127.0.0.1:5000/callback?",
        "http://127.0.0.1:5000/callback?x=1",
        "http://127.0.0.1:5000/callback#",
        "http://127.0.0.1:5000/callback/",
        "http://127.0.0.1:5000//callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:0x50/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:-1/callback",
        "http://127.0.0.1:080/callback",
        "http://127.0.0.1:\u0661/callback",
        "http://127.1:5000/callback",
        "http://2130706433:5000/callback",
        "http://127.0.0.2:5000/callback",
        "http://0.0.0.0:5000/callback",
        "http://localhost:5000/callback",
        "http://[::ffff:127.0.0.1]:5000/callback",
        "http://[0:0:0:0:0:0:0:1]:5000/callback",
        "http://[::1%25eth0]:5000/callback",
        "http://user@127.0.0.1:5000/callback",
        "http://127.0.0.1:5000@evil.example/callback",
        "http://evil.example:5000/callback",
        "https://127.0.0.1:5000/callback",
        "com.example.app:/callback/",
        "com.example.app://callback",
        "COM.EXAMPLE.APP:/callback",
        "com.example.app:/callback\n",
    ],
)
def test_a_native_app_chooses_its_port_and_nothing_else(strange: Any, uri: str) -> None:
    """RFC 8252 7.3, 7.1: everything else is compared exactly."""
    request = strange.changed({"client_id": "native", "redirect_uri": uri})
    assert strange.verdict(strange.authorize(request)) == (400, "invalid_request", "page")


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/callback",
        "http://[::1]:5000/callback",
    ],
)
def test_any_port_of_loopback_is_a_native_apps_own(strange: Any, uri: str) -> None:
    """RFC 8252 7.3."""
    request = strange.changed({"client_id": "native", "redirect_uri": uri, "prompt": "none"})
    assert strange.verdict(strange.authorize(request), [uri]) == (303, "login_required", "redirect")
