"""nginx with the configuration of docker/, and who may stand behind it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest
from creance.provider.testing.running import free_port

from .container import ROOT

DOCKER = ROOT / "docker"
PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
NONE = "no nginx (on Debian: apt-get install nginx-light)"


class Nginx:
    """The proxy of compose.yaml. Names of containers, and places that only those have, become what is here."""

    def __init__(self, folder: Path, upstream_ports: list[int], listen: str = "listen-http.conf") -> None:
        if PROGRAM is None:
            no_nginx()
        self.folder = folder
        self.port = free_port()
        text = (DOCKER / "nginx.conf").read_text("utf-8")
        for number, port in enumerate(upstream_ports, 1):
            text = text.replace(f"server creance-{number}:8400 ", f"server 127.0.0.1:{port} ")
        text = text.replace(" /tmp/", f" {folder}/").replace("/dev/stdout", f"{folder}/access.log")
        self.configuration = folder / "nginx.conf"
        self.configuration.write_text(text.replace("/dev/stderr", f"{folder}/error.log"), "utf-8")
        listening = re.sub(r"listen \d+", f"listen 127.0.0.1:{self.port}", (DOCKER / listen).read_text("utf-8"))
        (folder / "listen.conf").write_text(listening.replace("/run/secrets", str(folder)), "utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def check(self) -> str:
        """What nginx says of its configuration. It must be content."""
        result = subprocess.run([*self._command(), "-t"], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stderr

    def start(self) -> None:
        self._process = subprocess.Popen([*self._command(), "-g", "daemon off;"], stdin=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, "nginx has ended"
            assert time.monotonic() < end
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def _command(self) -> list[str]:
        return [str(PROGRAM), "-c", str(self.configuration), "-p", str(self.folder), "-e", f"{self.folder}/start.log"]

    def log(self) -> str:
        """All that it has written."""
        return "".join(path.read_text() for path in self.folder.glob("*.log"))


def no_nginx() -> NoReturn:
    if os.environ.get("REQUIRE_NGINX") == "1":
        pytest.fail(NONE)
    pytest.skip(NONE)


class Upstream(ThreadingHTTPServer):
    """Takes down what reaches it, in the order in which it does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.begun: list[str] = []
        """Requests whose head has come."""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.go_on = threading.Event()
        """While it is not set, nothing is answered."""
        self.go_on.set()
        self.breaks_off = False
        """Whether connections are cut instead of answered."""
        self.answer_headers: dict[str, str] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def stop(self) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        self.server.begun.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((f"{self.command} {self.path}", dict(self.headers), body))
        self.server.go_on.wait()
        if self.server.breaks_off:
            self.close_connection = True
            return
        self.send_response(200)
        for name, value in self.server.answer_headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Nothing."""
