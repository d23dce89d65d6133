"""Makes the replica set of the compose files, and the account of the provider, which may do what that does and no more.

Which servers, which set, which database and which account is said by `store-uri`, the URI that the provider has too.
What is there already stays; the account gets the password of that URI.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

SECRETS = Path(os.environ.get("SECRETS", "/run/secrets"))
PATIENCE = 300.0
"""Seconds in which the servers have to come."""

NOT_YET_INITIALIZED = 94
ROLE = "creance"

PRIVILEGES = {
    "creance_documents": ["find", "insert", "update", "remove", "listIndexes", "createIndex"],
    "creance_leases": ["find", "insert", "update"],
    "creance_layout": ["find", "insert", "update"],
}
"""Actions by collection. docs/mongodb.md says which is for what."""


def main() -> None:
    uri = parse_uri(secret("store-uri"))
    members = [f"{host}:{port}" for host, port in uri["nodelist"]]
    name = uri["options"]["replicaSet"]
    account = {"username": "root", "password": secret("mongodb-root-password"), "authSource": "admin"}
    with MongoClient[Any](members[0], directConnection=True, **account) as first:
        eventually(partial(initiate, first, name, members))
    with MongoClient[Any](members, replicaSet=name, **account) as replica_set:
        eventually(partial(admit, replica_set[uri["database"]], uri["username"], uri["password"]))


def secret(name: str) -> str:
    return (SECRETS / name).read_text("ascii").strip()


def eventually(work: Callable[[], None]) -> None:
    """Try again as long as servers start, or elect a primary."""
    end, said = time.monotonic() + PATIENCE, ""
    while True:
        try:
            return work()
        except PyMongoError as error:
            reason = str(error).partition(", full error")[0].partition(" (configured timeouts")[0]
            if time.monotonic() > end:
                sys.exit(f"given up after {PATIENCE:.0f} seconds: {reason}")
            if reason != said:
                print(f"waiting: {reason}", flush=True)
                said = reason
            time.sleep(1)


def initiate(client: MongoClient[Any], name: str, members: Sequence[str]) -> None:
    """Make the replica set, where there is none."""
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        configuration = {"_id": name, "members": [{"_id": index, "host": host} for index, host in enumerate(members)]}
        client.admin.command("replSetInitiate", configuration)
        print(f"the replica set {name} is made: {', '.join(members)}", flush=True)


def admit(database: Database[Any], username: str, password: str) -> None:
    """Make the account and its role, or make them what they should be."""
    privileges = [
        {"resource": {"db": database.name, "collection": collection}, "actions": actions}
        for collection, actions in PRIVILEGES.items()
    ]
    there = database.command("rolesInfo", ROLE)["roles"]
    database.command("updateRole" if there else "createRole", ROLE, privileges=privileges, roles=[])
    there = database.command("usersInfo", username)["users"]
    database.command("updateUser" if there else "createUser", username, pwd=password, roles=[ROLE])
    print(f"the account {username} of the database {database.name} has the role {ROLE}", flush=True)


if __name__ == "__main__":
    main()
