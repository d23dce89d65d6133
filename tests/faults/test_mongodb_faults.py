"""What happens to the MongoDB store when its server is gone, slow, full, or not what it was: within the deadline there
is an answer that names the cause, then at once, and when the trouble is over the next request works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import (
    AlreadyRedeemed,
    Collection,
    Store,
    StoreUnavailable,
    deadline,
    insert,
    redeem,
)
from creance.provider.store.mongodb import MongoDBStore
from creance.provider.testing.running import free_port
from creance.provider.testing.store_conformance import together
from pymongo import common

from ..mongodb_proxy import (
    NOT_PRIMARY,
    CutError,
    Exchange,
    MongoDBProxy,
    answer_with,
    delay,
)
from ..mongodb_server import MongoDBServer, start_own_server
from ..polling import eventually, once

TOKENS = Collection("tokens", indexes=("user",))
ALICE = {"user": "alice"}
TIMEOUT = 2.5
PATIENCE = TIMEOUT + 15.0
"""Seconds that a call may take on a busy machine; nobody waits for the driver's own 20 or 30."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver waits for half a second before it asks after a server that it has lost; no test needs to."""
    monkeypatch.setattr(common, "MIN_HEARTBEAT_INTERVAL", 0.02)


def store_at(uri: str, timeout: float = TIMEOUT) -> MongoDBStore:
    return MongoDBStore.from_uri(uri, folder=Path(), timeout=timeout)


@pytest.fixture
def store(mongodb_proxy_uri: str) -> Iterator[MongoDBStore]:
    store = store_at(mongodb_proxy_uri)
    store.open([TOKENS])
    store.write([insert(TOKENS, "before", ALICE)])
    yield store
    store.close()


until = partial(eventually, seconds=90)


def serves(store: Store) -> bool:
    """Whether reads and writes go through."""
    try:
        store.write([insert(TOKENS, f"{time.monotonic_ns()}", {})])
    except StoreUnavailable:
        return False
    return store.get(TOKENS, "before") is not None


def failure(call: Callable[[], object]) -> str:
    """What the operator reads, within the deadline: one line."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        call()
    assert time.monotonic() - began < PATIENCE
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


def recovering() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "creance-mongodb-recovery"]


# Gone


def test_a_server_that_is_gone_at_the_start_is_waited_for_by_whoever_opens(
    mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """Issue 3, 3: unreachable at start: it is told, and opening again works without another process."""
    store = store_at(mongodb_proxy_uri)
    mongodb_proxy.shut()
    for _ in range(2):
        said = failure(lambda: store.open([TOKENS]))
        assert f"127.0.0.1:{mongodb_proxy.port}: [Errno 111] Connection refused" in said
        assert failure(lambda: store.get_kept(TOKENS, "k") if store.collections else store.claim("a", "b", 1))
    mongodb_proxy.listen()
    store.open([TOKENS])
    store.write([insert(TOKENS, "before", ALICE)])
    assert serves(store)
    store.close()
    assert recovering() == []


def test_a_server_that_goes_is_noticed_once_and_when_it_is_back_all_works(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy
) -> None:
    """Issue 3, 3: within the request's deadline, then at once while the breaker is open; back: no restart."""
    with mongodb_proxy.unreachable():
        first = failure(lambda: store.get(TOKENS, "before"))
        assert "Connection refused" in first
        for call in (
            lambda: store.get(TOKENS, "before"),
            lambda: store.get_kept(TOKENS, "before"),
            lambda: store.find(TOKENS, "user", "alice"),
            lambda: store.page(TOKENS),
            lambda: store.write([insert(TOKENS, "k", {})]),
            lambda: store.claim("work", "one", time.time() + 1),
            store.sweep,
            store.check_writable,
        ):
            assert failure(call) == first
    until(lambda: serves(store))
    until(lambda: not recovering())
    store.check_writable()
    assert store.get(TOKENS, "k") is None


def test_while_the_breaker_is_open_nobody_waits_and_one_thread_asks(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy
) -> None:
    """MONGODB.md: after a failure a breaker answers at once, and a single prober reopens it."""
    answer = threading.Event()

    def wait(exchange: Exchange) -> None:
        answer.wait(60)
        raise CutError

    mongodb_proxy.on("find", "insert", "update", strike=wait, times=1000)
    outcomes = together(16, lambda _: failure(lambda: store.get(TOKENS, "before")))
    assert outcomes == ["the database " + store._address.name + " did not answer in time"] * 16
    asked = mongodb_proxy.names().count("find")

    def refused_at_once() -> bool:
        began = time.monotonic()
        together(16, lambda _: failure(lambda: store.get(TOKENS, "before")))
        assert len(recovering()) == 1
        return time.monotonic() - began < TIMEOUT / 2

    assert once(refused_at_once)
    assert mongodb_proxy.names().count("find") == asked
    mongodb_proxy.calm()
    answer.set()
    until(lambda: serves(store))
    until(lambda: not recovering())


def test_the_prober_waits_for_a_server_that_takes_writes(store: MongoDBStore, mongodb_proxy: MongoDBProxy) -> None:
    """A member that answers and cannot write is no help: the breaker stays open until a write is acknowledged."""
    mongodb_proxy.on("insert", "update", strike=answer_with(NOT_PRIMARY), times=1000)
    assert "has no primary that takes writes" in failure(lambda: store.write([insert(TOKENS, "k", {})]))
    until(lambda: mongodb_proxy.names().count("update") >= 3)
    assert "has no primary" in failure(lambda: store.get(TOKENS, "before"))
    mongodb_proxy.calm()
    until(lambda: serves(store))


def test_a_connection_that_is_cut_is_made_again_and_nobody_hears_of_it(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy
) -> None:
    """All connections of the pool at once, as when a firewall forgets them."""
    for turn in range(5):
        together(8, lambda _: store.get(TOKENS, "before"))
        mongodb_proxy.cut_all()
        store.write([insert(TOKENS, str(turn), ALICE)])
        assert store.get(TOKENS, str(turn)) is not None
    assert recovering() == []


def test_who_closes_while_the_server_is_gone_does_not_wait_for_it(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy
) -> None:
    """close: lets go of threads, whatever they are at."""
    mongodb_proxy.shut()
    failure(lambda: store.get(TOKENS, "before"))
    assert len(recovering()) == 1
    began = time.monotonic()
    store.close()
    assert time.monotonic() - began < PATIENCE
    assert recovering() == []


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
def test_a_name_that_nobody_knows_is_unavailable(scheme: str) -> None:
    """A name server may know it tomorrow."""
    store = store_at(f"{scheme}://alice:hunter2@cluster.creance.invalid/idp")
    said = failure(lambda: store.open([TOKENS]))
    assert said.startswith("the database idp at cluster.creance.invalid cannot be ")
    assert "hunter2" not in said


# Slow


def test_a_slow_server_is_not_waited_for_beyond_the_deadline(store: MongoDBStore, mongodb_proxy: MongoDBProxy) -> None:
    """One deadline a request."""
    mongodb_proxy.on("find", strike=delay(3 * TIMEOUT))
    assert "did not answer in time" in failure(lambda: store.get(TOKENS, "before"))
    until(lambda: serves(store))


def test_the_calls_of_a_request_share_its_deadline(mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str) -> None:
    """deadline: and a call that began late says nothing of the server: others go on."""
    store = store_at(mongodb_proxy_uri, timeout=3)
    store.open([TOKENS])

    def is_shared() -> bool:
        """Two have the time for it, and the third has not. The second has not either where the machine stops."""
        mongodb_proxy.calm()
        mongodb_proxy.on("find", strike=delay(1.1), times=3)
        with deadline(3):
            try:
                assert store.get(TOKENS, "k") is None
                assert store.get(TOKENS, "k") is None
            except StoreUnavailable:
                return False
            assert "did not answer in time" in failure(lambda: store.get(TOKENS, "k"))
        assert store.get(TOKENS, "k") is None
        return recovering() == []

    assert once(is_shared)
    store.close()


def test_of_a_slow_exchange_nothing_lives(store: MongoDBStore, mongodb_proxy: MongoDBProxy, mongodb_uri: str) -> None:
    """Issue 3, 3: nothing alive from a request that was answered 503, though the server did it all in the end."""
    store.write([insert(TOKENS, "code", {}, time.time() + 600)])
    mongodb_proxy.on("findAndModify", strike=delay(2 * TIMEOUT))
    exchange = [insert(TOKENS, "new", ALICE), redeem(TOKENS, "code", time.time() + 600)]
    failure(lambda: store.write(exchange))
    until(lambda: serves(store))
    witness = store_at(mongodb_uri, 20)
    witness.open([TOKENS])
    assert witness.get_kept(TOKENS, "new") is None
    assert witness.get(TOKENS, "code") is not None
    witness.close()


# Refusals


def write_concern_error(code: int, name: str) -> dict[str, Any]:
    return {"ok": 1, "n": 1, "writeConcernError": {"code": code, "codeName": name, "errmsg": "waiting for replication"}}


SECRET = "the-bearer-value"
ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "over the quota of a hosted cluster": (
        {"code": 8000, "codeName": "AtlasError", "errmsg": "you are over your space quota, using 513 MB of 512 MB"},
        "is over its quota (AtlasError 8000)",
    ),
    "over the quota": ({"code": 12501, "codeName": "QuotaExceeded", "errmsg": "x"}, "is over its quota (QuotaExceeded"),
    "disk full": (
        {"code": 14031, "codeName": "OutOfDiskSpace", "errmsg": "No space left on device"},
        "cannot grow: the disk is full (OutOfDiskSpace 14031)",
    ),
    "not authorized": (
        {
            "code": 13,
            "codeName": "Unauthorized",
            "errmsg": f"not authorized on idp to execute command {{ insert: {SECRET} }}",
        },
        "does not let this user do what is needed (Unauthorized 13)",
    ),
    "authentication": (
        {"code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."},
        "refuses the user or the password (AuthenticationFailed 18)",
    ),
    "anything else": (
        {"code": 121, "codeName": "DocumentValidationFailure", "errmsg": f"Document failed validation: {SECRET}"},
        "refuses the command (DocumentValidationFailure 121)",
    ),
    "no name": ({"code": 4711, "errmsg": SECRET}, "refuses the command (code 4711)"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_refusal_names_its_cause_and_opens_no_breaker(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy, name: str
) -> None:
    """StoreUnavailable: names the cause, and holds neither a password nor a document; reads go on meanwhile."""
    answer, says = ANSWERS[name]
    mongodb_proxy.on("insert", "update", strike=answer_with({"ok": 0, **answer}), times=1000)
    for _ in range(2):
        said = failure(lambda: store.write([insert(TOKENS, SECRET, {})]))
        assert says in said
        assert SECRET not in said
    assert store.get(TOKENS, "before") is not None
    assert says in failure(store.check_writable)  # so that readiness tells it
    assert recovering() == []
    mongodb_proxy.calm()
    store.check_writable()
    assert serves(store)


def test_what_a_loser_may_not_remove_holds_up_nobody(store: MongoDBStore, mongodb_proxy: MongoDBProxy) -> None:
    """A refusal is an answer: it is tried once more, and then let be."""
    store.write([insert(TOKENS, "code", {}, time.time() + 600), redeem(TOKENS, "code", time.time() + 600)])
    refused = {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized"}
    mongodb_proxy.on("delete", strike=answer_with(refused), times=1000)
    with pytest.raises(AlreadyRedeemed):
        store.write([insert(TOKENS, "new", ALICE), redeem(TOKENS, "code", time.time() + 600)])
    until(lambda: not recovering())
    assert mongodb_proxy.names().count("delete") == 2
    assert serves(store)


SILENCES: dict[str, tuple[dict[str, Any], str]] = {
    "no majority": (write_concern_error(64, "WriteConcernFailed"), "did not confirm in time that a majority"),
    "too few members": (write_concern_error(100, "UnsatisfiableWriteConcern"), "has too few members"),
    "no primary": (NOT_PRIMARY, "has no primary that takes writes"),
    "shutting down": (
        {"ok": 0, "code": 91, "codeName": "ShutdownInProgress", "errmsg": "The server is in quiesce mode"},
        "has no primary that takes writes",
    ),
    "out of time": (
        {"ok": 0, "code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "operation exceeded time limit"},
        "did not answer in time",
    ),
}


@pytest.mark.parametrize("name", SILENCES)
def test_a_write_that_is_not_acknowledged_is_not_said_to_be(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy, name: str
) -> None:
    """Acknowledged means durable: by a majority, in time."""
    answer, says = SILENCES[name]
    mongodb_proxy.on("insert", strike=answer_with(answer), times=10)
    assert says in failure(lambda: store.write([insert(TOKENS, "k", {})]))
    mongodb_proxy.calm()
    until(lambda: serves(store))


def test_a_redemption_that_no_majority_has_is_given_back(store: MongoDBStore, mongodb_proxy: MongoDBProxy) -> None:
    """Issue 3, 3: nothing alive from a request that was answered 503."""
    store.write([insert(TOKENS, "code", {}, time.time() + 600)])

    def not_confirmed(exchange: Exchange) -> None:
        exchange.ask()
        error = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "x", "errInfo": {"wtimeout": True}}
        exchange.answer({"ok": 1, "value": {"_id": "tokens/code"}, "writeConcernError": error})

    mongodb_proxy.on("findAndModify", strike=not_confirmed)
    exchange = [insert(TOKENS, "new", ALICE), redeem(TOKENS, "code", time.time() + 600)]
    assert "a majority" in failure(lambda: store.write(exchange))
    until(lambda: serves(store))
    assert store.get_kept(TOKENS, "new") is None
    store.write([redeem(TOKENS, "code", time.time() + 600)])


def test_wrong_credentials_are_named_without_them(mongodb_server: MongoDBServer, mongodb_proxy: MongoDBProxy) -> None:
    """Issue 3, 3. A server that knows no users does not ask for one: then the proxy refuses in its stead."""
    if not mongodb_server.is_real:
        refused = {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
        mongodb_proxy.on("saslStart", strike=answer_with(refused), times=1000)
    place = f"127.0.0.1:{mongodb_proxy.port}/idp?directConnection=true&authSource=admin"
    store = store_at(f"mongodb://mallory:hunter%402@{place}&authMechanism=SCRAM-SHA-256")
    said = failure(lambda: store.open([TOKENS]))
    refusal = "refuses the user or the password (AuthenticationFailed 18)"
    assert said == f"the database idp at 127.0.0.1:{mongodb_proxy.port} {refusal}"


# Another primary


class Member:
    """A member of a replica set: a proxy before the one server that says whether it is the primary now."""

    def __init__(self, server: MongoDBServer) -> None:
        self.proxy = MongoDBProxy(server.address())
        self.name = f"127.0.0.1:{self.proxy.port}"
        self.proxy.greet = self._greet
        self.members: list[Member] = []
        self.is_primary = False

    def _greet(self, said: dict[str, Any]) -> dict[str, Any]:
        primary = next((member.name for member in self.members if member.is_primary), None)
        return {
            **{name: value for name, value in said.items() if name not in {"electionId", "lastWrite", "msg"}},
            "setName": "tests",
            "setVersion": 1,
            "hosts": [member.name for member in self.members],
            "me": self.name,
            "primary": primary,
            "ismaster": self.is_primary,
            "isWritablePrimary": self.is_primary,
            "secondary": not self.is_primary,
        }

    def step_down(self) -> None:
        """Refuse as a secondary does, from now on."""
        self.is_primary = False
        commands = ("find", "insert", "update", "delete", "findAndModify")
        self.proxy.on(*commands, strike=answer_with(NOT_PRIMARY), times=100_000)

    def step_up(self) -> None:
        self.proxy.calm()
        self.is_primary = True


@pytest.fixture
def members(mongodb_server: MongoDBServer) -> Iterator[list[Member]]:
    members = [Member(mongodb_server) for _ in range(2)]
    for member in members:
        member.members = members
    members[1].step_down()
    members[0].step_up()
    yield members
    for member in members:
        member.proxy.shut()


@pytest.fixture
def replica_set(members: list[Member], mongodb_database: str) -> Iterator[MongoDBStore]:
    seeds = ",".join(member.name for member in members)
    store = store_at(f"mongodb://{seeds}/{mongodb_database}?replicaSet=tests", timeout=10)
    store.open([TOKENS])
    store.write([insert(TOKENS, "before", ALICE)])
    yield store
    store.close()


def test_another_primary_takes_over_and_nobody_notices(replica_set: MongoDBStore, members: list[Member]) -> None:
    """Issue 3, 3: fail-over, back and forth, while writes and reads go on."""
    for turn in range(4):
        members[turn % 2].step_down()
        members[1 - turn % 2].step_up()
        code, token = f"code{turn}", f"token{turn}"
        replica_set.write([insert(TOKENS, code, {}, time.time() + 600)])
        replica_set.write([insert(TOKENS, token, ALICE), redeem(TOKENS, code, time.time() + 600)])
        with pytest.raises(AlreadyRedeemed):
            replica_set.write([redeem(TOKENS, code, time.time() + 600)])
        assert replica_set.get(TOKENS, token) is not None
    assert recovering() == []


def test_in_the_middle_of_an_exchange_the_primary_dies_and_it_is_done_once(
    replica_set: MongoDBStore, members: list[Member]
) -> None:
    """MONGODB.md, Single use: the redemption was applied, its answer lost, and the retry is at another member."""
    replica_set.write([insert(TOKENS, "code", {}, time.time() + 600)])

    def die(exchange: Exchange) -> None:
        exchange.ask()
        members[0].is_primary = False
        members[0].proxy.shut()
        members[1].step_up()
        raise CutError

    members[0].proxy.on("findAndModify", strike=die)
    replica_set.write([insert(TOKENS, "new", ALICE), redeem(TOKENS, "code", time.time() + 600)])
    assert members[0].proxy.struck == 1
    assert "findAndModify" in members[1].proxy.names()
    assert replica_set.get(TOKENS, "new") is not None
    with pytest.raises(AlreadyRedeemed):
        replica_set.write([redeem(TOKENS, "code", time.time() + 600)])


def test_without_a_primary_it_is_said_and_an_election_mends_it(
    replica_set: MongoDBStore, members: list[Member]
) -> None:
    members[0].step_down()
    with deadline(TIMEOUT):
        said = failure(lambda: replica_set.get(TOKENS, "before"))
    assert "No replica set members match selector" in said or "has no primary" in said
    members[1].step_up()
    until(lambda: serves(replica_set))


# Stopped and started


def test_what_was_acknowledged_is_there_after_a_restart_of_the_server(tmp_path: Path) -> None:
    """Acknowledged means durable: a mongod is killed, mongo-java-server is stopped, as it writes to its file now and
    then. The worker goes on without a restart of its own, and no code has two winners.
    """
    folder = tmp_path / "data"
    folder.mkdir()
    port = free_port()
    server = start_own_server(folder, port, folder / "h2")
    store = store_at(server.uri_of("creance"), timeout=2)
    store.open([TOKENS])
    store.write(
        [insert(TOKENS, "before", ALICE), insert(TOKENS, "spent", {}), redeem(TOKENS, "spent", time.time() + 600)]
    )
    written: list[str] = ["before"]
    stopped = threading.Event()

    def work(number: int) -> None:
        turn = 0
        while not stopped.is_set():
            key = f"{number}.{turn}"
            try:
                store.write([insert(TOKENS, key, ALICE)])
                written.append(key)
            except StoreUnavailable:
                time.sleep(0.05)
            turn += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            count = len(written)
            until(lambda count=count: len(written) > count + 50)
            server.kill()
            server = start_own_server(folder, port, folder / "h2")
        count = len(written)
        until(lambda: len(written) > count + 50)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    lost = [key for key in written if store.get(TOKENS, key) is None]
    assert lost == []
    with pytest.raises(AlreadyRedeemed):
        store.write([redeem(TOKENS, "spent", time.time() + 600)])
    store.close()
    server.stop()
