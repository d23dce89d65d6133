"""The MongoDB store: all that a store promises, and what only MongoDB promises."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from creance.provider.store import (
    FOREVER,
    AlreadyRedeemed,
    Collection,
    Store,
    StoreRefused,
    StoreUnavailable,
    deadline,
    insert,
    redeem,
)
from creance.provider.store.mongodb import MongoDBStore
from creance.provider.store.mongodb_layout import LAYOUT_VERSION
from creance.provider.testing.store_conformance import StoreConformance, together
from pymongo import IndexModel, MongoClient
from pymongo.database import Database

from ...conftest import RunInProcesses
from ...mongodb_proxy import MongoDBProxy
from ...mongodb_server import MongoDBServer

Row = dict[str, Any]

TOKENS = Collection("tokens", indexes=("user",))
CODES = Collection("codes", indexes=("user", "grant_id"))


class TestMongoDB(StoreConformance):
    @pytest.fixture
    def make_store(self, mongodb_server: MongoDBServer, mongodb_uri: str, tmp_path: Path) -> Callable[[], Store]:
        self.sweeps_itself = mongodb_server.is_real
        return lambda: MongoDBStore.from_uri(mongodb_uri, folder=tmp_path, timeout=20)

    def test_pages_walk_through_all_documents(self, store: Store, mongodb_server: MongoDBServer) -> None:
        """page: in the order of the keys' characters, which is MongoDB's own; mongo-java-server has that of UTF-16."""
        if not mongodb_server.is_real:
            pytest.skip("mongo-java-server compares texts as UTF-16, where MongoDB compares them as UTF-8")
        super().test_pages_walk_through_all_documents(store)


def store_at(uri: str, timeout: float = 5) -> MongoDBStore:
    return MongoDBStore.from_uri(uri, folder=Path(), timeout=timeout)


@pytest.fixture
def store(mongodb_uri: str) -> Iterator[MongoDBStore]:
    store = store_at(mongodb_uri)
    store.open([TOKENS, CODES])
    yield store
    store.close()


@pytest.fixture
def database(mongodb_uri: str, mongodb_database: str) -> Iterator[Database[Row]]:
    """What somebody with a shell finds."""
    with MongoClient[Row](mongodb_uri, tz_aware=True) as client:
        yield client[mongodb_database]


def refusal_of(store: Store) -> str:
    """What the operator reads: one line."""
    with pytest.raises(StoreRefused) as caught:
        store.open([TOKENS, CODES])
    store.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is in the database


def test_a_document_is_found_by_its_id_alone(store: MongoDBStore, database: Database[Row]) -> None:
    """MONGODB.md, Scale: `_id` is the key, behind its collection: a hashed shard key on it spreads evenly."""
    until = time.time() + 60.25
    store.write([insert(TOKENS, "9f86d0", {"user": "alice", "scope": ["openid"], "n": 2**70}, until, until + 60)])
    (row,) = database["creance_documents"].find()
    assert json.loads(row.pop("value")) == {"user": "alice", "scope": ["openid"], "n": 2**70}
    assert row.pop("version") > 0
    assert row.pop("expires_at").timestamp() == pytest.approx(until + 60, abs=0.002)
    assert row == {
        "_id": "tokens/9f86d0",
        "fields": {"user": "tokens/alice"},
        "valid_until": until,
        "keep_until": until + 60,
        "redeemed_at": None,
        "schema": 1,
    }


@pytest.mark.parametrize("moment", [1_800_000_000.0, 1_800_000_000.0001, 1_800_000_000.9999, 0.0, -5.0, FOREVER, 1e300])
def test_the_sweeper_never_comes_early(store: MongoDBStore, database: Database[Row], moment: float) -> None:
    """MONGODB.md, Expiry: a date with a time zone, in milliseconds, not before the document's own end."""
    store.clock = lambda: 0.0
    store.write([insert(TOKENS, "k", {}, moment)])
    (row,) = database["creance_documents"].find()
    assert row["expires_at"].tzinfo is not None
    assert row["expires_at"] >= datetime.fromtimestamp(min(max(moment, 0), FOREVER), UTC)
    assert row["expires_at"].timestamp() - min(max(moment, 0), FOREVER) < 0.0011


def test_a_redemption_puts_off_the_sweeper(store: MongoDBStore, database: Database[Row]) -> None:
    """redeem: kept until `keep_until`, on the server too."""
    now = time.time()
    store.write([insert(CODES, "k", {}, now + 60)])
    store.write([redeem(CODES, "k", now + 6000)])
    (row,) = database["creance_documents"].find()
    assert row["expires_at"].timestamp() == pytest.approx(now + 6000, abs=0.002)
    assert row["keep_until"] == now + 6000


def test_documents_that_are_over_leave_by_themselves(
    store: MongoDBStore, database: Database[Row], mongodb_server: MongoDBServer
) -> None:
    """MONGODB.md, Expiry: a TTL index with expireAfterSeconds 0."""
    if not mongodb_server.is_real:
        pytest.skip("mongo-java-server records TTL indexes and does not sweep")
    now = time.time()
    store.write([insert(TOKENS, "gone", {}, now - 1), insert(TOKENS, "kept", {}, now - 1, now + 600)])
    while database["creance_documents"].count_documents({"_id": "tokens/gone"}):
        assert time.time() < now + 90
        time.sleep(0.1)
    assert database["creance_documents"].count_documents({"_id": "tokens/kept"}) == 1


def indexes(database: Database[Row]) -> dict[str, Row]:
    return {
        index["name"]: {name: value for name, value in index.items() if name not in {"name", "v", "ns", "key"}}
        for index in database["creance_documents"].list_indexes()
    }


EXPECTED_INDEXES: dict[str, Row] = {
    "_id_": {},
    "expires_at_1": {"expireAfterSeconds": 0},
    "fields.grant_id_1": {"sparse": True},
    "fields.user_1": {"sparse": True},
}


def test_each_declared_field_has_an_index(store: MongoDBStore, database: Database[Row]) -> None:
    """MONGODB.md, Scale: secondary look-ups are on indexed fields; TTL for all."""
    assert indexes(database) == EXPECTED_INDEXES


OPEN = """
from pathlib import Path
from creance.provider.store import Collection, insert
from creance.provider.store.mongodb import MongoDBStore

store = MongoDBStore.from_uri(arguments[0], folder=Path(), timeout=20)
ready()
store.open([Collection("tokens", indexes=("user",)), Collection("codes", indexes=("user", "grant_id"))])
tell(store.describe())
store.close()
"""


def test_many_workers_make_the_indexes_at_once(
    mongodb_uri: str, database: Database[Row], run_in_processes: RunInProcesses
) -> None:
    """open: idempotent, also with many workers at once, each a process of its own."""
    told = run_in_processes(OPEN, mongodb_uri, count=4)
    assert len(set(told)) == 1
    assert indexes(database) == EXPECTED_INDEXES


def test_a_start_that_finds_its_indexes_needs_no_right_to_make_them(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """MONGODB.md, Indexes: they may be made by another account, so that the provider's own has the least privilege."""
    other = store_at(mongodb_proxy_uri)
    other.open([TOKENS, CODES])
    other.close()
    assert "listIndexes" in mongodb_proxy.names()
    assert not {"createIndexes", "insert", "update", "create"} & set(mongodb_proxy.names())


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (IndexModel("expires_at", expireAfterSeconds=3600), "expireAfterSeconds=3600"),
        (IndexModel("expires_at"), "{'expires_at': 1}, and {'expires_at': 1} expireAfterSeconds=0 is needed"),
        (IndexModel("fields.user", unique=True), "unique=True"),
        (IndexModel("fields.user"), "{'fields.user': 1} sparse=True is needed"),
        (IndexModel("other", name="fields.user_1"), "{'other': 1}"),
    ],
)
def test_an_index_with_other_options_is_reported_and_left_alone(
    mongodb_uri: str, mongodb_database: str, database: Database[Row], index: IndexModel, says: str
) -> None:
    """MONGODB.md, Indexes: reported with the command that mends it, never dropped."""
    database["creance_documents"].create_indexes([index])
    before = indexes(database)
    name = index.document["name"]
    said = refusal_of(store_at(mongodb_uri))
    assert says in said
    assert f'db.getSiblingDB("{mongodb_database}").creance_documents.dropIndex("{name}")' in said
    assert indexes(database) == before
    database["creance_documents"].drop_index(name)
    store = store_at(mongodb_uri)
    store.open([TOKENS, CODES])
    store.close()
    assert indexes(database) == EXPECTED_INDEXES


def test_an_index_of_another_name_will_do(mongodb_uri: str, database: Database[Row]) -> None:
    database["creance_documents"].create_index("fields.user", name="by_user", sparse=True)
    store = store_at(mongodb_uri)
    store.open([TOKENS])
    store.close()
    assert set(indexes(database)) == {"_id_", "by_user", "expires_at_1"}


def test_the_collections_of_others_are_left_alone(mongodb_uri: str, database: Database[Row]) -> None:
    """pyop keeps its own in the same database, under names that ours have too."""
    database["access_tokens"].insert_one({"_id": 1, "lookup_key": "k", "data": {}})
    store = store_at(mongodb_uri)
    store.open([Collection("access_tokens")])
    assert store.page(Collection("access_tokens")) == []
    store.write([insert(Collection("access_tokens"), "k", {})])
    store.close()
    assert list(database["access_tokens"].find()) == [{"_id": 1, "lookup_key": "k", "data": {}}]


def test_a_newer_layout_is_refused(store: MongoDBStore, mongodb_uri: str, database: Database[Row]) -> None:
    store.close()
    database["creance_layout"].update_one({"_id": "layout"}, {"$set": {"version": 99}})
    said = refusal_of(store_at(mongodb_uri))
    assert "layout 99" in said
    assert f"layout {LAYOUT_VERSION}" in said


def test_a_server_that_is_too_old_is_refused(mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str) -> None:
    """The driver says which versions it can talk to; waiting does not mend that."""
    mongodb_proxy.greet = lambda said: said | {"minWireVersion": 0, "maxWireVersion": 5}
    said = refusal_of(store_at(mongodb_proxy_uri))
    assert "requires at least" in said
    mongodb_proxy.greet = None


def test_a_percent_encoded_password_logs_in(
    mongodb_server: MongoDBServer, mongodb_uri: str, mongodb_database: str, database: Database[Row]
) -> None:
    """Issue 3, 1: SCRAM with a password that plain pyop cannot be told."""
    if not mongodb_server.is_real:
        pytest.skip("mongo-java-server knows no users")
    user, password = "mé@example.org", "p@ss/w:rd%+é"
    database.command("createUser", user, pwd=password, roles=["readWrite"])
    scheme, _, rest = mongodb_uri.partition("://")
    hosts, _, place = rest.partition("/")
    options = "&".join([f"authSource={mongodb_database}", *re.findall("(?:replicaSet|tls[A-Za-z]*)=[^&]*", place)])
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    try:
        store = store_at(f"{scheme}://{credentials}@{hosts.rpartition('@')[2]}/{mongodb_database}?{options}")
        store.open([TOKENS])
        store.write([insert(TOKENS, "k", {})])
        store.close()
    finally:
        database.command("dropUser", user)


# Use


def test_it_says_which_server_it_is_on(store: MongoDBStore, mongodb_uri: str, mongodb_database: str) -> None:
    """describe: the backend and its place in a few words."""
    with MongoClient[Row](mongodb_uri) as client:
        version = client.server_info()["version"]
    hosts = mongodb_uri.partition("://")[2].partition("/")[0].rpartition("@")[2]
    assert store.describe() == f"MongoDB {version}, {mongodb_database} at {hosts}"


def test_pages_follow_one_another(store: MongoDBStore) -> None:
    """page: those after the key `after`, of this collection only."""
    names = sorted(f"{number:02d}é" for number in range(25))
    store.write([insert(TOKENS, name, {}) for name in names])
    store.write([insert(CODES, "00", {}), insert(CODES, "99", {})])
    seen: list[str] = []
    while page := store.page(TOKENS, seen[-1] if seen else None, limit=10):
        seen += [document.key for document in page]
    assert seen == names


def test_a_request_that_has_used_up_its_time_asks_nobody(store: MongoDBStore) -> None:
    """deadline: one for a request; the store is not to blame, and is asked again by the next request."""
    with deadline(0.0), pytest.raises(StoreUnavailable, match="used up its time"):
        store.get(TOKENS, "k")
    assert store.get(TOKENS, "k") is None


def test_closing_while_others_read_and_write(mongodb_uri: str) -> None:
    """close: whoever comes late is told StoreUnavailable."""
    store = store_at(mongodb_uri)
    store.open([TOKENS])
    store.write([insert(TOKENS, "k", {})])
    begun = threading.Barrier(7)

    def work(number: int) -> str:
        begun.wait()
        for turn in range(100_000):
            assert store.get(TOKENS, "k") is not None
            store.write([insert(TOKENS, f"{number}.{turn}", {})])
        return "never closed"

    def close(number: int) -> None:
        begun.wait()
        while not store.get(TOKENS, "1.3"):
            continue
        store.close()

    outcomes = together(7, lambda number: work(number) if number else close(number))
    assert outcomes[0] is None
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes[1:])


def test_a_fork_may_not_use_the_stores_of_its_parent(store: MongoDBStore) -> None:
    """Store: made where it is used, after a fork, never before."""
    store.write([insert(TOKENS, "k", {})])
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (
            lambda: store.get(TOKENS, "k"),
            lambda: store.write([insert(TOKENS, "child", {})]),
            lambda: store.open([TOKENS]),
        ):
            try:
                use()
            except RuntimeError:
                refused += 1
        store.close()
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert store.get(TOKENS, "child") is None
    store.write([insert(TOKENS, "parent", {})])
    assert store.get(TOKENS, "parent") is not None


def test_a_store_made_before_a_fork_is_opened_after_it(mongodb_uri: str) -> None:
    store = store_at(mongodb_uri)
    child = os.fork()
    if child == 0:
        try:
            store.open([TOKENS])
            store.write([insert(TOKENS, "child", {}), redeem(TOKENS, "child", time.time() + 60)])
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.open([TOKENS])
    with pytest.raises(AlreadyRedeemed):
        store.write([redeem(TOKENS, "child", 0)])
    store.close()


REDEEM = """
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from creance.provider.store import AlreadyRedeemed, Collection, ensure, insert, redeem
from creance.provider.store.mongodb import MongoDBStore

TOKENS = Collection("tokens", indexes=("user",))
store = MongoDBStore.from_uri(arguments[0], folder=Path(), timeout=20)
ready()
store.open([TOKENS])

def race(number):
    code, won = f"code{number // 4}", 0
    until = time.time() + 60
    store.write([ensure(TOKENS, code, {}, until)])
    try:
        store.write([insert(TOKENS, f"{code}.{os.getpid()}.{number}", {"user": code}), redeem(TOKENS, code, until)])
    except AlreadyRedeemed:
        return "lost"
    return code

with ThreadPoolExecutor(4) as pool:
    tell(" ".join(pool.map(race, range(40))))
store.close()
"""


def test_processes_that_race_for_a_code_have_one_winner(
    store: MongoDBStore, mongodb_uri: str, run_in_processes: RunInProcesses
) -> None:
    """redeem: exactly one writer ever succeeds, across threads and processes; nothing of the others remains."""
    told = " ".join(run_in_processes(REDEEM, mongodb_uri, count=4)).split()
    codes = [f"code{number}" for number in range(10)]
    assert len(told) == 160
    assert sorted(word for word in told if word != "lost") == sorted(codes)
    assert all(len(store.find(TOKENS, "user", code)) == 1 for code in codes)
