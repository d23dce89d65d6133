"""Servers that stores are on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ...redis_server import RedisServer

MakeRedis = Callable[..., RedisServer]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="always")
    yield server
    server.close()


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """It runs, is empty, and is set as it began."""
    redis_server.stop()
    redis_server.start()
    redis_server.connection.flushall()
    return redis_server


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
