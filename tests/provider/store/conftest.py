"""Servers that stores are on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ...redis_server import RedisServer

MakeRedis = Callable[..., RedisServer]


@pytest.fixture
def make_redis(tmp_path: Path) -> Iterator[MakeRedis]:
    """Starts another one, with settings of its own."""
    servers: list[RedisServer] = []

    def make(**settings: str) -> RedisServer:
        folder = tmp_path / f"redis{len(servers)}"
        folder.mkdir()
        servers.append(RedisServer(folder, **settings))
        servers[-1].start()
        return servers[-1]

    yield make
    for server in servers:
        if server.process is not None:
            server.process.kill()  # a replica may go on syncing for long
        server.close()
