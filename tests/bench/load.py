"""The load: a process of its own that sends prepared requests over connections that stay open, and checks each answer.

One thread and epoll, and a request is bytes that were made before: what it spends itself is some 20 microseconds a
request, so that on two cores the server has one for itself.
"""

from __future__ import annotations

import multiprocessing
import re
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self

Address = tuple[str, int]
Captured = tuple[str, ...]

_PATIENCE = 30.0
"""Seconds without any answer, after which the run is given up."""
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_NO_BODY = (204, 304)


class WrongAnswer(Exception):
    """An answer is not what it must be: nothing that was measured counts."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes over the wire, and a text that only the right answer to it has."""

    message: bytes
    proof: bytes = b""


@dataclass(frozen=True, slots=True)
class Work:
    """What to send, and what each answer must be: `status`, and a match of each of `patterns`, with one group."""

    address: Address
    requests: Sequence[Request]
    status: int
    patterns: Sequence[bytes] = ()
    concurrency: int = 16


@dataclass(slots=True)
class Outcome:
    """What came of it, in the order of the requests."""

    seconds: float
    latencies: list[float]
    """Seconds, from the first byte sent to the last one received."""
    captured: list[Captured]
    """The group of each pattern."""


class Sending(Protocol):
    """Whatever sends requests and checks their answers."""

    @property
    def process(self) -> int:
        """The id of the process that it runs in."""

    def run(self, work: Work) -> Outcome:
        """Send all requests. Raises WrongAnswer."""


def captured(work: Work, request: Request, answer: bytes) -> Captured:
    """What is wanted of an answer. Raises WrongAnswer where it is not what it must be."""
    found = [re.search(pattern, answer) for pattern in work.patterns]
    right = answer.startswith(b"HTTP/1.1 %d " % work.status) and request.proof in answer and None not in found
    if not right:
        line = request.message.partition(b"\r\n")[0][:100]
        raise WrongAnswer(
            f"{line!r} wants status {work.status}, {request.proof!r} and {list(work.patterns)}:\n"
            + answer[:1500].decode("utf-8", "replace")
        )
    return tuple(match[1].decode() for match in found if match)


class Load:
    """The process that sends. Use it in a `with` statement."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.close()
        self._process.join()

    @property
    def process(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    def run(self, work: Work) -> Outcome:
        """Send all requests. Raises WrongAnswer."""
        self._ours.send(work)
        answer: Any = self._ours.recv()
        if isinstance(answer, Exception):
            raise answer
        outcome: Outcome = answer
        return outcome


def _serve(orders: Connection) -> None:
    while True:
        try:
            work: Work = orders.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            orders.send(_Sender(work).run())
        except (WrongAnswer, OSError) as error:
            orders.send(WrongAnswer(str(error)))


@dataclass(slots=True)
class _Line:
    """A connection, and the request that is under way on it."""

    socket: socket.socket
    index: int = -1
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    expected: int = 0
    """Bytes of the answer; 0 until its headers are there."""


class _Sender:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._latencies = [0.0] * len(work.requests)
        self._captured: list[Captured] = [()] * len(work.requests)
        self._next = 0

    def run(self) -> Outcome:
        count = min(self._work.concurrency, len(self._work.requests))
        lines = [_Line(socket.create_connection(self._work.address, _PATIENCE)) for _ in range(count)]
        try:
            begun = time.perf_counter()
            self._converse(lines)
            return Outcome(time.perf_counter() - begun, self._latencies, self._captured)
        finally:
            for line in lines:
                line.socket.close()

    def _converse(self, lines: list[_Line]) -> None:
        poll = select.epoll()
        by_descriptor = {line.socket.fileno(): line for line in lines}
        for descriptor, line in by_descriptor.items():
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(descriptor, select.EPOLLIN)
            self._ask(line)
        left = len(self._work.requests)
        with poll:
            while left:
                ready = poll.poll(_PATIENCE)
                if not ready:
                    raise WrongAnswer(f"no answer for {_PATIENCE:.0f} seconds")
                for descriptor, _ in ready:
                    line = by_descriptor[descriptor]
                    if self._receive(line):
                        self._finish(line)
                        left -= 1
                        self._ask(line)

    def _ask(self, line: _Line) -> None:
        """Send the next request, if one is left."""
        if self._next == len(self._work.requests):
            return
        line.index, self._next = self._next, self._next + 1
        line.sent_at = time.perf_counter()
        line.socket.sendall(self._work.requests[line.index].message)

    @staticmethod
    def _receive(line: _Line) -> bool:
        """Take what has come; whether that is all of the answer."""
        chunk = line.socket.recv(262_144)
        if not chunk:
            raise WrongAnswer(f"the server closed the connection after: {bytes(line.received[:200])!r}")
        line.received += chunk
        if not line.expected:
            end = line.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            length = _LENGTH.search(line.received, 0, end + 2)
            if length is None and int(line.received[9:12]) not in _NO_BODY:
                raise WrongAnswer(f"an answer without Content-Length: {bytes(line.received[:200])!r}")
            line.expected = end + 4 + (int(length[1]) if length else 0)
        return len(line.received) >= line.expected

    def _finish(self, line: _Line) -> None:
        """Check the answer, and note what is wanted of it."""
        self._latencies[line.index] = time.perf_counter() - line.sent_at
        answer = bytes(line.received)
        if len(answer) != line.expected:
            raise WrongAnswer(f"more than one answer: {answer[line.expected :][:200]!r}")
        self._captured[line.index] = captured(self._work, self._work.requests[line.index], answer)
        line.received.clear()
        line.expected = 0
