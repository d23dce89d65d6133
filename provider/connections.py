"""The connections of this process, as the system sees them: the server that holds them gives no handle on any.

Only Linux tells enough of them: elsewhere none is ended here.
"""

from __future__ import annotations

import os
import resource
import socket
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress

_LAST_DATA_SENT = slice(44, 48)
"""Where in the kernel's `struct tcp_info` (linux/tcp.h) is how long ago data was sent, in milliseconds."""


def allow_connections(count: int, other_files: int) -> int:
    """Have the system allow so many, and answer how many it allows: each is an open file (RLIMIT_NOFILE). Children
    inherit the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + other_files
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(1, min(count, wanted - other_files))


def limit_unread(port: int, seconds: int) -> bool:
    """Have the system end each connection to `port` whose other side takes nothing of what is sent to it for so long
    (TCP_USER_TIMEOUT; RFC 9293 3.9.1.8): those that come, and those that are served. False where nobody listens there
    yet. Who has come and waits to be accepted is missed: so say it again a moment later.
    """
    listens = sys.platform != "linux"
    for each in _sockets(port):
        with suppress(OSError):  # it was just closed
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)
            listens |= bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return listens


def end_silent(port: int, peers: Mapping[str, float]) -> None:
    """Hear no more on connections to `port` from these addresses on which nothing was sent for so many seconds.

    Whoever waits to read from one is told that it has ended, and can still answer. Others of the same peer may be hit
    that are idle, which a client must be ready for at any time (RFC 9112 9.5).
    """
    for connection in _sockets(port):
        with suppress(OSError):  # it was just closed, or it is who listens
            peer = str(connection.getpeername()[0]).partition("%")[0]
            if peer in peers and _silence(connection) >= peers[peer]:
                connection.shutdown(socket.SHUT_RD)


def _silence(connection: socket.socket) -> float:
    """Seconds since something was last sent on it, or since it began."""
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_SENT.stop)
    return int.from_bytes(information[_LAST_DATA_SENT], sys.byteorder) / 1000


def _sockets(port: int) -> Iterator[socket.socket]:
    """Our sockets at this port, each by a second handle, which stays that of the same socket if the first is closed."""
    if sys.platform != "linux":
        return
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # it was closed meanwhile
            if not stat.S_ISSOCK(os.fstat(int(number)).st_mode):
                continue
            handle = os.dup(int(number))
            if not stat.S_ISSOCK(os.fstat(handle).st_mode):
                continue  # a file took the number just now. To close it would drop SQLite's locks on it (fcntl(2))
            with socket.socket(fileno=handle) as each:
                if each.family in (socket.AF_INET, socket.AF_INET6) and each.getsockname()[1] == port:
                    yield each
