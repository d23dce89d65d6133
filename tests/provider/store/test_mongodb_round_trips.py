"""What a request asks of MongoDB: each command is a round trip, and round trips decide how long people wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from creance.plugins.sessions.logins import Logins
from creance.provider import Browser
from creance.provider.store import (
    AlreadyRedeemed,
    Collection,
    Document,
    Operation,
    Store,
    delete,
    delete_where,
    ensure,
    increment,
    insert,
    redeem,
    replace,
)
from creance.provider.store.mongodb import MongoDBStore
from pymongo import monitoring

from ...conftest import App, MakeProvider

CODES = Collection("codes", indexes=("grant_id",))
TOKENS = Collection("tokens", indexes=("grant_id",))
REFRESH_TOKENS = Collection("refresh_tokens", indexes=("grant_id",))
GRANT = {"grant_id": "g"}


class Commands(monitoring.CommandListener):
    """Notes the commands of all clients of this process while somebody listens."""

    def __init__(self) -> None:
        self.names: list[str] | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.names is not None:
            self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to note."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to note."""


COMMANDS = Commands()
monitoring.register(COMMANDS)


@contextmanager
def commands() -> Iterator[list[str]]:
    """The commands that are sent meanwhile."""
    COMMANDS.names = names = []
    try:
        yield names
    finally:
        COMMANDS.names = None


@pytest.fixture
def app(make_app: Callable[..., App], mongodb_uri: str) -> App:
    """An app of the demonstration on MongoDB. Keys, client and user are in memory, as they are after the first request;
    none of them grows old while the test goes on.
    """
    return make_app(store={"uri": mongodb_uri}, plugins={"client_credentials": {}, "introspection": {}})


def test_a_request_makes_no_more_round_trips_than_designed(app: App) -> None:
    """DESIGN, Performance: exchange 3, refresh 3, userinfo 2, authorization 3 with the session, introspection 1."""
    service = App(app.provider, "service")
    with commands() as authorization:
        code = app.authorize()
    with commands() as exchange:
        tokens = app.exchange(code)
    with commands() as userinfo:
        app.provider.tokens.read_access_token(tokens["access_token"])
    with commands() as introspection:
        assert app.introspect(tokens["access_token"])["active"]
    with commands() as refresh:
        tokens = app.refresh(tokens["refresh_token"])
    with commands() as client_credentials:
        service.token({"grant_type": "client_credentials"})
    with commands() as revocation:
        app.revoke(tokens["refresh_token"], token_type_hint="refresh_token")
    assert authorization == ["insert"]
    assert exchange == ["find", "insert", "findAndModify"]
    assert userinfo == ["find"]
    assert introspection == ["find"]
    assert refresh == ["find", "insert", "findAndModify"]
    assert client_credentials == ["insert"]
    assert revocation == ["find", *ENDS]


ENDS = ["update", "delete", "delete", "delete", "find"]
"""What ends everything of a hundred grants, or of a hundred sessions, as of one."""


def test_all_that_an_app_has_ends_together(app: App) -> None:
    """revoke_client: as many round trips for thirty grants as for one."""
    subject = ""
    for _ in range(30):
        token = app.provider.tokens.read_access_token(app.log_in()["access_token"])
        assert token is not None
        subject = token.grant.subject
    with commands() as sent:
        app.provider.tokens.revoke_client(subject, "app")
    look = ["find"] * 3
    assert sent == [*look, *ENDS, *look]


def test_all_sessions_of_a_person_end_together(make_provider: MakeProvider, mongodb_uri: str) -> None:
    """end_all: as many round trips for fifty sessions as for one."""
    sessions = make_provider(store={"uri": mongodb_uri}, plugins={"sessions": {}}).browser_sessions
    assert isinstance(sessions, Logins)
    alice = sessions._provider.users.find("alice")
    assert alice is not None
    for _ in range(50):
        assert sessions.log_in(alice, None, Browser({}, "203.0.113.7"), is_still_right=lambda: True)
    with commands() as sent:
        assert sessions.end_all("alice") == 50
    look = ["find"] * 2
    assert sent == [*look, *ENDS, "update", "delete", "delete", "find", *ENDS, *look]


@pytest.fixture
def store(mongodb_uri: str, tmp_path: Path) -> Iterator[MongoDBStore]:
    store = MongoDBStore.from_uri(mongodb_uri, folder=tmp_path, timeout=5)
    store.open([CODES, TOKENS, REFRESH_TOKENS])
    store.write([insert(CODES, "code", GRANT), increment(TOKENS, "n", valid_until=time.time() + 60)])
    yield store
    store.close()


WRITES: dict[str, tuple[Callable[[Store], list[Operation]], list[str]]] = {
    "insert": (lambda store: [insert(TOKENS, "k", GRANT)], ["insert"]),
    "a thousand inserts": (lambda store: [insert(TOKENS, str(n), GRANT) for n in range(1000)], ["insert"]),
    "inserts into several collections": (
        lambda store: [insert(TOKENS, "a", GRANT), ensure(REFRESH_TOKENS, "b", GRANT), insert(CODES, "c", GRANT)],
        ["insert"],
    ),
    "replace": (lambda store: [replace(CODES, code(store), GRANT)], ["findAndModify"]),
    "redeem": (lambda store: [redeem(CODES, "code", 0)], ["findAndModify"]),
    "increment": (lambda store: [increment(TOKENS, "n", valid_until=time.time())], ["findAndModify"]),
    "increment for the first time": (
        lambda store: [increment(TOKENS, "m", valid_until=time.time() + 60)],
        ["findAndModify"],
    ),
    "delete": (lambda store: [delete(CODES, "code")], ["findAndModify"]),
    "delete by a field": (lambda store: [delete_where(CODES, "grant_id", "g")], ["delete"]),
    "the end of a hundred grants": (
        lambda store: [
            delete_where(collection, "grant_id", grant_id)
            for collection in (CODES, REFRESH_TOKENS, TOKENS)
            for grant_id in ("g", *map(str, range(99)))
        ],
        ENDS,
    ),
    "a new session in place of another": (
        lambda store: [insert(TOKENS, "k", GRANT), delete(CODES, "code")],
        ["insert", "findAndModify"],
    ),
    "nothing": (lambda store: [], []),
}


def code(store: Store) -> Document:
    found = store.get(CODES, "code")
    assert found is not None
    return found


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_as_few_commands_as_it_can_be(store: MongoDBStore, name: str) -> None:
    """write: what can be done together is one command."""
    make, expected = WRITES[name]
    operations = make(store)
    with commands() as sent:
        store.write(operations)
    assert sent == expected


def test_a_read_is_one_command(store: MongoDBStore) -> None:
    """get, get_kept: one round trip; find and page fetch all that they may answer at once."""
    store.write([insert(TOKENS, f"{number:04}", GRANT) for number in range(500)])
    with commands() as sent:
        store.get(TOKENS, "0001")
        store.get_kept(TOKENS, "0001")
        assert len(store.find(TOKENS, "grant_id", "g")) == 500
        assert len(store.page(TOKENS, limit=400)) == 400
    assert sent == ["find"] * 4


def test_a_loser_takes_two_more_commands(store: MongoDBStore) -> None:
    """redeem: one to learn why it lost, one to take back all that it had inserted."""
    store.write([redeem(CODES, "code", time.time() + 60)])
    tokens: list[Operation] = [insert(TOKENS, "a", GRANT), insert(REFRESH_TOKENS, "b", GRANT)]
    with commands() as sent, pytest.raises(AlreadyRedeemed):
        store.write([*tokens, redeem(CODES, "code", 0)])
    assert sent == ["insert", "findAndModify", "find", "delete"]


def test_a_lease_is_one_command(store: MongoDBStore) -> None:
    with commands() as sent:
        assert store.claim("work", "one", time.time() + 60)
        assert not store.claim("work", "other", time.time() + 60)
    assert sent == ["update", "update"]


def test_a_sweep_that_finds_nothing_is_one_command(store: MongoDBStore) -> None:
    with commands() as sent:
        assert store.sweep() == 0
    assert sent == ["find"]
