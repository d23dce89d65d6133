"""`creance store copy`: a provider that moves between SQLite and MongoDB."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from creance.plugins.sessions.session_store import SESSIONS
from creance.provider import OpenIDProvider
from creance.provider.keyring import SIGNING_KEYS
from creance.provider.store import Document, Store, delete, insert, make_store, replace
from creance.provider.tokens import ACCESS_TOKENS
from creance.provider.users import USERS
from pymongo import MongoClient

from ...conftest import App, settings_in
from ...mongodb_proxy import CutError, Exchange, MongoDBProxy

pytestmark = pytest.mark.default_store("copies from and to files; what is about a server names one")

HERE = "sqlite:var/creance.db"
BACK = "sqlite:var/back.db"

Serving = Callable[[str], Any]


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """An app of a provider that serves from a store meanwhile."""

    @contextmanager
    def serve(uri: str) -> Iterator[App]:
        provider = OpenIDProvider(settings_in(tmp_path, store={"uri": uri}))
        provider.start()
        try:
            yield App(provider, "app")
        finally:
            provider.stop()

    return serve


@contextmanager
def opened(uri: str, folder: Path, *collections: Any) -> Iterator[Store]:
    store = make_store(uri, folder=folder, timeout=20)
    store.open(collections)
    try:
        yield store
    finally:
        store.close()


def rows(output: str) -> dict[str, list[str]]:
    """What the table says of each collection."""
    lines = output.partition("\ncollection ")[2].splitlines()[1:-1]
    return {cells[0]: cells[1:] for cells in map(str.split, lines)}


# A provider moves


def test_a_provider_moves_to_mongodb_and_back(command: Any, serving: Serving, mongodb_uri: str) -> None:
    """Issue 5, 9; RFC 6749 4.1.2: what was issued before goes on working after, and what was spent is recognised."""
    command.done("users", "add", "carol", typed="a password")
    with serving(HERE) as app:
        kept, stolen = app.log_in(), app.authorize()
        taken = app.exchange(stolen)
        waiting = app.authorize(user="carol")
        newer = app.refresh(kept["refresh_token"])

    output = command.done("store", "copy", HERE, mongodb_uri)
    assert output.splitlines()[-1].startswith("Both hold the same. Name TO in the configuration, keep ")
    assert {"signing_keys": "1", "users": "1", "authorization_codes": "3"}.items() <= {
        name: cells[0] for name, cells in rows(output).items()
    }.items()

    with serving(mongodb_uri) as app:
        assert app.claims(newer)["sub"]
        assert app.introspect(newer["access_token"])["active"]
        assert app.introspect(taken["access_token"])["active"]
        app.refused(stolen)
        assert not app.introspect(taken["access_token"])["active"]
        carols = app.exchange(waiting)
        newest = app.refresh(newer["refresh_token"])

    command.done("store", "copy", mongodb_uri, BACK)
    with serving(BACK) as app:
        assert app.introspect(carols["access_token"])["active"]
        assert app.introspect(newest["access_token"])["active"]
        assert not app.introspect(taken["access_token"])["active"]
        app.refused(waiting)
        assert not app.introspect(carols["access_token"])["active"]
        assert app.refresh(newest["refresh_token"])["access_token"]
        assert app.claims(app.log_in(user="carol"))["sub"]


def test_what_came_along_is_exactly_what_was_there(command: Any, tmp_path: Path, mongodb_uri: str) -> None:
    """Issue 5, 9: key, value and times of all that is kept, spent or not; what is over stays behind."""
    now = time.time()
    documents = [
        Document("expired", {"grant_id": "a", "é": [1, 1.0, 2**70, None]}, 1, now - 60, now + 6000, None),
        Document("spent", {"grant_id": "b"}, 1, now + 60, now + 6000, now - 1.25),
        Document("valid", {"grant_id": "🦅", "": {"$a.b": "c"}}, 1, now + 6000, now + 6000, None),
    ]
    with opened(HERE, tmp_path, ACCESS_TOKENS) as store:
        store.put(ACCESS_TOKENS, [*documents, Document("over", {}, 1, now - 60, now - 60, None)])
    command.done("store", "copy", HERE, mongodb_uri)
    with opened(mongodb_uri, tmp_path, ACCESS_TOKENS) as store:
        there = store.page_kept(ACCESS_TOKENS)
    assert [(each.key, each.valid_until, each.keep_until, each.redeemed_at) for each in there] == [
        (each.key, each.valid_until, each.keep_until, each.redeemed_at) for each in documents
    ]
    assert [repr(each.value) for each in there] == [repr(each.value) for each in documents]


def test_a_group_goes_to_where_others_are(command: Any, tmp_path: Path, mongodb_uri: str) -> None:
    """Issue 5, 2: any group of collections can be placed elsewhere, also together with others: what is not copied is
    neither touched nor compared.
    """
    token = insert(ACCESS_TOKENS, "k", {"grant_id": "a"}, time.time() + 6000)
    with opened(HERE, tmp_path, ACCESS_TOKENS) as store:
        store.write([token])
    with opened(mongodb_uri, tmp_path, SESSIONS) as store:
        store.write([insert(SESSIONS, "s", {"username": "alice", "sid": "b"}, time.time() + 6000)])
    moved = rows(command.done("store", "copy", "--group", "tokens", HERE, mongodb_uri))
    assert moved["access_tokens"][:2] == ["1", "1"]
    assert moved.keys() == {"authorization_codes", "access_tokens", "refresh_tokens"}
    with opened(mongodb_uri, tmp_path, SESSIONS, ACCESS_TOKENS, SIGNING_KEYS) as store:
        assert [len(store.page(each)) for each in (SESSIONS, ACCESS_TOKENS, SIGNING_KEYS)] == [1, 1, 0]


def test_a_group_comes_back_to_where_the_keys_are(command: Any, tmp_path: Path, mongodb_uri: str) -> None:
    """Issue 5, 2. Keys of another provider are refused as ever."""
    with opened(mongodb_uri, tmp_path, SESSIONS) as store:
        store.write([insert(SESSIONS, "s", {"username": "alice", "sid": "b"}, time.time() + 6000)])
    assert rows(command.done("store", "copy", "--group", "sessions", mongodb_uri, HERE))["sessions"][0] == "1"
    with opened(HERE, tmp_path, SIGNING_KEYS) as store:
        (keys,) = store.page(SIGNING_KEYS)
        store.write([replace(SIGNING_KEYS, keys, {**keys.value, "issuer": "https://other.example"})])
    (line,) = command.refused("store", "copy", "--group", "sessions", mongodb_uri, HERE)
    assert line.endswith(" belongs to the issuer https://other.example")


def test_a_group_that_there_is_not_is_refused(command: Any) -> None:
    assert command.refused("store", "copy", "--group", "session", HERE, BACK) == [
        "session: no such group (is its plugin on?); did you mean 'sessions'?"
    ]


# Interrupted


def test_a_copy_that_was_killed_goes_on(
    command: Any, tmp_path: Path, mongodb_uri: str, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """Issue 5, 9: resumable. What is there already is not written again, and nothing is lost."""
    now = time.time()
    tokens = [Document(f"{number:04}", {"grant_id": "a"}, 1, now + 6000, now + 6000, None) for number in range(2100)]
    with opened(HERE, tmp_path, ACCESS_TOKENS) as store:
        store.put(ACCESS_TOKENS, tokens)
    reached, over = threading.Event(), threading.Event()

    def hold(exchange: Exchange) -> None:
        reached.set()
        over.wait(120)
        raise CutError

    mongodb_proxy.on("update", strike=hold, skip=3)  # the keys, and two pages of tokens
    process = start(command, "store", "copy", HERE, mongodb_proxy_uri)
    try:
        assert reached.wait(60)
    finally:
        process.kill()
        process.communicate()
        over.set()
    with MongoClient[Any](mongodb_uri) as client:
        there = client.get_default_database()["creance_documents"].count_documents({"_id": {"$regex": "^access_"}})
    assert there == 1000
    moved = rows(command.done("store", "copy", HERE, mongodb_uri))
    assert moved["access_tokens"][:2] == ["1100", "2100"]
    assert moved["signing_keys"][:2] == ["0", "1"]


def start(command: Any, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(command.configuration), *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, **{"stderr": subprocess.DEVNULL, **options})


@pytest.mark.parametrize("away", ["FROM", "TO"])
def test_what_is_waited_for_is_said(command: Any, away: str) -> None:
    """docs/operating.md: a database that is away, and not its password."""
    places = {"FROM": HERE, "TO": BACK, away: "mongodb://creance:password@127.0.0.1:9/away"}
    process = start(command, "store", "copy", *places.values(), stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
    finally:
        process.kill()
        process.communicate()
    assert line.startswith("creance: waiting for MongoDB")
    assert line.endswith("away at 127.0.0.1:9, 60 s at most\n")
    assert "password" not in line


def test_who_looks_on_sees_how_far_it_is(command: Any) -> None:
    """Issue 5, 9: a progress bar, on a terminal only."""
    mine, its = pty.openpty()
    with closing(os.fdopen(mine, "rb", buffering=0)) as terminal:
        process = start(command, "store", "copy", HERE, BACK, stderr=its)
        os.close(its)
        shown = b"".join(read_all(terminal))
        output, _ = process.communicate()
    assert process.returncode == 0
    assert b"copying" in shown
    assert b"comparing" in shown
    assert b"100%" in shown
    assert b"copying" not in output


def read_all(terminal: Any) -> Iterator[bytes]:
    """Until nobody has it any more, which Linux tells by an error."""
    while True:
        try:
            piece = terminal.read(1024)
        except OSError:
            return
        if not piece:
            return
        yield piece


# What is refused


def test_documents_that_differ_are_replaced_on_demand_only(command: Any, tmp_path: Path) -> None:
    """Issue 5, 9: a second run goes on; different documents are an error unless --overwrite."""
    command.done("users", "add", "carol", typed="a password")
    command.done("store", "copy", HERE, BACK)
    with opened(BACK, tmp_path, USERS) as store:
        (carol,) = store.page(USERS)
        store.write([replace(USERS, carol, {**carol.value, "disabled": True})])
    result = command("store", "copy", HERE, BACK)
    assert result.exit_code == 1
    assert result.stderr.startswith("creance: users: 1 documents are there already, and are not what they are to be")
    with opened(BACK, tmp_path, USERS) as store:
        assert store.page(USERS)[0].value["disabled"]
    assert rows(command.done("store", "copy", "--overwrite", HERE, BACK))["users"][:2] == ["1", "1"]
    with opened(BACK, tmp_path, USERS) as store:
        assert store.page(USERS)[0].value == carol.value


def test_what_only_the_target_has_is_found(command: Any, tmp_path: Path) -> None:
    """Issue 5, 9: verified by counts and digests. What was revoked between two runs must not come alive."""
    with opened(HERE, tmp_path, ACCESS_TOKENS) as store:
        store.write([insert(ACCESS_TOKENS, "k", {"grant_id": "a"}, time.time() + 6000)])
    command.done("store", "copy", HERE, BACK)
    with opened(HERE, tmp_path, ACCESS_TOKENS) as store:
        store.write([delete(ACCESS_TOKENS, "k")])
    result = command("store", "copy", HERE, BACK)
    assert result.exit_code == 1
    assert result.stderr.startswith("creance: access_tokens: 0 documents with the digest 0000")
    assert "and 1 with " in result.stderr
    assert "copy to where nothing is" in result.stderr


@pytest.mark.parametrize("theirs", [HERE, BACK])
def test_a_store_of_another_issuer_is_refused(command: Any, tmp_path: Path, theirs: str) -> None:
    """Issue 5, 9: neither side may be another provider's."""
    command.done("store", "copy", HERE, BACK)
    with opened(theirs, tmp_path, SIGNING_KEYS) as store:
        (keys,) = store.page(SIGNING_KEYS)
        store.write([replace(SIGNING_KEYS, keys, {**keys.value, "issuer": "https://other.example"})])
    for options in ([], ["--overwrite"]):
        (line,) = command.refused("store", "copy", *options, HERE, BACK)
        assert line.endswith(" belongs to the issuer https://other.example")


def test_a_store_on_which_another_provider_was_started_is_refused(command: Any, serving: Serving) -> None:
    """Issue 5, 9: keys that are not those of FROM, of the same issuer."""
    with serving(BACK):
        pass
    for options in ([], ["--overwrite"]):
        (line,) = command.refused("store", "copy", *options, HERE, BACK)
        assert line.endswith(" has keys of its own: another provider was started on it")


def test_a_source_that_is_not_there_is_not_made(command: Any, tmp_path: Path, mongodb_uri: str) -> None:
    """A misspelt FROM is no empty provider."""
    (line,) = command.refused("store", "copy", "sqlite:var/misspelt.db", BACK)
    assert "misspelt.db cannot be reached: No such file" in line
    (line,) = command.refused("store", "copy", mongodb_uri, BACK)
    assert line.endswith("is empty: creance store init lays it out")
    assert {file.name for file in (tmp_path / "var").glob("*.db")} == {"creance.db"}


def test_a_source_of_a_newer_version_is_refused(command: Any, tmp_path: Path) -> None:
    """Collection.schema: a shape that this version does not know would be marked as one that it knows."""
    with closing(sqlite3.connect(tmp_path / "var" / "creance.db")) as connection:
        connection.execute("INSERT INTO c_users VALUES ('k', '{}', 1, 9e9, 9e9, NULL, 7)")
        connection.commit()
    (line,) = command.refused("store", "copy", HERE, BACK)
    assert line.startswith("users has documents of schema 7 (1 of them), made by a newer version")


def test_what_no_plugin_has_is_said_to_stay_behind(command: Any, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "var" / "creance.db")) as connection:
        connection.execute("CREATE TABLE c_others AS SELECT * FROM c_signing_keys")
        connection.commit()
    assert command.done("store", "copy", HERE, BACK).splitlines()[0] == (
        "others: 1 documents are left behind: no plugin of this configuration has them"
    )


def test_both_must_be_stores_and_not_the_same(command: Any, tmp_path: Path) -> None:
    (line,) = command.refused("store", "copy", "cassandra://x", BACK)
    assert line.startswith("FROM: no store for 'cassandra'")
    (line,) = command.refused("store", "copy", HERE, HERE)
    assert line.startswith("FROM and TO are the same: SQLite ")


def test_a_password_need_not_be_on_the_command_line(command: Any, tmp_path: Path, mongodb_uri: str) -> None:
    """@FILE: the first line of a file is the URI."""
    file = tmp_path / "uri"
    file.write_text(f"{mongodb_uri}\n")
    command.done("store", "copy", HERE, f"@{file}")
    file.unlink()
    (line,) = command.refused("store", "copy", HERE, f"@{file}")
    assert line == f"TO: {file} cannot be read: No such file or directory"
