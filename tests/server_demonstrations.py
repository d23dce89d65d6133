"""Demonstrations on a database server, as `pytest --store=…` wants them: the same tests, on another store."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from creance.provider.sealing import new_secret
from creance.provider.testing.running import DemoStores
from pymongo import MongoClient

from .mongodb_server import MongoDBServer
from .redis_server import RedisServer

KINDS = ("sqlite", "mongodb", "redis")


class ServerDemoStores(DemoStores, ABC):
    """Each in a database of its own, on one server."""

    def __init__(self) -> None:
        self._made = 0
        self._secret = new_secret()

    def new_uri(self) -> str:
        self._made += 1
        return self._uri_of(self._made)

    @abstractmethod
    def _uri_of(self, number: int) -> str: ...

    def give_secret(self, folder: Path) -> None:
        """DESIGN, Keys: where workers are on several machines it must be given."""
        file = folder / "var" / "secret"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(0o600)
            file.write_text(f"{self._secret}\n")


class MongoDBDemoStores(ServerDemoStores):
    """On the server that the tests of MongoDB have too."""

    def __init__(self, server: MongoDBServer) -> None:
        super().__init__()
        self._server = server
        self._run = f"creance_test_{secrets.token_hex(6)}"

    def _uri_of(self, number: int) -> str:
        return self._server.uri_of(f"{self._run}_{number}")

    def drop(self) -> None:
        """Remove all that were made."""
        with MongoClient[dict[str, Any]](self._server.uri) as client:
            for name in client.list_database_names():
                if name.startswith(f"{self._run}_"):
                    client.drop_database(name)


class RedisDemoStores(ServerDemoStores):
    """On a server of their own, with many databases."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self._server = server

    def _uri_of(self, number: int) -> str:
        return self._server.uri.removesuffix("/0") + f"/{number}"


@contextmanager
def demonstrations_on(kind: str, request: pytest.FixtureRequest) -> Iterator[DemoStores]:
    """The stores of one of KINDS."""
    if kind == "mongodb":
        stores = MongoDBDemoStores(request.getfixturevalue("mongodb_server"))
        yield stores
        stores.drop()
    elif kind == "redis":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("redis")
        server = RedisServer(folder, appendfsync="always", databases="100000")
        server.start()
        yield RedisDemoStores(server)
        server.close()
    else:
        yield DemoStores()
