"""What a MongoDB database holds, on which kind of server, what is wrong with it, and who may mend it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import FOREVER, Collection, StoreRefused, StoreUnavailable, increment, insert, redeem
from creance.provider.store.examination import Contents
from creance.provider.store.mongodb import MongoDBStore
from pymongo import MongoClient
from pymongo.database import Database

from ...mongodb_proxy import MongoDBProxy, answer_with

Row = dict[str, Any]

TOKENS = Collection("tokens", indexes=("user",))
PEOPLE = Collection("people", indexes=("name",))
NEWER = Collection("people", indexes=("name",), schema=3)

UNAUTHORIZED = {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized on idp"}


def store_at(uri: str) -> MongoDBStore:
    return MongoDBStore.from_uri(uri, folder=Path(), timeout=5)


@pytest.fixture
def store(mongodb_uri: str) -> Iterator[MongoDBStore]:
    store = store_at(mongodb_uri)
    store.open([TOKENS, PEOPLE])
    yield store
    store.close()


@pytest.fixture
def database(mongodb_uri: str, mongodb_database: str) -> Iterator[Database[Row]]:
    """What somebody with a shell finds."""
    with MongoClient[Row](mongodb_uri) as client:
        yield client[mongodb_database]


def test_what_is_there_is_counted(store: MongoDBStore) -> None:
    """examine: documents of each collection, those that are only kept, and those that a sweep will take."""
    now = time.time()
    store.clock = lambda: now + 600  # no sweeper of the server comes so early
    store.write([insert(TOKENS, f"valid{number}", {}, now + 9000) for number in range(3)])
    store.write([insert(TOKENS, "spent", {}, now + 9000), redeem(TOKENS, "spent", now + 9000)])
    store.write([insert(TOKENS, "expired", {}, now + 60, now + 9000), insert(TOKENS, "gone", {}, now + 60)])
    store.write([increment(TOKENS, "counter", valid_until=now + 60)])
    examination = store.examine([TOKENS, PEOPLE])
    assert examination.problems == []
    assert examination.contents == [
        Contents("people", None, documents=0, kept=0, unswept=0),
        Contents("tokens", 1, documents=7, kept=2, unswept=2),
    ]


def test_documents_of_a_newer_schema_are_a_problem(store: MongoDBStore) -> None:
    """Collection.schema: it is stored with each document."""
    store.write([insert(PEOPLE, "old", {}, FOREVER)])
    store.open([TOKENS, NEWER])
    store.write([insert(NEWER, "new", {}, FOREVER)])
    (problem,) = store.examine([TOKENS, PEOPLE]).problems
    assert problem.startswith("people has documents of schema 3 (1 of them), made by a newer version")
    assert store.examine([TOKENS, NEWER]).problems == []
    assert store.examine([TOKENS]).problems == []


def test_looking_makes_nothing(mongodb_uri: str, database: Database[Row]) -> None:
    """examine, missing, open_to_read: nothing is made."""
    store = store_at(mongodb_uri)
    missing = store.missing([TOKENS])
    assert missing == [
        "the layout's mark",
        "the index expires_at_1 of creance_documents",
        "the index fields.user_1 of creance_documents",
    ]
    assert store.examine([TOKENS]).problems == [f"{part} is missing: creance store init makes it" for part in missing]
    with pytest.raises(StoreRefused, match="is empty: creance store init lays it out"):
        store.open_to_read([TOKENS])
    store.close()
    assert database.list_collection_names() == []
    store.open([TOKENS])
    assert store.missing([TOKENS]) == []
    store.close()


def test_what_is_open_to_read_is_read(store: MongoDBStore, mongodb_uri: str) -> None:
    """open_to_read: as it is, and without the indexes that a later version will want."""
    store.write([insert(PEOPLE, "alice", {"name": "Alice"})])
    reader = store_at(mongodb_uri)
    reader.open_to_read([PEOPLE, Collection("later", indexes=("new",))])
    document = reader.get(PEOPLE, "alice")
    reader.close()
    assert document is not None
    assert document.value == {"name": "Alice"}


def test_what_an_opening_refuses_is_a_problem(store: MongoDBStore, database: Database[Row]) -> None:
    """examine: an index with other options, a newer layout, in the words of the opening."""
    database["creance_documents"].drop_index("fields.user_1")
    database["creance_documents"].create_index("fields.user", unique=True)
    (problem,) = store.examine([TOKENS]).problems
    assert 'dropIndex("fields.user_1")' in problem
    database["creance_layout"].update_one({"_id": "layout"}, {"$set": {"version": 99}})
    (problem,) = store.examine([TOKENS]).problems
    assert "has layout 99, made by a newer version" in problem


@pytest.mark.parametrize(
    ("options", "says"), [("", "w=majority, j=True"), ("w=1", "w=1, j=True"), ("journal=false", "w=majority, j=False")]
)
def test_the_write_concern_is_what_the_uri_makes_of_it(mongodb_uri: str, options: str, says: str) -> None:
    """MONGODB.md: `w=majority, journal=true` unless the URI says otherwise."""
    uri = f"{mongodb_uri}{'&' if '?' in mongodb_uri else '?'}{options}" if options else mongodb_uri
    assert store_at(uri).examine([TOKENS]).facts["write concern"] == says


def test_a_replica_set_is_named(mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str) -> None:
    """examine: as the server says of itself, also where it is asked alone."""
    me = f"127.0.0.1:{mongodb_proxy.port}"
    others = ["db2.example.org:27017", "db3.example.org:27017"]
    mongodb_proxy.greet = lambda said: said | {"setName": "rs0", "hosts": [me, *others], "primary": me, "me": me}
    assert store_at(mongodb_proxy_uri).examine([TOKENS]).facts["deployment"] == "the replica set rs0 of 3"


def test_a_sharded_cluster_is_one(mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str) -> None:
    """examine: mongos says so when it is greeted."""
    mongodb_proxy.greet = lambda said: said | {"msg": "isdbgrid"}
    uri = mongodb_proxy_uri.replace("directConnection=true", "")
    assert store_at(uri).examine([TOKENS]).facts["deployment"] == "a sharded cluster"


def test_a_server_whose_clock_is_ahead_is_a_problem(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """MONGODB.md, Expiry: the server's sweeper goes by its own clock, and would forget what was spent too early."""
    ahead = timedelta(hours=1)
    mongodb_proxy.greet = lambda said: said | {"localTime": datetime.now(UTC) + ahead}
    examination = store_at(mongodb_proxy_uri).examine([TOKENS, PEOPLE])
    (problem,) = examination.problems
    assert "seconds ahead of this machine's: it removes documents before they are over" in problem
    assert "ahead of" in str(examination.facts["clock"])
    ahead = -ahead
    assert store_at(mongodb_proxy_uri).examine([TOKENS, PEOPLE]).problems == []


def test_who_may_not_count_is_told_so(store: MongoDBStore, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str) -> None:
    """StoreUnavailable: the cause in one line."""
    mongodb_proxy.on("aggregate", strike=answer_with(UNAUTHORIZED))
    with pytest.raises(StoreUnavailable, match="does not let this user do what is needed"):
        store_at(mongodb_proxy_uri).examine([TOKENS])


# An account that may not make indexes


def test_an_account_that_may_not_make_indexes_serves_where_they_are(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """Issue 5, 9: `init` is for deployments where the runtime account may not."""
    mongodb_proxy.on("createIndexes", strike=answer_with(UNAUTHORIZED), times=100)
    other = store_at(mongodb_proxy_uri)
    other.open([TOKENS, PEOPLE])
    other.write([insert(TOKENS, "k", {"user": "alice"})])
    assert [document.key for document in other.find(TOKENS, "user", "alice")] == ["k"]
    other.close()


def test_an_account_that_may_not_make_indexes_is_told_which_are_missing(
    store: MongoDBStore, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str, mongodb_database: str
) -> None:
    """Issue 5, 9: StoreRefused, with the command that makes them; then it serves."""
    mongodb_proxy.on("createIndexes", strike=answer_with(UNAUTHORIZED), times=100)
    sessions = Collection("sessions", indexes=("sid", "user"))
    other = store_at(mongodb_proxy_uri)
    with pytest.raises(StoreRefused) as caught:
        other.open([TOKENS, sessions])
    assert str(caught.value) == (
        f"{mongodb_database}.creance_documents lacks the indexes fields.sid_1, and this account may not make them: "
        "run creance store init with one that may (createIndex), and start again"
    )
    store.open([TOKENS, PEOPLE, sessions])
    other.open([TOKENS, sessions])
    other.close()
