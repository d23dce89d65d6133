"""What our tests share: a provider at the level of objects, on an embedded store of its own, and an app in front of it.

Tests over HTTP use the fixtures of `creance.provider.testing`; those here stop where HTTP begins.
"""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import secrets
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from creance.provider import (
    Authenticated,
    Browser,
    Client,
    Consented,
    InvalidGrant,
    OpenIDProvider,
    Parameters,
    Settings,
)
from creance.provider.authorization import Redirect
from creance.provider.request_log import logger
from creance.provider.testing import running
from creance.provider.testing.running import demo_configuration
from pymongo import MongoClient

from .mongodb_proxy import MongoDBProxy
from .mongodb_server import MongoDBServer, kind_of_server, start_server
from .redis_server import RedisServer
from .server_demonstrations import KINDS, demonstrations_on

# A machine that is busy is no failure.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

ISSUER = "http://localhost:8400"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=KINDS, default="sqlite", help="what demonstrations keep data in")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With another store, what would be the same once more, or is about one of them, is left out with its reason."""
    store = config.getoption("store")
    if store == "sqlite":
        return
    for item in items:
        default_store = item.get_closest_marker("default_store")
        if default_store is not None:
            item.add_marker(pytest.mark.skip(reason=f"not with --store={store}: {default_store.args[0]}"))
        elif "mongodb_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=f"not with --store={store}: is on MongoDB without it"))


@pytest.fixture(scope="session", autouse=True)
def _demo_stores(request: pytest.FixtureRequest) -> Iterator[None]:
    """Demonstrations keep their data where --store says."""
    before = running.demo_stores
    with demonstrations_on(request.config.getoption("store"), request) as running.demo_stores:
        yield
    running.demo_stores = before


class Clock:
    """The time of day, which a test can put forward; `time.time` is this clock while the fixture lasts."""

    def __init__(self) -> None:
        self._true = time.time
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._true() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds

    def stop(self) -> None:
        """From now on only a test puts it forward."""
        now = self._true()
        self._true = lambda: now


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A test that sets up the log of this process leaves none to the next, whose lines would go where it says."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        vars(logger).pop("bind", None)  # what it has kept of the set-up


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Ask for it before a provider is made: a store keeps the clock that it was made with."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


def demo_table() -> dict[str, Any]:
    """The demonstration's configuration as a table, without its pages for people, and without RSA, which is slow to
    load.
    """
    table = tomllib.loads(demo_configuration(ISSUER, "127.0.0.1:8400"))
    for pages in ("sessions", "consent", "account", "rp_initiated_logout"):
        table["plugins"].pop(pages, None)
    table["clients"] = [client for client in table["clients"] if client.get("first_party", True)]
    table["keys"]["algorithms"] = ["ES256"]
    return table


def over(below: Any, above: Any) -> Any:
    """A table with another over it, key by key; a list takes the place of a list."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: over(below.get(key), value) for key, value in above.items()}}
    return above


@pytest.fixture(scope="session")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the secret and the database of a provider that was prepared once: to be copied."""
    folder = tmp_path_factory.mktemp("prepared")
    OpenIDProvider(settings_in(folder)).prepare()
    return folder / "var"


@cache
def demo_uri_in(folder: Path) -> str:
    """All providers in one folder have the same store, and the secret that it needs."""
    running.demo_stores.give_secret(folder)
    return running.demo_stores.new_uri()


def shared_table(folder: Path) -> dict[str, Any]:
    """The same table, with the store of the providers in this folder."""
    return over(demo_table(), {"store": {"uri": demo_uri_in(folder)}})


def settings_in(
    folder: Path, more_clients: list[Any] | None = None, more_users: list[Any] | None = None, **changes: Any
) -> Settings:
    """The demonstration's settings with changes: `make_settings(lifetimes={"access_token": 5})`. `more_clients` and
    `more_users` come after those that are there.
    """
    table = over(shared_table(folder), changes)
    table["clients"] = [*table["clients"], *(more_clients or [])]
    table["users"] = [*table["users"], *(more_users or [])]
    settings = Settings.model_validate(table)
    settings._folder = folder
    return settings


MakeSettings = Callable[..., Settings]
MakeProvider = Callable[..., OpenIDProvider]


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """The demonstration's settings with changes, as `settings_in` takes them."""
    return partial(settings_in, tmp_path)


def providers_in(folder: Path, prepared_folder: Path) -> Iterator[MakeProvider]:
    """Starts the demonstration's provider with changes, as `settings_in` takes them. All are on one store, as the
    workers of one provider are.
    """
    shutil.copytree(prepared_folder, folder / "var", dirs_exist_ok=True)
    made: list[OpenIDProvider] = []

    def make(**changes: Any) -> OpenIDProvider:
        provider = OpenIDProvider(settings_in(folder, **changes))
        made.append(provider)
        provider.start()
        return provider

    yield make
    for provider in made:
        provider.stop()


@pytest.fixture
def make_provider(clock: Clock, prepared_folder: Path, tmp_path: Path) -> Iterator[MakeProvider]:
    """Starts providers for one test."""
    yield from providers_in(tmp_path, prepared_folder)


@pytest.fixture(scope="module")
def make_shared_provider(prepared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeProvider]:
    """Starts providers for all tests of a module, which leave them as they are."""
    yield from providers_in(tmp_path_factory.mktemp("provider"), prepared_folder)


@dataclass(frozen=True)
class Code:
    """A code, and the verifier of the request that it came from."""

    value: str
    verifier: str
    redirect_uri: str


class App:
    """An app of a provider, at the level of objects: what it asks is answered or raises."""

    def __init__(self, provider: OpenIDProvider, client_id: str) -> None:
        self.provider = provider
        client = provider.clients.find(client_id)
        assert client is not None
        self.client: Client = client

    def request(self, **changes: str | None) -> tuple[Parameters, str]:
        """The parameters of an authorization request, and its code_verifier. A change of None leaves one out."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "client_id": self.client.client_id,
            "redirect_uri": next(iter(self.client.redirect_uris), None),
            "response_type": "code",
            "scope": "openid offline_access",
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return Parameters({name: value for name, value in parameters.items() if value is not None}), verifier

    def answer(self, browser: Browser | None = None, **changes: str | None) -> Redirect:
        """What the authorization endpoint answers."""
        parameters, _ = self.request(**changes)
        return self.provider.authorization.answer(parameters, browser or Browser({}, "127.0.0.1"))

    def authorize(
        self,
        user: str = "alice",
        *,
        session_id: str | None = "a-session",
        auth_time: float | None = None,
        acr: str | None = None,
        **changes: str | None,
    ) -> Code:
        """The code that a person's login gives, checks of the request included."""
        parameters, verifier = self.request(**changes)
        parameters, client, redirect_uri = self.provider.authorization.prove(parameters)
        request = self.provider.authorization.read(parameters, client, redirect_uri, time.time())
        person = self.provider.users.find(user)
        assert person is not None
        authenticated = Authenticated(user, auth_time or time.time(), ("pwd",), acr, session_id)
        response = self.provider.authorization.grant(request, authenticated, person, Consented(request.scope))
        return Code(response["code"], verifier, redirect_uri)

    def exchange(self, code: Code, **changes: str | None) -> dict[str, Any]:
        """RFC 6749 4.1.3."""
        form = {
            "grant_type": "authorization_code",
            "code": code.value,
            "redirect_uri": code.redirect_uri,
            "code_verifier": code.verifier,
        }
        return self.token({**form, **changes})

    def log_in(self, user: str = "alice", **changes: Any) -> dict[str, Any]:
        """Authorize and exchange in one: the tokens."""
        return self.exchange(self.authorize(user, **changes))

    def refresh(self, refresh_token: str, **changes: str | None) -> dict[str, Any]:
        """RFC 6749 6."""
        return self.token({"grant_type": "refresh_token", "refresh_token": refresh_token, **changes})

    def token(self, form: Mapping[str, str | None]) -> dict[str, Any]:
        """The token endpoint, as this client."""
        parameters = Parameters({name: value for name, value in form.items() if value is not None})
        return self.provider.token_for(self.client, parameters)

    def introspect(self, token: str, **changes: str) -> dict[str, Any]:
        """RFC 7662, as this client."""
        plugin: Any = self.provider.plugins.plugins["introspection"]
        return dict(plugin.introspect(self.client, Parameters({"token": token, **changes})))

    def revoke(self, token: str, **changes: str) -> None:
        """RFC 7009, as this client."""
        plugin: Any = self.provider.plugins.plugins["revocation"]
        plugin.revoke(self.client, Parameters({"token": token, **changes}))

    def claims(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """The claims of the ID token in a token response, its signature verified."""
        return self.provider.keyring.verify(tokens["id_token"])

    def refused(self, code: Code, **changes: str | None) -> InvalidGrant:
        """The error of an exchange that must be refused."""
        with pytest.raises(InvalidGrant) as refusal:
            self.exchange(code, **changes)
        return refusal.value


@pytest.fixture
def make_app(make_provider: MakeProvider) -> Callable[..., App]:
    """An app of the demonstration: `make_app()`, or of another provider: `make_app("spa", provider)`."""

    def make(client_id: str = "app", provider: OpenIDProvider | None = None, **changes: Any) -> App:
        return App(provider or make_provider(**changes), client_id)

    return make


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a stranger's plugin, as pip does: `install_plugin("audit", source)`, with a class `Stranger` in it."""
    site = tmp_path / "site-packages"
    modules: list[str] = []

    def install(name: str, source: str, *, entry: str | None = None) -> None:
        module = f"stranger_{name}_{secrets.token_hex(4)}"
        information = site / f"{module}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[creance.plugins]\n{name} = {entry or module + ':Stranger'}\n")
        preamble = "from creance.provider import *\nfrom creance.provider.store import Collection\n"
        (site / f"{module}.py").write_text(preamble + source)
        modules.append(module)
        monkeypatch.syspath_prepend(site)

    yield install
    for module in modules:
        sys.modules.pop(module, None)


RunInProcesses = Callable[..., list[str]]


@pytest.fixture(scope="session")
def run_in_processes() -> RunInProcesses:
    """Runs a program in several processes at once: `run_in_processes(program, "one", "two")`. The program finds its
    `arguments`, calls `ready()` and then does what it races for; what each hands to `tell` is answered.
    """
    context = multiprocessing.get_context("forkserver")  # clean processes that need not import everything anew
    context.set_forkserver_preload(["__main__", "creance.provider"])

    def run(program: str, *arguments: str, count: int = 6) -> list[str]:
        barrier, told = context.Barrier(count), context.SimpleQueue()
        names = {"arguments": arguments, "ready": barrier.wait, "tell": told.put}
        processes = [context.Process(target=exec, args=(program, dict(names))) for _ in range(count)]
        for process in processes:
            process.start()
        try:
            for process in processes:
                process.join(30)
            assert [process.exitcode for process in processes] == [0] * count
            return [told.get() for _ in processes]
        finally:
            for process in processes:
                process.kill()
                process.join()
                process.close()
            told.close()

    return run


LOGIN = """
import time

class Stranger(Plugin[PluginSettings, PluginSettings]):
    seen = []

    @hookimpl
    def authenticate(self, request, client, browser):
        self.seen.append(request)
        username = browser.cookies.get("user")
        if username is None:
            return Interaction("http://localhost:8400/auth/login")
        return Authenticated(username, float(browser.cookies.get("at", time.time())), ("pwd",), None, "a-session")
"""


@pytest.fixture
def login_plugin(install_plugin: Callable[..., None]) -> dict[str, dict[str, Any]]:
    """Installs a plugin that believes the cookie `user`, and answers the tables that switch it on."""
    install_plugin("believes", LOGIN)
    return {"believes": {}}


def pytest_report_header() -> str:
    """Says which server the MongoDB tests run on."""
    return f"MongoDB: {kind_of_server()}"


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that forgets nothing, or a reason to skip."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="always")
    yield server
    server.close()


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """It runs, is empty, and is set as it began."""
    redis_server.stop()
    redis_server.start()
    redis_server.connection.flushall()
    return redis_server


@pytest.fixture(scope="session")
def mongodb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoDBServer]:
    """A MongoDB server, or a reason to skip."""
    server = start_server(tmp_path_factory.mktemp("mongodb"))
    yield server
    server.stop()


@pytest.fixture
def mongodb_database(mongodb_server: MongoDBServer) -> Iterator[str]:
    """The name of an empty database, which goes when the test ends."""
    name = f"creance_test_{secrets.token_hex(6)}"
    yield name
    with MongoClient[dict[str, Any]](mongodb_server.uri_of(name)) as client:
        client.drop_database(name)


@pytest.fixture
def mongodb_uri(mongodb_server: MongoDBServer, mongodb_database: str) -> str:
    return mongodb_server.uri_of(mongodb_database)


@pytest.fixture
def mongodb_proxy(mongodb_server: MongoDBServer) -> Iterator[MongoDBProxy]:
    """A proxy before the server, which strikes where a test says."""
    proxy = MongoDBProxy(mongodb_server.address())
    yield proxy
    proxy.shut()


@pytest.fixture
def mongodb_proxy_uri(mongodb_server: MongoDBServer, mongodb_proxy: MongoDBProxy, mongodb_database: str) -> str:
    """The same empty database as `mongodb_uri`, by way of the proxy."""
    return mongodb_server.uri_through(mongodb_proxy.port, mongodb_database)
