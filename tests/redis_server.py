"""Redis, on a port of its own, in which a plain pyop provider keeps its state.

Where there is none the tests are skipped; REQUIRE_REDIS=1 makes that a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from creance.provider.testing.running import free_port

from .own_server import OwnServer
from .polling import eventually

REDIS = shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/sbin")
NONE = "no Redis (on Debian: apt-get install redis-server; and the Python package redis)"


class RedisServer(OwnServer):
    """A server of its own. What is in it stays while it is stopped."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings` as in redis.conf, with _ for -."""
        if REDIS is None:
            _none()
        try:
            import redis
        except ImportError:
            _none()
        self._folder = folder
        self._settings = {name.replace("_", "-"): value for name, value in settings.items()}
        self._port = free_port()
        self.uri = f"redis://127.0.0.1:{self._port}/0"
        self.connection: Any = redis.Redis.from_url(self.uri, decode_responses=True)
        """For what a test has to see or change in it."""

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {"bind": "127.0.0.1", "port": self._port, "dir": self._folder, "save": "", "appendonly": "yes"}
        options |= self._settings
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(REDIS), *words], stdin=subprocess.DEVNULL, stdout=log)
        eventually(self._answers, seconds=30)

    def _answers(self) -> bool:
        import redis

        assert self.process is not None
        assert self.process.poll() is None, f"redis-server has ended: {(self._folder / 'log').read_text('utf-8')}"
        try:
            return bool(self.connection.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Stop it for good."""
        self.connection.close()
        self.stop()


def _none() -> NoReturn:
    if os.environ.get("REQUIRE_REDIS") == "1":
        pytest.fail(NONE)
    pytest.skip(NONE)
