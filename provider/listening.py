"""The port to listen on: resolved, and claimed so that two providers never share it by mistake.

Granian's workers bind with SO_REUSEPORT, so that a second server beside them would silently get half of the requests.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from .errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, in numbers."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def answers(self) -> bool:
        """Whether somebody accepts connections here."""
        with socket.socket(self.family) as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.reachable_host, self.port)) == 0

    @property
    def reachable_host(self) -> str:
        """Who listens on all addresses is reached on loopback."""
        if not ip_address(self.host).is_unspecified:
            return self.host
        return "::1" if self.family == socket.AF_INET6 else "127.0.0.1"


def resolve(bind: str) -> Address:
    """The address that `http.bind` means; of a name with several, an IPv4 one. Raises ConfigurationError."""
    host, _, port = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConfigurationError(f"http.bind: the host {host} is not known") from None
    hosts = sorted((str(entry[4][0]) for entry in found), key=lambda each: isinstance(ip_address(each), IPv6Address))
    return Address(hosts[0], int(port))


@contextmanager
def claimed(address: Address) -> Iterator[Address]:
    """Keep an address to ourselves and our workers, and answer it with its true port (0 is any that is free).

    The socket is bound without SO_REUSEPORT, which fails where anybody else is, then made to share with those who come
    from now on with SO_REUSEPORT and our user id; it never listens itself. Raises ConfigurationError.
    """
    with socket.socket(address.family) as claim:
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not in the way: connections that just ended
        try:
            claim.bind((address.host, address.port))
        except OSError as error:
            raise ConfigurationError(f"http.bind: {_explain(address, error)}") from None
        bound = Address(address.host, claim.getsockname()[1])
        if sys.platform == "linux":
            claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        else:
            claim.close()  # elsewhere the workers share one socket, which is made next
        yield bound


def _explain(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use by another program; stop that, or choose another address (creance serve --bind)"
    if error.errno == errno.EACCES:
        return f"{address} may not be used by this user: ports below 1024 are kept for the system; choose a higher one"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address} is not an address of this machine"
    return f"cannot listen on {address}: {os.strerror(error.errno or 0)}"
