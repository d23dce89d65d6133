"""How often each kind of request asks the store: exact numbers, since on MongoDB each is a way to another machine and
back. Who asks and for whom is in the store, and remembered from the request before.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from creance.provider import ClientSettings, OpenIDProvider, create_app
from creance.provider.store import Collection, Document, Operation
from creance.provider.store.sqlite import SQLiteStore
from creance.provider.testing import forms_of
from creance.provider.testing.running import demo_configuration
from falcon.testing import Result, TestClient

pytestmark = pytest.mark.default_store("counts on the SQLite backend; test_mongodb_round_trips counts on MongoDB")

T = TypeVar("T")

ISSUER = "http://localhost:8400"
REDIRECT_URI = "http://localhost:8401/callback"
PASSWORD = "a long password"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B, as its challenge
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
APP = {
    "client_id": "stored-app",
    "client_secret": "secret",
    "redirect_uris": [REDIRECT_URI],
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "openid email offline_access",
    "always_issue_refresh_token": True,
}
THIRD_PARTY = APP | {"client_id": "stored-third-party", "first_party": False}
SERVICE = {
    "client_id": "stored-service",
    "client_secret": "secret",
    "grant_types": ["client_credentials"],
    "scope": "read",
    "plugins": {"introspection": {"sees": "any"}},
}


class CountingStore(SQLiteStore):
    """The embedded store, which notes each round trip that one thread makes: a call of the contract."""

    _thread: int | None = None

    def count(self, ask: Callable[[], T]) -> tuple[T, list[str]]:
        """The answer, and what was asked of the store for it."""
        self._calls: list[str] = []
        self._thread = threading.get_ident()
        try:
            return ask(), self._calls
        finally:
            self._thread = None

    def _note(self, call: str, *collections: Collection) -> None:
        if threading.get_ident() == self._thread:  # and not the housekeeping
            self._calls.append(" ".join([call, *(collection.name for collection in collections)]))

    def get(self, collection: Collection, key: str) -> Document | None:
        self._note("get", collection)
        return super().get(collection, key)

    def get_kept(self, collection: Collection, key: str) -> Document | None:
        self._note("get_kept", collection)
        return super().get_kept(collection, key)

    def find(self, collection: Collection, field: str, value: str, limit: int = 1000) -> list[Document]:
        self._note("find", collection)
        return super().find(collection, field, value, limit)

    def page(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        self._note("page", collection)
        return super().page(collection, after, limit)

    def write(self, operations: Sequence[Operation]) -> list[int | None]:
        self._note("write", *(operation.collection for operation in operations))
        return super().write(operations)

    def claim(self, name: str, holder: str, until: float) -> bool:
        self._note("claim")
        return super().claim(name, holder, until)


class Visitor:
    """A person at a browser in which they are logged in, and the app and the service that they use."""

    def __init__(self, app: TestClient, store: CountingStore) -> None:
        self.app = app
        self.store = store
        (_, fields), *_ = forms_of((page := app.simulate_get("/auth/login")).text)
        answer = self.post(
            "/auth/login",
            {**fields, "username": "carol", "password": PASSWORD},
            cookies={name: cookie.value for name, cookie in page.cookies.items()},
        )
        self.cookies = {name: cookie.value for name, cookie in answer.cookies.items()}

    def post(self, path: str, form: dict[str, str], client_id: str | None = None, **more: Any) -> Result:
        headers = {"Authorization": "Basic " + base64.b64encode(f"{client_id}:secret".encode()).decode()}
        return self.app.simulate_post(
            path,
            body=urlencode(form),
            content_type="application/x-www-form-urlencoded",
            headers=headers if client_id else {},
            **more,
        )

    def authorize(self, scope: str, client_id: object = APP["client_id"], **more: Any) -> Result:
        request = {
            "client_id": client_id,
            "redirect_uri": REDIRECT_URI,
            "response_type": "code",
            "scope": scope,
            "state": "a-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return self.app.simulate_get("/authorize", params=request, **more)

    def code(self, scope: str) -> str:
        location = self.authorize(scope, cookies=self.cookies).headers["Location"]
        return parse_qs(urlsplit(location).query)["code"][0]

    def exchange(self, code: str) -> Result:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        return self.post("/token", form, "stored-app")

    def tokens(self, scope: str = "openid email") -> dict[str, str]:
        tokens: dict[str, str] = self.exchange(self.code(scope)).json
        return tokens


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """The demonstration with a person, an app and a service in its store."""
    folder = tmp_path_factory.mktemp("counted")
    configuration = folder / "creance.toml"
    configuration.write_text(demo_configuration(ISSUER, "127.0.0.1:8400"), "utf-8")
    provider = OpenIDProvider.from_config(configuration)
    provider.prepare()
    store = CountingStore.from_uri("sqlite:var/creance.db", folder=folder, timeout=provider.settings.store.timeout)
    assert isinstance(store, CountingStore)
    provider.store = store
    app = TestClient(create_app(provider))
    try:
        for client in (APP, THIRD_PARTY, SERVICE):
            provider.clients.add(ClientSettings.model_validate(client))
        provider.users.create_user("carol", PASSWORD, {"email": "carol@example.org"})
        yield Visitor(app, store)
    finally:
        provider.stop()


# ----- The requests: each makes what it needs, and answers how to ask ------------------------------------------------

Ask = Callable[[], Result]


def authorization(visitor: Visitor) -> Ask:
    return lambda: visitor.authorize("openid email", cookies=visitor.cookies)


def authorization_of_a_third_party(visitor: Visitor) -> Ask:
    def ask() -> Result:
        return visitor.authorize("openid email", THIRD_PARTY["client_id"], cookies=visitor.cookies)

    page = urlsplit((sent := ask()).headers["Location"])
    if page.path == "/auth/consent":  # the first time
        cookies = visitor.cookies | {name: cookie.value for name, cookie in sent.cookies.items()}
        shown = visitor.app.simulate_get(page.path, query_string=page.query, cookies=cookies)
        (_, fields), *_ = forms_of(shown.text)
        visitor.post(page.path, fields | {"decision": "allow"}, cookies=cookies)
    return ask


def to_the_login_page(visitor: Visitor) -> Ask:
    return lambda: visitor.authorize("openid email")


def login_page(visitor: Visitor) -> Ask:
    sent = visitor.authorize("openid email")
    page = urlsplit(sent.headers["Location"])
    cookies = {name: cookie.value for name, cookie in sent.cookies.items()}
    return lambda: visitor.app.simulate_get(page.path, query_string=page.query, cookies=cookies)


def exchange(visitor: Visitor) -> Ask:
    code = visitor.code("openid email")
    return lambda: visitor.exchange(code)


def exchange_offline(visitor: Visitor) -> Ask:
    code = visitor.code("openid email offline_access")
    return lambda: visitor.exchange(code)


def refresh(visitor: Visitor, scope: str = "openid email") -> Ask:
    form = {"grant_type": "refresh_token", "refresh_token": visitor.tokens(scope)["refresh_token"]}
    return lambda: visitor.post("/token", form, "stored-app")


def refresh_offline(visitor: Visitor) -> Ask:
    return refresh(visitor, "openid email offline_access")


def userinfo(visitor: Visitor) -> Ask:
    bearer = {"Authorization": f"Bearer {visitor.tokens()['access_token']}"}
    return lambda: visitor.app.simulate_get("/userinfo", headers=bearer)


def client_credentials(visitor: Visitor) -> Ask:
    return lambda: visitor.post("/token", {"grant_type": "client_credentials"}, "stored-service")


def introspection(visitor: Visitor) -> Ask:
    form = {"token": visitor.tokens()["access_token"]}
    return lambda: visitor.post("/introspect", form, "stored-service")


def revocation(visitor: Visitor) -> Ask:
    form = {"token": visitor.tokens()["refresh_token"], "token_type_hint": "refresh_token"}
    return lambda: visitor.post("/revoke", form, "stored-app")


def document(path: str) -> Callable[[Visitor], Ask]:
    return lambda visitor: lambda: visitor.app.simulate_get(path)


ROUND_TRIPS: dict[str, tuple[Callable[[Visitor], Ask], int, int]] = {
    # the request, the status of its answer, the round trips
    "authorization with a live session": (authorization, 303, 2),
    "authorization that was consented to": (authorization_of_a_third_party, 303, 3),
    "authorization of nobody yet": (to_the_login_page, 303, 0),
    "login page": (login_page, 200, 0),
    "exchange": (exchange, 200, 3),
    "exchange with offline_access": (exchange_offline, 200, 2),
    "refresh": (refresh, 200, 3),
    "refresh with offline_access": (refresh_offline, 200, 2),
    "userinfo": (userinfo, 200, 1),
    "client credentials": (client_credentials, 200, 1),
    "introspection": (introspection, 200, 1),
    "revocation": (revocation, 200, 2),
    "discovery": (document("/.well-known/openid-configuration"), 200, 0),
    "JWKS": (document("/jwks"), 200, 0),
    "alive": (document("/health/live"), 200, 0),
}
"""Design, Performance: 3 for authorization, exchange and refresh, 2 for userinfo, 1 for client credentials and
introspection, none for documents. More is a mistake; less is good news, to be written down here.
"""


@pytest.mark.parametrize(("prepare", "status", "round_trips"), ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_round_trips(visitor: Visitor, prepare: Callable[[Visitor], Ask], status: int, round_trips: int) -> None:
    """Design, Performance: the round trips of a request."""
    counted = []
    for ask in [prepare(visitor) for _ in range(4)]:
        answer, calls = visitor.store.count(ask)
        assert answer.status_code == status
        counted.append(calls)
    # After the first one all is remembered that can be; and what is remembered for seconds ends in one of them at most.
    fewest = min(counted[1:], key=len)
    assert len(fewest) == round_trips, fewest


def test_a_session_is_touched_once_a_minute(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Design, Performance: noting that a session is used is the third round trip of an authorization."""
    now = visitor.store.clock()
    monkeypatch.setattr("time.time", lambda: now + 120)
    ask = authorization(visitor)
    _, touched = visitor.store.count(ask)
    _, again = visitor.store.count(ask)
    assert [call for call in touched if call not in again] == ["write sessions"]
    assert len(touched) == len(again) + 1 == 3
