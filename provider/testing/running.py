"""A provider on a real socket: `creance serve` in a process of its own."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import requests

from .relying_party import Browser, RelyingParty

DEMO_SECRETS = {
    "app": "app-secret",
    "app-post": "app-post-secret",
    "partner": "partner-secret",
    "service": "service-secret",
}
_OTHER_REDIRECT_URIS = {"spa": "http://localhost:8402/callback", "partner": "http://localhost:8403/callback"}
WIDE_LIMITS = {
    "CREANCE_LIMITS__FAILED_LOGINS_PER_ACCOUNT": "1000000",
    "CREANCE_LIMITS__FAILED_LOGINS_PER_ACCOUNT_A_DAY": "1000000",
    "CREANCE_LIMITS__FAILED_LOGINS_PER_NETWORK": "1000000",
    "CREANCE_LIMITS__FAILED_CLIENT_AUTHENTICATIONS": "1000000000",
    "CREANCE_LIMITS__TOKEN_REQUESTS": "1000000000",
}
"""Tests come from one address, and fail on purpose. A test of limits gives its own as `environment`."""
_PATIENT = {"CREANCE_STORE__TIMEOUT": "60", "CREANCE_LIMITS__PASSWORD_HASHING_PLACES": "16"}
"""A machine that is busy is no failure. A test of what happens then gives its own as `environment`."""
_START_TIMEOUT = 90.0


def free_port() -> int:
    """A port that nobody listens on at this moment, below those that systems give to outgoing connections: one of these
    could take it before the provider does.
    """
    while True:
        port = secrets.randbelow(12_000) + 20_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class DemoStores:
    """Where demonstrations keep their data: each in a file of its folder."""

    URI: ClassVar = "sqlite:var/creance.db"

    def new_uri(self) -> str:
        """The URI of a store for one demonstration."""
        return self.URI

    def give_secret(self, folder: Path) -> None:
        """Put the secret that seals the keys into a demonstration's folder, where it does not make one itself."""


demo_stores = DemoStores()
"""A conftest may put others in its place, so that the same tests run on another backend."""


def demo_configuration(issuer: str, bind: str, store_uri: str | None = None) -> str:
    """The demonstration's configuration file, for another issuer and address, and with a store of its own.

    The store has time to answer: a machine that is busy is no failure.
    """
    text = (files("creance.config") / "embedded.toml").read_text("utf-8")
    text = text.replace(DemoStores.URI, store_uri or demo_stores.new_uri())
    text = re.sub(r'(?m)^issuer = ".*"$', f'issuer = "{issuer}"', text)
    text = re.sub(r"(?m)^\[store\]$", "[store]\ntimeout = 60", text)
    return re.sub(r'(?m)^bind = ".*?"', f'bind = "{bind}"', text)


class RunningProvider:
    """Starts, stops and watches a provider. Use it in a `with` statement."""

    def __init__(
        self,
        folder: Path,
        *,
        configuration: str | None = None,
        extra: str = "",
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        path: str = "",
    ) -> None:
        """`folder` is for the configuration and the database.

        `configuration` is TOML in which `ISSUER` and `BIND` stand for what they are here; without it the demonstration
        is served. `extra` is TOML to append; `environment` are settings as variables (`CREANCE_LIFETIMES__ID_TOKEN`).
        """
        self.port = port or free_port()
        self.issuer = f"http://localhost:{self.port}{path}"
        self.folder = folder
        self.environment = {**WIDE_LIMITS, **_PATIENT, **(environment or {})}
        bind = f"127.0.0.1:{self.port}"
        if configuration is None:
            text = demo_configuration(self.issuer, bind)
        else:
            text = configuration.replace("ISSUER", self.issuer).replace("BIND", bind)
        folder.mkdir(parents=True, exist_ok=True)
        demo_stores.give_secret(folder)
        self.configuration = folder / "creance.toml"
        self.configuration.write_text(f"{text}\n{extra}\n", "utf-8")
        self.log_file = folder / "log.jsonl"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with its output where it does not."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "creance.provider.commands", "--config", str(self.configuration), "serve"],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it answers. Raises RuntimeError with its output where it does not."""
        assert self.process is not None
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if requests.get(f"{self.issuer}/health/ready", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.05)
        output = self.log_file.read_text("utf-8", "replace")[-2000:] if self.log_file.exists() else ""
        self.stop()
        raise RuntimeError(f"the provider did not start:\n{output}")

    def stop(self) -> None:
        """Stop it in order; kill it where that takes too long."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def log_lines(self) -> list[dict[str, Any]]:
        """The lines that it has logged so far."""
        lines = self.log_file.read_text("utf-8", "replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def url(self, path: str) -> str:
        """A URL of this provider."""
        return self.issuer + path

    def get(self, path: str, **options: Any) -> requests.Response:
        """A GET that follows no redirect."""
        return requests.get(self.url(path), allow_redirects=False, timeout=30, **options)

    def post(self, path: str, data: Any = None, **options: Any) -> requests.Response:
        """A POST that follows no redirect."""
        return requests.post(self.url(path), data=data, allow_redirects=False, timeout=30, **options)

    def browser(self) -> Browser:
        """A browser of its own, with no cookies yet."""
        return Browser(self.issuer)

    def client(self, client_id: str, **named: Any) -> RelyingParty:
        """An app of the configuration: its secret is known for those of the demonstration, else `secret=` says it."""
        named.setdefault("secret", DEMO_SECRETS.get(client_id))
        if client_id == "app-post":
            named.setdefault("method", "client_secret_post")
        if client_id in _OTHER_REDIRECT_URIS:
            named.setdefault("redirect_uri", _OTHER_REDIRECT_URIS[client_id])
        return RelyingParty(self.issuer, client_id, **named)
