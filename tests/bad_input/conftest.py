"""What a hostile client has at hand, and what must be true after whatever it did."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
import urllib3
from creance.provider import create_app
from creance.provider.testing import Browser, RunningProvider
from creance.provider.testing.running import WIDE_LIMITS
from falcon.testing import create_environ
from requests.adapters import HTTPAdapter

from ..stored_documents import stored_documents

CALLBACKS = ("http://localhost:8401/callback", "http://localhost:8402/callback")
"""All that is registered with the demonstration."""

Pairs = Sequence[tuple[str, str | bytes]]
Verdict = tuple[int, str | None, str]


@dataclass(frozen=True)
class Figures:
    """What a process uses: open files, threads, and memory in MiB."""

    files: int
    threads: int
    memory: float


class Hostile:
    """A client that sends what it likes. Each answer is told in three words: status, error, and the place where."""

    def __init__(self, op: RunningProvider) -> None:
        self.op = op
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # it keeps none

    @property
    def request(self) -> dict[str, str]:
        """An authorization request with nothing wrong with it."""
        return {
            "client_id": "app",
            "redirect_uri": CALLBACKS[0],
            "response_type": "code",
            "scope": "openid",
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }

    def changed(self, changes: Mapping[str, str | bytes | None]) -> dict[str, str | bytes]:
        """That request with changes; None leaves a parameter out."""
        return {name: value for name, value in {**self.request, **changes}.items() if value is not None}

    def logged_requests(self) -> list[dict[str, Any]]:
        """What the log says of them."""
        return [line for line in self.op.log_lines() if line["event"] == "request"]

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.http.get(self.op.url(path), allow_redirects=False, timeout=30, **options)

    def post(self, path: str, data: Any = None, **options: Any) -> requests.Response:
        # A body that was not read ends the connection, which the next request must not find out.
        options["headers"] = {"Connection": "close", **(options.get("headers") or {})}
        return self.http.post(self.op.url(path), data=data, allow_redirects=False, timeout=30, **options)

    def authorize(self, query: str | Pairs | Mapping[str, str | bytes]) -> requests.Response:
        return self.get("/authorize?" + (query if isinstance(query, str) else urlencode(query)))

    def token(self, form: Any, client: str = "app:app-secret", **headers: str) -> requests.Response:
        """A form to the token endpoint; a client by Basic, unless it is empty."""
        if client:
            headers.setdefault("Authorization", "Basic " + base64.b64encode(client.encode()).decode())
        body = form if isinstance(form, bytes) else urlencode(form)
        return self.post("/token", body, headers={"Content-Type": "application/x-www-form-urlencoded", **headers})

    def raw(self, data: bytes, *, then: bytes = b"", shut: bool = False, timeout: float = 10) -> bytes:
        """All that the server says on one connection to these bytes. `shut` ends our side of it."""
        with socket.create_connection(("127.0.0.1", self.op.port), timeout=timeout) as connection:
            try:
                connection.sendall(data)
                if then:
                    connection.sendall(then)
                if shut:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has heard enough
            said = b""
            try:
                while part := connection.recv(65536):
                    said += part
            except ConnectionResetError:
                pass
            return said

    def verdict(self, response: requests.Response, callbacks: Sequence[str] = CALLBACKS) -> Verdict:
        """Status, error and place of an answer. Raises AssertionError for a way to where nobody is registered."""
        assert "Traceback" not in response.text
        location = response.headers.get("Location")
        if location is not None:
            assert response.status_code == 303
            return 303, *self._place(location, callbacks)
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind == "application/json":
            assert response.headers.get("Cache-Control") == "no-store" or response.status_code in (200, 404, 405, 400)
            return response.status_code, response.json().get("error"), "json"
        if kind == "text/html":
            shown = re.search(r"(?s)<dd><code>([^<]*)</code></dd>.*<code>[0-9a-f]{32}</code>", response.text)
            return response.status_code, shown[1] if shown else None, "page"
        return response.status_code, None, "nothing"

    def _place(self, location: str, callbacks: Sequence[str]) -> tuple[str | None, str]:
        assert re.fullmatch(r"[\x21-\x7e]+", location)
        before, _, query = location.partition("?")
        if before in callbacks:
            return parse_qs(query)["error"][0], "redirect"
        assert urlsplit(location)[:2] == urlsplit(self.op.issuer)[:2], location
        return None, before.removeprefix(self.op.issuer)

    def documents(self) -> set[tuple[str, str, int]]:
        """All that the store holds but counters: collection, key and version of each document."""
        return {each for each in stored_documents(self.op.configuration) if each[0] != "attempt_counters"}

    def worker(self) -> int:
        """The process id of the one worker."""
        assert self.op.process is not None
        parent = self.op.process.pid
        (worker,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return int(worker)

    def figures(self) -> Figures:
        """What the worker uses at this moment."""
        worker = Path(f"/proc/{self.worker()}")
        status = dict(line.split(":\t", 1) for line in (worker / "status").read_text().splitlines())
        files = len(list((worker / "fd").iterdir()))
        return Figures(files, int(status["Threads"]), int(status["VmRSS"].split()[0]) / 1024)

    def answers(self) -> None:
        """A normal request that writes nothing is answered as ever."""
        credentials = ("service", "service-secret")
        assert self.post("/introspect", {"token": "x"}, auth=credentials).json() == {"active": False}

    def works(self) -> None:
        """The next normal request is answered as ever."""
        answer = self.token({"grant_type": "client_credentials"}, "service:service-secret")
        assert answer.status_code == 200
        assert answer.json()["scope"] == "read write"


@pytest.fixture(scope="session")
def hostile_client(op: RunningProvider) -> Hostile:
    return Hostile(op)


@pytest.fixture
def hostile(hostile_client: Hostile, unharmed: Callable[[Hostile], Any]) -> Iterator[Hostile]:
    """The demonstration, attacked; what is true after any bad input is checked at the end of the test."""
    yield from unharmed(hostile_client)


@contextmanager
def _undisturbed(client: Hostile) -> Iterator[None]:
    start = client.op.log_file.stat().st_size
    yield
    with client.op.log_file.open("rb") as log:
        log.seek(start)
        lines = log.read().decode().splitlines()
    assert not [line for line in lines if "Traceback" in line or "panicked" in line]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert [event for event in events if event["event"] != "request" or event["level"] != "info"] == []
    assert [event for event in events if event["status"] >= 500] == []
    client.works()


@pytest.fixture(scope="session")
def undisturbed() -> Callable[[Hostile], AbstractContextManager[None]]:
    """No 5xx, no defect and no stack trace in the log, and the next request works."""
    return _undisturbed


@pytest.fixture(scope="session")
def unharmed() -> Callable[[Hostile], Iterator[Hostile]]:
    """The same, and nothing was written."""

    def watch(client: Hostile) -> Iterator[Hostile]:
        before = client.documents()
        with _undisturbed(client):
            yield client
            assert client.documents() <= before

    return watch


@pytest.fixture(scope="session")
def make_hostile() -> type[Hostile]:
    """A hostile client of another provider: `make_hostile(run_provider(…))`."""
    return Hostile


# ----- The provider, as people, apps and thieves see it --------------------------------------------------------------

SECRETS = {"app": "app-secret", "app-post": "app-post-secret", "spa": None, "service": "service-secret"}


class InProcess(HTTPAdapter):
    """Sends what `requests` has to send to a WSGI app in this process."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._app = app

    def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
        path, _, query = request.path_url.partition("?")
        body = request.body or ""
        environ = create_environ(
            path, query, method=request.method, headers=dict(request.headers), body=body, host="localhost"
        )
        environ["wsgi.input"] = BytesIO(body if isinstance(body, bytes) else body.encode())
        began: list[Any] = []
        content = b"".join(self._app(environ, lambda status, headers, error=None: began.extend((status, headers))))
        headers = urllib3.HTTPHeaderDict(began[1])
        response = urllib3.HTTPResponse(
            BytesIO(content),
            headers,
            int(began[0].split()[0]),
            preload_content=False,
            original_response=Original(headers),
        )
        return self.build_response(request, response)


class Original:
    """What `requests` asks for cookies."""

    def __init__(self, headers: urllib3.HTTPHeaderDict) -> None:
        self.msg = self
        self.get_all = lambda name, default=None: headers.getlist(name) or default

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        pass


@dataclass
class Outside:
    """A provider as those see it who use it."""

    issuer: str
    mount: Callable[[requests.Session], None]
    now: Callable[[], float]
    advance: Callable[[float], None] | None
    slack: float
    """Seconds that may pass between two looks at the clock."""

    def browser(self) -> Browser:
        browser = Browser(self.issuer)
        self.mount(browser.http)
        return browser

    def ask(self, path: str, client: str, form: dict[str, str], secret: str | None = "") -> tuple[int, dict[str, Any]]:
        """A form to the back channel; with another secret than the client's own, or with none."""
        secret = SECRETS[client] if secret == "" else secret
        auth, form = None, dict(form)
        if secret is None or client == "app-post":
            form |= {"client_id": client} | ({"client_secret": secret} if secret else {})
        else:
            auth = (client, secret)
        with requests.Session() as http:
            http.trust_env = False
            self.mount(http)
            answer = http.post(self.issuer + path, data=form, auth=auth, allow_redirects=False, timeout=30)
        return answer.status_code, answer.json() if answer.content else {}

    def userinfo(self, access_token: str) -> tuple[int, dict[str, Any]]:
        with requests.Session() as http:
            http.trust_env = False
            self.mount(http)
            headers = {"Authorization": f"Bearer {access_token}"}
            answer = http.get(f"{self.issuer}/userinfo", headers=headers, timeout=30)
        return answer.status_code, answer.json()


@pytest.fixture
def in_process(make_provider: Any, clock: Any) -> Outside:
    """The app on a real store, at a clock that only we put forward; sessions last as long as nobody logs out."""
    frozen = float(int(clock()))
    clock._true = lambda: frozen
    timeouts = {"idle_timeout": 31536000, "absolute_timeout": 31536000}
    # The minute of a limit never ends at this clock; the model fails more often than a client may, as over HTTP.
    limits = {name.removeprefix("CREANCE_LIMITS__").lower(): int(most) for name, most in WIDE_LIMITS.items()}
    provider = make_provider(plugins={"sessions": timeouts}, log={"requests": False}, limits=limits)
    adapter = InProcess(create_app(provider))
    issuer = provider.settings.issuer
    return Outside(issuer, lambda http: http.mount(issuer, adapter), clock, clock.advance, 0)


@pytest.fixture
def over_http(run_provider: Any) -> Outside:
    """Nobody puts the clock forward here, and nothing that is done takes long enough for anything to expire."""
    long = {"CREANCE_LIFETIMES__AUTHORIZATION_CODE": "600", "CREANCE_GRANTS__REFRESH_TOKEN_GRACE": "300"}
    op, began = run_provider(environment=long), 1_000_000.0
    return Outside(op.issuer, lambda http: None, lambda: began, None, float("inf"))
