"""What races have in common: processes that contend for one store, and a look at what became of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from creance.provider import OpenIDProvider
from creance.provider.store import replace
from creance.provider.testing.running import DemoStores, demo_configuration
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS

from ...server_demonstrations import KINDS, demonstrations_on

ISSUER = "http://localhost:8400"
PROCESSES = 4
CONTENDER = Path(__file__).with_name("contender.py")

Task = tuple[str, str, dict[str, Any]]
"""The configuration whose provider does it, a method of `contender.Contender`, and its arguments."""


class Outcomes(list[dict[str, Any]]):
    """What became of each task: `answer`, or `error` and its `hint`."""

    @property
    def answers(self) -> list[Any]:
        return [outcome["answer"] for outcome in self if "answer" in outcome]

    @property
    def tally(self) -> Counter[str]:
        """How many were answered, and how many were refused with each error."""
        return Counter(outcome.get("error", "answered") for outcome in self)


# ES256, since thousands of signatures by RSA would take most of the time; and nobody is to give up waiting.
ENVIRONMENT = {"CREANCE_KEYS__ALGORITHMS": '["ES256"]', "CREANCE_STORE__TIMEOUT": "60"}

KIOSK = """
[[clients]]
client_id = "kiosk"                   # its refresh tokens end with the session
client_secret = "kiosk-secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile"
always_issue_refresh_token = true
"""

CONFIGURATIONS = {
    "graceful": "refresh_token_grace = 300",
    "strict": "refresh_token_grace = 0",
    "sparing": 'refresh_token_rotation = "public"',
}
"""They differ in what they promise of refresh tokens; all have the same store."""


SHORT_ON_SERVERS = frozenset(
    {
        "test_a_code_has_one_winner_and_its_replays_revoke_what_it_won",
        "test_without_a_grace_one_wins_and_its_grant_ends",
        "test_nothing_is_left_of_what_an_app_gets_at_that_moment",
        "test_a_session_that_is_used_while_it_ends_stays_ended",
        "test_workers_that_start_at_once_on_an_empty_store_have_one_keyring",
    }
)
"""One race for each thing that there is one of: `make test` has these on servers too, and the others on SQLite only."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        on = getattr(item, "callspec", None)
        if (
            on is not None
            and on.params.get("race_stores", "sqlite") != "sqlite"
            and item.originalname not in SHORT_ON_SERVERS
        ):
            item.add_marker(pytest.mark.long)


ROUNDS = {
    "some": {"sqlite": 8, "mongodb": 2, "redis": 2, "mongo-java-server": 2},
    "many": {"sqlite": 1000, "mongodb": 200, "redis": 1000, "mongo-java-server": 40},
}
"""How often something is raced for. Issue 4 wants 1,000 rounds. mongo-java-server looks through all its documents for
each, so that each round takes it longer than the one before.
"""


@pytest.fixture(params=["some", pytest.param("many", marks=pytest.mark.long)])
def rounds(request: pytest.FixtureRequest) -> range:
    """Fewer where each costs more: a database server is asked by way of a socket."""
    store = request.node.callspec.params.get("race_stores", "sqlite")
    if store == "mongodb" and not request.getfixturevalue("mongodb_server").is_real:
        store = "mongo-java-server"
    return range(ROUNDS[request.param][store])


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(store, marks=pytest.mark.default_store("races are on each store without it")) for store in KINDS
    ],
)
def race_stores(request: pytest.FixtureRequest) -> Iterator[DemoStores]:
    """The stores that are raced on."""
    with demonstrations_on(request.param, request) as stores:
        yield stores


class Contender:
    """A process of `contender.py`."""

    def __init__(self, configurations: Sequence[Path]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(CONTENDER), *map(str, configurations)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )

    def say(self, what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "a contender has ended"
        return json.loads(line)

    def leave(self) -> None:
        """It ends when nobody asks any more."""
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(30) == 0


class Arena:
    """Processes that contend for one store."""

    def __init__(self, folder: Path, stores: DemoStores, stack: ExitStack) -> None:
        self.folder = folder
        stores.give_secret(folder)
        demonstration = demo_configuration(ISSUER, "127.0.0.1:8400", stores.new_uri())
        paths = [folder / f"{name}.toml" for name in CONFIGURATIONS]
        for path, promise in zip(paths, CONFIGURATIONS.values(), strict=True):
            path.write_text(f"{demonstration}\n{KIOSK}\n[grants]\n{promise}\n", "utf-8")
        self._contenders = [Contender(paths) for _ in range(PROCESSES)]
        for contender in self._contenders:
            stack.callback(contender.leave)
        for contender in self._contenders:
            contender.hear()

    def exchange(self, code: Any, configuration: str = "graceful", client_id: str = "app", **changes: str) -> Task:
        """A token request with a code (RFC 6749 4.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code.value,
            "redirect_uri": code.redirect_uri,
            "code_verifier": code.verifier,
            **changes,
        }
        return configuration, "ask_for_tokens", {"client_id": client_id, "form": form}

    def refresh(self, refresh_token: str, configuration: str = "graceful", client_id: str = "app") -> Task:
        """A token request with a refresh token (RFC 6749 6)."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return configuration, "ask_for_tokens", {"client_id": client_id, "form": form}

    def visit(self, app: Any, session_id: str) -> Task:
        """An authorization request by a browser with a session, and the exchange of its code."""
        parameters, verifier = app.request(scope="openid")
        form = {
            "grant_type": "authorization_code",
            "redirect_uri": parameters["redirect_uri"],
            "code_verifier": verifier,
        }
        return self.task("visit", parameters=parameters, form=form, session_id=session_id)

    def task(self, method: str, configuration: str = "graceful", **arguments: Any) -> Task:
        """Any other task."""
        return configuration, method, arguments

    def race(self, *tasks: Task, processes: int = PROCESSES) -> Outcomes:
        """What became of each. The processes take turns in taking tasks; then all begin at once."""
        dealt = [tasks[start::processes] for start in range(processes)]
        playing = [(contender, part) for contender, part in zip(self._contenders, dealt, strict=False) if part]
        for contender, part in playing:
            contender.say(part)
        for contender, _ in playing:
            assert contender.hear() == "set"
        for contender, _ in playing:
            contender.say("go")
        outcomes = Outcomes([{}] * len(tasks))
        for start, (contender, _) in enumerate(playing):
            outcomes[start::processes] = contender.hear()
        assert [outcome for outcome in outcomes if "defect" in outcome] == []
        return outcomes


@pytest.fixture
def make_arena(tmp_path: Path, race_stores: DemoStores) -> Iterator[Callable[[], Arena]]:
    """An arena in which nothing has begun: no database, no key, and no secret that a first start makes."""
    with ExitStack() as stack:
        yield lambda: Arena(tmp_path, race_stores, stack)


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory, prepared_folder: Path, race_stores: DemoStores) -> Iterator[Arena]:
    """An arena in which every provider has been started."""
    folder = tmp_path_factory.mktemp("arena")
    shutil.copytree(prepared_folder, folder / "var")
    with ExitStack() as stack:
        arena = Arena(folder, race_stores, stack)
        for name in CONFIGURATIONS:
            assert arena.race(*[arena.task("begin", name)] * PROCESSES).tally == {"answered": PROCESSES}
        yield arena


class Referee:
    """Prepares what is raced for, and looks at what became of it, with a provider that takes no part in the race."""

    def __init__(self, provider: OpenIDProvider, make_app: Callable[..., Any]) -> None:
        self.provider = provider
        self.app = make_app("app", provider)
        self.kiosk = make_app("kiosk", provider)
        self.service = make_app("service", provider)
        self._sessions: Any = provider.plugins.plugins["sessions"].logins.sessions  # type: ignore[attr-defined]

    def grant_of(self, code: Any) -> str:
        """The grant_id of a code."""
        found = self.provider.tokens.read_code(code.value)
        assert found is not None
        return found.grant.grant_id

    def alive(self, grant_id: str) -> dict[str, int]:
        """How many codes, access tokens and refresh tokens of a grant can be used."""
        collections = (AUTHORIZATION_CODES, ACCESS_TOKENS, REFRESH_TOKENS)
        found = {each.name: len(self.provider.store.find(each, "grant_id", grant_id)) for each in collections}
        return {name: count for name, count in found.items() if count}

    def log_in(self) -> tuple[str, str]:
        """A session of alice: its id, for the cookie, and its `sid`, which what it gives carries."""
        session_id = self._sessions.begin(self.provider.users.find("alice"), ("pwd",))
        return session_id, self.session(session_id).sid

    def leave_unused(self, session_id: str, seconds: float) -> None:
        """Let so much time pass since the session was last used: its next use is written down."""
        document = self.session(session_id).document
        value = {**document.value, "last_seen": document.value["last_seen"] - seconds}
        self.provider.store.write([replace(self.provider.store.collections["sessions"], document, value)])

    def session(self, session_id: str) -> Any:
        """The session with this id, if it has not ended."""
        return self._sessions.read(session_id)


@pytest.fixture(scope="session")
def referee_provider(arena: Arena) -> Iterator[OpenIDProvider]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        provider = OpenIDProvider.from_config(arena.folder / "graceful.toml")
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def referee(referee_provider: OpenIDProvider, make_app: Callable[..., Any]) -> Referee:
    return Referee(referee_provider, make_app)
