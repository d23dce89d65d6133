"""Reading a request's body, when it may be too large, cut off, or never come."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import Protocol

from ..errors import InvalidRequest, RequestTooLarge
from ..settings import HTTPSettings

PATIENCE = 0.5
"""Seconds that a body may take when many are waited for."""


class BodyTooSlow(InvalidRequest):
    """The body does not come (RFC 9110 15.5.9)."""

    status = 408


class Stream(Protocol):
    """What a WSGI server gives to read a body from (PEP 3333)."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, or fewer at the end of the body."""


class BodyReader:
    """Reads bodies up to the operator's limit.

    A read waits for as long as the client keeps the connection open: the server has no timeout for it. So only half of
    the threads wait like that. As long as these do, the others leave the reading to a thread that they can give up on,
    and which ends with the connection. Clients that send nothing do not keep those away that do.
    """

    def __init__(self, settings: HTTPSettings) -> None:
        self._limit = settings.body_limit
        self._places = BoundedSemaphore(max(1, settings.threads // 2))

    def read(self, stream: Stream, length: int | None) -> bytes:
        """The body, of which `length` bytes were announced; None of a chunked one.

        Raises RequestTooLarge, BodyTooSlow, and InvalidRequest where the connection ended before the body did.
        """
        if (length or 0) > self._limit:
            raise RequestTooLarge(f"the body is larger than {self._limit} bytes")
        # No more than was announced: some servers wait for it.
        body = self._read(stream, self._limit + 1 if length is None else length)
        if len(body) > self._limit:
            raise RequestTooLarge(f"the body is larger than {self._limit} bytes")
        if length is not None and len(body) < length:
            raise InvalidRequest("the body is shorter than was announced")
        return body

    def _read(self, stream: Stream, size: int) -> bytes:
        if self._places.acquire(blocking=False):
            try:
                return stream.read(size)
            finally:
                self._places.release()
        done: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=lambda: done.put(stream.read(size)), name="creance-body", daemon=True).start()
        try:
            return done.get(timeout=PATIENCE)
        except Empty:
            raise BodyTooSlow("the body did not come in time") from None
