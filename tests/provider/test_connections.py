"""The connections of a process, as the system sees them: real sockets of this process."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from creance.provider.connections import allow_connections, end_silent, limit_unread

from ..polling import once

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no connection is ended")

Pair = tuple[socket.socket, socket.socket]
Connect = Callable[[], Pair]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def connect(listener: socket.socket) -> Iterator[Connect]:
    """Connects, and answers both ends: `client, ours = connect()`."""
    with ExitStack() as stack:

        def connect() -> Pair:
            client = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=10))
            ours = stack.enter_context(listener.accept()[0])
            ours.settimeout(10)
            return client, ours

        yield connect


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def ended(ours: socket.socket) -> bool:
    """Whether nothing more can be read, without waiting for it."""
    ours.setblocking(False)
    try:
        return ours.recv(1) == b""
    except BlockingIOError:
        return False


def test_a_silent_connection_is_heard_no_more_and_can_still_be_answered(
    listener: socket.socket, connect: Connect
) -> None:
    """RFC 9110 15.5.9: so that a client whose body is overdue is told."""
    client, ours = connect()
    end_silent(port_of(listener), {"127.0.0.1": 0})
    assert ended(ours)
    ours.send(b"408")
    assert client.recv(10) == b"408"


def test_others_are_left_alone(listener: socket.socket, connect: Connect) -> None:
    """Those of another address, those that something was sent on lately, and those at another port."""
    _, ours = connect()
    end_silent(port_of(listener), {"127.0.0.2": 0})
    end_silent(port_of(listener), {"127.0.0.1": 60})
    end_silent(port_of(listener) ^ 1, {"127.0.0.1": 0})
    end_silent(port_of(listener), {})
    assert not ended(ours)


def test_silence_ends_with_what_is_sent(listener: socket.socket, connect: Connect) -> None:
    """Not with what is received: a body that comes byte by byte is silent."""

    def talking_is_left_alone() -> bool:
        """It is not, where the machine stops for so long that it is silent too."""
        talking, silent = connect(), connect()
        time.sleep(0.6)
        talking[1].send(b"x")
        silent[0].send(b"x")
        end_silent(port_of(listener), {"127.0.0.1": 0.5})
        assert silent[1].recv(1) == b"x"
        assert ended(silent[1])
        return not ended(talking[1])

    assert once(talking_is_left_alone)


def test_what_is_unread_for_too_long_ends_a_connection(listener: socket.socket, connect: Connect) -> None:
    """RFC 9293 3.9.1.8: those that come after it was said, and those that were there."""
    _, before = connect()
    assert limit_unread(port_of(listener), 7)
    _, after = connect()
    assert [ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for ours in (before, after)] == [7000] * 2


def test_nobody_listens_there_yet() -> None:
    """Asked again a moment later."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert not limit_unread(port_of(bound), 7)


PROGRAM = """
import resource, sys
from creance.provider.connections import allow_connections
soft, hard, count, others = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(allow_connections(count, others), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("limits", "wanted", "expected"),
    [
        ((256, 2000), (1000, 200), (1000, 1200)),
        ((256, 1000), (1000, 200), (800, 1000)),
        ((1500, 2000), (1000, 200), (1000, 1500)),
        ((256, 256), (1000, 300), (1, 256)),
    ],
)
def test_as_many_files_are_allowed_as_the_system_lets_us(
    limits: tuple[int, int], wanted: tuple[int, int], expected: tuple[int, int]
) -> None:
    """RLIMIT_NOFILE: connections that no file is left for would be refused in a loop that never rests."""
    arguments = [str(number) for number in (*limits, *wanted)]
    said = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    assert tuple(int(word) for word in said.stdout.split()) == expected


def test_enough_is_left_as_it_is() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert allow_connections(16, 16) == 16
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
