"""docs/mongodb.md: what it says of the database is so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store.mongodb_layout import DOCUMENTS, LAYOUT, LEASES
from pymongo import MongoClient
from pymongo.database import Database

from ...conftest import App

PAGE = (Path(__file__).parents[3] / "docs" / "mongodb.md").read_text("utf-8")


@pytest.fixture
def app(make_app: Callable[..., App], mongodb_uri: str) -> App:
    """An app of the demonstration on MongoDB, with sessions."""
    return make_app(store={"uri": mongodb_uri}, plugins={"sessions": {}})


@pytest.fixture
def database(app: App, mongodb_uri: str) -> Iterator[Database[Any]]:
    with MongoClient[Any](mongodb_uri) as client:
        yield client.get_default_database()


def rows(header: str) -> list[str]:
    """The first cells of a table."""
    table = PAGE.partition(f"| {header} |")[2].partition("\n\n")[0]
    return re.findall(r"(?m)^\| (.*?) \|", table)


def test_its_collections(app: App, database: Database[Any]) -> None:
    assert app.provider.store.claim("sweep", "one", 0)
    named = {name.strip("`") for name in rows("collection")}
    assert named == {DOCUMENTS, LEASES, LAYOUT}
    assert set(database.list_collection_names()) == named


def test_its_indexes(database: Database[Any]) -> None:
    named = {name for cell in rows("index of `creance_documents`") for name in re.findall("`(.*?)`", cell)}
    assert named == {next(iter(index["key"])) for index in database[DOCUMENTS].list_indexes()}


def test_what_was_issued_can_be_left_behind(app: App, database: Database[Any]) -> None:
    """Restoring a backup: tokens and codes go, and keys, clients and people stay."""
    app.provider.users.create_user("carol", "a password", {}, None)
    tokens = app.log_in()
    (query,) = re.findall(r"db\.creance_documents\.deleteMany\((.*)\)", PAGE)
    database[DOCUMENTS].delete_many(json.loads(query))
    assert kinds(database) == {"signing_keys", "users"}
    assert not app.introspect(tokens["access_token"])["active"]
    assert app.provider.users.find("carol") is not None


def kinds(database: Database[Any]) -> set[str]:
    return {row["_id"].partition("/")[0] for row in database[DOCUMENTS].find({}, {"_id": 1})}
