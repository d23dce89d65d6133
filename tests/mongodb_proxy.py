"""A proxy before a MongoDB server that strikes at a command: it understands as much of MongoDB's protocol as that takes
(OP_MSG, and the OP_QUERY that greets; https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/).
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import bson

Row = dict[str, Any]
Strike = Callable[["Exchange"], None]
"""What happens to a command instead of being passed on and answered."""

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
GREETINGS = frozenset({"hello", "ismaster"})
MORE_TO_COME = 2

NOT_PRIMARY = {"ok": 0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary"}


class CutError(Exception):
    """The connection ends here."""


@dataclass
class Exchange:
    """One command on its way to the server."""

    command: Row
    message: bytes
    server: socket.socket
    client: socket.socket

    @property
    def name(self) -> str:
        return next(iter(self.command)).lower()

    def ask(self) -> bytes:
        """Have the server do it."""
        self.server.sendall(self.message)
        return receive(self.server)

    def answer(self, reply: Row) -> None:
        """Answer in the server's stead."""
        (request,) = struct.unpack_from("<i", self.message, 4)
        (operation,) = struct.unpack_from("<i", self.message, 12)
        document = bson.encode(reply)
        if operation == OP_QUERY:
            body, kind = struct.pack("<iqii", 8, 0, 0, 1) + document, OP_REPLY
        else:
            body, kind = struct.pack("<ib", 0, 0) + document, OP_MSG
        self.client.sendall(struct.pack("<iiii", 16 + len(body), 1, request, kind) + body)


def cut_before(exchange: Exchange) -> None:
    """The server never hears of it."""
    raise CutError


def cut_after(exchange: Exchange) -> None:
    """The server has done it, and nobody hears of that."""
    exchange.ask()
    raise CutError


def answer_with(reply: Row) -> Strike:
    """The server says this, and does nothing."""
    return lambda exchange: exchange.answer(reply)


def delay(seconds: float) -> Strike:
    """The server takes its time."""

    def strike(exchange: Exchange) -> None:
        reply = exchange.ask()
        time.sleep(seconds)
        exchange.client.sendall(reply)

    return strike


@dataclass
class _Order:
    names: frozenset[str]
    strike: Strike
    skip: int
    times: int
    where: Callable[[Row], bool]


class MongoDBProxy:
    """Listens on a port of this machine for as long as it is not `shut`."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._orders: list[_Order] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.struck = 0
        self.connections = 0
        self.greet: Callable[[Row], Row] | None = None
        """Changes what the server says of itself."""
        self.seen: list[Row] = []
        """The commands that came, but for greetings."""
        self._listener: socket.socket | None = None
        self.port = 0
        self.listen()

    def listen(self) -> None:
        """Be reachable, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=200)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Be unreachable: connections end, and new ones are refused."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """End all connections."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self.shut()
        try:
            yield
        finally:
            self.listen()

    def on(
        self,
        *names: str,
        strike: Strike,
        skip: int = 0,
        times: int = 1,
        where: Callable[[Row], bool] = lambda command: True,
    ) -> None:
        """Strike at these commands, as pymongo names them, so many times, after so many were let through."""
        lower = frozenset(name.lower() for name in names)
        with self._lock:
            self._orders.append(_Order(lower, strike, skip, times, where))

    def calm(self) -> None:
        """Strike no more."""
        with self._lock:
            self._orders.clear()

    def names(self) -> list[str]:
        """The commands that came, but for greetings."""
        return [next(iter(command)) for command in list(self.seen)]

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        try:
            while True:
                self._pass_on(Exchange(*_read(client), server, client))
        except (CutError, OSError):
            pass
        finally:
            with self._lock:
                self._open -= {client, server}
            client.close()
            server.close()

    def _pass_on(self, exchange: Exchange) -> None:
        strike = self._strike_at(exchange)
        if exchange.name in GREETINGS:
            self._greet(exchange, strike)
        elif strike is not None:
            self.struck += 1
            self.seen.append(exchange.command)
            strike(exchange)
        else:
            self.seen.append(exchange.command)
            exchange.client.sendall(exchange.ask())

    def _greet(self, exchange: Exchange, strike: Strike | None) -> None:
        if strike is not None:
            return strike(exchange)
        reply = exchange.ask()
        if self.greet is not None:
            said = {name: value for name, value in _document(reply).items() if name != "topologyVersion"}
            return exchange.answer(self.greet(said))
        exchange.client.sendall(reply)
        while _more_to_come(reply):
            reply = receive(exchange.server)
            exchange.client.sendall(reply)
        return None

    def _strike_at(self, exchange: Exchange) -> Strike | None:
        with self._lock:
            for order in self._orders:
                if exchange.name not in order.names or order.times == 0 or not order.where(exchange.command):
                    continue
                if order.skip:
                    order.skip -= 1
                    continue
                order.times -= 1
                return order.strike
        return None


def receive(connection: socket.socket) -> bytes:
    """One message. Raises CutError where there is none any more."""
    head = _exactly(connection, 4)
    return head + _exactly(connection, struct.unpack("<i", head)[0] - 4)


def _exactly(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        piece = connection.recv(count - len(content))
        if not piece:
            raise CutError
        content += piece
    return content


def _read(client: socket.socket) -> tuple[Row, bytes]:
    message = receive(client)
    return _document(message), message


def _document(message: bytes) -> Row:
    """The first document of a message."""
    (operation,) = struct.unpack_from("<i", message, 12)
    if operation == OP_QUERY:
        start = message.index(b"\0", 20) + 9
    elif operation == OP_REPLY:
        start = 36
    else:
        assert operation == OP_MSG
        start = 21
        if message[20] != 0:  # a sequence of documents came first
            start = 20 + 1 + struct.unpack_from("<i", message, 21)[0] + 1
    (size,) = struct.unpack_from("<i", message, start)
    return bson.decode(message[start : start + size])


def _more_to_come(message: bytes) -> bool:
    operation, flags = struct.unpack_from("<ii", message, 12)
    return operation == OP_MSG and bool(flags & MORE_TO_COME)
