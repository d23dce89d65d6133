"""The examples of docs/users.md, as they stand there: against OpenLDAP, SQLite, and a service over HTTP."""

from __future__ import annotations

import gc
import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from argon2 import PasswordHasher
from creance.provider import OpenIDProvider, TemporarilyUnavailable
from creance.provider.settings import Settings
from creance.provider.testing import RunningProvider

from ..installed_plugin import installed
from .ldap_server import PEOPLE, READER, READER_PASSWORD, LDAPServer

PAGE = (Path(__file__).parents[2] / "docs" / "users.md").read_text("utf-8")
EXAMPLES = {
    match[1]: match[0] for match in re.findall(r"```python\n(.*?class (LDAP|SQL|Web)\(Plugin.*?)```", PAGE, re.DOTALL)
}
CAROLS = "gardener"

MakeProvider = Callable[..., OpenIDProvider]
Install = Callable[..., None]


def test_the_samples_of_remote_user_are_understood(make_settings: Callable[..., Settings]) -> None:
    """docs/users.md: each table of settings is what a provider starts with."""
    import tomllib

    tables = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
    assert len(tables) == 2
    for table in tables:
        OpenIDProvider(make_settings(plugins=table["plugins"]))


def test_each_example_takes_few_lines() -> None:
    """Issue 6, item 9: LDAP, SQL or a web service take some twenty lines beside imports and settings."""
    assert EXAMPLES.keys() == {"LDAP", "SQL", "Web"}
    for code in EXAMPLES.values():
        plugin = code[code.index("(Plugin[") :].splitlines()
        assert len([line for line in plugin if line.strip()]) <= 31


# LDAP


@pytest.fixture(scope="module")
def ldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LDAPServer]:
    server = LDAPServer(tmp_path_factory.mktemp("ldap"))
    server.start()
    server.fill()
    server.add_person("carol", CAROLS, cn="Carol", mail="carol@example.org")
    server.add_person("dave, ou=people", "dave's", cn="Dave")
    server.add_person("alice", "of-the-directory")
    yield server
    server.stop()


def ldap_settings(server: LDAPServer) -> dict[str, Any]:
    return {"url": server.url, "people": PEOPLE, "reader": READER, "reader_password": READER_PASSWORD}


@pytest.fixture
def with_ldap(ldap: LDAPServer, install_plugin: Install, make_provider: MakeProvider) -> OpenIDProvider:
    install_plugin("directory", EXAMPLES["LDAP"] + "\nStranger = LDAP\n")
    return make_provider(plugins={"directory": ldap_settings(ldap)})


def test_a_person_of_the_directory_logs_in(with_ldap: OpenIDProvider) -> None:
    """RFC 4513 5.1.3: a bind as the person; `sub` is what the directory never changes (RFC 4530)."""
    user = with_ldap.users.authenticate("carol", CAROLS)
    assert user is not None
    assert user == with_ldap.users.find("carol") == with_ldap.users.find_by_subject(user.subject)
    assert user.claims == {"name": "Carol", "email": "carol@example.org"}
    assert re.fullmatch(r"[0-9a-f-]{36}", user.subject)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("carol", "wrong"),
        ("carol", ""),
        ("nobody", CAROLS),
        ("*", CAROLS),
        ("car*", CAROLS),
        ("carol)(uid=*", CAROLS),
        ("*)(objectClass=*", CAROLS),
        (f"carol,{PEOPLE}", CAROLS),
        ("carol\\2c", CAROLS),
        ("carol\0", CAROLS),
    ],
)
def test_the_directory_refuses(with_ldap: OpenIDProvider, username: str, password: str) -> None:
    """RFC 4515 3, RFC 4514 2.4: a name is data in a filter and in a DN; RFC 4513 5.1.2: no bind without a password."""
    assert with_ldap.users.authenticate(username, password) is None
    assert username == "carol" or with_ldap.users.find(username) is None


def test_characters_of_a_dn_are_no_obstacle(with_ldap: OpenIDProvider) -> None:
    """RFC 4514 2.4: who has a comma in their name logs in with it."""
    user = with_ldap.users.authenticate("dave, ou=people", "dave's")
    assert user is not None
    assert user.claims == {"name": "Dave"}


def test_the_directory_s_password_does_not_open_the_file_s_account(with_ldap: OpenIDProvider) -> None:
    """docs/users.md: the file, then sources. The directory does not care about case (RFC 4519 2.39), and knows an alice
    as well.
    """
    assert with_ldap.users.authenticate("alice", "of-the-directory") is None
    assert with_ldap.users.authenticate("ALICE", "of-the-directory") is None
    assert with_ldap.users.authenticate("alice", "wonderland") is not None


@pytest.mark.parametrize("typed", ["Carol", "CAROL "])
def test_another_spelling_logs_in_as_the_name_that_the_directory_has(with_ldap: OpenIDProvider, typed: str) -> None:
    """RFC 4519 2.39: uid matches in any case, and the grant has the one name that `find` knows."""
    assert with_ldap.users.find(typed) is None
    user = with_ldap.users.authenticate(typed, CAROLS)
    assert user is not None
    assert user.username == "carol"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # ldap3 leaves a refused socket open
def test_a_directory_that_is_away_is_not_taken_for_one_without_the_person(
    with_ldap: OpenIDProvider, ldap: LDAPServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """RFC 6749 4.1.2.1, temporarily_unavailable: refused while it is stopped, and right as soon as it is back."""
    ldap.stop()
    try:
        for ask in (lambda: with_ldap.users.find("carol"), lambda: with_ldap.users.authenticate("carol", CAROLS)):
            with pytest.raises(TemporarilyUnavailable):
                ask()
        gc.collect()
    finally:
        ldap.start()
    assert with_ldap.users.authenticate("carol", CAROLS) is not None
    assert CAROLS not in capfd.readouterr().out


def test_a_directory_that_hangs_is_given_up(with_ldap: OpenIDProvider, ldap: LDAPServer) -> None:
    """docs/users.md: its timeouts are its own."""
    with ldap.paused(), pytest.raises(TemporarilyUnavailable):
        with_ldap.users.find("carol")


def test_a_person_of_the_directory_uses_an_app(
    ldap: LDAPServer, run_provider: Callable[..., RunningProvider], tmp_path: Path
) -> None:
    """OpenID Connect Core 3.1: login page, tokens and userinfo; and 503 at the login page while the directory is away
    (RFC 9110 15.6.4).
    """
    extra = "[plugins.directory]\n" + "\n".join(
        f"{name} = {json.dumps(value)}" for name, value in ldap_settings(ldap).items()
    )
    environment = installed(tmp_path, "directory", EXAMPLES["LDAP"], "LDAP")
    op = run_provider(extra=extra, environment=environment)
    app = op.client("app", scope="openid profile email")
    tokens = app.exchange(app.authorize(user="carol", password=CAROLS))
    assert app.verify(tokens.id_token)["email"] == "carol@example.org"
    assert app.userinfo(tokens.access_token)["name"] == "Carol"
    ldap.stop()
    try:
        browser = op.browser()
        page = browser.log_in(app.begin(browser), "erin", "not-to-be-logged")
        assert page.status_code == 503
        assert page.headers["Retry-After"]
    finally:
        ldap.start()
    assert "not-to-be-logged" not in op.log_file.read_text()
    assert any(line.get("where") == "users of plugins.directory" for line in op.log_lines())


# SQL


@pytest.fixture
def with_sql(tmp_path: Path, install_plugin: Install, make_provider: MakeProvider) -> OpenIDProvider:
    database = tmp_path / "people.db"
    hasher = PasswordHasher(time_cost=1, memory_cost=1024)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE people (username TEXT, id INTEGER, email TEXT, password_hash TEXT, disabled)")
        connection.executemany(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?)",
            [
                ("carol", 17, "carol@example.org", hasher.hash(CAROLS), 0),
                ("gone", 18, "gone@example.org", hasher.hash(CAROLS), 1),
            ],
        )
    install_plugin("table", EXAMPLES["SQL"] + "\nStranger = SQL\n")
    return make_provider(plugins={"table": {"database": str(database)}})


def test_a_person_of_the_table_logs_in(with_sql: OpenIDProvider) -> None:
    """docs/users.md: name, password, `sub` and claims are the table's."""
    user = with_sql.users.authenticate("carol", CAROLS)
    assert user is not None
    assert (user.subject, user.claims) == ("17", {"email": "carol@example.org"})
    assert user == with_sql.users.find("carol") == with_sql.users.find_by_subject("17")


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("carol", "wrong"),
        ("carol", ""),
        ("nobody", CAROLS),
        ("gone", CAROLS),
        ("' OR '1'='1", CAROLS),
        ("carol'--", CAROLS),
        ("carol\0", CAROLS),
    ],
)
def test_the_table_refuses(with_sql: OpenIDProvider, username: str, password: str) -> None:
    """docs/users.md: a name is a value of a statement; who is disabled does not log in."""
    assert with_sql.users.authenticate(username, password) is None


def test_an_unknown_name_costs_a_hash_too(with_sql: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/users.md, the same time: a hash is verified for a name that is there, and for one that is not."""
    verified: list[bool] = []
    verify = type(with_sql.users.passwords).verify

    def counted(self: Any, password: str, kept: str | None) -> bool:
        verified.append(kept is not None)
        return verify(self, password, kept)

    monkeypatch.setattr(type(with_sql.users.passwords), "verify", counted)
    for name in ("carol", "nobody"):
        assert with_sql.users.authenticate(name, "wrong") is None
    assert verified == [True, False]


# A web service


class Service(ThreadingHTTPServer):
    """Knows carol. `status` answers all requests in place of what it knows, `silent` none of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status: int | None = None
        self.speaks = threading.Event()
        self.speaks.set()
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Service
    carol = {"username": "carol", "id": "c-17", "name": "Carol", "disabled": False}

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        known = query.get("username") == ["carol"] or query.get("id") == ["c-17"]
        self._answer(200 if known and urlsplit(self.path).path == "/users" else 404)

    def do_POST(self) -> None:
        login = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(200 if login == {"username": "carol", "password": CAROLS} else 403)

    def _answer(self, status: int) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.speaks.wait(30)
        status = self.server.status or (status if self.headers["Authorization"] == "Bearer key" else 401)
        body = json.dumps(self.carol).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.speaks.set()
    service.shutdown()
    service.server_close()


@pytest.fixture
def with_service(service: Service, install_plugin: Install, make_provider: MakeProvider) -> OpenIDProvider:
    install_plugin("service", EXAMPLES["Web"] + "\nStranger = Web\n")
    return make_provider(plugins={"service": {"url": service.url, "key": "key"}})


def test_a_person_of_the_service_logs_in(with_service: OpenIDProvider) -> None:
    """docs/users.md: name, `sub` and claims are the service's."""
    user = with_service.users.authenticate("carol", CAROLS)
    assert user is not None
    assert (user.subject, user.claims) == ("c-17", {"name": "Carol"})
    assert user == with_service.users.find("carol") == with_service.users.find_by_subject("c-17")


@pytest.mark.parametrize(
    ("username", "password"),
    [("carol", "wrong"), ("carol", ""), ("nobody", CAROLS), ("..", CAROLS), ("carol&id=c-17", CAROLS), ("a/../x", "x")],
)
def test_the_service_refuses(with_service: OpenIDProvider, username: str, password: str) -> None:
    """RFC 3986 5.2.4: a name is no part of a path."""
    assert with_service.users.authenticate(username, password) is None
    assert username == "carol" or with_service.users.find(username) is None


@pytest.mark.parametrize("status", [401, 500, 302])
def test_a_service_that_fails_is_not_taken_for_one_without_the_person(
    with_service: OpenIDProvider, service: Service, status: int
) -> None:
    """docs/users.md: a failure is not remembered, and not `no such user`."""
    service.status = status
    with pytest.raises(TemporarilyUnavailable):
        with_service.users.find("carol")
    service.status = None
    assert with_service.users.find("carol") is not None


def test_a_service_that_is_silent_is_given_up(with_service: OpenIDProvider, service: Service) -> None:
    """docs/users.md: its timeouts are its own."""
    service.speaks.clear()
    with pytest.raises(TemporarilyUnavailable):
        with_service.users.find("carol")


def test_what_the_service_said_is_remembered_for_a_moment(with_service: OpenIDProvider, service: Service) -> None:
    """docs/users.md: five seconds, that there is nobody included."""
    for _ in range(5):
        assert with_service.users.find("carol") is not None
        assert with_service.users.find("nobody") is None
    assert sorted(service.asked) == ["GET /users?username=carol", "GET /users?username=nobody"]
