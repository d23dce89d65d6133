"""Clients that are slow, or never say or hear anything: they end in time, and others are served meanwhile.

The times of the provider here are seconds, so that a test need not wait for minutes.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import requests

from ..polling import eventually

HEAD = (
    b"POST /introspect HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Authorization: Basic c2VydmljZTpzZXJ2aWNlLXNlY3JldA==\r\n"
)

BODY = b"token=x&token_type_hint=access_token"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
UNENDED = HEAD + LENGTH + b"\r\n" + BODY[:5]
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
INACTIVE = b'{"active": false}'
PATIENCE = 90.0
"""Seconds after which something that must come to pass has not."""
ENDED = {b"HTTP/1.1 408", b"HTTP/1.1 400"}
"""Of several bodies that are overdue: a connection is as old as its silence, and its request may be a little younger.
What is ended with the others then is shorter than was announced."""


@pytest.fixture(scope="module")
def run_slow(run_provider: Callable[..., Any], make_hostile: Any) -> Callable[..., Any]:
    """Starts a provider of short patience: `run_slow(connections=16)`."""

    def run(**settings: int) -> Any:
        settings = {"body_timeout": 2, "idle_timeout": 3, **settings}
        environment = {f"CREANCE_HTTP__{name.upper()}": str(value) for name, value in settings.items()}
        hostile = make_hostile(run_provider(environment=environment))
        hostile.http.headers["Connection"] = "close"  # one that is kept is ended here at any moment
        return hostile

    return run


@pytest.fixture(scope="module")
def slow_client(run_slow: Callable[..., Any]) -> Any:
    return run_slow()


@pytest.fixture
def slow(slow_client: Any, unharmed: Callable[[Any], Any]) -> Iterator[Any]:
    yield from unharmed(slow_client)


@contextmanager
def left_open(hostile: Any, count: int, data: bytes, buffer: int = 0) -> Iterator[list[socket.socket]]:
    """So many connections on which no more is sent than this. `buffer` is the size of what they take unread."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            if buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            connection.settimeout(PATIENCE)
            connection.connect(("127.0.0.1", hostile.op.port))
            with suppress(BlockingIOError):  # the server takes no more of it
                connection.setblocking(False)
                connection.send(data)
            connection.settimeout(PATIENCE)
            connections.append(connection)
        yield connections


def all_said(connection: socket.socket) -> bytes:
    """All that the server says until it ends the connection, which it must."""
    said = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            said += part
    return said


until = partial(eventually, seconds=PATIENCE)


def is_served(hostile: Any) -> bool:
    try:
        return bool(hostile.get("/health/live").ok)
    except requests.RequestException:
        return False


def serves(hostile: Any) -> None:
    """Requests of others are answered, those with a body too."""
    hostile.answers()
    assert hostile.get("/health/ready").status_code == 200
    assert hostile.verdict(hostile.authorize(hostile.request)) == (303, None, "/auth/login")


# ----- Bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/introspect", b"/authorize", b"/auth/login", b"/userinfo"])
@pytest.mark.parametrize("sent", [0, 1, len(BODY) - 1])
def test_a_body_that_never_ends_is_overdue(slow: Any, path: bytes, sent: int) -> None:
    """RFC 9110 15.5.9: the client is told so, the connection is ended, and the log has a line about it."""
    before = len(slow.logged_requests())
    request = HEAD.replace(b"/introspect", path) + LENGTH + b"\r\n" + BODY[:sent]
    with left_open(slow, 1, request) as (connection,):
        said = all_said(connection)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not come in time" in said
    (line,) = slow.logged_requests()[before:]
    assert (line["path"], line["status"]) == (path.decode(), 408)
    assert (line["error"], line["hint"]) == ("invalid_request", "http.body_timeout")


def test_a_body_that_comes_byte_by_byte_is_overdue_as_a_whole(slow: Any) -> None:
    """DESIGN, The host; RFC 9110 15.5.9: the time is that of the body, and does not begin again with each byte."""
    with left_open(slow, 1, HEAD + b"Content-Length: 60000\r\n\r\n") as (connection,):
        connection.settimeout(0.1)
        deadline, said = time.monotonic() + PATIENCE, b""
        while not said:
            assert time.monotonic() < deadline
            with suppress(BrokenPipeError):
                connection.sendall(b"x")
            with suppress(TimeoutError):
                said = connection.recv(1000)
    assert said.startswith(b"HTTP/1.1 408 ")


def test_nor_does_it_help_to_ask_for_something_before(slow: Any) -> None:
    """RFC 9112 9.3.2: an answer that was just sent does not make a connection one that is not waited for."""
    with left_open(slow, 1, LIVE + UNENDED) as (connection,):
        said = all_said(connection)
    assert said.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 408 " in said


def test_nor_to_take_the_answers_before_it_byte_by_byte(slow: Any) -> None:
    """As above, where what was asked before takes long to send: after twice the time the connection is ended too."""
    with left_open(slow, 8, LARGE * 30 + UNENDED, buffer=2048) as connections:
        deadline = time.monotonic() + PATIENCE
        left = list(connections)
        while left:
            assert time.monotonic() < deadline
            for connection in list(left):
                connection.settimeout(0.01)
                with suppress(TimeoutError):
                    try:
                        ended = not connection.recv(200)
                    except ConnectionResetError:
                        ended = True
                    if ended:
                        left.remove(connection)
    serves(slow)


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_slow_body_that_ends_in_time_is_served(slow: Any, pause: float) -> None:
    """RFC 9112 6.3: waiting for it takes nothing from the time that the request itself has."""
    with left_open(slow, 1, HEAD + LENGTH + b"Connection: close\r\n\r\n") as (connection,):
        for start in range(0, len(BODY), 6):
            time.sleep(pause)
            connection.sendall(BODY[start : start + 6])
        assert all_said(connection).endswith(INACTIVE)


def test_hundreds_of_bodies_that_never_come_are_nobodys_concern(slow: Any) -> None:
    """RFC 9110 15.5.9: others are served meanwhile; each of these is told; and what they took is given back."""
    before = slow.figures()
    with left_open(slow, 300, UNENDED) as connections:
        until(lambda: slow.figures().threads > 300)
        for _ in range(5):
            serves(slow)
        said = {all_said(connection)[:12] for connection in connections}
    assert b"HTTP/1.1 408" in said
    assert said <= ENDED
    until(lambda: slow.figures().files <= before.files + 20)
    assert slow.figures().memory < before.memory + 60


def test_more_of_them_than_are_waited_for_are_told_to_try_again(run_slow: Callable[..., Any]) -> None:
    """RFC 9110 15.6.4: where all places of those that wait are taken; what has no body is served."""
    hostile = run_slow(awaited_bodies=20, body_timeout=10)
    with left_open(hostile, 24, UNENDED) as connections:
        until(lambda: sum(line.get("status") == 503 for line in hostile.op.log_lines()) == 4)
        refused = hostile.token({"grant_type": "client_credentials"}, "service:service-secret")
        assert hostile.verdict(refused) == (503, "temporarily_unavailable", "json")
        assert refused.headers["Retry-After"] == "2"
        assert hostile.get("/health/ready").status_code == 200
        said = [all_said(connection)[:12] for connection in connections]
    assert said.count(b"HTTP/1.1 503") == 4
    assert set(said) <= {b"HTTP/1.1 503", *ENDED}
    hostile.works()


def test_without_threads_of_their_own_they_leave_a_quarter_of_the_others(run_slow: Callable[..., Any]) -> None:
    """http.awaited_bodies = 0: what has no body is served all the same."""
    hostile = run_slow(awaited_bodies=0, body_timeout=10, threads=8)
    with left_open(hostile, 20, UNENDED) as connections:
        until(lambda: sum(line.get("status") == 503 for line in hostile.op.log_lines()) == 14)
        assert hostile.get("/health/ready").status_code == 200
        assert hostile.verdict(hostile.authorize(hostile.request)) == (303, None, "/auth/login")
        said = [all_said(connection)[:12] for connection in connections]
    assert said.count(b"HTTP/1.1 503") == 14
    assert set(said) <= {b"HTTP/1.1 503", *ENDED}
    hostile.works()


# ----- Heads, and connections without any ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unfinished",
    [b"", b"P", HEAD, HEAD + LENGTH, LIVE],
    ids=["nothing", "one byte", "headers", "more headers", "idle after an answer"],
)
def test_connections_that_say_nothing_take_no_place_and_end(slow: Any, unfinished: bytes) -> None:
    """RFC 9112 9.5. More of them than requests that are served at the same time (http.threads, 16)."""
    with left_open(slow, 300, unfinished) as connections:
        serves(slow)
        expected = [b"HTTP/1.1 200"] if unfinished == LIVE else [b"", b"HTTP/1.1 408"]
        assert all(all_said(connection)[:12] in expected for connection in connections)
    serves(slow)


def test_a_head_that_comes_byte_by_byte_ends_too(slow: Any) -> None:
    """RFC 9112 9.5: the time is that of the whole head."""
    with left_open(slow, 20, b"GET / HTTP/1.1\r\nX: ") as connections:
        left, deadline = list(connections), time.monotonic() + PATIENCE
        while left:
            assert time.monotonic() < deadline
            time.sleep(0.1)
            for connection in list(left):
                try:
                    connection.sendall(b"x")
                except OSError:
                    left.remove(connection)
            slow.answers()


def test_heads_without_end_are_cut_off(slow: Any) -> None:
    """RFC 9110 15.5, RFC 6585 5: from many at once; the memory that they take is bounded."""
    before = slow.figures()
    with left_open(slow, 50, b"GET / HTTP/1.1\r\n" + b"X-Flood: 0123456789abcdef\r\n" * 90) as connections:
        for connection in connections:
            with suppress(OSError):
                connection.settimeout(PATIENCE)
                connection.sendall(b"X-Flood: 0123456789abcdef\r\n" * 40_000)
        serves(slow)
        assert all(all_said(connection)[:12] in (b"", b"HTTP/1.1 431") for connection in connections)
    assert slow.figures().memory < before.memory + 80


def test_more_connections_than_are_kept_wait_until_others_end(run_slow: Callable[..., Any]) -> None:
    """http.connections: nobody can keep others out for longer than http.idle_timeout."""
    hostile = run_slow(connections=32)
    with left_open(hostile, 48, b""):
        serves(hostile)
        assert hostile.figures().files < 48 + 60
    hostile.works()


def test_a_thousand_idle_connections_are_kept(slow: Any) -> None:
    """RFC 9112 9.3: and cost little."""
    before = slow.figures()
    with left_open(slow, 900, LIVE):
        serves(slow)
        assert slow.figures().memory < before.memory + 60
    until(lambda: slow.figures().files <= before.files + 20)


# ----- Answers that nobody reads, and requests that do not wait for theirs -------------------------------------------


def test_answers_that_nobody_reads_end_their_connections(run_slow: Callable[..., Any]) -> None:
    """RFC 9293 3.9.1.8: as many connections as are kept; others are served once these are given up."""
    hostile = run_slow(connections=16)
    with left_open(hostile, 16, LARGE * 3000, buffer=2048):
        until(lambda: is_served(hostile))  # the system gives them up when it next tries to send
        serves(hostile)
        until(lambda: hostile.figures().files < 60)
    hostile.works()


def test_requests_that_do_not_wait_for_their_answers_get_them_in_order(slow: Any) -> None:
    """RFC 9112 9.3.2."""
    pairs = (LIVE + HEAD + LENGTH + b"\r\n" + BODY) * 300
    last = LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with left_open(slow, 1, b"") as (connection,):
        connection.sendall(pairs + last)
        said = all_said(connection)
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert [json.loads(body) for body in bodies] == [{"status": "alive"}, {"active": False}] * 300 + [
        {"status": "alive"}
    ]


def test_clients_that_go_away_in_the_middle_leave_nothing_behind(slow: Any) -> None:
    """RFC 9112 9.6: before, within and after the body; with the answer unread."""
    before = slow.figures()
    for data in (HEAD, UNENDED, UNENDED + BODY[5:], HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nto"):
        with left_open(slow, 60, data) as connections:
            for connection in connections:
                reset = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    until(lambda: slow.figures().files <= before.files + 20)
    slow.answers()
