"""The server that is measured: `creance serve` in a process of its own, its CPU time, memory and start."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from creance.provider.sealing import new_secret
from creance.provider.settings import Settings
from creance.provider.testing import RunningProvider

from .load import Address
from .processes import cpu_seconds, family, resident

DISCOVERY = "/.well-known/openid-configuration"
STORE = "CREANCE_STORE__URI"
_START_TIMEOUT = 60.0
_UNLIMITED = {"CREANCE_LIMITS__TOKEN_REQUESTS": "1000000000"} if "limits" in Settings.model_fields else {}
"""Counted as ever, and never reached. Commits that know no limits are measured too."""


class Server(RunningProvider):
    """A provider of the demonstration, or of another configuration, in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        log_requests: bool = False,
        environment: Mapping[str, str],
        configuration: str | None = None,
        port: int | None = None,
    ) -> None:
        logging = {"CREANCE_LOG__REQUESTS": str(log_requests).lower()}
        variables = {**_UNLIMITED, **environment, **logging}
        super().__init__(folder, environment=variables, configuration=configuration, port=port)
        if STORE in self.environment:
            self._use_a_store_of_its_own()
        self.start_seconds = 0.0
        """From the start of the process to the first answer of discovery."""

    def _use_a_store_of_its_own(self) -> None:
        """In a URI with `{}` that is a name that nobody else has. A store of many machines wants a secret from us."""
        self.environment[STORE] = self.environment[STORE].replace("{}", secrets.token_hex(4))
        secret = self.folder / "var" / "secret"
        secret.parent.mkdir(exist_ok=True)
        secret.write_text(new_secret() + "\n")

    @property
    def address(self) -> Address:
        return "127.0.0.1", self.port

    def start(self) -> None:
        """Start it, and note how long it took. Raises RuntimeError with its output where it does not."""
        self._begun = time.monotonic()
        super().start()

    def wait_until_ready(self) -> None:
        """Ask for discovery until it is answered: every two milliseconds, so that the time is right."""
        while not self._answers():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() - self._begun > _START_TIMEOUT:
                raise RuntimeError(f"the server did not start:\n{self.log_file.read_text()[-2000:]}")
            time.sleep(0.002)
        self.start_seconds = time.monotonic() - self._begun

    def _answers(self) -> bool:
        try:
            with socket.create_connection(self.address, 5) as line:
                line.sendall(f"GET {DISCOVERY} HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n".encode())
                return line.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    @property
    def processes(self) -> list[int]:
        """The process ids of parent and workers."""
        assert self.process is not None
        return family(self.process.pid)

    @property
    def workers(self) -> list[int]:
        """The process ids of those that serve."""
        return self.processes[1:]

    def cpu_seconds(self) -> float:
        """CPU time that all its processes have used, those included that have ended."""
        return sum(cpu_seconds(process) for process in self.processes)

    def memory(self) -> int:
        """Resident memory of the largest worker, in bytes."""
        return max(resident(process) for process in self.workers)
