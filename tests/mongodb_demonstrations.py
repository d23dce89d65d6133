"""Demonstrations on MongoDB, as `pytest --store=mongodb` wants them: the same tests, unchanged, on the other store."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from creance.provider.sealing import new_secret
from creance.provider.testing.running import DemoStores
from pymongo import MongoClient

from .mongodb_server import MongoDBServer


class MongoDBDemoStores(DemoStores):
    """Each in a database of its own, on one server."""

    def __init__(self, server: MongoDBServer) -> None:
        self._server = server
        self._run = f"creance_test_{secrets.token_hex(6)}"
        self._made = 0
        self._secret = new_secret()

    def new_uri(self) -> str:
        self._made += 1
        return self._server.uri_of(f"{self._run}_{self._made}")

    def give_secret(self, folder: Path) -> None:
        """DESIGN, Keys: on MongoDB it must be given."""
        file = folder / "var" / "secret"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(0o600)
            file.write_text(f"{self._secret}\n")

    def drop(self) -> None:
        """Remove all that were made."""
        with MongoClient[dict[str, Any]](self._server.uri) as client:
            for name in client.list_database_names():
                if name.startswith(f"{self._run}_"):
                    client.drop_database(name)
