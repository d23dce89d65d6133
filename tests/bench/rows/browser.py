"""Rows with a browser: the authorization endpoint and the login page."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from ..load import Captured, Request
from ..population import PASSWORD, SCOPE, Registered
from ..world import Code, Form, Visit
from .row import Row


class Authorization(Row):
    """OpenID Connect Core 3.1.2: somebody who is logged in is sent back with a code."""

    name = "authorization"
    title = "authorization, live session"
    budget: ClassVar[float | None] = 1.2
    status = 303
    patterns: ClassVar[Sequence[bytes]] = (rb"(?i)\r\nlocation: [^\r\n]*[?&]code=([^&\r\n]+)",)
    kind = "RS256"
    scope: ClassVar[Sequence[str]] = SCOPE

    def requests(self, count: int) -> list[Request]:
        self._pending = [self._pending_code(number) for number in self.world.population.numbers(count)]
        return [self._request(number, code, state) for number, code, state in self._pending]

    def learn(self, captured: Sequence[Captured]) -> None:
        now = time.monotonic()
        for (_, code, _), (value,) in zip(self._pending, captured, strict=True):
            self.world.codes[self.kind].append(
                Code(value, code.client, code.verifier, code.nonce, code.subject, issued_at=now)
            )

    def _pending_code(self, number: int) -> tuple[int, Code, str]:
        client, subject = self._app_and_subject(number)
        code = Code("", client, secrets.token_urlsafe(48), secrets.token_urlsafe(16), subject, 0)
        return number, code, secrets.token_urlsafe(16)

    def _app_and_subject(self, number: int) -> tuple[Registered, str]:
        """The app that a person uses, and the `sub` that it gets."""
        population = self.world.population
        return population.client(self.kind, number), population.subjects[number]

    def _request(self, number: int, code: Code, state: str) -> Request:
        query = {
            "client_id": code.client.client_id,
            "redirect_uri": code.client.redirect_uri,
            "response_type": "code",
            "scope": " ".join(self.scope),
            "state": state,
            "nonce": code.nonce,
            "code_challenge": _challenge(code.verifier),
            "code_challenge_method": "S256",
        }
        headers = self._headers(number)
        return Request(self.world.messages.get("/authorize", query, **headers), self._proof(state))

    def _headers(self, number: int) -> dict[str, str]:
        return {"Cookie": self.world.session_cookie(number)}

    @staticmethod
    def _proof(state: str) -> bytes:
        return f"state={state}".encode()


class AuthorizationES256(Authorization):
    """The same for clients with ES256; only ever to make codes."""

    name = "authorization-es256"
    kind = "ES256"


class LoginRedirect(Authorization):
    """The same where nobody is logged in: to the login page, with the request sealed."""

    name = "login-redirect"
    title = "authorization, to the login page"
    budget: ClassVar[float | None] = None
    patterns: ClassVar[Sequence[bytes]] = (
        rb"(?i)\r\nlocation: https?://[^/]+(/auth/login\?request=[^\r\n]+)",
        rb"(?i)\r\nset-cookie: ([^=\r\n]+_visit=[^;\r\n]+)",
    )

    def learn(self, captured: Sequence[Captured]) -> None:
        for (_, code, _), (login_url, cookie) in zip(self._pending, captured, strict=True):
            self.world.visits.append(Visit(code.client, cookie, login_url))

    def _headers(self, number: int) -> dict[str, str]:
        return {}

    @staticmethod
    def _proof(state: str) -> bytes:
        return b""


class LoginPage(Row):
    """The login page itself."""

    name = "login-page"
    title = "login page"
    patterns: ClassVar[Sequence[bytes]] = (rb'name="csrf_token" value="([^"]+)"',)

    def requests(self, count: int) -> list[Request]:
        if len(self.world.visits) < count:
            LoginRedirect(self.world).run(count - len(self.world.visits))
        self._shown = list(self.world.visits)[-count:]
        return [
            Request(
                self.world.messages.get(visit.login_url, Cookie=visit.cookie),
                f"App number {int(visit.client.client_id[-6:])}<".encode(),
            )
            for visit in self._shown
        ]

    def learn(self, captured: Sequence[Captured]) -> None:
        for visit, (csrf_token,) in zip(self._shown, captured, strict=True):
            sealed = parse_qs(urlsplit(visit.login_url).query)["request"][0]
            self.world.forms.append(Form(visit, csrf_token, sealed))


class PasswordLogin(Row):
    """The form of the login page. A password takes 20 ms and 19 MiB (argon2id), in one of four places a worker."""

    name = "login"
    title = "password login (argon2id)"
    status = 303
    patterns: ClassVar[Sequence[bytes]] = (rb"(?i)\r\nset-cookie: ([^=\r\n]+_session=[^;\r\n]+)",)
    share = 0.03
    concurrency = 2

    def requests(self, count: int) -> list[Request]:
        if len(self.world.forms) < count:
            LoginPage(self.world).run(count - len(self.world.forms))
        numbers = self.world.population.numbers(count)
        return [
            Request(self._post(form, self.world.population.usernames[number]), b"/auth/resume?request=")
            for form, number in zip(list(self.world.forms)[-count:], numbers, strict=True)
        ]

    def _post(self, form: Form, username: str) -> bytes:
        fields = {
            "csrf_token": form.csrf_token,
            "request": form.sealed,
            "username": username,
            "password": PASSWORD,
        }
        return self.world.messages.post("/auth/login", fields, Cookie=form.visit.cookie)


def _challenge(verifier: str) -> str:
    """RFC 7636 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
