"""How requests are let in: first the body, within its time, then one of the places where requests are served.

The server hands a request over when its head is there, and who reads the body waits for as long as the client likes. So
that is done in a thread beside those that serve, and a body that is overdue is given up together with its connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from queue import Empty, SimpleQueue
from typing import Any, Final

from .connections import end_silent, limit_unread
from .errors import InvalidRequest, TemporarilyUnavailable
from .settings import HTTPSettings

WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]

BODY_REFUSAL: Final = "creance.body_refusal"
"""Where the environ has the error of a body that was not read to its end."""
_TICK: Final = 0.5
"""Seconds between two looks at the bodies that are awaited."""
_PATIENCE: Final = 0.25
"""Seconds to wait for one of the places of those that await a body."""


class BodyOverdue(InvalidRequest):
    """The body did not come in time (RFC 9110 15.5.9)."""

    status = 408


class Admission:
    """A WSGI app in front of another, made in the process that serves."""

    def __init__(self, app: WSGI, settings: HTTPSettings, port: int) -> None:
        self._app = app
        self._bodies = Bodies(settings, port)
        self._places = _places(settings.threads)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ:
            self._bodies.read(environ)
        self._places.get()
        try:
            return self._app(environ, start_response)
        finally:
            self._places.put(None)


class Bodies:
    """Reads bodies whose length is known and within the limit; others are refused by whoever wants one."""

    def __init__(self, settings: HTTPSettings, port: int) -> None:
        self._settings = settings
        self._port = port
        self._places = _places(settings.awaited_bodies or max(1, settings.threads * 3 // 4))
        self._awaited: dict[int, tuple[str, float]] = {}  # by thread: whose body, and since when
        threading.Thread(target=self._watch, name="creance-bodies", daemon=True).start()

    def read(self, environ: dict[str, Any]) -> None:
        """Put the body itself in the place of the stream, or the reason why it is not there beside it."""
        length = _announced(environ)
        if not 0 < length <= self._settings.body_limit:
            return
        body = b""
        try:
            self._places.get(timeout=_PATIENCE)
        except Empty:
            hint = "clients that do not send their bodies (http.awaited_bodies)"
            environ[BODY_REFUSAL] = TemporarilyUnavailable("too many requests at the moment", hint=hint)
        else:
            try:
                body = self._await(environ, length)
            finally:
                self._places.put(None)
        environ["wsgi.input"] = BytesIO(body)

    def _await(self, environ: dict[str, Any], length: int) -> bytes:
        thread, began = threading.get_ident(), time.monotonic()
        self._awaited[thread] = (environ["REMOTE_ADDR"], began)
        try:
            body: bytes = environ["wsgi.input"].read(length)
        finally:
            del self._awaited[thread]
        if len(body) < length and time.monotonic() - began >= self._settings.body_timeout:
            environ[BODY_REFUSAL] = BodyOverdue("the body did not come in time", hint="http.body_timeout")
        return body

    def _watch(self) -> None:
        while not limit_unread(self._port, self._settings.idle_timeout):
            time.sleep(_TICK / 10)  # the server will listen in a moment
        time.sleep(_TICK)
        limit_unread(self._port, self._settings.idle_timeout)  # on those too that came before it was said
        while True:
            self._give_up_overdue()
            time.sleep(_TICK)

    def _give_up_overdue(self) -> None:
        """A client whose body does not end after twice its time either keeps its connection from being silent, as by
        taking the answers to earlier requests byte by byte: then all of its connections are ended.
        """
        timeout, now = self._settings.body_timeout, time.monotonic()
        peers: dict[str, float] = {}
        for peer, began in list(self._awaited.values()):
            if now - began > timeout:
                peers[peer] = min(peers.get(peer, timeout), timeout if now - began < 2 * timeout else 0)
        if peers:
            end_silent(self._port, peers)


def _places(count: int) -> SimpleQueue[None]:
    """A semaphore that costs next to nothing where there is a place: take with `get`, give back with `put`."""
    places: SimpleQueue[None] = SimpleQueue()
    for _ in range(count):
        places.put(None)
    return places


def _announced(environ: dict[str, Any]) -> int:
    """The length of the body (RFC 9112 6.3); 0 for one that is none, and for chunks."""
    length = environ["CONTENT_LENGTH"]
    return int(length) if length.isdecimal() and "HTTP_TRANSFER_ENCODING" not in environ else 0
