"""The apps of these tests: each a web server of its own, on an origin of its own, that sends people to log in."""

from __future__ import annotations

import html
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from creance.provider.testing import Answer, AuthorizationAnswer, RelyingParty

SECRET = "secret-of-the-app"
SCOPE = "openid profile email phone"
"""What they ask for, where a test does not say something else."""

CLIENT = """
[[clients]]
client_id = "{client_id}"
client_name = "{name}"
client_secret = "{secret}"
redirect_uris = ["{origin}/callback"]
post_logout_redirect_uris = ["{origin}/bye"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile email phone address offline_access"
first_party = {first_party}
"""


@dataclass
class Login:
    """One time that somebody was sent to log in."""

    request: Mapping[str, str]
    verifier: str
    note: str
    """What this tab was about, as an app remembers where its user was."""
    tokens: Answer | None = None
    """What the token endpoint answered."""


class App:
    """`/login` sends people to the provider, with the parameters that it is given itself; `/callback` exchanges the
    code and greets them; `/logout` sends them to log out there too, and `/bye` is where they come back to.
    """

    def __init__(self, client_id: str, name: str, *, host: str = "localhost", port: int = 0, own: bool = True) -> None:
        self.client_id, self.name, self.is_own = client_id, name, own
        self.logins: dict[str, Login] = {}
        self.page = ""
        """What `/page` shows."""
        self.onward = ""
        """Where `/callback` sends people on to, instead of greeting them."""
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"app": self}))
        self.origin = f"http://{host}:{self._server.server_port}"
        self.party: RelyingParty
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def configuration(self) -> str:
        """This app as a client, in TOML."""
        first_party = str(self.is_own).lower()
        named = {"client_id": self.client_id, "name": self.name, "secret": SECRET, "origin": self.origin}
        return CLIENT.format(first_party=first_party, **named)

    def use(self, issuer: str) -> None:
        """From now on people log in there."""
        callback = f"{self.origin}/callback"
        self.party = RelyingParty(issuer, self.client_id, secret=SECRET, redirect_uri=callback, scope=SCOPE)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def last(self) -> Login:
        """The last login that was begun."""
        return self.logins[next(reversed(self.logins))]

    def begin(self, note: str = "", **changes: str) -> str:
        """Where to send somebody to log in."""
        request, verifier = self.party.request(**changes)
        self.logins[request["state"]] = Login(request, verifier, note)
        return f"{self.party.metadata['authorization_endpoint']}?{urlencode(request)}"

    def finish(self, url: str) -> tuple[str, str]:
        """What came back to the redirect URI: the title and the body of the page to show."""
        answer = dict(parse_qsl(urlsplit(url).query))
        login = self.logins.get(answer.get("state", ""))
        if login is None or answer.get("iss") != self.party.issuer:
            return "Nobody asked for that", ""
        if "error" in answer:
            return f"No login: {answer['error']}", f"<p id=note>{html.escape(login.note)}</p>"
        code = AuthorizationAnswer(url, login.verifier, login.request["nonce"], login.request["redirect_uri"])
        login.tokens = self.party.exchange(code)
        if login.tokens.status != 200:
            return f"No tokens: {login.tokens.error}", ""
        greeting = html.escape(self._name_of(login, login.tokens))
        leave = html.escape(f"/logout?state={answer['state']}")
        note = html.escape(login.note)
        return f"Welcome to {self.name}", f"<h1>{greeting}</h1><p id=note>{note}</p><a href='{leave}'>Log out</a>"

    def _name_of(self, login: Login, tokens: Answer) -> str:
        """Whoever logged in, as far as an app may know that."""
        if tokens.id_token is None:
            return "Somebody"
        assert self.party.verify(tokens.id_token)["nonce"] == login.request["nonce"]
        claims = self.party.userinfo(tokens.access_token)
        return str(claims.get("name") or claims["sub"])

    def log_out(self, query: Mapping[str, str]) -> str:
        """Where to send somebody to log out: OpenID Connect RP-Initiated Logout 1.0."""
        parameters = {"client_id": self.client_id, "post_logout_redirect_uri": f"{self.origin}/bye", "state": "bye"}
        tokens = self.logins[query["state"]].tokens if "state" in query else None
        if tokens is not None:
            parameters["id_token_hint"] = tokens.id_token
        return f"{self.party.metadata['end_session_endpoint']}?{urlencode(parameters)}"


class _Handler(BaseHTTPRequestHandler):
    app: App

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        if url.path == "/login":
            self._redirect(self.app.begin(**query))
        elif url.path == "/logout":
            self._redirect(self.app.log_out(query))
        elif url.path == "/callback" and self.app.onward:
            self._redirect(f"{self.app.onward}?{url.query}")
        elif url.path == "/callback":
            self._show(*self.app.finish(self.app.origin + self.path))
        elif url.path == "/page":
            self._show("A page", self.app.page)
        else:
            self._show("Good bye" if url.path == "/bye" else "The app", "")

    def _redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _show(self, title: str, body: str) -> None:
        page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>{body}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        pass
