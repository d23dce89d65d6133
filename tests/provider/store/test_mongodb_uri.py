"""What a MongoDB URI says reaches `MongoClient` whole; a mistake in it is told without its password.
No server is asked: `MongoClient` says what it was told.
"""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import make_store
from creance.provider.store.mongodb import MongoDBStore
from creance.provider.store.mongodb_connection import Address, database_of
from pymongo import MongoClient

PASSWORD = "p@ss/w:rd%+é"
IN_URI = "p%40ss%2Fw%3Ard%25%2B%C3%A9"


@contextmanager
def client_of(uri: str, timeout: float = 2.5) -> Iterator[MongoClient[dict[str, Any]]]:
    """The client that a store would use, before it connects."""
    with Address(uri, timeout).connect() as client:
        yield client


@pytest.mark.parametrize(
    ("uri", "database"),
    [
        ("mongodb://host", "creance"),
        ("mongodb://host/", "creance"),
        ("mongodb://host/?replicaSet=rs0", "creance"),
        ("mongodb://host?replicaSet=rs0", "creance"),
        ("mongodb://host/idp", "idp"),
        ("mongodb://a,b:27018,c/idp?replicaSet=rs0", "idp"),
        ("mongodb://me:p%2Fss@host/idp?authSource=admin", "idp"),
        ("mongodb+srv://cluster.example.org", "creance"),
        ("mongodb+srv://me:secret@cluster.example.org/idp?retryWrites=true", "idp"),
    ],
)
def test_the_database_is_that_of_the_uri_or_creance(uri: str, database: str) -> None:
    with client_of(uri) as client:
        assert database_of(client).name == database


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
@pytest.mark.parametrize(("source", "expected"), [("?authSource=admin&", "admin"), ("?", "idp")])
def test_credentials_arrive_as_they_were_meant(mechanism: str, source: str, expected: str) -> None:
    """RFC 3986 2.1: percent-encoded in the URI. Plain pyop takes such a URI apart, and loses them."""
    uri = f"mongodb://m%C3%A9%40example.org:{IN_URI}@host/idp{source}authMechanism={mechanism}"
    with client_of(uri) as client:
        credentials = client.options.pool_options._credentials
    assert credentials is not None
    assert (credentials.username, credentials.password) == ("mé@example.org", PASSWORD)
    assert (credentials.source, credentials.mechanism) == (expected, mechanism)


def test_each_option_arrives(tmp_path: Path) -> None:
    """Issue 3, 1: replicaSet, tls*, retryWrites, w, timeoutMS and all others."""
    certificate = tmp_path / "ca.pem"
    certificate.write_text(Path(ssl.get_default_verify_paths().cafile or "").read_text())
    uri = (
        "mongodb://a:27018,b/idp?replicaSet=rs0&tls=true&retryWrites=false&retryReads=false&maxPoolSize=7"
        f"&appName=idp&tlsCAFile={certificate}&serverSelectionTimeoutMS=700&connectTimeoutMS=900&compressors=zlib"
    )
    with client_of(uri) as client:
        options = client.options
        assert options.replica_set_name == "rs0"
        assert (options.retry_writes, options.retry_reads) == (False, False)
        assert options.server_selection_timeout == 0.7
        pool = options.pool_options
        assert (pool.max_pool_size, pool.appname, pool.connect_timeout) == (7, "idp", 0.9)
        assert pool._ssl_context is not None
        assert pool._ssl_context.verify_mode == ssl.CERT_REQUIRED
        assert pool.tls_allow_invalid_hostnames is False


def test_a_name_of_a_cluster_means_tls() -> None:
    """The driver's rule for mongodb+srv. The name is looked up when the store is opened, and not before."""
    store = MongoDBStore.from_uri("mongodb+srv://me:secret@cluster.example.invalid/idp", folder=Path(), timeout=1)
    assert store.describe() == "MongoDB, idp at cluster.example.invalid"


@pytest.mark.parametrize(
    ("options", "concern"),
    [
        ("", {"w": "majority", "j": True}),
        ("?w=2", {"w": 2, "j": True}),
        ("?journal=false", {"w": "majority", "j": False}),
        ("?w=1&journal=false", {"w": 1, "j": False}),
        ("?w=majority&wtimeoutMS=500", {"w": "majority", "j": True, "wtimeout": 500}),
        ("?readPreference=secondary&readConcernLevel=majority", {"w": "majority", "j": True}),
    ],
)
def test_acknowledged_means_durable_unless_the_uri_says_otherwise(options: str, concern: dict[str, Any]) -> None:
    """MONGODB.md: w=majority, journal=true; reads that decide something go to the primary."""
    with client_of(f"mongodb://host/{options}") as client:
        database = database_of(client)
        assert database.write_concern.document == concern
        assert database["any"].write_concern.document == concern
        assert database["any"].read_preference.name == "Primary"
        assert database["any"].read_concern.level == "local"


@pytest.mark.parametrize(
    ("options", "seconds"), [("", 2.5), ("?timeoutMS=900", 0.9), ("?timeoutMS=9000", 2.5), ("?timeoutMS=0", 2.5)]
)
def test_the_shorter_deadline_counts(options: str, seconds: float) -> None:
    assert MongoDBStore.from_uri(f"mongodb://host/{options}", folder=Path(), timeout=2.5).timeout == seconds


@pytest.mark.parametrize(
    ("options", "seconds"), [("", 2.5), ("?connectTimeoutMS=300", 0.3), ("?CONNECTTIMEOUTMS=300", 0.3)]
)
def test_a_server_that_is_gone_is_noticed_within_the_deadline(options: str, seconds: float) -> None:
    """The driver's own connection timeout is 20 s, which is also what it grants a name server."""
    with client_of(f"mongodb://host/{options}") as client:
        assert client.options.pool_options.connect_timeout == seconds


def test_making_a_store_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """from_uri: does no I/O, also where a name would have to be looked up; no client lives on."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
    for uri in ("mongodb://host.invalid/", "mongodb+srv://cluster.example.invalid/"):
        store = MongoDBStore.from_uri(uri, folder=Path(), timeout=1)
        store.close()


MISTAKES = [
    ("mongodb://", "at least one hostname"),
    ("mongodb:///idp", "Empty host"),
    ("mongodb://host:99999/", "Port must be an integer"),
    ("mongodb://host/a b", "Bad database name"),
    ("mongodb://host/?tsl=true", "Unknown option: tsl"),
    ("mongodb://host/?tls=maybe", "tls must be 'true' or 'false'"),
    ("mongodb://host/?replicaSet", "key=value pairs"),
    ("mongodb://host/?readPreference=nearby", "nearby is not a valid read preference"),
    ("mongodb://host/?w=0", "w=0"),
    ("mongodb://host/?w=0&journal=true", "w to 0"),
    ("mongodb://host/?tls=true&tlsCAFile=/nowhere/ca.pem", "/nowhere/ca.pem"),
    ("mongodb+srv://host.example.org:27017/", "must not include a port"),
    ("mongodb+srv://a.example.org,b.example.org/", "only one"),
    ("mongodb://host/?authMechanism=GSSAPI", "requires a username"),
    ("MongoDB://host/idp", "mongodb://"),
    ("postgres://host/idp", "mongodb://"),
    ("host", "mongodb://"),
    ("", "mongodb://"),
]


@pytest.mark.parametrize(("uri", "says"), MISTAKES)
def test_any_other_uri_is_refused(uri: str, says: str) -> None:
    """What the driver would only warn of is refused too: a misspelt `tls` must not connect without."""
    with pytest.raises(ValueError, match="not a usable URI of MongoDB") as caught:
        MongoDBStore.from_uri(uri, folder=Path(), timeout=1)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://mallory:hun/ter2@host/idp",
        "mongodb://mallory:hun@ter2@host/idp",
        "mongodb://mallory:hun:ter2@host/idp",
        "mongodb://mallory:hun%ter2@host/idp",
        "mongodb://mallory:hun?ter2@host/idp",
        "mongodb://mallory:hun/ter 2.x@host",
        "mongodb://mallory:hun?ter2=x&y=z@host/idp",
        "mongodb+srv://mallory:hun/ter2@cluster.example.org/",
        "mongodb://mallory:hunter2@host:port/",
        "mongodb://mallory:hunter2@host/?tls=maybe",
        "mongodb://mallory:hunter2@host/?authMechanism=hunter2",
        "mongodb://mallory:hunter2@host/a b",
    ],
)
def test_a_mistake_is_told_without_the_password(uri: str) -> None:
    """StoreUnavailable, ValueError: never a password, nor a piece of one that was not percent-encoded."""
    with pytest.raises(ValueError, match="not a usable URI of MongoDB") as caught:
        MongoDBStore.from_uri(uri, folder=Path(), timeout=1)
    said = str(caught.value)
    assert not [piece for piece in ("mallory", "hun", "ter2", "ter 2") if piece in said]
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_can_be_used_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MongoDBStore.from_uri("mongodb://me:secret@host/idp?authSource=admin", folder=Path(), timeout=1)


def test_a_store_shows_no_password() -> None:
    """describe: never a password; nor does anything that a traceback may print."""
    uri = f"mongodb://alice:{IN_URI}@a.example.org,b.example.org:27018/idp?authSource=admin&replicaSet=rs0"
    store = MongoDBStore.from_uri(uri, folder=Path(), timeout=1)
    assert store.describe() == "MongoDB, idp at a.example.org,b.example.org:27018"
    for text in (store.describe(), repr(store), repr(store._address), str(store._address.name)):
        assert PASSWORD not in text
        assert IN_URI not in text


@pytest.mark.parametrize("scheme", MongoDBStore.schemes)
def test_both_schemes_find_the_store(tmp_path: Path, scheme: str) -> None:
    """creance.stores: entry points by URI scheme."""
    if scheme not in entry_points(group="creance.stores").names:
        pytest.skip("needs the package to be installed: its entry points are not known")
    assert isinstance(make_store(f"{scheme}://host.example.org/idp", folder=tmp_path, timeout=1), MongoDBStore)
