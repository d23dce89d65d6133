"""What a MongoDB database holds, on which kind of server, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

import pymongo
from pymongo import MongoClient
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from . import Collection, StoreRefused
from .examination import Contents, Examination, missing_problems, newer_documents
from .mongodb_connection import Row, database_of
from .mongodb_layout import DOCUMENTS, layout_of, missing_indexes

PATIENCE: Final = 600.0
"""Seconds that counting all documents may take."""

MOST_CLOCK_DIFFERENCE: Final = 30.0
"""Seconds by which the server's sweeper may be ahead of the providers, whose clocks say what is kept."""


def examine_database(client: MongoClient[Row], collections: Sequence[Collection], now: float) -> Examination:
    """Count all of it. `now` says what has expired. Raises PyMongoError where the server cannot be asked."""
    examination = Examination()
    database = database_of(client)
    with pymongo.timeout(PATIENCE):
        examination.facts |= _server(client, database)
        examination.problems += _clock(client, examination)
        try:
            examination.facts["layout"] = layout_of(database) or "none yet"
            examination.problems += missing_problems(missing_parts(database, collections))
            examination.facts["indexes"] = _indexes(database[DOCUMENTS]) or "none yet"
            examination.contents += _contents(database[DOCUMENTS], collections, now)
            examination.problems += newer_documents(examination.contents, collections)
        except StoreRefused as refusal:
            examination.problems.append(str(refusal))
    return examination


def missing_parts(database: Database[Row], collections: Iterable[Collection]) -> list[str]:
    """What an opening would make. Raises StoreRefused for what is there and must not be used."""
    layout = [] if layout_of(database) else ["the layout's mark"]
    fields = chain(*(collection.indexes for collection in collections))
    indexes = missing_indexes(database[DOCUMENTS], fields)
    return [*layout, *(f"the index {index.document['name']} of {DOCUMENTS}" for index in indexes)]


def _server(client: MongoClient[Row], database: Database[Row]) -> dict[str, str | int]:
    version = client.server_info()["version"]
    concern = {"w": 1, "j": False} | database.write_concern.document
    return {
        "server": f"MongoDB {version}",
        "deployment": _deployment(client),
        "write concern": ", ".join(f"{name}={value}" for name, value in concern.items()),
        "read concern": f"{database.read_concern.level}, from the primary",
    }


def _deployment(client: MongoClient[Row]) -> str:
    """As the driver has found it."""
    topology = client.topology_description
    servers = topology.server_descriptions().values()
    name = topology.replica_set_name or next((each.replica_set_name for each in servers if each.replica_set_name), None)
    if topology.topology_type_name == "Sharded":
        return "a sharded cluster"
    if name is not None:
        hosts = set(chain(*(each.all_hosts for each in servers)))
        return f"the replica set {name} of {len(hosts)}"
    return "a single server: where it is lost, nothing takes its place"


def _clock(client: MongoClient[Row], examination: Examination) -> Iterator[str]:
    """The server's clock removes what the providers' clocks say is kept."""
    before = datetime.now(UTC)
    said: datetime | None = client.admin.command("isMaster").get("localTime")
    if said is None:
        return
    local = before + (datetime.now(UTC) - before) / 2
    ahead = (said.replace(tzinfo=UTC) - local).total_seconds()
    examination.facts["clock"] = f"{abs(ahead):.1f} seconds {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if ahead > MOST_CLOCK_DIFFERENCE:
        yield (
            f"the server's clock is {ahead:.0f} seconds ahead of this machine's: it removes documents before they are "
            "over; set both right"
        )


def _indexes(held: MongoCollection[Row]) -> str:
    return ", ".join(sorted(index["name"] for index in held.list_indexes()))


def _contents(held: MongoCollection[Row], collections: Iterable[Collection], now: float) -> list[Contents]:
    """Of each collection that is declared, and of all others that there are."""
    found = [
        Contents(
            row["_id"]["collection"], row["_id"]["schema"], int(row["documents"]), int(row["kept"]), int(row["unswept"])
        )
        for row in held.aggregate(_count(now))
    ]
    names = {contents.collection for contents in found}
    found += [Contents(each.name, None, 0, 0, 0) for each in collections if each.name not in names]
    return sorted(found, key=lambda contents: (contents.collection, contents.schema or 0))


def _count(now: float) -> list[Row]:
    over = {"$lte": ["$keep_until", now]}
    ended = {"$or": [{"$ne": ["$redeemed_at", None]}, {"$lte": ["$valid_until", now]}]}
    only_kept = {"$and": [{"$gt": ["$keep_until", now]}, ended]}
    collection = {"$arrayElemAt": [{"$split": ["$_id", "/"]}, 0]}
    group: Row = {"_id": {"collection": collection, "schema": "$schema"}, "documents": {"$sum": 1}}
    return [{"$group": group | {"kept": _number_of(only_kept), "unswept": _number_of(over)}}]


def _number_of(condition: Any) -> Row:
    return {"$sum": {"$cond": [condition, 1, 0]}}
