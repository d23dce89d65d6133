"""Fetching what a stranger names: https only, from no address of an inner network, and little of it in a short time.

The name is resolved once, and the connection goes to an address that was looked at: a name that leads elsewhere a
moment later (DNS rebinding) leads nowhere. No redirect is followed, no proxy is used, and what went wrong is for the
log: an answer that told it would be a map of the network.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final
from urllib.parse import urlsplit

from creance.provider import InvalidClientMetadata, TemporarilyUnavailable
from creance.provider.asking_others import waiting
from creance.provider.networks import Address, read_address
from creance.provider.strict_json import parse_json

SECONDS: Final = 5.0
"""For all of it, from the look-up of the name to the last byte."""
LARGEST: Final = 65536
"""Bytes."""
PLACES: Final = 2
"""Fetches of one worker at the same time: they take threads that serve others."""

_UNICAST: Final = IPv6Network("2000::/3")
_NOT_ONES_OWN: Final = (IPv6Network("2002::/16"), IPv6Network("3fff::/20"), IPv4Network("192.0.0.0/24"))
"""Of 6to4, of documentation, and of protocols: not all versions of Python know that they are special."""


class FetchFailed(Exception):
    """Nothing was fetched. The message is for the log."""


class SafeFetcher:
    """Fetches JSON."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback
        self._places = threading.BoundedSemaphore(PLACES)
        self._look_ups = threading.BoundedSemaphore(PLACES)
        """One whose name server does not answer keeps its place, as nothing ends it."""

    def json(self, url: str) -> Any:
        """What an https URL answers. Raises FetchFailed, and TemporarilyUnavailable where others are fetching."""
        _take(self._places)
        try:
            with waiting():
                body = self._fetch(url)
        finally:
            self._places.release()
        try:
            return parse_json(body)
        except ValueError as error:
            raise FetchFailed(f"the answer is {error}") from None

    def field(self, name: str, uri: str) -> Any:
        """What the URI answers that a client registers in a field. Raises InvalidClientMetadata,
        TemporarilyUnavailable.
        """
        try:
            return self.json(uri)
        except FetchFailed as error:
            raise InvalidClientMetadata(f"{name} cannot be fetched", hint=f"{name}: {error}") from error

    def _fetch(self, url: str) -> bytes:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise FetchFailed("not an https URL")
        port = parts.port or 443
        ends = time.monotonic() + SECONDS
        addresses = self._resolve(parts.hostname, port, ends)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with _Connection(parts.hostname, port, addresses, ends) as connection:
            try:
                connection.request("GET", target, headers={"Accept": "application/json", "User-Agent": "Creance"})
                body = _body_of(connection.getresponse())
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise FetchFailed(type(error).__name__) from error
            if connection.was_cut_off:
                raise FetchFailed("it took too long")
            return body

    def _resolve(self, host: str, port: int, ends: float) -> list[str]:
        """The addresses of a name, if all of them may be connected to."""
        _take(self._look_ups)
        answer: Future[list[Any]] = Future()
        threading.Thread(target=self._look_up, args=(host, port, answer), name="look-up", daemon=True).start()
        try:
            found = answer.result(max(0.0, ends - time.monotonic()))
        except (OSError, UnicodeError) as error:  # a TimeoutError is one
            raise FetchFailed("the name cannot be resolved") from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if not addresses or not all(self._is_allowed(address) for address in addresses):
            raise FetchFailed("the name leads to an address that is not public")
        return addresses

    def _look_up(self, host: str, port: int, answer: Future[list[Any]]) -> None:
        """In a thread of its own: name servers are a stranger's too, and the system's look-up has no time limit."""
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answer.set_exception(error)
        finally:
            self._look_ups.release()

    def _is_allowed(self, text: str) -> bool:
        address = read_address(text)
        if address is None:
            return False
        return is_public(address) or (self._allow_loopback and address.is_loopback)


def _take(places: threading.BoundedSemaphore) -> None:
    if not places.acquire(blocking=False):
        raise TemporarilyUnavailable("too many requests at the moment", hint="fetches for registrations")


def is_public(address: Address) -> bool:
    """Whether it is one of the public network (RFC 6890), and not a way to another address, as those of 6to4 are."""
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    if any(address in network for network in _NOT_ONES_OWN):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class _Connection(http.client.HTTPSConnection):
    """To addresses that were looked at; the certificate is that of the name. In a `with` statement it ends in time,
    also where somebody answers byte by byte.
    """

    def __init__(self, host: str, port: int, addresses: list[str], ends: float) -> None:
        """`ends` by the monotonic clock."""
        self._tls = ssl.create_default_context()
        super().__init__(host, port, context=self._tls)
        self._addresses = addresses
        self._ends = ends
        self._cut = threading.Timer(max(0.0, ends - time.monotonic()), self._cut_off)
        self._cut.daemon = True
        self._connected: socket.socket | None = None
        """Stays, where `sock` goes to the response."""
        self.was_cut_off = False

    def connect(self) -> None:
        connected = self._connect_to_any()
        self.sock = self._tls.wrap_socket(connected, server_hostname=self.host, do_handshake_on_connect=False)
        self._connected = self.sock
        if time.monotonic() >= self._ends:  # then it may be too late to be cut off
            raise TimeoutError
        self.sock.do_handshake()

    def __enter__(self) -> _Connection:
        self._cut.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._cut.cancel()
        self.close()

    def _connect_to_any(self) -> socket.socket:
        failure: OSError = TimeoutError()
        for address in self._addresses:
            try:
                return socket.create_connection((address, self.port), max(0.01, self._ends - time.monotonic()))
            except OSError as error:
                failure = error
        raise failure

    def _cut_off(self) -> None:
        """Whoever waits for it, in the handshake too, hears at once that it has ended."""
        self.was_cut_off = True
        if self._connected is not None:
            with suppress(OSError):  # it may have just ended
                socket.socket.shutdown(self._connected, socket.SHUT_RDWR)


def _body_of(response: http.client.HTTPResponse) -> bytes:
    if response.status != 200:
        raise FetchFailed(f"status {response.status}")
    place = bytearray(LARGEST + 1)
    size = response.readinto(place)  # and not `read`, which takes all that comes after a chunk of -1 bytes
    if size > LARGEST:
        raise FetchFailed(f"more than {LARGEST} bytes")
    if response.length:
        raise FetchFailed("the answer broke off")
    return bytes(place[:size])
