"""Whatever one can think of, and more: requests made at random, over HTTP, and what the parsers make of them.

The examples are the same in each run; `make test-all` adds rounds of others.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import pytest
from creance.provider import Client, InvalidClient, InvalidRequest, OAuthError, Parameters
from creance.provider.bearer import TokenMissing, read_bearer_token
from creance.provider.client_authentication import read_basic
from creance.provider.endpoints.reading import _cookies
from creance.provider.sealing import CannotOpen, Sealer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Test = Callable[..., None]


def examples(count: int, *, long: bool = False) -> Callable[[Test], Test]:
    """So many examples: always the same ones, or others each time."""
    return settings(
        max_examples=count,
        derandomize=not long,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# ----- What requests are made of -------------------------------------------------------------------------------------

TEXT = st.text(max_size=40) | st.sampled_from(
    ["", " ", "\0", "\r\n", "none", "code", "openid", "S256", "app", "1" * 30]
)
BYTES = st.binary(max_size=60)
AUTHORIZATION = [
    *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age"),
    *("code_challenge", "code_challenge_method", "claims", "id_token_hint", "login_hint", "request", "request_uri"),
]
TOKEN = ["grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret"]
PATHS = [
    *("/authorize", "/token", "/userinfo", "/introspect", "/revoke", "/jwks", "/.well-known/openid-configuration"),
    *("/auth/login", "/auth/logout", "/auth/session", "/auth/resume", "/health/live", "/openapi.json", "/", "/nowhere"),
]
METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "X"]
HEADERS = [
    *("Authorization", "Cookie", "Content-Type", "Accept", "Origin", "Sec-Fetch-Site", "X-Forwarded-For", "User-Agent"),
    *(
        "Accept-Language",
        "Range",
        "If-None-Match",
        "Content-Encoding",
        "Accept-Encoding",
        "DPoP",
        "Access-Control-Request-Method",
    ),
]
HEADER_VALUES = st.one_of(
    st.binary(max_size=40).map(lambda raw: re.sub(rb"[\x00-\x08\x0a-\x1f\x7f]", b"", raw).strip()),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(lambda text: text.strip().encode()),
    st.sampled_from([b"Basic", b"Bearer", b"Basic YXBwOmFwcC1zZWNyZXQ=", b"Bearer x", b"text/html", b"*/*", b"null"]),
    BYTES.map(lambda raw: b"Basic " + base64.b64encode(raw)),
    st.just(b"application/x-www-form-urlencoded"),
)


def pairs(names: list[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Parameters: some of those that are known, some that are not, some of them twice."""
    return st.lists(st.tuples(st.sampled_from(names) | st.text(max_size=5), TEXT), max_size=6)


def mutations() -> st.SearchStrategy[list[tuple[int, int, bytes]]]:
    """What is cut out of a text and put in its place: where, how much, what."""
    return st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 20), st.binary(max_size=8)), min_size=1, max_size=4)


def mutated(raw: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, put in changes:
        start = place % (len(raw) + 1)
        raw = raw[:start] + put + raw[start + length :]
    return raw


# ----- Over HTTP -----------------------------------------------------------------------------------------------------


class OverHTTP:
    """One attack a method; each is run a little always, and for long in `make test-all`."""

    @staticmethod
    def authorization_request(hostile: Any, parameters: list[tuple[str, str]], left_out: list[str]) -> None:
        """RFC 6749 4.1.2.1: a page, a redirect to what is registered, or the login page."""
        good = [(name, value) for name, value in hostile.request.items() if name not in left_out]
        query = urlencode([*good, *parameters], errors="surrogatepass")
        status, error, place = hostile.verdict(hostile.authorize(query))
        assert (status, place) in [(303, "redirect"), (303, "/auth/login"), (400, "page"), (414, "page")]
        assert error is not None or place == "/auth/login"

    @staticmethod
    def query_of_bytes(hostile: Any, raw: bytes, after: bool) -> None:
        good = urlencode(hostile.request) + "&" if after else ""
        query = good + re.sub("[^!-~]", lambda match: quote_from_bytes(match[0].encode()), raw.decode("latin-1"))
        status, _, place = hostile.verdict(hostile.get("/authorize?" + query.replace("#", "%23")))
        assert (status, place) in [(303, "redirect"), (303, "/auth/login"), (400, "page"), (414, "page")]

    @staticmethod
    def token_request(hostile: Any, parameters: list[tuple[str, str]], client: str, path: str) -> None:
        """RFC 6749 5.2: JSON with an error, and 400 or 401; what is revoked or looked up is unknown."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if client:
            headers["Authorization"] = "Basic " + base64.b64encode(client.encode()).decode()
        good = [("grant_type", "authorization_code"), ("code", "x"), ("token", "x")]
        for form in (parameters, [*good, *parameters]):
            answer = hostile.post(path, urlencode(form, errors="surrogatepass"), headers=headers)
            status, error, place = hostile.verdict(answer)
            if path == "/token":
                assert (status, place) in [(400, "json"), (401, "json")]
            if status in (400, 401):
                assert error
            elif path == "/introspect":
                assert answer.json() == {"active": False}
            else:
                assert (path, status) == ("/revoke", 200)

    @staticmethod
    def body_of_bytes(hostile: Any, raw: bytes, path: str) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic YXBwOmFwcC1zZWNyZXQ="}
        assert hostile.verdict(hostile.post(path, raw, headers=headers))[0] in (400, 401, 403)

    @staticmethod
    def any_request(hostile: Any, method: str, path: str, headers: dict[str, bytes], query: str, body: bytes) -> None:
        url = hostile.op.url(path) + ("?" + urlencode({"x": query}) if query else "")
        answer = hostile.http.request(
            method, url, headers={"Connection": "close", **headers}, data=body, allow_redirects=False, timeout=30
        )
        assert answer.status_code < 500
        if "Location" in answer.headers:
            assert answer.headers["Location"].startswith(hostile.op.issuer)
        assert "Traceback" not in answer.text

    @staticmethod
    def bytes_on_a_connection(hostile: Any, changes: list[tuple[int, int, bytes]], template: int) -> None:
        """RFC 9112 2.2."""
        said = hostile.raw(mutated(TEMPLATES[template], changes), shut=True)
        assert not re.search(rb"HTTP/1\.1 5", said)
        assert b"Traceback" not in said

    @staticmethod
    def visit(hostile: Any, changes: list[tuple[int, int, bytes]], cookie_too: bool) -> None:
        """DESIGN, A person's visit: what was sealed by us is opened as it was, in the browser that it belongs to."""
        begun = hostile.authorize(hostile.request)
        sealed = begun.headers["Location"].partition("?request=")[2]
        cookie = begun.headers["Set-Cookie"].partition(";")[0]
        name, _, value = cookie.partition("=")
        other = mutated(sealed.encode(), changes).decode("latin-1")
        if cookie_too:
            other, value = sealed, mutated(value.encode(), changes).decode("latin-1")
            value = re.sub(r"[^!-~]|[;,\s\"\\]", "", value)
        for path in ("/auth/resume", "/auth/login"):
            answer = hostile.get(path, params={"request": other}, headers={"Cookie": f"{name}={value}"})
            status, _, place = hostile.verdict(answer)
            if other == sealed and f"{name}={value}" == cookie:
                assert (status, place) in [(303, "/auth/login"), (200, "page")]
            else:
                assert (status, place) == (400, "page") or (path == "/auth/login" and not other)


TEMPLATES = [
    b"GET /authorize?client_id=app&redirect_uri=http%3A%2F%2Flocalhost%3A8401%2Fcallback HTTP/1.1\r\nHost: x\r\n"
    b"Cookie: a=b; c=d\r\nConnection: close\r\n\r\n",
    b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
    b"Authorization: Basic YXBwOmFwcC1zZWNyZXQ=\r\nContent-Length: 36\r\n\r\ngrant_type=authorization_code&code=xy",
    b"POST /introspect HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n2\r\n=x\r\n0\r\n\r\n",
    b"GET /userinfo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer xyz\r\nConnection: close\r\n\r\n",
]
CLIENTS = st.sampled_from(["", "app:app-secret", "service:service-secret", "spa:", "x"])
FORMS = st.sampled_from(["/token", "/introspect", "/revoke"])

ATTACKS: dict[str, tuple[Any, int]] = {
    "authorization_request": (
        {"parameters": pairs(AUTHORIZATION), "left_out": st.lists(st.sampled_from(AUTHORIZATION), max_size=3)},
        400,
    ),
    "query_of_bytes": ({"raw": st.binary(max_size=200), "after": st.booleans()}, 200),
    "token_request": (
        {"parameters": pairs([*TOKEN, "token", "token_type_hint"]), "client": CLIENTS, "path": FORMS},
        250,
    ),
    "body_of_bytes": (
        {"raw": st.binary(max_size=200), "path": FORMS | st.sampled_from(["/auth/login", "/auth/logout"])},
        200,
    ),
    "any_request": (
        {
            "method": st.sampled_from(METHODS),
            "path": st.sampled_from(PATHS),
            "headers": st.dictionaries(st.sampled_from(HEADERS), HEADER_VALUES, max_size=5),
            "query": TEXT,
            "body": BYTES,
        },
        400,
    ),
    "bytes_on_a_connection": ({"changes": mutations(), "template": st.integers(0, 3)}, 300),
    "visit": ({"changes": mutations(), "cookie_too": st.booleans()}, 120),
}


def run(attack: str, hostile: Any, *, rounds: int, long: bool) -> None:
    arguments, count = ATTACKS[attack]
    method = getattr(OverHTTP, attack)

    @examples(count * rounds, long=long)
    @given(**arguments)
    def once(**drawn: Any) -> None:
        method(hostile, **drawn)

    once()


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_request_at_random_does_harm(hostile: Any, attack: str) -> None:
    """Issue 3, bad input: the right error at the right place, never a 500, nothing written."""
    run(attack, hostile, rounds=1, long=False)


@pytest.mark.long
@pytest.mark.parametrize("attack", ATTACKS)
def test_nor_do_many_more_of_them(hostile: Any, attack: str) -> None:
    run(attack, hostile, rounds=20, long=True)


# ----- The parsers ---------------------------------------------------------------------------------------------------

LATIN = st.text(st.characters(max_codepoint=255), max_size=60)


@examples(500)
@given(
    LATIN
    | BYTES.map(lambda raw: "Basic " + base64.b64encode(raw).decode())
    | st.tuples(TEXT, TEXT).map(lambda two: "basic " + base64.b64encode(":".join(two).encode()).decode())
)
def test_a_basic_header_is_read_or_refused(header: str) -> None:
    """RFC 6749 2.3.1; PYOP: ValueError, binascii.Error and IndexError escaped."""
    try:
        client_id, secret = read_basic(header)
    except InvalidClient:
        return
    assert "\0" not in client_id + secret
    (client_id + secret).encode()


@examples(300)
@given(LATIN | LATIN.map(lambda text: f"Bearer {text}"))
def test_a_bearer_header_is_read_or_refused(header: str) -> None:
    """RFC 6750 2.1."""
    try:
        token = read_bearer_token({"Authorization": header})
    except (TokenMissing, InvalidRequest):
        return
    assert re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token)


@examples(300)
@given(LATIN | st.text(st.sampled_from('ab=; ",\\'), max_size=40))
def test_a_cookie_header_is_read(header: str) -> None:
    """RFC 6265 5.4; as lenient as browsers are, and never an error."""
    for name, value in _cookies(header).items():
        assert f"{name}={value}" in header


@pytest.fixture(scope="module")
def sealer() -> Sealer:
    return Sealer([b"s" * 32], "http://localhost")


@examples(300)
@given(st.text(max_size=80) | BYTES.map(lambda raw: base64.urlsafe_b64encode(raw).decode()), st.text(max_size=9))
def test_what_we_have_not_sealed_is_not_opened(sealer: Sealer, sealed: str, context: str) -> None:
    with pytest.raises(CannotOpen):
        sealer.open("a purpose", sealed, context)


@examples(300)
@given(mutations(), st.binary(max_size=50))
def test_what_we_have_sealed_is_opened_unchanged_or_not_at_all(
    sealer: Sealer, changes: list[tuple[int, int, bytes]], content: bytes
) -> None:
    sealed = sealer.seal("a purpose", content)
    other = mutated(sealed.encode(), changes).decode("latin-1")
    try:
        opened = sealer.open("a purpose", other)
    except CannotOpen:
        return
    assert opened == content


REGISTERED = frozenset({"http://127.0.0.1/callback?x=1", "http://[::1]/", "com.example.app:/callback"})
ANY_PORT = re.compile(r"http://127\.0\.0\.1(:[1-9][0-9]{0,4})?/callback\?x=1|http://\[::1\](:[1-9][0-9]{0,4})?/")


@examples(1500)
@given(st.sampled_from(sorted(REGISTERED)), mutations(), st.integers(0, 99999))
def test_a_redirect_uri_is_registered_but_for_a_loopback_port(
    uri: str, changes: list[tuple[int, int, bytes]], port: int
) -> None:
    """RFC 8252 7.3, RFC 9700 4.1.3: held against another way to say the same rule."""
    client = Client("a", "a", None, 0, REGISTERED, frozenset(), (), "none", _Native, {})  # type: ignore[arg-type]
    for other in (
        mutated(uri.encode(), changes).decode("latin-1"),
        re.sub(r"(1|\])/", rf"\g<1>:{port}/", uri, count=1),
        re.sub(r"(1|\])/", rf"\g<1>:{port}/", mutated(uri.encode(), changes[:1]).decode("latin-1"), count=1),
    ):
        allowed = other in REGISTERED or (ANY_PORT.fullmatch(other) is not None and _port_is_one(other))
        assert client.accepts_redirect_uri(other) is allowed


class _Native:
    application_type = "native"


def _port_is_one(uri: str) -> bool:
    found = re.match(r"http://[^/]*:([0-9]+)/", uri.replace("[::1]", "loopback"))
    return found is None or int(found[1]) <= 65535


def test_the_provider_itself_raises_nothing_but_what_it_names(make_provider: Any) -> None:
    """Called as a host calls it that does not parse strictly, with any text, half surrogate pairs too: OAuthError, with
    a description that may be sent (RFC 6749 5.2).
    """
    provider = make_provider()
    client = provider.clients.find("app")
    callback = "http://localhost:8401/callback"
    good = {"client_id": "app", "redirect_uri": callback, "response_type": "code", "scope": "openid"}
    good |= {
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
        "grant_type": "authorization_code",
        "code": "x",
    }
    any_text = TEXT | st.text(st.characters(exclude_categories=()), max_size=20)
    header = st.fixed_dictionaries({}, optional={"Authorization": LATIN | any_text})

    @examples(500)
    @given(st.dictionaries(st.sampled_from([*AUTHORIZATION, *TOKEN]) | any_text, any_text, max_size=6), header)
    def ask(changes: dict[str, str], headers: dict[str, str]) -> None:
        parameters = Parameters({**good, **changes})
        for call in (
            lambda: provider.authorization.read(parameters, client, callback, time.time()),
            lambda: provider.authorization.prove(parameters),
            lambda: provider.token(parameters, headers),
            lambda: provider.token_for(client, parameters),
            lambda: provider.userinfo_response(changes.get("code", ""), headers),
        ):
            description = ""
            try:
                call()
            except OAuthError as error:
                description = error.description
            assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", description)

    ask()
