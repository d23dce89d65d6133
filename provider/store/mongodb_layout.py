"""What is in a MongoDB database: collections, indexes, and the mark of the layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pymongo import IndexModel
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from . import StoreRefused
from .layout_refusals import newer_layout
from .mongodb_connection import Row
from .mongodb_errors import INDEX_CONFLICTS, NOT_AUTHORIZED

DOCUMENTS: Final = "creance_documents"
LEASES: Final = "creance_leases"
LAYOUT: Final = "creance_layout"
"""Names that pyop's own collections, or a host's, do not have: they may be in the same database."""

LAYOUT_VERSION: Final = 1
"""How the documents are made. A version that changes them brings the steps from the one before."""

_OPTIONS: Final = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression", "collation", "hidden")
"""What changes what an index does."""


def mark_layout(database: Database[Row]) -> None:
    """Of which time are these documents? Raises StoreRefused for those of a newer version."""
    if not layout_of(database):
        try:
            database[LAYOUT].insert_one({"_id": "layout", "version": LAYOUT_VERSION})
        except DuplicateKeyError:
            layout_of(database)


def layout_of(database: Database[Row]) -> int:
    """The layout of the documents, 0 where there is none yet. Raises StoreRefused for a newer one."""
    mark = database[LAYOUT].find_one({"_id": "layout"})
    version = int(mark["version"]) if mark else 0
    if version > LAYOUT_VERSION:
        raise newer_layout(f"the database {database.name}", version, LAYOUT_VERSION)
    return version


def touch(database: Database[Row]) -> None:
    """A write that is acknowledged as all are: where this can be done, requests can be served."""
    written = {"$set": {"written_at": datetime.now(UTC)}}
    database[LAYOUT].update_one({"_id": "probe"}, written, upsert=True)


def make_indexes(held: MongoCollection[Row], fields: Iterable[str]) -> None:
    """Make the indexes that are missing: many workers may do so together. Where none is missing nothing is asked for,
    so that the provider's own account need not have the right.

    Raises StoreRefused for one that is there with other options, and leaves it as it is; and where indexes are missing
    that this account may not make.
    """
    fields = sorted(set(fields))
    missing = missing_indexes(held, fields)
    if not missing:
        return
    try:
        held.create_indexes(missing)
    except OperationFailure as error:
        if error.code == NOT_AUTHORIZED:
            raise StoreRefused(_may_not(held, missing)) from error
        if error.code not in INDEX_CONFLICTS or missing_indexes(held, fields):  # which says more
            raise


def missing_indexes(held: MongoCollection[Row], fields: Iterable[str]) -> list[IndexModel]:
    """Those that are not there. Raises StoreRefused for one that is there with other options."""
    indexes = [
        IndexModel("expires_at", expireAfterSeconds=0),
        *(IndexModel(f"fields.{field}", sparse=True) for field in sorted(set(fields))),
    ]
    there = list(held.list_indexes())
    missing = []
    for index in indexes:
        wanted = index.document
        alike = [other for other in there if other["key"] == wanted["key"] or other["name"] == wanted["name"]]
        for other in alike:
            if other["key"] != wanted["key"] or _options(other) != _options(wanted):
                raise StoreRefused(_conflict(held, other, wanted))
        if not alike:
            missing.append(index)
    return missing


def _options(index: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are set: false is the same as nothing, and zero seconds are not."""
    return {name: index[name] for name in _OPTIONS if index.get(name) is not None and index[name] is not False}


def _may_not(held: MongoCollection[Row], missing: Iterable[IndexModel]) -> str:
    names = ", ".join(index.document["name"] for index in missing)
    return (
        f"{held.full_name} lacks the indexes {names}, and this account may not make them: run creance store init with "
        "one that may (createIndex), and start again"
    )


def _conflict(held: MongoCollection[Row], there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    remedy = f'db.getSiblingDB("{held.database.name}").{held.name}.dropIndex("{there["name"]}")'
    return (
        f"the index {there['name']} of {held.full_name} is there as {_in_words(there)}, and {_in_words(wanted)} is "
        f"needed: remove it with mongosh, {remedy}, and start again"
    )


def _in_words(index: Mapping[str, Any]) -> str:
    return " ".join([str(dict(index["key"])), *(f"{name}={value}" for name, value in _options(index).items())])
