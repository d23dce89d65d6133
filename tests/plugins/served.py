"""A provider with sessions in this process behind a real socket, so that a test can set its clock and look inside."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import requests
from creance.plugins.sessions.session_store import SESSIONS
from creance.provider import Event, OpenIDProvider, create_app
from creance.provider.testing.relying_party import forms_of
from creance.provider.testing.running import free_port

from ..set_cookies import set_cookies

EMBEDDED = "sqlite:creance.db"
CONFIGURATION = """
issuer = "ISSUER"
[log]
requests = false
[store]
uri = "sqlite:creance.db"
timeout = 60
[keys]
secret_file = "secret"
algorithms = ["ES256"]
[[clients]]
client_id = "app"
client_secret = "app-secret"
redirect_uris = ["https://app.example.org/callback"]
[clients.plugins.pkce]
required = false
[[users]]
username = "alice"
password = "wonderland"
[[users]]
username = "bob"
password = "builder"
[plugins.sessions]
"""
REQUEST = {
    "client_id": "app",
    "redirect_uri": "https://app.example.org/callback",
    "response_type": "code",
    "scope": "openid",
    "nonce": "n",
}


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Served:
    """A provider in this process behind a real socket. Cookies are kept by name: the tests look at their attributes."""

    def __init__(self, provider: OpenIDProvider, port: int) -> None:
        self.provider = provider
        self.plugin = provider.plugins.plugins["sessions"]
        self.base = f"http://127.0.0.1:{port}"
        self.cookies: dict[str, str] = {}
        self.events: list[Event] = []

    def send(self, method: str, url: str, **options: Any) -> requests.Response:
        url = url.replace(self.provider.settings.issuer, "")
        response = requests.request(
            method, self.base + url, cookies=self.cookies, allow_redirects=False, timeout=30, **options
        )
        for header in set_cookies(response).values():
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "1970" in header:
                del self.cookies[name]
        return response

    def get(self, url: str, **parameters: str) -> requests.Response:
        return self.send("GET", url, params=parameters)

    def log_in(
        self, username: str = "alice", password: str = "wonderland", url: str = "/auth/login", **changes: str
    ) -> requests.Response:
        """Fill in the form of a login page, as it is now, and send it."""
        fields = next(fields for _, fields in forms_of(self.get(url).text) if "password" in fields)
        typed = {"username": username, "password": password, **changes}
        return self.send("POST", "/auth/login", data=fields | typed)

    def log_out(self) -> requests.Response:
        _, fields = forms_of(self.get("/auth/logout").text)[0]
        return self.send("POST", "/auth/logout", data=fields)

    def cookie(self, name: str) -> str | None:
        """The value of a cookie by the end of its name."""
        return next((value for full, value in self.cookies.items() if full.endswith(f"_{name}")), None)

    @property
    def session_id(self) -> str:
        return str(self.cookie("session"))

    def session(self) -> dict[str, Any] | None:
        """What `/auth/session` says."""
        response = self.get("/auth/session")
        return response.json() if response.ok else None

    def documents(self) -> list[dict[str, Any]]:
        return [document.value for document in self.provider.store.page(SESSIONS)]


@contextmanager
def serving(folder: Path, issuer: str, extra: str = "", *, store: str = EMBEDDED) -> Iterator[Served]:
    """`extra` is TOML to append: settings of the sessions first."""
    path = folder / "creance.toml"
    port = free_port()
    path.write_text(CONFIGURATION.replace("ISSUER", issuer).replace(EMBEDDED, store) + extra)
    OpenIDProvider.from_config(path).prepare()
    provider = OpenIDProvider.from_config(path)
    with make_server("127.0.0.1", port, create_app(provider), _Server, _Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield Served(provider, port)
        finally:
            server.shutdown()
            provider.stop()
