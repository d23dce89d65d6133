"""`creance health`: what a container's health check asks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from creance.provider.testing.running import RunningProvider, free_port


@pytest.fixture
def op(tmp_path: Path) -> Iterator[RunningProvider]:
    """On all addresses, as in a container, below a path, and with one of the two endpoints moved."""
    port = free_port()
    with RunningProvider(
        tmp_path / "op",
        port=port,
        path="/op",
        extra='[endpoints]\nhealth_live = "/status"',
        environment={"CREANCE_HTTP__BIND": f"0.0.0.0:{port}", "http_proxy": "http://127.0.0.1:9"},
    ) as provider:
        yield provider


@pytest.mark.default_store("moves a file away")
def test_it_tells_whether_the_provider_can_serve(op: RunningProvider, command: Any) -> None:
    """Issue 5, Deployments: health check by the program's own command."""
    command.configuration = op.configuration
    assert asked(command, op) == (0, "ready\n", "")
    assert asked(command, op, "--live") == (0, "alive\n", "")
    (op.folder / "var" / "creance.db").rename(op.folder / "elsewhere.db")
    line = f"creance: 0.0.0.0:{op.port}: answers 503 to /op/health/ready\n"
    assert asked(command, op) == (1, "", line)
    assert asked(command, op, "--live") == (0, "alive\n", "")


def asked(command: Any, op: RunningProvider, *options: str) -> tuple[int, str, str]:
    result = command("health", *options, environment=op.environment)
    return result.exit_code, result.stdout, result.stderr


def test_nobody_who_listens_is_one_line(command: Any) -> None:
    bind = f"127.0.0.1:{free_port()}"
    result = command("health", environment={"CREANCE_HTTP__BIND": bind})
    assert (result.exit_code, result.stderr) == (1, f"creance: {bind}: no answer: Connection refused\n")


def test_whoever_does_not_answer_is_not_awaited_for_long(command: Any) -> None:
    """A check that hangs would tell nobody."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bind = f"127.0.0.1:{silent.getsockname()[1]}"
        result = command("health", environment={"CREANCE_HTTP__BIND": bind, "CREANCE_STORE__TIMEOUT": "0.1"})
    assert (result.exit_code, result.stderr) == (1, f"creance: {bind}: no answer: timed out\n")


def test_whoever_speaks_something_else_is_no_answer(command: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        thread = threading.Thread(target=greet, args=[other])
        thread.start()
        result = command("health", environment={"CREANCE_HTTP__BIND": bind})
        thread.join()
    assert result.exit_code == 1
    assert result.stderr.startswith(f"creance: {bind}: no answer: ")


def greet(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"220 mail.example.org ESMTP\r\n")


def test_it_reads_no_secret(command: Any) -> None:
    """A check that every few seconds reads passwords, or asks a name server for the store, would fail with them."""
    text = command.configuration.read_text()
    command.configuration.write_text(text.replace('uri = "sqlite:var/creance.db"', 'uri_file = "is-not-there"'))
    bind = f"127.0.0.1:{free_port()}"
    result = command("health", environment={"CREANCE_HTTP__BIND": bind})
    assert result.stderr == f"creance: {bind}: no answer: Connection refused\n"
