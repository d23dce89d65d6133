"""`creance serve` as an operator meets it: real processes, real ports, real signals."""

from __future__ import annotations

import base64
import errno
import inspect
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import requests
from creance.provider import ConfigurationError, Settings
from creance.provider.listening import Address, claimed
from creance.provider.serving import ATTEMPTS, CANNOT_START, Server
from creance.provider.testing.running import RunningProvider, free_port
from granian.server.mp import MPServer

from .. import polling

COMMAND = [sys.executable, "-m", "creance.provider.commands"]
DEADLINE = 60.0


def creance(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
    )


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """The one clear line with which a command refused."""
    assert result.returncode == 1, result
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("creance: ")
    return line


eventually = partial(polling.eventually, seconds=DEADLINE)


def workers(op: RunningProvider) -> list[int]:
    """The processes that serve."""
    assert op.process is not None
    return children(op.process.pid)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and status(int(name)) == (pid, True)]


def status(pid: int) -> tuple[int, bool]:
    """Who started a process, and whether it still runs (proc(5)): one that has ended waits to be asked how."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return 0, False
    return int(parent), state != "Z"


def gone(pid: int) -> bool:
    return not status(pid)[1]


def answers(op: RunningProvider) -> bool:
    try:
        return requests.get(op.url("/health/ready"), timeout=5).ok
    except requests.RequestException:
        return False


def events(op: RunningProvider, name: str) -> list[dict[str, Any]]:
    return [line for line in op.log_lines() if line["event"] == name]


def token(op: RunningProvider) -> requests.Response:
    return op.post("/token", {"grant_type": "client_credentials"}, auth=("service", "service-secret"))


@contextmanager
def token_request(op: RunningProvider) -> Iterator[socket.socket]:
    """One that the provider has read: what comes back is its answer."""
    body, credentials = b"grant_type=client_credentials", base64.b64encode(b"service:service-secret")
    head = [
        b"POST /token HTTP/1.1",
        b"Host: localhost",
        b"Connection: close",
        b"Authorization: Basic " + credentials,
        b"Content-Type: application/x-www-form-urlencoded",
        b"Content-Length: %d" % len(body),
    ]
    with socket.create_connection(("127.0.0.1", op.port), timeout=DEADLINE) as connection:
        connection.sendall(b"\r\n".join([*head, b"", body]))
        eventually(lambda: is_read(op.port, connection.getsockname()[1]))
        yield connection


def is_read(port: int, client: int) -> bool:
    """Whether the server has taken all that a client has sent (proc_net_tcp(5): rx_queue, in hexadecimal)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if [int(end.partition(":")[2], 16) for end in (local, remote)] == [port, client]:
            return int(queues.partition(":")[2], 16) == 0
    return False


@contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write: a request that has to waits."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.fixture
def op(tmp_path: Path) -> Iterator[RunningProvider]:
    """A provider of this test's own."""
    with RunningProvider(tmp_path / "op", environment={"CREANCE_STORE__TIMEOUT": "60"}) as provider:
        yield provider


# ----- What is said at the start -------------------------------------------------------------------------------------


@pytest.mark.default_store("names a file")
def test_the_first_log_line_says_what_runs(op: RunningProvider) -> None:
    first = json.loads(op.log_file.read_text().splitlines()[0])
    assert first["event"] == "start"
    assert first["version"] == version("creance")
    assert first["configuration"] == str(op.configuration)
    assert first["store"].startswith("SQLite")
    assert first["store"].endswith("/op/var/creance.db")
    assert first["issuer"] == op.issuer
    assert {"pkce", "id_token_claims", "iss", "sessions", "introspection"} <= set(first["plugins"])


def test_people_are_told_where_it_is_whom_to_be_and_how_to_stop_it(op: RunningProvider) -> None:
    text = eventually(lambda: (text := op.log_file.read_text()) and "Ctrl+C" in text and text)
    for words in ("alice", "wonderland", "app-secret", f"answers at {op.issuer}", "Ctrl+C stops it"):
        assert words in text


def test_the_log_has_standard_output_for_itself(tmp_path: Path) -> None:
    op = RunningProvider(tmp_path)
    with started(op) as process:
        eventually(lambda: answers(op))
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in output.splitlines()] == ["start", "request", "stop"]
    assert "alice" in errors


@contextmanager
def started(op: RunningProvider) -> Iterator[subprocess.Popen[str]]:
    """A provider with its output apart, in a process group of its own as a terminal makes one."""
    with subprocess.Popen(
        [*COMMAND, "--config", str(op.configuration), "serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("errors", ["/dev/full", "&-"])
def test_it_serves_where_nobody_can_be_told(errors: str, tmp_path: Path) -> None:
    """Standard error on a full disk, or closed."""
    op = RunningProvider(tmp_path)
    program = f'exec "$@" 2>{errors}'
    with subprocess.Popen(
        ["/bin/sh", "-c", program, "sh", *COMMAND, "--config", str(op.configuration), "serve"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            eventually(lambda: answers(op))
            time.sleep(0.2)
            assert answers(op)
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("sample", ["minimal.toml", "embedded.toml", "custom-paths.toml", "production.toml"])
def test_each_sample_starts_and_tells_where_everything_is(sample: str, tmp_path: Path) -> None:
    text = (files("creance.config") / sample).read_text("utf-8")
    if sample == "production.toml":
        assert creance("init", "production", tmp_path).returncode == 0
        assert (tmp_path / "creance.toml").read_text("utf-8") == text
    else:
        (tmp_path / "creance.toml").write_text(text, "utf-8")
    (issuer,) = re.findall(r'(?m)^issuer = "(.*)"$', text)
    port = free_port()
    with serving("--config", tmp_path / "creance.toml", "serve", "--bind", f"127.0.0.1:{port}"):
        url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
        document = eventually(lambda: get(url)).json()
    assert document["issuer"] == issuer
    if sample == "custom-paths.toml":
        assert document["token_endpoint"] == f"{issuer}/api/v1/oauth/token"
        assert document["introspection_endpoint"] == f"{issuer}/api/v1/oauth/introspect"


def get(url: str) -> requests.Response | None:
    try:
        return requests.get(url, timeout=5)
    except requests.RequestException:
        return None


@contextmanager
def serving(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()


def test_a_second_start_keeps_the_data(op: RunningProvider) -> None:
    issued = token(op).json()["access_token"]
    before = op.get("/jwks").json()
    op.stop()
    assert not list((op.folder / "var").glob("*-wal")), "an orderly end closes the store"
    op.start()
    assert op.get("/jwks").json() == before
    answer = op.post("/introspect", {"token": issued}, auth=("service", "service-secret"))
    assert answer.json()["active"] is True


# ----- What is refused, in one line ----------------------------------------------------------------------------------


@pytest.mark.default_store("the secret is not given")
def test_a_port_that_another_creance_has_is_refused(op: RunningProvider, tmp_path: Path) -> None:
    other = RunningProvider(tmp_path / "other", port=op.port)
    assert f"127.0.0.1:{op.port} is in use" in refusal(creance("--config", other.configuration, "serve"))
    assert not (tmp_path / "other" / "var").exists()
    assert answers(op)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_another_program_has_is_refused(host: str, tmp_path: Path) -> None:
    op = RunningProvider(tmp_path)
    with listening(op.port):
        line = refusal(creance("--config", op.configuration, "serve", "--bind", f"{host}:{op.port}"))
    assert "is in use" in line


def test_a_port_that_was_just_left_is_taken_at_once(op: RunningProvider) -> None:
    token(op)
    op.stop()
    op.start()
    assert answers(op)


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        ("nowhere.invalid:8400", "the host nowhere.invalid is not known"),
        ("192.0.2.1:8400", "192.0.2.1:8400 is not an address of this machine"),
    ],
)
def test_an_address_that_cannot_be_is_refused(bind: str, words: str, tmp_path: Path) -> None:
    op = RunningProvider(tmp_path)
    assert words in refusal(creance("--config", op.configuration, "serve", "--bind", bind))


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    op = RunningProvider(tmp_path)
    (tmp_path / "file").touch()
    line = refusal(creance("--config", op.configuration, "serve", CREANCE_STORE__URI="sqlite:file/creance.db"))
    assert f"{tmp_path}/file/creance.db" in line


def test_a_secret_file_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    op = RunningProvider(tmp_path)
    (tmp_path / "file").touch()
    line = refusal(creance("--config", op.configuration, "serve", CREANCE_KEYS__SECRET_FILE="file/secret"))
    assert "keys.secret_file" in line


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(creance("--config", tmp_path / "none.toml", "serve"))


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    result = creance("--config", tmp_path, "serve")
    assert result.returncode != 0
    assert "directory" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bad_setting_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    op = RunningProvider(tmp_path, extra="[plugins.pkce]\nalow_plain = true")
    line = refusal(creance("--config", op.configuration, "serve"))
    assert line == "creance: plugins.pkce.alow_plain: no such setting; did you mean 'allow_plain'?"


def test_another_secret_than_the_one_that_sealed_the_keys_is_refused(op: RunningProvider) -> None:
    op.stop()
    (op.folder / "var" / "secret").write_text("x" * 43)
    assert "does not open the keys" in refusal(creance("--config", op.configuration, "serve"))


# ----- --bind --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "reached"), [("0.0.0.0", "127.0.0.1"), ("[::1]", "[::1]"), ("localhost", "localhost")]
)
def test_bind_on_the_command_line_goes_over_the_configuration(host: str, reached: str, tmp_path: Path) -> None:
    if "::1" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    op = RunningProvider(tmp_path)
    port = free_port()
    with serving("--config", op.configuration, "serve", "--bind", f"{host}:{port}"):
        assert eventually(lambda: get(f"http://{reached}:{port}/health/live")).ok
        assert not answers(op)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


# ----- Workers that end ----------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_is_replaced_however_often(op: RunningProvider) -> None:
    for _ in range(4):
        (worker,) = eventually(lambda: workers(op))
        os.kill(worker, signal.SIGKILL)
        eventually(lambda killed=worker: killed not in workers(op) and answers(op))
    assert [line["exit_code"] for line in events(op, "worker_ended")] == [-9] * 4


def test_workers_that_are_killed_while_they_start_are_replaced(op: RunningProvider) -> None:
    for _ in range(8):
        (worker,) = eventually(lambda: workers(op))
        os.kill(worker, signal.SIGKILL)
        eventually(lambda killed=worker: gone(killed))
    eventually(lambda: answers(op))


def test_several_workers_that_are_killed_at_once_are_replaced(tmp_path: Path) -> None:
    with RunningProvider(tmp_path, environment={"CREANCE_HTTP__WORKERS": "3"}) as op:
        before = eventually(lambda: len(found := workers(op)) == 3 and found)
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(now := workers(op)) == 3 and not set(now) & set(before))
        eventually(lambda: answers(op))


@pytest.mark.default_store("damages a file")
def test_a_worker_that_cannot_start_is_tried_again_and_says_why(op: RunningProvider) -> None:
    eventually(lambda: "Ctrl+C" in op.log_file.read_text())  # the parent knows that it has served
    database = op.folder / "var" / "creance.db"
    database.rename(database.with_suffix(".away"))
    database.write_text("this is not a database, and longer than the header of one: " + "x" * 100)
    os.kill(workers(op)[0], signal.SIGKILL)
    (refused, *_) = eventually(lambda: events(op, "worker_cannot_start"))
    assert "is not a database" in refused["reason"]
    database.with_suffix(".away").rename(database)
    eventually(lambda: answers(op))
    assert "Traceback" not in op.log_file.read_text()


def test_workers_end_with_a_parent_that_is_killed(op: RunningProvider) -> None:
    assert op.process is not None
    left = workers(op)
    op.process.kill()
    op.process.wait()
    eventually(lambda: all(gone(worker) for worker in left))
    op.start()


# ----- The end -------------------------------------------------------------------------------------------------------


@pytest.mark.default_store("locks a file")
def test_sigterm_finishes_what_was_begun_and_begins_nothing_new(op: RunningProvider) -> None:
    assert op.process is not None
    with ExitStack() as stack:
        with locked(op.folder / "var" / "creance.db"):
            request = stack.enter_context(token_request(op))
            op.process.send_signal(signal.SIGTERM)
            eventually(lambda: not answers(op))
            time.sleep(0.3)
            assert op.process.poll() is None
        assert request.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert op.process.wait(DEADLINE) == 0


@pytest.mark.default_store("locks a file")
def test_what_is_not_finished_in_time_is_cut_off(tmp_path: Path) -> None:
    environment = {"CREANCE_STORE__TIMEOUT": "60", "CREANCE_HTTP__SHUTDOWN_TIMEOUT": "1"}
    with RunningProvider(tmp_path, environment=environment) as op, locked(tmp_path / "var" / "creance.db"):
        assert op.process is not None
        with token_request(op) as request:
            op.process.send_signal(signal.SIGTERM)
            assert op.process.wait(DEADLINE) == 0
            with suppress(ConnectionResetError):
                assert request.recv(65536) == b""
        assert [line["worker"] for line in events(op, "worker_cut_off")] == [1]


@pytest.mark.parametrize("wait", [0.0, 0.05, 0.15])
def test_sigterm_while_it_starts_ends_it_too(wait: float, tmp_path: Path) -> None:
    op = RunningProvider(tmp_path)
    with started(op) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE)
        assert process.returncode in (0, -signal.SIGTERM)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_from_the_terminal_ends_it_in_order(sign: signal.Signals, tmp_path: Path) -> None:
    """Ctrl+C and a closed window reach the workers too."""
    op = RunningProvider(tmp_path)
    with started(op) as process:
        eventually(lambda: answers(op))
        os.killpg(process.pid, sign)
        output, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert json.loads(output.splitlines()[-1])["event"] == "stop"
    assert "Traceback" not in errors
    assert not list((tmp_path / "var").glob("*-wal"))


# ----- The rules behind it -------------------------------------------------------------------------------------------


class Ended:
    """A worker that has ended."""

    idx = 0

    def __init__(self, exitcode: int) -> None:
        self.inner = self
        self.exitcode = exitcode


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server whose workers are only counted, and that does not wait."""
    server = Server(Settings(issuer="http://localhost:8400"), Address("127.0.0.1", 8400))
    monkeypatch.setattr(server, "_respawn_workers", lambda *_: None)
    monkeypatch.setattr(server, "_pause", lambda _: None)
    return server


def gives_up(server: Server, *exit_codes: int) -> bool:
    for exit_code in exit_codes:
        server._replace([Ended(exit_code)], None, None)  # type: ignore[list-item]
    return server._gave_up


def test_a_first_start_that_workers_refuse_ends_at_once(server: Server) -> None:
    assert gives_up(server, CANNOT_START)


def test_workers_that_refuse_to_start_end_it_after_some_attempts(server: Server) -> None:
    server._answered = True
    assert not gives_up(server, *[CANNOT_START] * (ATTEMPTS - 1))
    assert gives_up(server, CANNOT_START)


def test_a_worker_that_was_killed_counts_for_nothing(server: Server) -> None:
    server._answered = True
    assert not gives_up(server, *[-signal.SIGKILL] * 100)
    assert not gives_up(server, *[CANNOT_START] * (ATTEMPTS - 1), -signal.SIGKILL, CANNOT_START)


def test_a_pause_ends_at_a_signal_and_not_when_another_worker_ends() -> None:
    server = Server(Settings(issuer="http://localhost:8400"), Address("127.0.0.1", 8400))
    begun = time.monotonic()
    server.main_loop_interrupt.set()
    server._pause(0.3)
    assert time.monotonic() - begun >= 0.3
    threading.Timer(0.1, server.signal_handler_interrupt).start()
    server._pause(DEADLINE)
    assert time.monotonic() - begun < DEADLINE


def test_a_defect_of_the_parent_leaves_no_worker_behind(tmp_path: Path) -> None:
    op = RunningProvider(tmp_path)
    program = (
        "import creance.provider.serving as serving, sys\n"
        "def fail(server):\n"
        "    if server._address.answers():\n"
        "        print(server.wrks[0].inner.pid, flush=True)\n"
        "        raise RuntimeError('a defect')\n"
        "serving.Server._notice_first_answer = fail\n"
        "from creance.provider.commands import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "--config", str(op.configuration), "serve"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 1
    (worker,) = (int(line) for line in result.stdout.splitlines() if line.isdigit())
    assert gone(worker)


def test_giving_up_is_a_failure(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(MPServer, "shutdown", lambda _, exit_code: codes.append(exit_code))
    server.shutdown()
    gives_up(server, CANNOT_START)
    server.shutdown()
    assert codes == [0, 1]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("_serve_loop", ["self", "spawn_target", "target_loader"]),
        ("_spawn_workers", ["self", "spawn_target", "target_loader"]),
        ("_respawn_workers", ["self", "workers", "spawn_target", "target_loader", "delay"]),
        ("_stop_workers", ["self"]),
        ("shutdown", ["self", "exit_code"]),
    ],
)
def test_granian_still_has_the_methods_that_we_override(method: str, parameters: list[str]) -> None:
    assert [*inspect.signature(getattr(MPServer, method)).parameters] == parameters


def test_two_that_start_at_one_moment_do_not_share_a_port() -> None:
    """The claim holds from before the first worker listens until the last has ended."""
    with claimed(Address("127.0.0.1", 0)) as address:
        with pytest.raises(ConfigurationError, match="in use"), claimed(address):
            pass
        with socket.socket() as worker:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind((address.host, address.port))
    with claimed(address):
        pass


def test_a_port_of_the_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", refuse)
    with pytest.raises(ConfigurationError, match="ports below 1024"), claimed(Address("127.0.0.1", 80)):
        pass
