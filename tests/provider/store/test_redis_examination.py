"""What a Redis holds, how it keeps it, what is wrong with it, and that looking changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from creance.provider.store import FOREVER, Collection, Document, StoreRefused, insert, redeem
from creance.provider.store.examination import Contents
from creance.provider.store.redis import RedisStore

from ...polling import eventually
from ...redis_server import RedisServer
from .conftest import MakeRedis

pytestmark = pytest.mark.default_store("is on Redis without it")

TOKENS = Collection("tokens", indexes=("user",))
PEOPLE = Collection("people", indexes=("name",))
NEWER = Collection("people", indexes=("name",), schema=3)


def store_at(uri: str) -> RedisStore:
    return RedisStore.from_uri(uri, folder=Path(), timeout=10)


@pytest.fixture
def store(redis: RedisServer) -> Iterator[RedisStore]:
    store = store_at(redis.uri)
    store.open([TOKENS, PEOPLE])
    yield store
    store.close()


def test_what_is_there_is_counted(store: RedisStore) -> None:
    """examine: documents of each collection, those that are only kept, and those that a sweep will take."""
    now = time.time()
    store.clock = lambda: now + 600
    store.put(TOKENS, [Document(f"valid{number}", {}, 0, now + 9000, now + 9000, None) for number in range(250)])
    store.write([insert(TOKENS, "spent", {}, now + 9000), redeem(TOKENS, "spent", now + 9000)])
    store.write([insert(TOKENS, "expired", {}, now + 60, now + 9000), insert(TOKENS, "gone", {}, now + 60)])
    examination = store.examine([TOKENS, PEOPLE])
    assert examination.problems == []
    assert examination.contents == [
        Contents("people", None, documents=0, kept=0, unswept=0),
        Contents("tokens", 1, documents=253, kept=2, unswept=1),
    ]
    assert store.examine([PEOPLE]).contents == examination.contents


def test_documents_of_a_newer_schema_are_a_problem(store: RedisStore) -> None:
    """Collection.schema: it is stored with each document."""
    store.write([insert(PEOPLE, "old", {}, FOREVER)])
    store.open([TOKENS, NEWER])
    store.write([insert(NEWER, "new", {}, FOREVER)])
    (problem,) = store.examine([TOKENS, PEOPLE]).problems
    assert problem.startswith("people has documents of schema 3 (1 of them), made by a newer version")
    assert store.examine([TOKENS, NEWER]).problems == []
    assert store.examine([TOKENS]).problems == []


def test_looking_makes_nothing(redis: RedisServer) -> None:
    """examine, missing, open_to_read: nothing is made."""
    store = store_at(redis.uri)
    missing = store.missing([TOKENS])
    assert missing == ["the layout's mark", "the index user of tokens"]
    assert store.examine([TOKENS]).problems == [f"{part} is missing: creance store init makes it" for part in missing]
    with pytest.raises(StoreRefused, match="is empty: creance store init lays it out"):
        store.open_to_read([TOKENS])
    assert not redis.connection.keys()
    store.open([TOKENS])
    assert store.missing([TOKENS]) == []
    store.close()


def test_what_is_open_to_read_is_read(store: RedisStore, redis: RedisServer) -> None:
    """open_to_read: as it is, and without the indexes that a later version will want."""
    store.write([insert(PEOPLE, "alice", {"name": "Alice"})])
    before = {key: redis.connection.type(key) for key in redis.connection.scan_iter()}
    reader = store_at(redis.uri)
    reader.open_to_read([PEOPLE, Collection("later", indexes=("new",))])
    document = reader.get(PEOPLE, "alice")
    reader.close()
    assert document is not None
    assert document.value == {"name": "Alice"}
    assert {key: redis.connection.type(key) for key in redis.connection.scan_iter()} == before


def test_a_newer_layout_is_a_problem(store: RedisStore, redis: RedisServer) -> None:
    """examine: in the words of the opening, which refuses it."""
    redis.connection.set("creance:layout", "99")
    (problem,) = store.examine([TOKENS]).problems
    assert "has layout 99, made by a newer version" in problem
    with pytest.raises(StoreRefused, match="has layout 99"):
        store_at(redis.uri).open_to_read([TOKENS])


def test_the_server_is_told_of(store: RedisStore, redis: RedisServer) -> None:
    facts = store.examine([TOKENS]).facts
    version = redis.connection.info("server")["redis_version"]
    assert (facts["server"], facts["layout"]) == (f"Redis {version}", 1)
    assert facts["deployment"] == "a single server: where it is lost, nothing takes its place"
    assert facts["acknowledged writes"] == "are on the disk"
    redis.connection.config_set("maxmemory", "100mb")
    assert str(store.examine([TOKENS]).facts["memory"]).endswith(" of 100.00M")


def test_a_primary_with_replicas_and_a_replica(store: RedisStore, redis: RedisServer, make_redis: MakeRedis) -> None:
    """docs/redis.md: what a replica has not got yet is lost where it takes its primary's place."""
    port = redis.uri.rpartition(":")[2].partition("/")[0]
    replica = make_redis(appendfsync="always", replicaof=f"127.0.0.1 {port}")
    eventually(lambda: "a primary of 1: what it has not yet sent" in str(store.examine([TOKENS]).facts["deployment"]))
    eventually(lambda: replica.connection.get("creance:layout"))
    looking = store_at(replica.uri)
    looking.open_to_read([TOKENS])
    looking.close()
    assert looking.examine([TOKENS]).facts["deployment"] == "a replica, which takes no writes"


@pytest.mark.parametrize(("query", "is_a_problem"), [("", True), ("?insecure_may_lose_writes=true", False)])
def test_a_server_that_forgets_is_a_problem_unless_that_is_accepted(
    make_redis: MakeRedis, query: str, is_a_problem: bool
) -> None:
    """docs/redis.md: what an opening refuses; a fact in any case."""
    server = make_redis(appendfsync="everysec")
    examination = store_at(server.uri + query).examine([])
    assert examination.facts["acknowledged writes"] == "may be lost"
    told = [problem for problem in examination.problems if "appendfsync always, and not everysec" in problem]
    assert bool(told) is is_a_problem


def test_a_user_that_may_not_ask_the_server(make_redis: MakeRedis) -> None:
    """examine: it counts all the same, and says which right is wanted."""
    server = make_redis(appendfsync="always")
    server.connection.acl_setuser(
        "creance", enabled=True, passwords=["+secret"], keys=["creance:*"], commands=["+@all", "-info", "-config"]
    )
    store = store_at(server.uri.replace("//", "//creance:secret@") + "?insecure_may_lose_writes=true")
    store.open([TOKENS])
    store.write([insert(TOKENS, "k", {})])
    examination = store.examine([TOKENS])
    assert examination.problems == []
    assert examination.contents == [Contents("tokens", 1, documents=1, kept=0, unswept=0)]
    assert "server" not in examination.facts
    store.close()
    strict = store_at(server.uri.replace("//", "//creance:secret@")).examine([TOKENS])
    assert strict.problems == ["its user must be allowed INFO and CONFIG GET, so that its settings can be looked at"]
