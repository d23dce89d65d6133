"""A host of docs/adopting.md in a process of its own, on a real socket, with or without TLS."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_SERVE = """
import importlib, sys
from werkzeug.serving import make_server

module, port, *tls = sys.argv[1:]
sys.path.insert(0, ".")
application = importlib.import_module(module).application
make_server("127.0.0.1", int(port), application, threaded=True, ssl_context=tuple(tls) or None).serve_forever()
"""


class HostSite:
    """Serves `application` of a module in a folder."""

    def __init__(self, folder: Path, module: str, port: int, tls: tuple[Path, Path] | None = None) -> None:
        """`tls` are the files of the certificate and of its key."""
        self.port = port
        self.log_file = folder / f"{module}.log"
        self._folder = folder
        self._command = [sys.executable, "-c", _SERVE, module, str(port), *map(str, tls or ())]

    def __enter__(self) -> Self:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ}
            )
        deadline = time.monotonic() + 30
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"the host did not start:\n{self.log_file.read_text('utf-8')[-3000:]}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
