"""The authorization endpoint and what it must not be talked into (RFC 6749 3.1, 4.1.2.1; PYOP, Exceptions)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

PAGE = (400, "invalid_request", "page")
REDIRECT = (303, "invalid_request", "redirect")
LOGIN = (303, None, "/auth/login")

ODD = {
    "empty": "",
    "blank": " ",
    "newline": "\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>",
    "unicode": "\u202e\U0001f600\u00e9\uffff",
    "sql": "'; DROP TABLE c_clients; --",
    "mongo": '{"$ne": null}',
    "format": "%s%n{0}{{7*7}}${jndi:ldap://x}",
    "path": "../../../../etc/passwd",
    "markup": '"><img src=x onerror=alert(1)>',
    "long": "x" * 9000,
    "control": "\x01\x02\x1b[31m\x7f",
}

# ----- Parameters that are there twice -------------------------------------------------------------------------------

ONCE = [
    *("response_type", "scope", "nonce", "code_challenge", "code_challenge_method", "response_mode", "prompt"),
    *("max_age", "claims", "id_token_hint", "login_hint", "acr_values", "display", "ui_locales", "request"),
    *("request_uri", "registration", "resource", "unknown"),
]


@pytest.mark.parametrize("second", ["same", "other", "empty"])
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_what_proves_the_redirect_must_be_there_once(hostile: Any, name: str, second: str) -> None:
    """RFC 6749 3.1: a page, since it is not certain which of the two is meant."""
    again = {"same": hostile.request[name], "other": "spa", "empty": ""}[second]
    assert hostile.verdict(hostile.authorize([*hostile.request.items(), (name, again)])) == PAGE
    assert hostile.verdict(hostile.authorize([(name, again), *hostile.request.items()])) == PAGE


@pytest.mark.parametrize("name", ONCE)
def test_any_other_parameter_must_be_there_once(hostile: Any, name: str) -> None:
    """RFC 6749 3.1, 4.1.2.1: the app is told by redirect, with its state."""
    pairs = [(key, value) for key, value in hostile.request.items() if key != name]
    answer = hostile.authorize([*pairs, (name, "1"), (name, "2")])
    assert hostile.verdict(answer) == REDIRECT
    assert "state=a-state" in answer.headers["Location"]


def test_a_state_that_is_there_twice_is_not_sent_back(hostile: Any) -> None:
    """RFC 6749 3.1: neither of the two."""
    answer = hostile.authorize([*hostile.request.items(), ("state", "other")])
    assert hostile.verdict(answer) == REDIRECT
    assert "state=" not in answer.headers["Location"]


def test_other_names_are_other_parameters(hostile: Any) -> None:
    """RFC 6749 3.1: unknown parameters are ignored; names are compared as they are."""
    others = [("Client_Id", "x"), ("state[]", "x"), ("state ", "x"), ("redirect_uri.", "x"), ("code", "x")]
    assert hostile.verdict(hostile.authorize([*hostile.request.items(), *others])) == LOGIN


def test_repeats_are_found_however_they_are_written(hostile: Any) -> None:
    """RFC 6749 B: names are compared after decoding."""
    good = "&".join(f"{name}={value}" for name, value in hostile.request.items())
    assert hostile.verdict(hostile.authorize(f"{good}&%73tate=x")) == REDIRECT
    assert hostile.verdict(hostile.authorize(f"{good}&%63lient_id=app")) == PAGE


# ----- Who asks, and where the answer goes ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "nobody", "APP", "app ", "service\x00", *ODD.values()])
def test_an_unknown_client_gets_a_page(hostile: Any, value: str | None) -> None:
    """RFC 6749 4.1.2.1: nobody is sent anywhere."""
    answer = hostile.authorize(hostile.changed({"client_id": value}))
    assert hostile.verdict(answer) == PAGE
    assert value not in ODD.values() or not value or value == " " or value not in answer.text


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "https://evil.example/",
        "http://localhost:8401/callback/",
        "http://localhost:8401/callback?",
        "http://localhost:8401/callback?next=https://evil.example",
        "http://localhost:8401/callback#",
        "http://localhost:8401/callback#@evil.example",
        "http://localhost:8401/callback/../evil",
        "http://localhost:8401/./callback",
        "http://localhost:8401//callback",
        "http://localhost:8401/callbac%6b",
        "http://localhost:8401/callback%00",
        "http://localhost:8401/callback\x00",
        "http://localhost:8401/callback\r\nLocation: https://evil.example",
        "http://localhost:8401/call\nback",
        "\thttp://localhost:8401/callback",
        " http://localhost:8401/callback",
        "http://localhost:8401/callback ",
        "http://localhost:8401/CALLBACK",
        "HTTP://localhost:8401/callback",
        "http://LOCALHOST:8401/callback",
        "http://localhost.:8401/callback",
        "http://localhost:08401/callback",
        "http://localhost:8402/callback",
        "http://localhost/callback",
        "http://127.0.0.1:8401/callback",
        "http://localhost:8401@evil.example/callback",
        "http://user@localhost:8401/callback",
        "http://evil.example\\@localhost:8401/callback",
        "http:\\\\localhost:8401\\callback",
        "https://localhost:8401/callback",
        "//localhost:8401/callback",
        "/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://localhost:8401/callb\u0430ck",
        *ODD.values(),
    ],
)
def test_a_redirect_uri_that_is_not_registered_gets_a_page(hostile: Any, uri: str | None) -> None:
    """RFC 9700 4.1.3: compared exactly; RFC 6749 3.1.2.4: not even an error goes there (PYOP, 1)."""
    for more in ({}, {"prompt": "bogus"}, {"scope": "email"}, {"response_type": "token"}):
        if not uri and "scope" in more:
            continue  # not OpenID, and only one is registered: RFC 6749 3.1.2.3
        answer = hostile.authorize(hostile.changed({"redirect_uri": uri, **more}))
        assert hostile.verdict(answer) == PAGE
        assert "evil.example" not in answer.text


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_a_state_comes_back_as_it_was(hostile: Any, value: str) -> None:
    """RFC 6749 4.1.2: exactly the value received; a line end in it stays in it."""
    answer = hostile.authorize(hostile.changed({"state": value, "prompt": "none"}))
    too_long = len(value) > 2048
    assert hostile.verdict(answer) == (303, "invalid_request" if too_long else "login_required", "redirect")
    back = _parameters(answer.headers["Location"])
    assert back.get("state", "") == ("" if too_long else value)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(("name", "length"), [("state", 2048), ("nonce", 2048)])
def test_state_and_nonce_have_a_longest(hostile: Any, name: str, length: int) -> None:
    """DESIGN, The host: 2 KB."""
    fits = hostile.changed({name: "\u00e9" * length, "prompt": "none"})
    assert hostile.verdict(hostile.authorize(fits)) == (303, "login_required", "redirect")
    over = hostile.changed({name: "x" * (length + 1), "prompt": "none"})
    assert hostile.verdict(hostile.authorize(over)) == REDIRECT


# ----- Garbage in one parameter --------------------------------------------------------------------------------------


def _b64(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


GARBAGE: list[tuple[str, str | None, str]] = [
    # response_type (RFC 6749 3.1.1; only code is there)
    ("response_type", None, "invalid_request"),
    ("response_type", "", "invalid_request"),
    *(
        ("response_type", value, "unsupported_response_type")
        for value in (
            "token",
            "id_token",
            "code token",
            "code id_token",
            "code code",
            "CODE",
            " code",
            "none",
            "x" * 9000,
        )
    ),
    # response_mode
    *(
        ("response_mode", value, "invalid_request")
        for value in ("fragment", "form_post", "jwt", "QUERY", "query query")
    ),
    # scope (RFC 6749 3.3)
    *(
        ("scope", value, "invalid_scope")
        for value in ('"', "a\\b", "\u00e9", "open\nid", "openid\t", "OPENID", " ", "nope")
    ),
    ("scope", " ".join(f"s{number}" for number in range(2000)), "invalid_scope"),
    # prompt (OpenID Connect Core 3.1.2.1; PYOP: InvalidRequest escaped)
    *(
        ("prompt", value, "invalid_request")
        for value in (
            "none login",
            "login none consent",
            "bogus",
            "NONE",
            "login,consent",
            "none\t",
            "\u00e9",
            "x " * 4000,
        )
    ),
    # max_age (PYOP: ValueError escaped)
    *(
        ("max_age", value, "invalid_request")
        for value in (
            "abc",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "0x10",
            " 1",
            "1_000",
            "\u0663",
            "\u00b2",
            "NaN",
            "9" * 4301,
            "1\n",
        )
    ),
    # PKCE (RFC 7636 4.2, 4.3)
    ("code_challenge", None, "invalid_request"),
    *(
        ("code_challenge", value, "invalid_request")
        for value in ("", "short", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 42 + "+", "\u00e9" * 43, "x" * 9000)
    ),
    ("code_challenge_method", None, "invalid_request"),
    *(
        ("code_challenge_method", value, "invalid_request")
        for value in ("", "plain", "s256", "S512", "S256 ", "x" * 9000)
    ),
    # what is not offered, by its name (OpenID Connect Core 3.1.2.6)
    *(("request", value, "request_not_supported") for value in ("x", "a.b.c", f"{_b64('{}')}.{_b64('{}')}.", "\u00e9")),
    *(
        ("request_uri", value, "request_uri_not_supported")
        for value in ("http://127.0.0.1:22/", "file:///etc/passwd", "urn:ietf:params:oauth:request_uri:x", "x")
    ),
    ("registration", "{}", "registration_not_supported"),
    # claims (OpenID Connect Core 5.5; PYOP: DecodeError escaped)
    *(
        ("claims", value, "invalid_request")
        for value in (
            *("{", "[]", "null", "1", '"x"', "NaN", "1e999", " ", "\ufeff{}", "'", "{'a': 1}", "[" * 4000, "9" * 5000),
            *('{"userinfo": 1}', '{"userinfo": []}', '{"userinfo": {}, "id_token": "x"}', '{"a": NaN}', "{}{}", "[{}]"),
            *('{"a": {"b": ' + "9" * 5000 + "}}", '{"a":' * 900),
        )
    ),
    # id_token_hint (OpenID Connect Core 3.1.2.1; PYOP, 2: alg none was believed, BadSyntax escaped)
    *(
        ("id_token_hint", hint, "invalid_request")
        for hint in (
            *("x", "a.b", "a.b.c", "..", "....", "a.b.c.d.e", "\u00e9.\u00e9.\u00e9", " ", "null", "=.=.=", "x" * 9000),
            *(
                f"{_b64(header)}.{_b64('{}')}.{_b64('x')}"
                for header in (
                    *("[]", '"x"', "1", "null", "{}", '{"kid": []}', '{"kid": {}}', '{"kid": null, "alg": null}'),
                    *('{"alg": "none"}', '{"alg": "HS256"}', "[" * 3000, '{"kid": ' + "9" * 5000 + "}", b"\xff"),
                )
            ),
            f"{_b64(json.dumps({'alg': 'none'}))}.{_b64(json.dumps({'sub': 'alice', 'aud': 'app'}))}.",
        )
    ),
]


@pytest.mark.parametrize(("name", "value", "error"), GARBAGE)
def test_garbage_in_a_parameter_is_told_to_the_app(hostile: Any, name: str, value: str | None, error: str) -> None:
    """RFC 6749 4.1.2.1: by redirect, with the state; before login is thought of, also with prompt=none."""
    answer = hostile.authorize(hostile.changed({name: value}))
    assert hostile.verdict(answer) == (303, error, "redirect")
    back = _parameters(answer.headers["Location"])
    assert (back["state"], back["iss"]) == ("a-state", hostile.op.issuer)
    if name != "prompt":
        silent = hostile.authorize(hostile.changed({name: value, "prompt": "none"}))
        assert hostile.verdict(silent) == (303, error, "redirect")


@pytest.mark.parametrize("claims", ["{}", '{"userinfo": {}}', '{"a": {"b": [1, 2]}}', '{"id_token": {"sub": null}}'])
def test_a_claims_parameter_that_is_well_formed_is_no_error(hostile: Any, claims: str) -> None:
    """OpenID Connect Core 5.5: it may be ignored where it is not supported."""
    assert hostile.verdict(hostile.authorize(hostile.changed({"claims": claims}))) == LOGIN


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", ["login_hint", "display", "ui_locales", "acr_values", "nonce", "unknown"])
def test_what_may_be_anything_harms_nobody(hostile: Any, name: str, value: str) -> None:
    """OpenID Connect Core 3.1.2.1; what is put into the login page is put there as text."""
    answer = hostile.authorize(hostile.changed({name: value}))
    if name == "nonce" and len(value) > 2048:
        assert hostile.verdict(answer) == REDIRECT
        return
    assert hostile.verdict(answer) == LOGIN
    cookies = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in answer.cookies)}
    page = hostile.http.get(answer.headers["Location"], headers=cookies, timeout=30)
    assert hostile.verdict(page) == (200, None, "page")
    assert "<script" not in page.text
    assert "<img src=x" not in page.text


# ----- Bytes and numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["state=%FF", "%FF=x", "state=%C3", "nonce=%ED%A0%80", "nonce=%C0%AF", "x=%F8%88%80%80%80", "x=%80&%FE"]
)
def test_a_query_that_is_not_utf_8_gets_a_page(hostile: Any, query: str) -> None:
    """RFC 6749 B; lone surrogates and overlong forms are not UTF-8 (RFC 3629 3). Nothing in it can be believed."""
    good = "&".join(f"{name}={value}" for name, value in hostile.request.items())
    assert hostile.verdict(hostile.authorize(f"{good}&{query}")) == PAGE


@pytest.mark.parametrize(
    "name", ["state", "nonce", "scope", "code_challenge", "max_age", "claims", "unknown", "un%00known"]
)
def test_nul_is_refused(hostile: Any, name: str) -> None:
    """Issue 3, bad input (PYOP: it broke the store)."""
    good = "&".join(f"{key}={value}" for key, value in hostile.request.items() if key != name)
    answer = hostile.authorize(f"{good}&{name}=a%00b")
    assert hostile.verdict(answer) == REDIRECT
    assert "%00" not in answer.headers["Location"]


@pytest.mark.parametrize(
    "query", ["", "=", "&", "&&&&", "=&=", "%", "%%%", "client_id", "client_id=", "?", "%3F", "a" * 16384]
)
def test_a_query_of_nothing_gets_a_page(hostile: Any, query: str) -> None:
    assert hostile.verdict(hostile.authorize(query)) == PAGE


def test_percent_signs_that_encode_nothing_stand_for_themselves(hostile: Any) -> None:
    good = "&".join(f"{key}={value}" for key, value in hostile.request.items() if key != "state")
    answer = hostile.authorize(f"{good}&prompt=none&state=%zz%1%")
    assert _parameters(answer.headers["Location"])["state"] == "%zz%1%"


def test_a_query_over_the_limit_gets_a_page(hostile: Any) -> None:
    """RFC 9110 15.5.15."""
    for path in ("/authorize", "/auth/resume", "/auth/login"):
        assert hostile.verdict(hostile.get(f"{path}?x={'a' * 16382}"))[0] in (200, 400)
        assert hostile.verdict(hostile.get(f"{path}?x={'a' * 16383}")) == (414, "invalid_request", "page")
        assert hostile.verdict(hostile.get(f"{path}?x={'%C3%A9' * 2731}")) == (414, "invalid_request", "page")


def test_too_many_parameters_get_a_page(hostile: Any) -> None:
    """PYOP: half a million of them cost a second each time."""
    more = [(f"p{number}", "x") for number in range(100 - len(hostile.request))]
    assert hostile.verdict(hostile.authorize([*hostile.request.items(), *more])) == LOGIN
    assert hostile.verdict(hostile.authorize([*hostile.request.items(), *more, ("one", "more")])) == PAGE
    assert hostile.verdict(hostile.authorize([("x", "")] * 5000)) == PAGE


def _unlike_itself(length: int) -> str:
    """Text that hardly gets shorter by compression, the same in each run."""
    return "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(length // 64 + 1))[:length]


# ----- The same by form ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, (303, None, "/authorize")),
        ({"client_id": "nobody"}, (303, None, "/authorize")),
        ({"prompt": "bogus"}, (303, None, "/authorize")),
        ({"state": "x" * 20000}, REDIRECT),
        ({"state": "x" * 20000, "redirect_uri": "https://evil.example/"}, PAGE),
        ({"unknown": "x" * 20000}, LOGIN),
        ({"unknown": _unlike_itself(20000)}, REDIRECT),  # too long to travel through the login page
        ({"state": "a\0b"}, REDIRECT),
        ({"client_id": "a\0b"}, PAGE),
        ({"unknown": "x" * 70000}, (413, "invalid_request", "page")),
    ],
)
def test_a_form_is_held_to_the_same_rules(hostile: Any, changes: dict[str, str], verdict: Any) -> None:
    """OpenID Connect Core 3.1.2.1. Without cookies the browser is sent to the same request by GET, if it fits there."""
    answer = hostile.post("/authorize", hostile.changed(changes))
    assert hostile.verdict(answer) == verdict


def test_a_form_with_our_cookies_is_answered_at_once(hostile: Any) -> None:
    """Another's cookies say nothing of whether ours were held back (SameSite)."""
    assert hostile.verdict(hostile.post("/authorize", hostile.request, headers={"Cookie": "x=y"}))[2] == "/authorize"
    cookie = {"Cookie": hostile.get("/auth/login").headers["Set-Cookie"].partition(";")[0]}
    assert hostile.verdict(hostile.post("/authorize", hostile.request, headers=cookie)) == LOGIN
    twice = [*hostile.request.items(), ("nonce", "x")]
    assert hostile.verdict(hostile.post("/authorize", twice, headers=cookie)) == REDIRECT


def test_the_query_of_a_form_is_not_mixed_with_it(hostile: Any) -> None:
    """RFC 6749 3.1: one place; a redirect_uri in the query changes nothing."""
    answer = hostile.post("/authorize?client_id=spa&redirect_uri=https://evil.example/", hostile.request)
    assert "evil.example" not in answer.headers["Location"]
    assert "client_id=app&" in answer.headers["Location"]


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "x",
        "..",
        "A" * 12000,
        "A" * 12001,
        "\u00e9",
        "%00",
        "=",
        "AAAA" * 10,
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_a_sealed_request_of_ones_own_making_leads_nowhere(hostile: Any, sealed: str | bytes) -> None:
    """DESIGN, A person's visit: authenticated encryption, bound to a cookie of this browser."""
    for path in ("/auth/resume", "/auth/login"):
        for cookie in ("", "x", "\u00e9", "A" * 5000):
            answer = hostile.get(
                path, params={"request": sealed}, headers={"Cookie": f"creance_visit={cookie}".encode()}
            )
            expected = (200, None, "page") if path == "/auth/login" and sealed == "" else PAGE
            assert hostile.verdict(answer) == expected


def _parameters(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))
