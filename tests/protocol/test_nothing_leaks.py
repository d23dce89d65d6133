"""Nothing that opens a door is in the log, in an error or in the database (issue 3, seen from outside; RFC 6819 5.1.4).

A provider whose every secret is known here goes through all that can be asked of it, right and wrong. Whatever passed
by is remembered, and then looked for, byte by byte.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from creance.provider import ClientSettings, OpenIDProvider
from creance.provider.testing import Browser, RelyingParty, RunningProvider
from creance.provider.testing.relying_party import forms_of

pytestmark = pytest.mark.default_store("looks for secrets in a file")


def marker(kind: str) -> str:
    """A secret that is nowhere else, and looks like what it is."""
    return f"{kind}-{secrets.token_urlsafe(24)}"


@dataclass(frozen=True)
class Marks:
    """The secrets of the configuration and of the store."""

    app: str
    app_post: str
    service: str
    stored_client: str
    alice: str
    stored_user: str

    def configuration(self) -> str:
        return f"""
issuer = "ISSUER"
[http]
bind = "BIND"
[store]
uri = "sqlite:var/creance.db"
timeout = 1.0
[keys]
secret_file = "var/secret"
[[clients]]
client_id = "app"
client_secret = "{self.app}"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile email offline_access"
[[clients]]
client_id = "app-post"
client_secret = "{self.app_post}"
token_endpoint_auth_method = "client_secret_post"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid offline_access"
[[clients]]
client_id = "service"
client_secret = "{self.service}"
grant_types = ["client_credentials"]
scope = "read"
[clients.plugins.introspection]
sees = "any"
[[users]]
username = "alice"
password = "{self.alice}"
claims = {{ name = "Alice" }}
[plugins.client_credentials]
[plugins.introspection]
[plugins.revocation]
[plugins.sessions]
[plugins.careless]
"""


CARELESS = '''
"""A plugin that fails, with what it was given in the message of its exceptions."""

import falcon
from creance.provider import Endpoint, Plugin, PluginSettings, Resource, hookimpl


class Bang(Resource):
    def on_get(self, req, resp):
        self.fail(req, resp, req.get_param("secret"))

    def on_post(self, req, resp):
        self.fail(req, resp, self.reader.form(req)["secret"])

    def fail(self, req, resp, secret):
        how = req.path.rpartition("/")[2]
        if how == "raises":
            raise RuntimeError(secret) from ValueError(secret)
        if how == "group":
            raise ExceptionGroup(secret, [KeyError(secret)])
        if how == "http":
            raise falcon.HTTPBadRequest(title=secret, description=secret)
        if how == "exits":
            raise SystemExit(secret)
        if how == "header":
            resp.set_header("X-Bad", "a\\n" + secret)
        if how == "status":
            resp.status = secret
        if how == "text":
            resp.data = secret
        if how == "stream":
            resp.stream = self.streaming(secret)
        if how == "page":
            self.pages.answer(req, resp, secret)

    def streaming(self, secret):
        yield b"x"
        raise RuntimeError(secret)


HOW = ("raises", "group", "http", "exits", "header", "status", "text", "stream", "page")


class Careless(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def endpoints(self):
        return [Endpoint(f"bang_{how}", f"/bang/{how}", Bang()) for how in HOW]

    @hookimpl
    def resolve_authorization_request(self, parameters):
        if parameters.get("bang") == "resolve":
            raise RuntimeError(str(parameters))

    @hookimpl
    def check_authorization_request(self, request, client):
        if request.get("bang") == "authorize":
            raise RuntimeError(str(request))

    @hookimpl
    def authorization_response(self, parameters, client, response):
        if parameters.get("bang") == "response" and "error" not in response:
            raise RuntimeError(str(response))
        return {}

    @hookimpl
    def check_token_request(self, request):
        if request.parameters.get("bang") == "token":
            raise RuntimeError(str(request))

    @hookimpl
    def check_code_exchange(self, grant, parameters):
        if parameters.get("bang") == "exchange":
            raise RuntimeError(str(parameters))

    @hookimpl
    def token_response(self, request, grant, response):
        if request.parameters.get("bang") == "answer":
            raise RuntimeError(str(response))
        return {}

    @hookimpl
    def check_resource_request(self, token, headers):
        if headers.get("X-Bang"):
            raise RuntimeError(headers["Authorization"])

    @hookimpl
    def introspection_claims(self, token, client):
        return {}

    @hookimpl
    def event(self, event):
        raise RuntimeError(str(event))
'''
HOW = ("raises", "group", "http", "exits", "header", "status", "text", "stream", "page")

SECRET_PARAMETERS = {
    *("code", "code_verifier", "refresh_token", "access_token", "id_token", "token", "client_secret", "password"),
    *("csrf_token", "state", "nonce", "request", "request_uri", "id_token_hint", "secret", "assertion", "claims"),
}


class Memory:
    """All that passed by and must be found nowhere; and the bodies of all errors."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        """Each with what it is."""
        self.errors: list[tuple[str, str]] = []

    def add(self, kind: str, value: str | None) -> str:
        if value and len(value) >= 16:
            self.secrets.setdefault(value, kind)
        return value or ""

    def watch(self, session: requests.Session) -> None:
        session.hooks["response"].append(lambda response, **_: self._learn(response))

    def found_in(self, text: bytes, *, but: tuple[str, ...] = ()) -> list[str]:
        """The kinds of the secrets in a text."""
        return sorted({kind for value, kind in self.secrets.items() if kind not in but and value.encode() in text})

    def _learn(self, response: requests.Response) -> None:
        request = response.request
        self._from_parameters(urlsplit(request.url or "").query)
        if "urlencoded" in (request.headers.get("Content-Type") or "") and request.body:
            body = request.body if isinstance(request.body, bytes) else request.body.encode()
            self._from_parameters(body.decode("latin-1"))
            self.add("form", body.decode("latin-1"))
        self.add("query", urlsplit(request.url or "").query)
        authorization: str | bytes = request.headers.get("Authorization", "")
        text = authorization if isinstance(authorization, str) else authorization.decode("latin-1")
        self.add("Authorization", text.partition(" ")[2])
        self._from_cookies(request.headers.get("Cookie", ""))
        for cookie in response.raw.headers.getlist("Set-Cookie"):
            self._from_cookies(cookie.partition(";")[0])
        self._from_parameters(urlsplit(response.headers.get("Location", "")).query)
        kind = response.headers.get("Content-Type", "")
        if "json" in kind and response.content:
            for name, value in response.json().items():
                if name in SECRET_PARAMETERS and isinstance(value, str):
                    self.add(name, value)
        if "html" in kind:
            for _, fields in forms_of(response.text):
                for name, value in fields.items():
                    if name in SECRET_PARAMETERS:
                        self.add(name, value)
        if response.status_code >= 400:
            headers = "\n".join(
                f"{name}: {value}" for name, value in response.headers.items() if name.lower() != "set-cookie"
            )
            self.errors.append((f"{request.method} {urlsplit(request.url or '').path}", headers + response.text))

    def _from_parameters(self, encoded: str) -> None:
        for name, value in parse_qsl(encoded):
            if name in SECRET_PARAMETERS:
                self.add(name, value)

    def _from_cookies(self, header: str) -> None:
        for pair in filter(None, header.split("; ")):
            self.add("cookie", pair.partition("=")[2])


class Tour:
    """All that can be asked of a provider, right and wrong."""

    def __init__(self, op: RunningProvider, marks: Marks, memory: Memory) -> None:
        self.op, self.marks, self.memory = op, marks, memory
        self.http = requests.Session()
        self.http.trust_env = False
        memory.watch(self.http)

    def client(self, client_id: str, secret: str | None, **named: Any) -> RelyingParty:
        app = self.op.client(client_id, secret=self.memory.add("client_secret", secret) or None, **named)
        self.memory.watch(app.http)
        return app

    def browser(self) -> Browser:
        browser = self.op.browser()
        self.memory.watch(browser.http)
        return browser

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.http.get(self.op.url(path), allow_redirects=False, timeout=30, **options)

    def post(self, path: str, data: Any = None, **options: Any) -> requests.Response:
        return self.http.post(self.op.url(path), data=data, allow_redirects=False, timeout=30, **options)

    def secret(self, kind: str) -> str:
        return self.memory.add(kind, marker(kind))

    def all(self) -> None:
        for client_id, value, method in (
            ("app", self.marks.app, "client_secret_basic"),
            ("app-post", self.marks.app_post, "client_secret_post"),
            ("stored", self.marks.stored_client, "client_secret_basic"),
        ):
            app = self.client(client_id, value, method=method, scope="openid offline_access")
            self.a_login_and_all_that_follows(app)
            self.errors_of_an_app(app)
        self.a_stored_user()
        self.wrong_clients()
        self.wrong_requests()
        self.wrong_http()
        self.wrong_logins()
        self.defects()
        self.a_store_that_is_gone()

    def a_login_and_all_that_follows(self, app: RelyingParty) -> None:
        service = self.client("service", self.marks.service)
        assert service.client_credentials().status == 200
        browser = self.browser()
        answer = app.authorize(password=self.marks.alice, browser=browser)
        self.memory.add("code_verifier", answer.code_verifier)
        tokens = app.exchange(answer)
        assert tokens.status == 200
        assert app.userinfo(tokens.access_token).status == 200
        assert self.post("/userinfo", {"access_token": tokens.access_token}).status_code == 200
        assert service.introspect(tokens.access_token).active
        assert app.introspect(tokens.refresh_token).active
        hinted = app.authorize(browser=browser, id_token_hint=tokens.id_token, prompt="none")
        assert hinted.code
        assert app.authorize(browser=browser, id_token_hint=tokens.id_token + "x", prompt="none").error
        refreshed = app.refresh(tokens.refresh_token)
        assert app.refresh(tokens.refresh_token).refresh_token == refreshed.refresh_token
        again = app.refresh(refreshed.refresh_token)
        assert again.status == 200
        assert app.refresh(tokens.refresh_token).error == "invalid_grant"  # reuse
        assert app.refresh(again.refresh_token).error == "invalid_grant"
        assert app.exchange(hinted).status == 200
        assert app.exchange(hinted).error == "invalid_grant"  # replay
        third = app.exchange(app.authorize(browser=browser))
        assert app.revoke(third.access_token).status == 200
        assert app.revoke(third.refresh_token, token_type_hint="refresh_token").status == 200
        assert app.userinfo(third.access_token).status == 401
        app.exchange(app.authorize(browser=browser), code_verifier=self.secret("verifier"))
        page = browser.get("/auth/logout")
        fields = forms_of(page.text)[0][1]
        browser.post("/auth/logout", {**fields, "csrf_token": self.secret("csrf")})
        assert browser.get("/auth/session").status_code == 200
        assert browser.post("/auth/logout", fields).status_code == 303
        assert browser.get("/auth/session").status_code == 401

    def errors_of_an_app(self, app: RelyingParty) -> None:
        browser = self.browser()
        for changes in (
            {"prompt": "none"},
            {"prompt": self.secret("prompt")},
            {"max_age": self.secret("max_age")},
            {"scope": self.secret("scope")},
            {"response_type": self.secret("response_type")},
            {"response_mode": self.secret("response_mode")},
            {"code_challenge": self.secret("challenge")},
            {"code_challenge_method": self.secret("method")},
            {"claims": self.secret("claims")},
            {"id_token_hint": self.secret("hint")},
            {"id_token_hint": ".".join([base64.b64encode(self.secret("part").encode()).decode()] * 3)},
            {"request": self.secret("request")},
            {"request_uri": "https://" + self.secret("request_uri")},
            {"registration": self.secret("registration")},
            {"state": self.secret("state") * 100},
            {"redirect_uri": "https://evil.example/" + self.secret("redirect")},
            {"client_id": self.secret("client_id")},
        ):
            parameters, _ = app.request(**changes)
            answer = browser.get(app.metadata["authorization_endpoint"], params=parameters)
            assert answer.status_code in (303, 400)
            assert answer.text == "" or "Location" not in answer.headers
        good, _ = app.request()
        for name in (*good, self.secret("name")):
            twice = [*good.items(), (name, self.secret("first")), (name, self.secret("second"))]
            browser.get(app.metadata["authorization_endpoint"], params=twice)
            browser.post(app.metadata["authorization_endpoint"], twice)
        for form in (
            {"grant_type": self.secret("grant_type")},
            {"grant_type": "authorization_code", "code": self.secret("code")},
            {"grant_type": "refresh_token", "refresh_token": self.secret("refresh_token")},
            {"grant_type": "authorization_code", "code": self.secret("code"), "client_id": self.secret("client_id")},
            {"grant_type": "client_credentials", "scope": self.secret("scope")},
            {self.secret("name"): self.secret("value")},
        ):
            assert app.post("token_endpoint", form).status in (400, 401)
        assert app.userinfo(self.secret("access_token")).status == 401
        assert app.introspect(self.secret("token"), token_type_hint=self.secret("hint")) == {"active": False}
        assert app.revoke(self.secret("token")).status == 200

    def a_stored_user(self) -> None:
        app = self.client("app", self.marks.app, scope="openid profile")
        answer = app.authorize(user="carol", password=self.memory.add("password", self.marks.stored_user))
        assert app.exchange(answer).status == 200

    def wrong_clients(self) -> None:
        form = {"grant_type": "authorization_code", "code": self.secret("code")}
        for header in (
            self.basic("app", self.secret("client_secret")),
            self.basic(self.secret("client_id"), self.secret("client_secret")),
            self.basic("app-post", self.marks.app_post),
            "Basic " + self.secret("basic"),
            "Basic " + base64.b64encode(self.secret("basic").encode()).decode(),
            "Basic " + base64.b64encode(self.secret("basic").encode() + b"\xff:x").decode(),
            self.secret("scheme"),
            "Bearer " + self.secret("bearer"),
            "Digest " + self.secret("digest"),
        ):
            for path in ("/token", "/introspect", "/revoke"):
                assert self.post(path, form, headers={"Authorization": header}).status_code == 401
            self.get("/userinfo", headers={"Authorization": header})
        for credentials in (
            {"client_id": "app", "client_secret": self.marks.app},
            {"client_id": "app-post", "client_secret": self.secret("client_secret")},
            {"client_id": self.secret("client_id"), "client_secret": self.secret("client_secret")},
            {"client_assertion": self.secret("assertion")},
        ):
            assert self.post("/token", {**form, **credentials}).status_code == 401
        both = self.post("/token", {**form, "client_secret": self.marks.app}, headers={"Authorization": self.right()})
        assert both.status_code == 400

    def wrong_requests(self) -> None:
        right = {"Authorization": self.right()}
        urlencoded = {**right, "Content-Type": "application/x-www-form-urlencoded"}
        for path in ("/token", "/introspect", "/revoke", "/userinfo", "/auth/login", "/auth/logout", "/authorize"):
            for body in (
                self.secret("body").encode(),
                f"{self.secret('name')}&".encode() * 2,
                f"code={self.secret('code')}&token={self.secret('token')}&x=%FF".encode(),
                f"code={self.secret('code')}%00&token={self.secret('token')}%00".encode(),
                f"code={self.secret('code')}&code={self.secret('code')}".encode(),
                f"password={self.secret('password')}&".encode() + b"x&" * 200,
                f"password={self.secret('password')}&x=".encode() + b"x" * 70000,
            ):
                with closing(requests.Session()) as session:  # a body that was not read ends the connection
                    session.trust_env = False
                    self.memory.watch(session)
                    session.post(self.op.url(path), body, headers=urlencoded, allow_redirects=False, timeout=30)
            as_json = json.dumps({"password": self.secret("password"), "token": self.secret("token")})
            self.post(path, as_json, headers={**right, "Content-Type": "application/json"})
            self.post(f"{path}?access_token={self.secret('token')}", {"x": "y"}, headers=right)
            self.get(f"{path}?access_token={self.secret('token')}&password={self.secret('password')}")
            self.get(f"{path}?x={self.secret('long') * 600}")
        for token in (self.secret("token"), f"{self.secret('token')} x", f"\u00ff{self.secret('token')}"):
            self.get("/userinfo", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
            self.post(
                "/userinfo", {"access_token": self.secret("token")}, headers={"Authorization": f"Bearer {token}"[:60]}
            )

    def wrong_http(self) -> None:
        for path in ("/" + self.secret("path"), "/token/" + self.secret("path"), "/authorize%2F" + self.secret("path")):
            assert self.get(path).status_code == 404
            assert self.get(path, headers={"Accept": "text/html"}).status_code == 404
            assert self.post(path, {"password": self.secret("password")}).status_code == 404
        names = (
            "Cookie",
            "User-Agent",
            "Referer",
            "X-Forwarded-For",
            "X-Request-Id",
            "Accept-Language",
            "Origin",
            "X-Any",
        )
        self.get("/auth/login", headers={name: self.secret(name) for name in names})
        self.get("/authorize", headers={name: self.secret(name) for name in names})
        for start in (
            f"{self.secret('METHOD')} /token HTTP/1.1",
            f"{self.secret('METHOD')} /{self.secret('path')} HTTP/1.1",
            f"GET /token HTTP/1.1 {self.secret('version')}",
            f"POST /token HTTP/1.1\r\nTransfer-Encoding: {self.secret('encoding')}",
            f"POST /token HTTP/1.1\r\nContent-Length: {self.secret('length')}",
            f"POST /token HTTP/1.1\r\n{self.secret('header')}",
            f"POST /token HTTP/1.1\r\n{self.secret('header')} : {self.secret('value')}",
            f"POST /token HTTP/1.1\r\nContent-Length: 1000\r\n\r\ncode={self.secret('code')}",
            self.secret("line"),
        ):
            with socket.create_connection(("127.0.0.1", self.op.port), timeout=10) as connection:
                connection.sendall(f"{start}\r\nHost: x\r\n\r\n".encode())
                connection.shutdown(socket.SHUT_WR)
                said = b""
                while part := connection.recv(65536):
                    said += part
                self.memory.errors.append((start, said.decode()))

    def wrong_logins(self) -> None:
        app = self.client("app", self.marks.app)
        browser = self.browser()
        page = app.begin(browser)
        for username, password in (
            ("alice", self.secret("password")),
            ("alice", self.secret("password") * 100),
            (self.secret("password"), self.secret("password")),
            (self.secret("password"), ""),
            ("nobody", self.secret("password")),
        ):
            assert browser.log_in(page, username, password or " ").status_code == 200
        action, fields = forms_of(page.text)[0]
        for name in ("csrf_token", "request", "password"):
            wrong = {**fields, "username": "alice", "password": self.marks.alice, name: self.secret(name)}
            browser.post(action, wrong)
            browser.post(action, wrong, headers={"Origin": "https://evil.example"})
        for cookie in list(browser.http.cookies):
            browser.http.cookies.set(cookie.name, self.secret("cookie"), domain=cookie.domain, path="/")
        browser.log_in(page, "alice", self.marks.alice)
        session = next(cookie.name for cookie in browser.http.cookies).replace("visit", "session")
        self.get("/auth/session", headers={"Cookie": f"{session}={self.secret('cookie')}"})
        self.get("/auth/resume", params={"request": self.secret("request")})

    def defects(self) -> None:
        app = self.client("app", self.marks.app, scope="openid offline_access")
        browser = self.browser()
        tokens = app.exchange(app.authorize(password=self.marks.alice, browser=browser))
        for bang in ("resolve", "authorize", "response"):
            parameters, _ = app.request(bang=bang)
            answer = browser.get(app.metadata["authorization_endpoint"], params=parameters)
            assert answer.status_code in (303, 500)
        for bang in ("token", "exchange", "answer"):
            answer = app.authorize(browser=browser)
            failed = app.exchange(answer, bang=bang)
            assert (failed.status, failed.error) == (500, "server_error")
            assert app.exchange(answer).status == 200  # no code is burnt for it
            assert app.client_credentials(bang=bang).status in (400, 500)
        headers = {"Authorization": f"Bearer {tokens.access_token}", "X-Bang": "1"}
        assert self.get("/userinfo", headers=headers).status_code == 500
        for how in HOW:
            secret = {"secret": self.secret(how)}
            for send in (lambda: self.get(f"/bang/{how}", params=secret), lambda: self.post(f"/bang/{how}", secret)):  # noqa: B023
                try:
                    assert send().status_code in (200, 400, 500)
                except requests.RequestException:
                    continue  # it got no answer at all

    def a_store_that_is_gone(self) -> None:
        app = self.client("app", self.marks.app, scope="openid offline_access")
        browser = self.browser()
        tokens = app.exchange(app.authorize(password=self.marks.alice, browser=browser))
        code = app.authorize(browser=browser)
        database = self.op.folder / "var" / "creance.db"
        away = database.with_name("away")
        database.rename(away)
        try:
            assert app.exchange(code).status == 503
            assert app.refresh(tokens.refresh_token).status == 503
            assert app.revoke(tokens.refresh_token).status == 503
            assert app.introspect(tokens.access_token).status == 503
            assert app.userinfo(tokens.access_token).status == 503
            assert app.authorize(browser=browser).error == "temporarily_unavailable"
            assert self.post("/token", {"client_id": self.secret("client_id"), "client_secret": "x"}).status_code == 503
            fresh = self.browser()
            assert fresh.log_in(app.begin(fresh), "alice", self.marks.alice).status_code == 503
        finally:
            away.rename(database)
        assert app.exchange(code).status == 200

    def right(self) -> str:
        return self.basic("app", self.marks.app)

    def basic(self, client_id: str, secret: str) -> str:
        return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


@dataclass(frozen=True)
class Travelled:
    op: RunningProvider
    marks: Marks
    memory: Memory

    @property
    def log(self) -> bytes:
        return re.sub(rb"\x1b\[[0-9;]*m", b"", self.op.log_file.read_bytes())  # the colours of the console


@pytest.fixture(scope="module")
def careless_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installed as pip does it, where only providers of this module look."""
    site = tmp_path_factory.mktemp("site")
    information = site / "careless-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: careless\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[creance.plugins]\ncareless = careless_plugin:Careless\n")
    (site / "careless_plugin.py").write_text(CARELESS)
    return site


@pytest.fixture(scope="module", params=["json", "console"])
def travelled(
    request: pytest.FixtureRequest,
    careless_plugin: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Travelled]:
    """A provider after the whole tour, its log in one form or the other."""
    marks = Marks(*(marker(kind) for kind in ("app", "app-post", "service", "stored-client", "alice", "stored-user")))
    memory = Memory()
    for kind, value in vars(marks).items():
        memory.add(kind, value)
    environment = {"PYTHONPATH": str(careless_plugin), "CREANCE_LOG__FORMAT": request.param}
    folder = tmp_path_factory.mktemp("leaks")
    with RunningProvider(folder, configuration=marks.configuration(), environment=environment) as op:
        for line in (folder / "var" / "secret").read_text().splitlines():
            memory.add("secret_file", line)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(careless_plugin))
            add_to_store(op, marks)
        Tour(op, marks, memory).all()
        assert op.get("/health/ready").ok
        yield Travelled(op, marks, memory)


def add_to_store(op: RunningProvider, marks: Marks) -> None:
    """What `creance clients add` and `creance users add` do."""
    provider = OpenIDProvider.from_config(op.configuration)
    provider.start()
    try:
        provider.clients.add(
            ClientSettings(
                client_id="stored",
                client_secret=marks.stored_client,
                redirect_uris=["http://localhost:8401/callback"],
                grant_types=["authorization_code", "refresh_token"],
                scope="openid offline_access",
            )
        )
        provider.users.create_user("carol", marks.stored_user, {"name": "Carol"})
    finally:
        provider.stop()


def test_the_tour_saw_secrets_of_every_kind(travelled: Travelled) -> None:
    """Or the tests below would prove nothing."""
    kinds = set(travelled.memory.secrets.values())
    assert kinds >= {
        *("code", "code_verifier", "access_token", "refresh_token", "id_token", "client_secret", "password", "state"),
        *("nonce", "csrf_token", "cookie", "request", "query", "form", "Authorization", "secret_file", "alice"),
    }
    assert len(travelled.memory.secrets) > 500
    statuses = {int(match) for match in re.findall(rb'status"?[=:] ?(\d{3})\b', travelled.log)}
    assert statuses >= {200, 303, 400, 401, 403, 404, 405, 413, 414, 415, 500, 503}


def test_no_secret_is_in_the_log(travelled: Travelled) -> None:
    """Issue 3: never a secret, code, token, cookie, password or full query, whatever went wrong."""
    assert travelled.memory.found_in(travelled.log) == []


def test_no_secret_is_in_an_error(travelled: Travelled) -> None:
    """RFC 6749 5.2, RFC 6819 4.6.7. Forms and links back to the login have their own csrf_token and sealed request."""
    assert len(travelled.memory.errors) > 200
    ours = re.compile(
        r'(?<=name="csrf_token" value=")[^"]*|(?<=name="request" value=")[^"]*|(?<=/auth/login\?request=)[^"]*'
    )
    errors = [(where, ours.sub("", body)) for where, body in travelled.memory.errors]
    leaks = [(where, found) for where, body in errors if (found := travelled.memory.found_in(body.encode()))]
    assert leaks == []


def test_no_secret_is_in_the_database(travelled: Travelled) -> None:
    """RFC 6819 5.1.4.1.3: bearer values and secrets only as hashes, in the log of SQLite too. A nonce is none: it has
    to be there until the ID token is made (OpenID Connect Core 15.5.2).
    """
    files = sorted((travelled.op.folder / "var").glob("creance.db*"))
    assert len(files) > 1
    for file in files:
        assert (file.name, travelled.memory.found_in(file.read_bytes(), but=("nonce",))) == (file.name, [])


def test_the_private_keys_are_sealed(travelled: Travelled) -> None:
    """DESIGN, Keys: nothing of a private JWK (RFC 7518 6.2.2, 6.3.2) is readable."""
    with closing(sqlite3.connect(travelled.op.folder / "var" / "creance.db")) as connection:
        rows = connection.execute("SELECT value FROM c_signing_keys").fetchall()
    entries = [entry for (value,) in rows for entry in json.loads(value)["keys"]]
    assert {entry["alg"] for entry in entries} == {"RS256", "ES256"}
    for entry in entries:
        assert entry["public"].keys() <= {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"}


def test_a_defect_is_told_by_its_type_and_place(travelled: Travelled) -> None:
    """STYLE, Errors: the log says where it was, and nothing of what it was about; the client only that it failed."""
    log = travelled.log.decode()
    assert "Traceback" not in log
    for where in ("RuntimeError", "careless_plugin.py"):
        assert where in log
    for line in _json_lines(travelled):
        if line["event"] == "defect":
            assert line.keys() == {"event", "level", "timestamp", "where", "type", "frames"}
        if line["event"] == "request" and line["status"] == 500:
            assert re.fullmatch(r"|[A-Za-z]+", line.get("hint", ""))
    for _, body in travelled.memory.errors:
        assert "careless" not in body
        assert "RuntimeError" not in body


def test_hints_are_words_of_ours(travelled: Travelled) -> None:
    """STYLE, Errors: `hint` goes to the log. It says why, and quotes nothing but names of the configuration."""
    for line in _json_lines(travelled):
        assert len(line.get("hint", "")) < 200
        assert line.get("client_id") in (None, "app", "app-post", "service", "stored")
        assert line.get("grant") in (None, "authorization", "authorization_code", "refresh_token", "client_credentials")
        assert line.get("method") in (None, "GET", "POST", "HEAD", "unknown")


def _json_lines(travelled: Travelled) -> list[dict[str, Any]]:
    return travelled.op.log_lines()


def test_a_line_of_the_log_says_what_became_of_a_request(op: RunningProvider) -> None:
    """Issue 3: request id, client_id, grant, outcome, error, hint, milliseconds."""
    app = op.client("app")
    answer = app.authorize()
    assert app.exchange(answer).status == 200
    refused = app.exchange(answer)
    line = next(line for line in reversed(op.log_lines()) if line.get("request_id") == refused.headers["X-Request-Id"])
    assert line.pop("ms") > 0
    assert re.fullmatch(r"[0-9a-f]{32}", line.pop("request_id"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": "/token",
        "status": 400,
        "client_id": "app",
        "grant": "authorization_code",
        "outcome": "refused",
        "error": "invalid_grant",
        "hint": "code used twice: its grant is revoked",
    }


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda op: op.get("/jwks"), {"path": "/jwks", "status": 200, "outcome": "ok"}),
        (lambda op: op.get("/nowhere/at/all"), {"path": "unknown", "status": 404, "outcome": "refused"}),
        (
            lambda op: op.client("app").begin(op.browser(), prompt="none").headers,
            {"grant": "authorization", "outcome": "redirect", "error": "login_required", "client_id": "app"},
        ),
        (
            lambda op: op.get("/authorize", params=op.client("app").request()[0]),
            {"grant": "authorization", "outcome": "interaction", "client_id": "app", "status": 303},
        ),
        (
            lambda op: op.get("/authorize?client_id=app&redirect_uri=x"),
            {"outcome": "refused", "status": 400, "hint": "redirect_uri is not registered for this client"},
        ),
        (
            lambda op: op.client("app", secret="wrong").refresh("x"),
            {"grant": "refresh_token", "status": 401, "error": "invalid_client", "hint": "wrong client_secret"},
        ),
        (
            lambda op: op.client("nobody", secret="x").refresh("x"),
            {"grant": "refresh_token", "status": 401, "error": "invalid_client", "hint": "unknown client_id"},
        ),
        (
            lambda op: op.client("service").client_credentials(),
            {"grant": "client_credentials", "client_id": "service", "status": 200, "outcome": "ok"},
        ),
    ],
)  # fmt: skip
def test_each_kind_of_request_has_its_line(
    op: RunningProvider, ask: Callable[[RunningProvider], Any], expected: dict[str, Any]
) -> None:
    """Issue 3, seen from outside."""
    ask(op)
    line = [line for line in op.log_lines() if line["event"] == "request"][-1]
    assert {name: line.get(name) for name in expected} == expected
    assert line["ms"] >= 0
    assert line["request_id"]
    assert len({line["request_id"] for line in op.log_lines() if "request_id" in line}) > 1
