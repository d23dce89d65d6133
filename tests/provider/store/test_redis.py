"""The Redis store: all that a store promises, and what a kit for all of them cannot know. On a real Redis."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from creance.provider.store import (
    Collection,
    Conflict,
    Document,
    Store,
    StoreRefused,
    StoreUnavailable,
    deadline,
    delete_where,
    increment,
    insert,
    make_store,
    redeem,
    replace,
)
from creance.provider.store.redis_connection import BEGINNING
from creance.provider.testing import StoreConformance
from hypothesis import example, given
from hypothesis import strategies as st

from ...conftest import RunInProcesses
from ...polling import eventually
from ...redis_server import RedisServer
from .conftest import MakeRedis
from .racing import check_that_one_redeems

pytestmark = pytest.mark.default_store("is on Redis without it")

TOKENS = Collection("tokens", indexes=("user",))
PAGE = Path(__file__).parents[3] / "docs" / "redis.md"
PASSWORD = "s3cret/ @:%pass"
PASSWORD_OF_A_URI = "s3cretword"
QUOTED = "s3cret%2F%20%40%3A%25pass"

PROGRAM = """
import os, sys, time
from pathlib import Path
from creance.provider.store import Collection, StoreUnavailable, insert, make_store

TOKENS = Collection("tokens", indexes=("user",))

def store_at(uri):
    store = make_store(uri, folder=Path(), timeout=20)
    store.open([TOKENS])
    return store

"""

WRITE = f"""{PROGRAM}
import itertools
store = store_at(sys.argv[1])
for count in itertools.count():
    number = f"{{os.getpid()}}.{{count}}"
    pair = {{"user": number, "filling": "x" * 500}}
    try:
        store.write([insert(TOKENS, f"a{{number}}", pair), insert(TOKENS, f"b{{number}}", pair)])
    except StoreUnavailable:
        break
    print(number, flush=True)
"""


def store_at(uri: str, timeout: float = 10) -> Any:
    return make_store(uri, folder=Path(), timeout=timeout)


@pytest.fixture
def store(redis: RedisServer) -> Iterator[Any]:
    store = store_at(redis.uri)
    store.open([TOKENS])
    yield store
    store.close()


class TestRedis(StoreConformance):
    """As the user whose rights docs/redis.md lists."""

    @pytest.fixture
    def make_store(self, redis: RedisServer) -> Callable[[], Store]:
        (rights,) = re.findall(r"^(ACL SETUSER .*\n .*)$", PAGE.read_text("utf-8"), re.MULTILINE)
        redis.connection.execute_command(*rights.split())
        uri = redis.uri.replace("//", "//creance:PASSWORD@")
        return lambda: store_at(uri, timeout=20)


# What is in the server


def test_nothing_is_left_of_what_has_gone(store: Any, redis: RedisServer) -> None:
    """sweep, delete_where: neither a document nor what leads to it, however it went."""
    now = time.time()
    empty = set(redis.connection.keys())
    store.write([insert(TOKENS, "a", {"user": "alice"}), insert(TOKENS, "b", {"user": "bob"}, now + 60, now + 90)])
    store.write([replace(TOKENS, store.get(TOKENS, "a"), {"user": "carol"})])
    store.write([redeem(TOKENS, "b", now + 80)])
    store.clock = lambda: now + 100
    assert store.sweep() == 1
    store.write([delete_where(TOKENS, "user", "carol")])
    assert set(redis.connection.keys()) - empty == {"creance:version"}


def test_of_a_refused_write_what_leads_to_documents_is_as_it_was(store: Any, redis: RedisServer) -> None:
    """write: none remains; the documents that it had removed and changed by then are back, and are found."""
    now = time.time()
    first = {"user": "alice"}
    store.write([insert(TOKENS, key, first, now + 60, now + 90) for key in ("a", "b")] + [insert(TOKENS, "c", {})])
    stale = store.get(TOKENS, "c")
    store.write([replace(TOKENS, stale, {"user": "bob"})])
    ends = redis.connection.zrange("creance:ends:tokens", 0, -1, withscores=True)
    read = [store.get(TOKENS, key) for key in ("a", "b", "c")]
    with pytest.raises(Conflict) as refused:
        store.write(
            [
                delete_where(TOKENS, "user", "alice"),
                insert(TOKENS, "d", {"user": "alice"}),
                redeem(TOKENS, "c", now + 900),
                replace(TOKENS, stale, {}),
            ]
        )
    assert refused.value.key == "c"
    assert [store.get(TOKENS, key) for key in ("a", "b", "c")] == read
    assert {document.key for document in store.find(TOKENS, "user", "alice")} == {"a", "b"}
    assert [document.key for document in store.find(TOKENS, "user", "bob")] == ["c"]
    assert redis.connection.zrange("creance:ends:tokens", 0, -1, withscores=True) == ends


def test_what_others_keep_there_is_left_alone(store: Any, redis: RedisServer) -> None:
    """docs/redis.md: all our keys begin alike."""
    redis.connection.set("access_tokens:x", "pyop's")
    store.write([insert(TOKENS, "a", {"user": "alice"})])
    store.sweep()
    ours = set(redis.connection.keys(f"{BEGINNING.decode()}*"))
    assert set(redis.connection.keys()) - ours == {"access_tokens:x"}
    assert redis.connection.get("access_tokens:x") == "pyop's"


def test_more_documents_than_are_looked_at_at_once(store: Any) -> None:
    """find, delete_where: all of them, and no more than were asked for; also among many that have ended."""
    now = time.time()
    ended = [Document(f"e{n}", {"user": "alice"}, 0, now - 1, now + 60, None) for n in range(250)]
    store.put(TOKENS, ended)
    store.put(TOKENS, [Document(f"v{n}", {"user": "alice"}, 0, now + 60, now + 60, None) for n in range(250)])
    assert len(store.find(TOKENS, "user", "alice")) == 250
    assert len(store.find(TOKENS, "user", "alice", limit=130)) == 130
    assert [document.key for document in store.page(TOKENS, after="e", limit=2)] == ["v0", "v1"]
    assert store.delete_where(TOKENS, "user", "alice") == 500


def test_a_field_is_indexed_while_others_write(redis: RedisServer) -> None:
    """open: idempotent, with many workers at once; also those that do not know of the field yet."""
    older = store_at(redis.uri)
    older.open([Collection("tokens")])
    older.put(
        TOKENS, [Document(f"k{n}", {"user": "alice"}, 0, time.time() + 60, time.time() + 60, None) for n in range(950)]
    )
    stores = [store_at(redis.uri) for _ in range(4)]
    threads = [threading.Thread(target=each.open, args=([TOKENS],)) for each in stores]
    for thread in threads:
        thread.start()
    older.write([insert(TOKENS, "later", {"user": "alice"})])
    for thread in threads:
        thread.join()
    older.write([insert(TOKENS, "latest", {"user": "alice"})])
    assert [len(each.find(TOKENS, "user", "alice")) for each in stores] == [952] * 4
    for each in (older, *stores):
        each.close()


def test_a_newer_layout_is_not_touched(redis: RedisServer) -> None:
    """open: StoreRefused where the data must not be touched by this version."""
    redis.connection.set("creance:layout", "2")
    with pytest.raises(StoreRefused, match="has layout 2, made by a newer version; this one knows layout 1"):
        store_at(redis.uri).open([TOKENS])
    assert redis.connection.keys() == ["creance:layout"]


# Durability


def test_of_many_processes_one_redeems(redis: RedisServer, store: Any, run_in_processes: RunInProcesses) -> None:
    """redeem: exactly one writer ever succeeds, across processes; nothing of the others remains."""
    check_that_one_redeems(redis.uri, store, run_in_processes)


def test_what_is_acknowledged_survives_a_kill_of_the_server(redis: RedisServer) -> None:
    """write: all are done and durable when it returns, or none remains, whenever the server is killed."""
    acknowledged: set[str] = set()
    for _ in range(3):
        command = [sys.executable, "-c", WRITE, redis.uri]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged |= {writer.stdout.readline().strip() for _ in range(50)}
            assert redis.process is not None
            redis.process.send_signal(signal.SIGKILL)
            acknowledged |= set(writer.communicate()[0].split())
        redis.stop()
        redis.start()
        store = store_at(redis.uri)
        store.open([TOKENS])
        found = {document.key for document in store.page(TOKENS, limit=100_000)}
        assert {key[1:] for key in found if key[0] == "a"} == {key[1:] for key in found if key[0] == "b"}
        assert {key[1:] for key in found} >= acknowledged
        assert all(len(store.find(TOKENS, "user", number)) == 2 for number in acknowledged)
        store.close()


FORGETFUL: list[tuple[dict[str, str], str]] = [
    ({"appendonly": "no"}, "it writes no log (appendonly yes)"),
    ({"appendfsync": "everysec"}, "before its log is on the disk (appendfsync always, and not everysec)"),
    (
        {"appendfsync": "always", "maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"},
        "it drops what it has no room for (maxmemory-policy noeviction, and not allkeys-lru)",
    ),
]


@pytest.mark.parametrize(("settings", "because"), FORGETFUL)
def test_a_server_that_forgets_is_refused_or_named(
    make_redis: MakeRedis, settings: dict[str, str], because: str
) -> None:
    """write: durable when it returns. A server that is set otherwise must be accepted by name, and is in the log."""
    server = make_redis(**settings)
    with pytest.raises(StoreRefused) as refused:
        store_at(server.uri).open([TOKENS])
    assert because in str(refused.value)
    assert 'store.uri = "redis://…?insecure_may_lose_writes=true"' in str(refused.value)
    assert not server.connection.keys()
    store = store_at(f"{server.uri}?insecure_may_lose_writes=true")
    with structlog.testing.capture_logs() as lines:
        store.open([TOKENS])
    (line,) = lines
    assert (line["event"], line["log_level"], line["because"]) == (
        "store_may_lose_writes",
        "warning",
        [line["because"][0]],
    )
    assert because in line["because"][0]
    store.write([insert(TOKENS, "k", {})])
    assert store.get(TOKENS, "k") is not None
    store.close()


def test_a_server_that_may_not_be_asked_is_refused(redis: RedisServer) -> None:
    """DESIGN, Errors: what to do; many who host a Redis forbid CONFIG."""
    redis.connection.acl_setuser(
        "creance", enabled=True, passwords=[f"+{PASSWORD}"], keys=["creance:*"], commands=["+@all", "-config"]
    )
    uri = redis.uri.replace("//", f"//creance:{QUOTED}@")
    with pytest.raises(StoreRefused, match="must be allowed INFO and CONFIG GET"):
        store_at(uri).open([TOKENS])
    store = store_at(f"{uri}?insecure_may_lose_writes=true")
    store.open([TOKENS])
    store.write([insert(TOKENS, "k", {"user": "alice"})])
    assert store.find(TOKENS, "user", "alice")
    store.close()


# Faults


def test_a_server_that_is_away_is_said_to_be_so(store: Any, redis: RedisServer) -> None:
    """StoreUnavailable, which names the cause; then all goes on without another opening."""
    store.write([insert(TOKENS, "k", {})])
    redis.stop()
    for ask in (lambda: store.get(TOKENS, "k"), lambda: store.write([insert(TOKENS, "l", {})]), store.sweep):
        with pytest.raises(StoreUnavailable, match=r"cannot be reached: .*refused"):
            ask()
    redis.start()
    eventually(lambda: _answers(store))
    assert store.get(TOKENS, "k") is not None
    store.write([insert(TOKENS, "l", {})])


def _answers(store: Any) -> bool:
    try:
        store.get(TOKENS, "k")
    except StoreUnavailable:
        return False
    return True


def test_a_server_that_hangs_is_not_waited_for(store: Any, redis: RedisServer) -> None:
    """Within time_left(timeout); who comes next is answered at once, until the server is."""
    with redis.paused():
        began = time.monotonic()
        with deadline(0.3), pytest.raises(StoreUnavailable, match="did not answer in time"):
            store.write([insert(TOKENS, "k", {})])
        assert time.monotonic() - began < store.timeout
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            store.get(TOKENS, "k")
    eventually(lambda: _answers(store))


def test_an_answer_that_comes_late_is_nobody_else_s(store: Any, redis: RedisServer) -> None:
    """get: a connection that was given up is never asked again."""
    store.write([insert(TOKENS, key, {"of": key}) for key in ("a", "b")])
    with redis.paused(), deadline(0.2), pytest.raises(StoreUnavailable):
        store.get(TOKENS, "a")
    eventually(lambda: _answers(store))
    assert store.get(TOKENS, "b").value == {"of": "b"}


def test_a_full_memory_takes_nothing_by_halves(store: Any, redis: RedisServer) -> None:
    """write, check_writable: StoreUnavailable with the cause; what is there is read, and removed; then all goes on."""
    now = time.time()
    store.write([insert(TOKENS, "k", {"user": "alice"}), insert(TOKENS, "old", {"user": "bob"}, now - 9, now + 60)])
    redis.connection.config_set("maxmemory", "1")
    for attempt in (
        lambda: store.write([insert(TOKENS, "l", {"user": "alice"}), delete_where(TOKENS, "user", "alice")]),
        lambda: store.write([delete_where(TOKENS, "user", "alice"), increment(TOKENS, "n", valid_until=now + 60)]),
        store.check_writable,
    ):
        with pytest.raises(StoreUnavailable, match="has used up its memory"):
            attempt()
    assert [document.key for document in store.find(TOKENS, "user", "alice")] == ["k"]
    store.clock = lambda: now + 100
    assert store.sweep() == 1
    redis.connection.config_set("maxmemory", "0")
    store.check_writable()
    store.write([insert(TOKENS, "l", {"user": "alice"})])
    assert len(store.find(TOKENS, "user", "alice")) == 2


def test_a_replica_takes_no_writes(make_redis: MakeRedis, redis: RedisServer) -> None:
    """StoreUnavailable, which names the cause; nothing of the write is done."""
    port = redis.uri.rpartition(":")[2].partition("/")[0]
    replica = make_redis(appendfsync="always", replicaof=f"127.0.0.1 {port}")
    with pytest.raises(StoreUnavailable, match="is a replica, which takes no writes"):
        store_at(replica.uri).open([TOKENS])


def test_a_server_that_has_forgotten_the_script_is_told_it_again(store: Any, redis: RedisServer) -> None:
    """redis.lua: kept by the server until it is started again."""
    store.write([insert(TOKENS, "k", {})])
    redis.connection.script_flush()
    store.write([insert(TOKENS, "l", {})])
    assert len(store.page(TOKENS)) == 2


REFUSALS: list[tuple[str, str]] = [
    (f"redis://creance:{QUOTED}@HOST", "refuses the user or the password"),
    (f"redis://:{QUOTED}@HOST", "refuses the user or the password"),
    ("redis://HOST", "or wants some"),
    (f"redis://reader:{QUOTED}@HOST?insecure_may_lose_writes=true", "does not let this user do what is needed"),
]


@pytest.mark.parametrize(("uri", "cause"), REFUSALS)
def test_who_may_not_is_told_the_cause_and_no_password(make_redis: MakeRedis, uri: str, cause: str) -> None:
    """StoreUnavailable: the message never holds a password."""
    server = make_redis(appendfsync="always")
    server.connection.execute_command("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+@read", "+@connection")
    server.connection.execute_command("ACL", "SETUSER", "default", "resetpass", ">another")
    place = server.uri.partition("//")[2]
    store = store_at(uri.replace("HOST", place.removesuffix("/0")))
    with pytest.raises((StoreUnavailable, StoreRefused)) as refused:
        store.open([TOKENS])
    assert cause in str(refused.value)
    assert "s3cret" not in str(refused.value) + store.describe() + repr(store)


# The URI


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("redis:localhost", "it begins with redis://, rediss:// or unix://"),
        ("redis://localhost?nonsense=1", "nonsense"),
        ("redis://localhost?insecure_may_lose_writes=maybe", "insecure_may_lose_writes is true or false"),
        ("redis://localhost?socket_timeout=soon", "socket_timeout"),
        (f"redis://me:{QUOTED}@localhost?nonsense=1", "not a usable URI of Redis"),
        ("redis://localhost:port/0", "not a usable URI of Redis"),
        ("redis://localhost/database", "its path is the number of a database"),
        ("unix://", "its path is a socket"),
        ("unix://me:s3cret/word@/run/redis.sock", "its path is a socket"),
        ("redis://me:#s3cret@localhost", "a # in it is written as %23"),
    ],
)
def test_what_is_not_understood_is_refused(uri: str, told: str) -> None:
    """from_uri: ValueError; a setting that is not understood stops the start."""
    with pytest.raises(ValueError) as refused:
        store_at(uri)
    assert told in str(refused.value)
    assert "s3cret" not in str(refused.value)


@given(
    scheme=st.sampled_from(["redis", "rediss", "unix"]),
    user=st.text(max_size=20),
    rest=st.text(st.sampled_from("abc019:/?&=%#@[].~ é\x00\n"), max_size=30) | st.text(max_size=30),
    option=st.sampled_from(
        ["", "?db=", "?protocol=", "?ssl_cert_reqs=", "?max_connections=", "?insecure_may_lose_writes="]
    ),
)
@example(scheme="redis", user="", rest="[::1", option="")
def test_whatever_is_in_a_uri_it_is_understood_or_refused(scheme: str, user: str, rest: str, option: str) -> None:
    """from_uri: nothing but ValueError, and no password in it or in a description."""
    try:
        store = store_at(f"{scheme}://{user}:{PASSWORD_OF_A_URI}@{option and rest[:9]}{option}{rest}")
    except ValueError as refused:
        told = f"{refused}"
    else:
        told = f"{store.describe()}{store!r}"
    assert PASSWORD_OF_A_URI not in told


def test_a_socket_of_this_machine(make_redis: MakeRedis, tmp_path: Path) -> None:
    """from_uri: unix:///path?db=1."""
    server = make_redis(appendfsync="always", unixsocket=str(tmp_path / "redis.sock"))
    store = store_at(f"unix://{tmp_path}/redis.sock?db=1")
    store.open([TOKENS])
    store.write([insert(TOKENS, "k", {})])
    assert store.get(TOKENS, "k") is not None
    assert "redis.sock" in store.describe()
    assert not server.connection.keys()
    store.close()
