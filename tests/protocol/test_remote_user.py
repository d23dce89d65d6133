"""A login in front, over HTTP: what of a header reaches us, and what nobody but the proxy can make it say."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from creance.provider.testing import AuthorizationAnswer, Browser, RelyingParty, RunningProvider
from creance.provider.testing.running import free_port
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory

RunProvider = Callable[..., RunningProvider]
PAGE = (Path(__file__).parents[2] / "docs" / "users.md").read_text("utf-8")

CONFIGURATION = """
issuer = "ISSUER"
[http]
bind = "BIND"
[keys]
algorithms = ["ES256"]
[[clients]]
client_id = "app"
client_secret = "app-secret"
redirect_uris = ["http://localhost:8401/callback"]
scope = "openid profile email offline_access"
grant_types = ["authorization_code", "refresh_token"]
[[users]]
username = "alice"
password = "wonderland"
claims = { name = "Alice Liddell" }
[[users]]
username = "mallory"
[plugins.remote_user]
"""
PROXY = 'trusted_peers = ["127.0.0.1/32"]\nheader = "Remoteuser"\nauth_time_from = "Remotetime"\n'
DASHED = 'trusted_peers = ["127.0.0.1/32"]\nheader = "X-Remote-User"\ndrops_underscores = true\n'


@pytest.fixture(scope="module")
def behind(run_provider: RunProvider) -> RunningProvider:
    """A provider that believes this machine."""
    return run_provider(configuration=CONFIGURATION, extra=PROXY + "[plugins.sessions]")


@pytest.fixture(scope="module")
def dashed(run_provider: RunProvider) -> RunningProvider:
    """A provider whose operator says that the proxy drops headers with underscores."""
    return run_provider(configuration=CONFIGURATION, extra=DASHED)


@dataclass(frozen=True)
class Nginx:
    """Its ports: of the configuration in docs/users.md, and of one that sets a header whose name has a dash."""

    page: int
    dashed: int


@pytest.fixture(scope="module")
def nginx(
    behind: RunningProvider, dashed: RunningProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    """An nginx in front of both providers; who has the header Authorization is logged in at it, as alice."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        (pytest.fail if os.environ.get("REQUIRE_NGINX") == "1" else pytest.skip)("no nginx")
    folder, ports, login = tmp_path_factory.mktemp("nginx"), Nginx(free_port(), free_port()), free_port()
    sample = re.search(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
    assert sample
    configuration = f"""
        pid {folder}/pid; error_log {folder}/error.log; daemon off;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
            uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
            server {{
                listen 127.0.0.1:{ports.page};
                {sample[1].replace(":8400", f":{behind.port}")}
                location /oauth2/ {{ proxy_pass http://127.0.0.1:{login}; }}
            }}
            server {{
                listen 127.0.0.1:{ports.dashed};
                location / {{
                    proxy_set_header X-Remote-User alice;
                    proxy_pass http://127.0.0.1:{dashed.port};
                }}
            }}
            server {{
                listen 127.0.0.1:{login};
                add_header X-Auth-Request-User alice;
                location / {{ if ($http_authorization = "") {{ return 401; }} return 204; }}
            }}
        }}
        """
    (folder / "nginx.conf").write_text(configuration)
    process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", f"{folder}/start"])
    end = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", ports.page)) == 0:
                break
        assert process.poll() is None, (folder / "start").read_text()
        assert time.monotonic() < end
        time.sleep(0.02)
    yield ports
    process.terminate()
    process.wait(30)


def answer(op: RunningProvider, *headers: bytes, port: int | None = None, **changes: str) -> AuthorizationAnswer | None:
    """What the app is told of a request with these lines as its headers; None where a page is shown."""
    app = op.client("app", scope="openid profile")
    parameters, verifier = app.request(**changes)
    path = urlsplit(requests.Request("GET", op.url("/authorize"), params=parameters).prepare().url or "")
    lines = [
        f"GET {path.path}?{path.query} HTTP/1.1".encode(),
        f"Host: localhost:{op.port}".encode(),
        b"Connection: close",
        *headers,
    ]
    with socket.create_connection(("127.0.0.1", port or op.port), timeout=30) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head = received.partition(b"\r\n\r\n")[0].decode("latin-1")
    fields = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in head.split("\r\n")[1:])
    location = fields.get("location", "")
    assert " 500 " not in head.splitlines()[0]
    if not location.startswith(app.redirect_uri):
        return None
    return AuthorizationAnswer(location, verifier, parameters["nonce"], app.redirect_uri)


def name_of(op: RunningProvider, told: AuthorizationAnswer | None) -> str | None:
    """The username of the person whom the app gets; None where it gets nobody."""
    if told is None or told.code is None:
        return None
    app = op.client("app")
    subject = app.verify(app.exchange(told).id_token)["sub"]
    return next(name for name in ("alice", "mallory") if subject == subject_of(op, name))


def subject_of(op: RunningProvider, name: str) -> str:
    return str(HashBasedSubjectIdentifierFactory(op.issuer).create_public_identifier(name))


def browser_of(op: RunningProvider, user: str | None = "alice", **headers: str) -> Browser:
    """A browser behind the proxy."""
    browser = op.browser()
    browser.http.headers.update({name.title(): value for name, value in headers.items()})
    if user is not None:
        browser.http.headers["Remoteuser"] = user
    return browser


# The way of a person


def test_who_is_logged_in_at_the_proxy_uses_an_app(behind: RunningProvider) -> None:
    """OpenID Connect Core 3.1: tokens, userinfo and refreshing, with the proxy's auth_time; no page in between."""
    app = behind.client("app", scope="openid profile offline_access")
    tokens = app.exchange(app.answer_at_once(browser_of(behind, Remotetime="1700000000")))
    assert app.verify(tokens.id_token)["auth_time"] == 1700000000
    assert app.userinfo(tokens.access_token)["name"] == "Alice Liddell"
    assert app.verify(app.refresh(tokens.refresh_token).id_token)["auth_time"] == 1700000000


def test_who_is_not_gets_the_login_page_of_the_next_plugin(behind: RunningProvider) -> None:
    """Hook authenticate: the first result, in the order of the configuration; prompt=none shows nobody a page."""
    app = behind.client("app")
    assert app.answer_at_once(behind.browser(), prompt="none").error == "login_required"
    tokens = app.exchange(app.authorize(user="alice", browser=behind.browser()))
    assert app.verify(tokens.id_token)["sub"] == subject_of(behind, "alice")


def test_the_login_in_front_and_back(run_provider: RunProvider) -> None:
    """OpenID Connect Core 3.1.2.3: to login_url, and back by the URL in it, which no parameter of the app's request
    changes (RFC 9700 4.11.2).
    """
    extra = PROXY + 'login_url = "https://login.example.org/start"\nreturn_parameter = "rd"'
    op = run_provider(configuration=CONFIGURATION, extra=extra)
    app, browser = op.client("app"), op.browser()
    parameters, _ = app.request(rd="https://evil.example.org/", target="https://evil.example.org/")
    location = browser.get(op.url("/authorize"), params=parameters).headers["Location"]
    assert location.startswith("https://login.example.org/start?rd=")
    query = parse_qs(urlsplit(location).query)
    assert query.keys() == {"rd"}
    assert query["rd"][0].startswith(op.url("/auth/resume?request="))
    browser.http.headers["Remoteuser"] = "alice"
    assert browser.get(query["rd"][0]).headers["Location"].startswith(app.redirect_uri + "?code=")
    assert browser_of(op).get(query["rd"][0]).status_code == 400  # another browser's


def test_a_form_of_another_site(behind: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.1: POST is answered as GET is, the login in front included."""
    app, browser = behind.client("app"), browser_of(behind)
    parameters, _ = app.request()
    response = browser.follow(browser.post(behind.url("/authorize"), parameters))
    assert response.headers["Location"].startswith(app.redirect_uri + "?code=")


# Spoofing


def test_a_header_from_anywhere_else_is_nobody_s(run_provider: RunProvider) -> None:
    """Issue 6, item 9: only trusted peers, whatever X-Forwarded-For says; the log says why, once."""
    extra = PROXY.replace("127.0.0.1/32", "192.0.2.1/32")
    op = run_provider(
        configuration=CONFIGURATION.replace("[http]", '[http]\ntrusted_proxies = ["127.0.0.0/8"]'), extra=extra
    )
    for _ in range(2):
        told = answer(op, b"Remoteuser: alice", b"X-Forwarded-For: 192.0.2.1", b"Forwarded: for=192.0.2.1")
        assert told is not None
        assert told.error == "login_required"
    lines = [line for line in op.log_lines() if line["event"] == "remote_user_not_believed"]
    assert len(lines) == 1
    assert "127.0.0.1" in lines[0]["reason"]


@pytest.mark.parametrize(
    "headers",
    [
        [b"Remoteuser: alice", b"Remoteuser: mallory"],
        [b"Remoteuser: mallory", b"REMOTEUSER: alice"],
        [b"Remoteuser: alice,mallory"],
        [b"Remoteuser:"],
        [b"Remoteuser:  "],
        [b"Remoteuser: al\tice"],
        [b"Remoteuser: al\x00ice"],
        [b"Remoteuser: al\x01ice"],
        [b"Remoteuser: \xffalice"],
        ["Remoteuser: älice".encode()],
        [b"Remoteuser: " + b"a" * 300],
        [b"Remoteuser: " + b"a" * 30_000],
        [b"Remote-User: alice"],
        [b"Remote_User: alice"],
        [b"X-Remoteuser: alice"],
        [b"Remoteuser : alice"],
        [b"Cookie: Remoteuser=alice", b"Authorization: Basic YWxpY2U6eA=="],
    ],
)
def test_what_is_not_one_clear_name_is_nobody(behind: RunningProvider, headers: list[bytes]) -> None:
    """RFC 9110 5.3, 5.5: repeated, empty, long, other bytes, other names; never a 500."""
    assert name_of(behind, answer(behind, *headers)) is None


@pytest.mark.parametrize("line", [b"remoteuser: alice", b"REMOTEUSER:alice", b"Remoteuser:   alice  "])
def test_a_header_is_one_in_any_case(behind: RunningProvider, line: bytes) -> None:
    """RFC 9110 5.1, 5.5: names have no case, values no blanks around them."""
    assert name_of(behind, answer(behind, line)) == "alice"


def test_why_names_with_a_dash_need_a_proxy_that_drops_underscores(dashed: RunningProvider) -> None:
    """PEP 3333, CVE-2025-64484: behind WSGI two spellings are one name, and the last one counts. This is what the
    setting `drops_underscores` keeps people from; were it not so any more, the setting could go.
    """
    lines = [b"X-Remote-User: alice", b"X_Remote_User: mallory"]
    assert name_of(dashed, answer(dashed, *lines)) == "mallory"
    assert name_of(dashed, answer(dashed, *reversed(lines))) == "alice"


@pytest.mark.parametrize(
    "line", [b"X-Remote-User: mallory", b"X_Remote_User: mallory", b"X_Remote-User: mallory", b"x-remote_user: mallory"]
)
def test_nginx_lets_no_spelling_through(dashed: RunningProvider, nginx: Nginx, line: bytes) -> None:
    """docs/users.md: it sets the one, and drops the others."""
    assert name_of(dashed, answer(dashed, line, port=nginx.dashed)) == "alice"


@pytest.mark.parametrize("line", [b"Accept: */*", b"Remoteuser: mallory", b"Remoteuser:", b"REMOTEUSER: alice"])
def test_the_page_s_nginx_says_who_it_is(behind: RunningProvider, nginx: Nginx, line: bytes) -> None:
    """docs/users.md: who is logged in at it, and nobody for who is not, whatever the client says."""
    assert name_of(behind, answer(behind, line, b"Authorization: x", port=nginx.page)) == "alice"
    told = answer(behind, line, port=nginx.page, prompt="none")
    assert told is not None
    assert told.error == "login_required"
    assert requests.get(f"http://127.0.0.1:{nginx.page}/jwks", timeout=30).status_code == 200


def test_a_dash_without_such_a_proxy_stops_the_start(run_provider: RunProvider) -> None:
    """Secure by default: `X-Remote-User` is refused until the operator says that the proxy drops `X_Remote_User`."""
    extra = DASHED.replace("drops_underscores = true", "")
    with pytest.raises(RuntimeError, match="X_Remote_User"):
        run_provider(configuration=CONFIGURATION, extra=extra)


# People whom only the proxy knows


def test_people_whom_only_the_proxy_knows(run_provider: RunProvider) -> None:
    """accept = "all": kept in the store, so that their tokens are good on every worker and after a restart."""
    extra = PROXY + 'accept = "all"\nclaims = { email = "Remotemail" }'
    op = run_provider(configuration=CONFIGURATION.replace("[http]", "[http]\nworkers = 2"), extra=extra)
    app: RelyingParty = op.client("app", scope="openid email offline_access")
    tokens = app.exchange(app.answer_at_once(browser_of(op, "erin", Remotemail="erin@example.org")))
    assert app.verify(tokens.id_token)["sub"] == subject_of(op, "erin")
    for _ in range(5):  # whichever worker answers
        assert app.userinfo(tokens.access_token)["email"] == "erin@example.org"
    op.stop()
    op.start()
    assert app.refresh(tokens.refresh_token).status == 200


def test_people_whom_nobody_knows_are_refused(behind: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.6: access_denied, and nothing about who is there."""
    told = behind.client("app").answer_at_once(browser_of(behind, "erin"))
    assert told.error == "access_denied"
    assert "erin" not in told.location
