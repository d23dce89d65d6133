"""Methods, paths, headers and cookies that no client has any business to send (RFC 9110)."""

from __future__ import annotations

import json
from typing import Any

import pytest

HEAD = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def status(said: bytes) -> int:
    """The one status in what a server said; 0 where it said nothing."""
    lines = [line for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    assert len(lines) <= 1, said
    return int(lines[0].split()[1]) if lines else 0


# ----- Methods -------------------------------------------------------------------------------------------------------

ALLOWED = {
    "/authorize": {"GET", "POST"},
    "/token": {"POST"},
    "/userinfo": {"GET", "POST"},
    "/introspect": {"POST"},
    "/revoke": {"POST"},
    "/jwks": {"GET", "HEAD"},
    "/.well-known/openid-configuration": {"GET", "HEAD"},
    "/auth/login": {"GET", "POST"},
    "/auth/logout": {"GET", "POST"},
    "/auth/session": {"GET"},
    "/auth/resume": {"GET"},
    "/health/live": {"GET"},
    "/health/ready": {"GET"},
    "/": {"GET"},
}
FOR_PEOPLE = {"/authorize", "/auth/login", "/auth/logout", "/auth/resume", "/"}


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "GET", "POST"])
def test_a_method_that_is_not_for_this_address(hostile: Any, path: str, method: str) -> None:
    """RFC 9110 15.5.6: 405, and which are allowed. Nothing of a request is sent back to a TRACE."""
    if method in ALLOWED[path]:
        return
    said = hostile.raw(f"{method} {path}".encode() + HEAD + b"X-Secret: of-a-cookie\r\n\r\n")
    assert status(said) == 405
    assert b"\r\nallow: " in said.lower()
    assert b"of-a-cookie" not in said
    kind = b"text/html" if path in FOR_PEOPLE else b"application/json"
    assert b"content-type: " + kind in said.lower()


@pytest.mark.parametrize("path", ["/authorize", "/token", "/jwks", "/nowhere"])
@pytest.mark.parametrize("method", ["FOO", "get", "Post", "WEBSOCKET", "A" * 9000, "__class__", "GET-POST"])
def test_a_method_that_is_none(hostile: Any, path: str, method: str) -> None:
    """RFC 9110 9.1. What is sent as a method is not written to the log."""
    said = hostile.raw(f"{method} {path}".encode() + HEAD + b"\r\n")
    assert status(said) == (404 if path == "/nowhere" and method != "WEBSOCKET" else 400)
    line = hostile.logged_requests()[-1]
    assert line["method"] == "unknown"
    assert line["status"] == status(said)


@pytest.mark.parametrize("path", ALLOWED)
def test_head_and_options_have_no_body(hostile: Any, path: str) -> None:
    """RFC 9110 9.3.2, 9.3.7."""
    for method in (b"HEAD ", b"OPTIONS "):
        said = hostile.raw(method + path.encode() + HEAD + b"\r\n")
        assert status(said) in (200, 204, 405)
        assert said.endswith(b"\r\n\r\n")


def test_no_other_way_to_say_the_method(hostile: Any) -> None:
    """A GET stays a GET, whatever a header or a parameter says."""
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer = hostile.get("/token?_method=POST", headers={header: "POST"})
        assert hostile.verdict(answer) == (405, "invalid_request", "json")


# ----- Paths ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("/nowhere", "/token/", "/token/x", "/authorize/", "/jwks/", "/auth", "/auth/", "/auth//login", "/token;x=y"),
        *("/TOKEN", "/Authorize", "/token%00", "/token%20", "/token%0a", "/token%0d%0aX-Evil:%201", "/%FF", "/%C3%28"),
        *("/auth/../token", "/auth/%2e%2e/token", "/./token", "/%2e/token", "/..", "/../../etc/passwd", "/\\token"),
        *(
            "/%2e%2e%2f%2e%2e%2fetc/passwd",
            "/auth/style.css/..",
            "/auth/style.css%00.html",
            "/auth/templates/login.html",
        ),
        *(
            "/token%3Fx",
            "/token%23",
            "/.env",
            "/.git/config",
            "/var/creance.db",
            "/var/secret",
            "/creance.toml",
            "/x" * 5000,
        ),
        *(
            "/.well-known/",
            "/.well-known/openid-configuration/",
            "/.well-known/openid-configuration/..",
            "//evil.example/",
        ),
        *(
            "/.well-known/webfinger",
            "/openapi.json/",
            "/health",
            "/health/",
            "/register",
            "/metrics",
            "/{token}",
            "//auth/login",
            "///introspect",
            "*",
            "/%",
        ),
    ],
)
def test_there_is_nothing_at_any_other_path(hostile: Any, path: str) -> None:
    """RFC 9110 15.5.5: no folder, no file, no other spelling; JSON for programs, a page for people; no redirect."""
    said = hostile.raw(b"GET " + path.encode() + HEAD + b"\r\n")
    assert status(said) == 404
    assert said.endswith(b'{"error": "invalid_request", "error_description": "there is nothing at this address"}')
    assert b"\r\nlocation:" not in said.lower()
    assert b"evil" not in said.lower()
    said = hostile.raw(b"GET " + path.encode() + HEAD + b"Accept: text/html\r\n\r\n")
    assert status(said) == 404
    assert b"there is nothing at this address</dd>" in said
    assert hostile.logged_requests()[-1]["path"] == "unknown"


@pytest.mark.parametrize("path", ["/auth%2Flogin", "/auth%2flogin", "/%61uth/login"])
def test_another_spelling_of_a_path_is_at_most_the_same_page(hostile: Any, path: str) -> None:
    """RFC 3986 6.2.2: the server decodes before it looks; what is there is what is at the plain path."""
    said = hostile.raw(b"GET " + path.encode() + HEAD + b"\r\n")
    assert status(said) == 200
    assert hostile.logged_requests()[-1]["path"] == "/auth/login"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://evil.example/authorize", 400),
        (b"http://evil.example/.well-known/openid-configuration", 200),
        (b"http://user:password@evil.example/health/live", 200),
        (b"evil.example:443", 404),
        (b"", 400),
        (b"/a b", 400),
        (b"/a\tb", 400),
        (b"/a\x00b", 400),
        (b"/\xff", 400),
        (b"/authorize?\xff", 400),
        (b"/authorize?client_id=\xc3\xa9", 400),
        (b"/" + b"x" * 70000, 414),
        (b"/authorize?" + b"x" * 70000, 414),
    ],
)
def test_a_request_target_of_another_form(hostile: Any, target: bytes, expected: int) -> None:
    """RFC 9112 3.2: an absolute one names no other host to us; what is no target is refused by the server."""
    said = hostile.raw(b"GET " + target + HEAD + b"\r\n")
    assert status(said) == expected or (target == b"evil.example:443" and status(said) in (200, 400, 404))
    assert b"evil.example" not in said


# ----- Headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8400@localhost"},
        {"Host": ""},
        {"Host": '"><script>'},
        {"Host": "localhost:1"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "1"},
        {"X-Forwarded-Prefix": "/evil", "X-Script-Name": "/evil"},
        {"Forwarded": "for=evil;host=evil.example;proto=https"},
        {"X-Original-URL": "/evil", "X-Rewrite-URL": "/evil"},
        {"Origin": "https://evil.example", "Referer": "https://evil.example/"},
    ],
)
def test_urls_come_from_the_issuer(hostile: Any, headers: dict[str, str]) -> None:
    """DESIGN, URLs: never from what a request says of its host."""
    issuer = hostile.op.issuer
    metadata = hostile.get("/.well-known/openid-configuration", headers=headers).json()
    assert metadata["issuer"] == issuer
    assert all(value.startswith(f"{issuer}/") for key, value in metadata.items() if key.endswith(("endpoint", "_uri")))
    login = hostile.http.get(
        hostile.op.url("/authorize"), params=hostile.request, headers=headers, allow_redirects=False, timeout=30
    )
    assert login.headers["Location"].startswith(f"{issuer}/auth/login?request=")
    refused = hostile.http.get(
        hostile.op.url("/authorize"),
        params=hostile.changed({"prompt": "bogus"}),
        headers=headers,
        allow_redirects=False,
        timeout=30,
    )
    assert hostile.verdict(refused) == (303, "invalid_request", "redirect")
    for path in ("/", "/auth/login", "/authorize", "/nowhere", "/openapi.json"):
        page = hostile.get(path, headers={**headers, "Accept": "text/html"})
        assert "evil" not in page.text
        assert "evil" not in str(page.headers)
        assert "<script>" not in page.text


def test_no_host_at_all(hostile: Any) -> None:
    """RFC 9112 3.2; HTTP/1.0 has none."""
    for start in (b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n", b"GET /health/live HTTP/1.0\r\n\r\n"):
        assert status(hostile.raw(start)) in (200, 400)


@pytest.mark.parametrize(
    "address", ["1.2.3.4", "::1", "127.0.0.1", "x", "\u00ff", ",,,", "1.2.3.4, 127.0.0.1", "x," * 5000]
)
def test_nobody_says_where_they_come_from(hostile: Any, address: str) -> None:
    """Issue 3: believed from a trusted proxy only; here there is none. Nothing of it is in the log."""
    value = address.encode("latin-1")
    answer = hostile.get("/auth/login", headers={"X-Forwarded-For": value, "X-Real-IP": value, "Forwarded": value})
    assert hostile.verdict(answer) == (200, None, "page")
    assert "1.2.3.4" not in hostile.op.log_file.read_text()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (b"".join(b"X-%d: x\r\n" % number for number in range(90)), 200),
        (b"".join(b"X-%d: x\r\n" % number for number in range(200)), 431),
        (b"".join(b"X-%d: x\r\n" % number for number in range(20000)), 431),
        (b"X: " + b"x" * 300_000 + b"\r\n", 200),
        (b"X: " + b"x" * 1_000_000 + b"\r\n", 431),
        (b"x" * 70_000 + b": x\r\n", 431),
        (b"no colon\r\n", 400),
        (b": x\r\n", 400),
        (b"X y: x\r\n", 400),
        (b"X-\xc3\xa9: x\r\n", 400),
        (b"X: a\x00b\r\n", 400),
        (b"X: a\rb\r\n", 400),
        (b"X: a\r\n folded\r\n", 400),
        (b"X: \xff\xfe\r\n", 200),
    ],
)
def test_header_floods_and_headers_that_are_none(hostile: Any, headers: bytes, expected: int) -> None:
    """RFC 9112 5, RFC 6585 5: refused by the server before anything is made of them."""
    said = hostile.raw(b"GET /health/live" + HEAD + headers + b"\r\n")
    assert status(said) in ((431, 400, 0) if expected == 431 else (expected,))


@pytest.mark.parametrize(
    ("first", "second", "path", "expected"),
    [
        (b"Basic YXBwOmFwcC1zZWNyZXQ=", b"Basic YXBwOmFwcC1zZWNyZXQ=", "/token", 401),
        (b"Basic YXBwOmFwcC1zZWNyZXQ=", b"Bearer x", "/token", 401),
        (b"Bearer x", b"Basic YXBwOmFwcC1zZWNyZXQ=", "/token", 401),
        (b"Basic YXBwOmFwcC1zZWNyZXQ=", b"", "/token", 401),
        (b"Basic YXBwOmFwcC1zZWNyZXQ=", b"\xff", "/token", 401),
        (b"Bearer x", b"Bearer x", "/userinfo", 400),
        (b"Bearer x", b"", "/userinfo", 400),
    ],
)
def test_two_authorization_headers_are_none(
    hostile: Any, first: bytes, second: bytes, path: str, expected: int
) -> None:
    """RFC 9110 5.3: it is no list; neither of the two is believed."""
    body = b"grant_type=authorization_code&code=x" if path == "/token" else b""
    said = hostile.raw(
        b"POST " + path.encode() + HEAD + b"Content-Type: application/x-www-form-urlencoded\r\n"
        b"Authorization: " + first + b"\r\nAuthorization: " + second + b"\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )
    assert status(said) == expected


# ----- Cookies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cookies",
    [
        b"; ".join(b"c%d=x" % number for number in range(1000)),
        b"x=" + b"x" * 100_000,
        b"=", b";", b";;;;", b"=x", b"x", b"x=;", b'x="', b'x="a;b"', b"x=\\073", b"$Version=1; x=y; $Path=/",
        b"\xff=\xff", b"x=\xc3\xa9", b"x=a,b", b"x=a\tb", b"x" * 9000 + b"=x",
        b"; ".join(b"creance_session=%d" % number for number in range(500)),
    ],
)  # fmt: skip
def test_cookies_of_any_kind_log_nobody_in(hostile: Any, cookies: bytes) -> None:
    """RFC 6265 5.4; under the names of ours too."""
    names = _cookie_names(hostile)
    ours = b"; ".join(name.encode() + b"=" + cookies.replace(b";", b"") for name in names)
    for cookie in (cookies, ours, b"; ".join([cookies, ours])):
        headers = {"Cookie": cookie}
        assert hostile.verdict(hostile.get("/auth/session", headers=headers)) == (401, "login_required", "json")
        page = hostile.get("/auth/login", headers=headers)
        assert hostile.verdict(page) == (200, None, "page")
        assert hostile.verdict(hostile.get("/auth/logout", headers=headers)) == (200, None, "page")
        answer = hostile.get("/authorize", params=hostile.request, headers=headers)
        assert hostile.verdict(answer) == (303, None, "/auth/login")
        silent = hostile.get("/authorize", params=hostile.changed({"prompt": "none"}), headers=headers)
        assert hostile.verdict(silent) == (303, "login_required", "redirect")
        assert "Set-Cookie" not in silent.headers


def _cookie_names(hostile: Any) -> list[str]:
    visit = hostile.get("/auth/login").headers["Set-Cookie"].partition("=")[0]
    assert visit.startswith("creance_")
    return [visit, visit.removesuffix("visit") + "session"]


def test_a_session_cookie_of_ones_own_making_is_none(hostile: Any) -> None:
    """DESIGN, The store: session ids are kept as hashes; the hash is not an id."""
    name = _cookie_names(hostile)[1]
    for collection, key, _ in hostile.documents():
        if collection == "sessions":
            answer = hostile.get("/auth/session", headers={"Cookie": f"{name}={key}"})
            assert hostile.verdict(answer) == (401, "login_required", "json")


# ----- The forms of our own pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "verdict"),
    [
        ({}, (403, None)),
        ({"csrf_token": ""}, (403, None)),
        ({"csrf_token": "x"}, (403, None)),
        ({"csrf_token": "\u00e9" * 5000}, (403, None)),
        ({"csrf_token": "a\0b"}, (400, "invalid_request")),
        ([("csrf_token", "x"), ("csrf_token", "y")], (400, "invalid_request")),
        ([("username", "alice"), ("username", "bob")], (400, "invalid_request")),
        ({"username": "alice", "password": "wonderland"}, (403, None)),
        ({"username": "alice", "password": "wonderland", "csrf_token": "x" * 43}, (403, None)),
        ({"x": "x" * 70000}, (413, "invalid_request")),
        (b"%FF", (400, "invalid_request")),
        (b"a&" * 200, (400, "invalid_request")),
    ],
)  # fmt: skip
def test_a_form_that_is_not_from_our_page(hostile: Any, form: Any, verdict: tuple[int, str | None]) -> None:
    """DESIGN, A person's visit: a form is bound to the visit. Nobody is logged in or out."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if isinstance(form, bytes) else {}
    for path in ("/auth/login", "/auth/logout"):
        answer = hostile.post(path, form, headers={**headers, "Cookie": "x=y"})
        assert hostile.verdict(answer) == (*verdict, "page")
        assert "session=" not in answer.headers.get("Set-Cookie", "")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", "x"])
def test_a_login_by_another_media_type(hostile: Any, kind: str) -> None:
    """A form of another site can send text/plain without asking (Fetch 2.2.2)."""
    body = json.dumps({"username": "alice", "password": "wonderland"})
    for path in ("/auth/login", "/auth/logout", "/authorize"):
        answer = hostile.post(path, body, headers={"Content-Type": kind})
        assert hostile.verdict(answer) == (415, "invalid_request", "page")


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("alice", "wrong"),
        ("alice", "x" * 60000),
        ("alice", "WONDERLAND"),
        ("alice ", "wonderland"),
        ("ALICE", "wonderland"),
        ("alice\n", "wonderland"),
        ("x" * 60000, "x"),
        ("\u202e\U0001f600", "\u00e9\uffff"),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ('{"$ne": null}', '{"$ne": null}'),
        ("<script>alert(1)</script>", "x"),
        ("$argon2id$v=19$m=19456,t=2,p=1$x$x", "x"),
        ("", ""),
        ("alice", ""),
    ],
)
def test_a_name_and_a_password_that_are_nobodys(hostile: Any, username: str, password: str) -> None:
    """One page for all of them; what was typed is shown as text, and the password not at all."""
    page = hostile.get("/auth/login")
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    csrf_token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    form = {"username": username, "password": password, "csrf_token": csrf_token}
    answer = hostile.post("/auth/login", form, headers={"Cookie": cookie})
    if len(username) + len(password) > 65000:
        assert hostile.verdict(answer) == (413, "invalid_request", "page")
        return
    assert hostile.verdict(answer) == (200, None, "page")
    assert "Set-Cookie" not in answer.headers
    assert "<script>" not in answer.text
    missing = not username or not password
    assert ("Type your user name" if missing else "The user name or the password is not right") in answer.text
    assert len(answer.text) < 4000
