"""Where bench-scale fills a store: an embedded one, and MongoDB where one is present."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import mongodb_server
from mongodb_server import MongoDBServer

from .processes import resident
from .server import STORE, Server
from .stored import MongoDBDatabase, SQLiteFile, Stored


@dataclass
class Place:
    """A kind of store, which any number of servers of this run may use: each has one of its own."""

    name: str
    batch: int
    """Documents in one `Store.put`."""
    most: int | None = None
    """People whom it can hold; None where only the disk says so."""
    is_measured: bool = True
    """False where neither CPU time nor bytes say anything."""
    notes: tuple[str, ...] = ()
    mongodb: MongoDBServer | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What makes a server use it."""
        return {STORE: self.mongodb.uri_of("creance_bench_{}")} if self.mongodb else {}

    def stored(self, server: Server) -> Stored:
        """The database of a server, seen from outside."""
        if self.mongodb:
            return MongoDBDatabase(server.environment[STORE])
        return SQLiteFile(server.folder / "var" / "creance.db")

    def memory(self) -> int | None:
        """Bytes of memory that the database server has, where there is one, and it is ours."""
        process = self.mongodb.process if self.mongodb else None
        return resident(process.pid) if process else None


_BATCH = 50_000
"""As much as memory allows: keys come in no order, and each batch writes the whole of their index."""
_BATCH_OVER_A_NETWORK = 1000
_MOST_IN_JAVA = 4_000
_JAVA = (
    "mongo-java-server is not MongoDB, and keeps all in its memory: so no more people than this, and no disk",
    "it looks through all its documents whenever it is asked for one that is valid: so no CPU time, but round trips",
    "it has no TTL sweep: what ends here is removed by the provider's own, as where TTL is switched off",
)


def mongodb_is_present() -> bool:
    """Whether the tests would find a server."""
    return mongodb_server.kind_of_server() != mongodb_server.NONE


@contextmanager
def sqlite_place() -> Iterator[Place]:
    """The embedded store."""
    yield Place(f"SQLite {sqlite3.sqlite_version}", _BATCH)


@contextmanager
def mongodb_place() -> Iterator[Place]:
    """The server that the tests would use. Raises click.ClickException where there is none."""
    if not mongodb_is_present():
        raise click.ClickException(mongodb_server.NONE)
    with TemporaryDirectory() as folder:
        server = mongodb_server.start_server(Path(folder))
        name = mongodb_server.kind_of_server()
        try:
            if server.is_real:
                yield Place(name, _BATCH_OVER_A_NETWORK, mongodb=server)
            else:
                yield Place(name, _BATCH_OVER_A_NETWORK, _MOST_IN_JAVA, False, _JAVA, server)
        finally:
            server.stop()
