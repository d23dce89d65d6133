"""pyop's documents in MongoDB, by a driver of today."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog.testing
from creance.provider import OpenIDProvider
from creance.provider.adopted.documents import PyopDatabase, with_database
from creance.provider.store import StoreUnavailable
from pymongo import MongoClient
from pyop.provider import Provider
from pyop.storage import MongoWrapper

from .conftest import Client, plain_provider


@pytest.fixture
def database(mongodb_uri: str) -> Iterator[PyopDatabase]:
    database = PyopDatabase(mongodb_uri, default_name="satosa")
    yield database
    database.close()


def test_the_same_documents_as_pyop_writes(database: PyopDatabase, mongodb_uri: str) -> None:
    """MONGODB, pyop: what one writes the other reads, and the indexes are those of pyop."""
    ours, theirs = database.collection("codes", ttl=600), MongoWrapper(mongodb_uri, None, "theirs", ttl=600)
    for documents in (ours, theirs):
        documents["a-code"] = {"used": False, "exp": 5, "auth_req": {"scope": ["openid"]}}
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        held = client.get_default_database()
        one, other = held["codes"].find_one(), held["theirs"].find_one()
        assert (list(one), one["data"]) == (list(other), other["data"])
        age = datetime.now(UTC) - one["last_modified"].replace(tzinfo=UTC)
        assert timedelta(0) <= age < timedelta(minutes=1)
        assert held["codes"].index_information() == held["theirs"].index_information()
    assert database.collection("theirs")["a-code"] == theirs["a-code"]
    theirs._db.close()


def test_a_mapping(database: PyopDatabase) -> None:
    """PYOP, Seams: what pyop and its hosts do with a database."""
    documents = database.collection("clients")
    with pytest.raises(KeyError):
        documents["app"]
    assert "app" not in documents
    documents["app"] = {"client_secret": "one"}
    documents["app"] = {"client_secret": "two"}
    documents["portal"] = {}
    assert documents["app"] == {"client_secret": "two"}
    assert dict(documents.items()) == {"app": {"client_secret": "two"}, "portal": {}}
    assert "app" in documents
    assert documents.pop("app") == {"client_secret": "two"}
    del documents["nobody"]
    assert "app" not in documents
    for key in ("\udc80", "a\0b", 5, None):  # what no document can be called is not there
        assert key not in documents


def test_an_index_of_another_time_is_said_and_stays(database: PyopDatabase) -> None:
    """MONGODB, indexes: never dropped; the command that mends it is told, and the data is written."""
    database.collection("codes", ttl=600)["one"] = {}
    changed = database.collection("codes", ttl=60)
    with structlog.testing.capture_logs() as lines:
        changed["two"] = {}
    (line,) = lines
    assert "collMod" in line["remedy"]
    assert "expireAfterSeconds: 60" in line["remedy"]
    assert "two" in changed


@pytest.mark.parametrize(
    ("uri", "whole"),
    [
        ("mongodb://h", "mongodb://h/satosa"),
        ("mongodb://h/", "mongodb://h/satosa"),
        ("mongodb://h/other", "mongodb://h/other"),
        ("mongodb://h:1,h:2/?replicaSet=rs", "mongodb://h:1,h:2/satosa?replicaSet=rs"),
        ("mongodb://u:p%2F%40@h/op?authSource=admin", "mongodb://u:p%2F%40@h/op?authSource=admin"),
        ("mongodb://u:p%40@h", "mongodb://u:p%40@h/satosa?authSource=admin"),
        ("mongodb://u:p@h/?tls=true", "mongodb://u:p@h/satosa?tls=true&authSource=admin"),
        ("mongodb://u:p@h/?authsource=people", "mongodb://u:p@h/satosa?authsource=people"),
        ("mongodb://u@h/?authMechanism=MONGODB-X509", "mongodb://u@h/satosa?authMechanism=MONGODB-X509"),
    ],
)
def test_a_uri_reaches_the_driver_whole(uri: str, whole: str) -> None:
    """PYOP, Persistence: credentials, authSource, replica sets, percent-encoded passwords; the user is looked up where
    the driver looks without a name of a database.
    """
    assert with_database(uri, "satosa") == whole
    with MongoClient[Any](uri, connect=False) as asked, MongoClient[Any](whole, connect=False) as given:
        assert given.options.pool_options._credentials == asked.options.pool_options._credentials
        assert given.options.replica_set_name == asked.options.replica_set_name
        assert given.get_default_database().name in ("satosa", "other", "op")


def test_mongodb_srv_is_understood() -> None:
    """MONGODB: the name of the database is written into the URI, and no more."""
    whole = with_database("mongodb+srv://u:p@cluster.example.org/?retryWrites=true", "satosa")
    assert whole == "mongodb+srv://u:p@cluster.example.org/satosa?retryWrites=true&authSource=admin"


def test_a_wrong_uri_is_told_without_its_password() -> None:
    """DESIGN, rules: no secret in an error."""
    with pytest.raises(ValueError, match="percent-encode") as raised:
        PyopDatabase("mongodb://user:pass/word@host/op", default_name="satosa")
    assert "word@" not in str(raised.value)


def test_a_server_that_is_away_is_a_store_that_is_away(mongodb_proxy: Any, mongodb_proxy_uri: str) -> None:
    """MONGODB, errors: one kind of error; and nothing is connected to before it is asked for."""
    connections = mongodb_proxy.connections
    database = PyopDatabase(mongodb_proxy_uri, default_name="satosa")
    documents = database.collection("clients")
    assert mongodb_proxy.connections == connections
    mongodb_proxy.shut()
    with pytest.raises(StoreUnavailable):
        documents["app"]
    mongodb_proxy.listen()
    documents["app"] = {}
    assert "app" in documents
    database.close()


FORKS = """
import os, sys
from creance.provider.adopted.documents import PyopDatabase
documents = PyopDatabase(sys.argv[1], default_name="satosa").collection("clients")
if len(sys.argv) > 2:
    documents["before"] = {}
child = os.fork()
documents[str(os.getpid())] = {}
assert str(os.getpid()) in documents
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(len(dict(documents.items())))
documents.database.close()
"""


@pytest.mark.parametrize("used", [[], ["before the fork"]])
def test_each_process_connects_for_itself(mongodb_uri: str, used: list[str]) -> None:
    """MONGODB: one client a process, made after a fork."""
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS, mongodb_uri, *used],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(told.stdout) == 2 + len(used)


def test_a_provider_on_such_documents_is_adopted_in_its_place(
    signing_key: Any, database: PyopDatabase, mongodb_uri: str, adopt: Callable[..., OpenIDProvider]
) -> None:
    """PYOP, Persistence: in the same database, beside what is there, with nothing said of it; a code is good once."""
    names = {
        "authorization_code_db": "authz_codes",
        "access_token_db": "access_tokens",
        "refresh_token_db": "refresh_tokens",
        "subject_identifier_db": "subject_identifiers",
    }
    plain: Provider = plain_provider(
        signing_key, **{parameter: database.collection(name) for parameter, name in names.items()}
    )
    before = Client(plain)
    code, tokens = before.authorize(), before.exchange(before.authorize())
    adopted = adopt(plain)
    assert before.exchange(code, adopted)["access_token"]
    assert before.userinfo(tokens["access_token"], adopted)["email"] == "alice@example.org"
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        assert client.get_default_database()["creance_documents"].count_documents({}) > 0
