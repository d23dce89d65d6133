"""What is not quite HTTP (RFC 9112 6, 11): framing that two servers could read in two ways, bodies that are cut off."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

CREDENTIALS = b"Authorization: Basic c2VydmljZTpzZXJ2aWNlLXNlY3JldA==\r\n"
HEAD = (
    b"POST /introspect HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n" + CREDENTIALS
)
CLOSE = b"Connection: close\r\n"
BODY = b"token=x&token_type_hint=access_token"
CHUNKS = b"5\r\ntoken\r\n1f\r\n=x&token_type_hint=access_token\r\n0\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
INACTIVE = b'{"active": false}'


def statuses(said: bytes) -> list[int]:
    """The status of each response in what a server said."""
    parts = said.split(b"HTTP/1.1 ")[1:]
    return [int(part[:3]) for part in parts]


def test_the_rows_below_are_right_but_for_one_thing(hostile: Any) -> None:
    said = hostile.raw(HEAD + CLOSE + LENGTH + b"\r\n" + BODY)
    assert statuses(said) == [200]
    assert said.endswith(INACTIVE)


# ----- Chunked bodies ------------------------------------------------------------------------------------------------

WHOLE = [
    b"24\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"24;name=value\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"24\r\n" + BODY + b"\r\n0\r\nX-Trailer: x\r\n\r\n",
    b"000024\r\n" + BODY + b"\r\n000\r\n\r\n",
    b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    (b"9c40\r\n" + b"x" * 40000 + b"\r\n") * 3 + b"0\r\n\r\n",
]
BROKEN = [
    b"zz\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"-24\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"0x24\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"24\n" + BODY + b"\n0\n\n",
    b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"24 x\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"24\r\n\r\n0\r\n\r\n",
    b"24" * 20000,
    b"24;" + b"x" * 40000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"",
    b"24\r\n" + BODY + b"\r\n",
    b"24\r\n" + BODY + b"\r\nzz\r\n",
    b"24\r\n" + BODY + b"\r\n5\r\nab",
]


@pytest.mark.parametrize("chunks", WHOLE)
def test_a_chunked_body_is_refused(hostile: Any, chunks: bytes) -> None:
    """RFC 9112 6.3, RFC 9110 15.5.12: the server does not tell one that broke off; nothing of it is read."""
    said = hostile.raw(HEAD + CLOSE + CHUNKED + b"\r\n" + chunks)
    assert statuses(said) == [411]
    assert b"the body must have a Content-Length" in said


@pytest.mark.parametrize("chunks", BROKEN)
def test_a_chunked_body_that_is_malformed_or_breaks_off(hostile: Any, chunks: bytes) -> None:
    """RFC 9112 7.1, 8. Nothing of it was a token, and nothing after it is another request."""
    said = hostile.raw(HEAD + CHUNKED + b"\r\n" + chunks, then=b"GET /health/live HTTP/1.1\r\n\r\n", shut=True)
    assert statuses(said) in ([411], [400], [])
    assert INACTIVE not in said
    assert b"alive" not in said


@pytest.mark.parametrize("chunks", WHOLE)
def test_what_follows_a_chunked_body_is_another_request_or_not_heard(hostile: Any, chunks: bytes) -> None:
    """RFC 9112 9.3.2: and never a part of the body."""
    said = hostile.raw(HEAD + CHUNKED + b"\r\n" + chunks + SMUGGLED)
    assert statuses(said) in ([411, 200], [411])


# ----- Two ways to read one request ----------------------------------------------------------------------------------

SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        LENGTH + b"Content-Length: 3\r\n",
        b"Content-Length: 3\r\n" + LENGTH,
        b"Content-Length: %d, 3\r\n" % len(BODY),
        b"Content-Length: %d, %d\r\n" % (len(BODY), len(BODY)),
        *(
            b"Content-Length: " + value + b"\r\n"
            for value in (
                *(
                    b"-1",
                    b"+36",
                    b"0x24",
                    b"3e1",
                    b"36.0",
                    b"3 6",
                    b"",
                    b" ",
                    b"x",
                    b"\xd9\xa3\xd9\xa6",
                    b"3_6",
                    b"36;",
                ),
                *(b"99999999999999999999999999", b"-99999999999999999999999", b"NaN", b"\x0036"),
            )
        ),
        *(
            b"Transfer-Encoding: " + value + b"\r\n"
            for value in (
                b"identity",
                b"gzip",
                b"chunked, gzip",
                b"xchunked",
                b"chunked\x0b",
                b"\x0bchunked",
                b"",
                b"chunked;x",
            )
        ),
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding\t: chunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"X: y\r\n\tTransfer-Encoding: chunked\r\n",
        b"Content-Length : 36\r\n",
        LENGTH + b"Transfer-Encoding: identity\r\n",
        LENGTH + b"Transfer-Encoding: xchunked\r\n",
    ],
)
def test_a_length_that_is_none_is_refused_and_the_connection_closed(hostile: Any, headers: bytes) -> None:
    """RFC 9112 6.3: what follows could be a body or a request; it is looked at as neither."""
    for body in (BODY, CHUNKS):
        said = hostile.raw(HEAD + headers + b"\r\n" + body + SMUGGLED)
        assert statuses(said) == [400]
        assert b"alive" not in said
        assert INACTIVE not in said


@pytest.mark.parametrize("length", [0, 5, len(BODY), len(CHUNKS), 1000])
@pytest.mark.parametrize("chunked_first", [True, False])
def test_chunked_and_a_length_ends_the_connection(hostile: Any, length: int, chunked_first: bool) -> None:
    """RFC 9112 6.1, 6.3 (3): the length is not believed, and nothing that follows is a request."""
    both = [CHUNKED, b"Content-Length: %d\r\n" % length]
    said = hostile.raw(HEAD + b"".join(both if chunked_first else both[::-1]) + b"\r\n" + CHUNKS + SMUGGLED)
    assert statuses(said) in ([411], [400])
    assert b"alive" not in said


def test_the_same_length_twice_is_one_length(hostile: Any) -> None:
    """RFC 9110 8.6: may be taken as one."""
    said = hostile.raw(HEAD + LENGTH + LENGTH + b"\r\n" + BODY + SMUGGLED)
    assert statuses(said) in ([200, 200], [400])


def test_requests_on_one_connection_are_kept_apart(hostile: Any) -> None:
    """RFC 9112 9.3.2: also where a GET has a body, and where a body was too large to be read."""
    with_body = b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET "
    assert statuses(hostile.raw(with_body + with_body + SMUGGLED)) == [200, 200, 200]
    too_large = HEAD + b"Content-Length: 100000\r\n\r\n" + SMUGGLED * 1300
    said = hostile.raw(too_large)
    assert statuses(said)[:1] == [413]
    assert b"alive" not in said


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 1000 + b"\r\n\r\n",
        b"\xff" * 1000 + b"\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1 x\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"x" * 1_000_000,
        b"",
    ],
)
def test_what_is_not_http(hostile: Any, garbage: bytes) -> None:
    """RFC 9112 2.2, 3."""
    said = hostile.raw(garbage, shut=True)
    assert statuses(said) in ([400], [431], [414], [])


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c", b"TLS/1.0", b"x"])
def test_the_protocol_is_not_changed(hostile: Any, upgrade: bytes) -> None:
    """RFC 9110 7.8: an offer may be ignored."""
    said = hostile.raw(
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: "
        + upgrade
        + b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAoAAA\r\n\r\n"
    )
    assert statuses(said) == [200]


# ----- Bodies that are cut off, or slow ------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [len(BODY) + 1, 1000, 65536])
def test_a_body_that_is_cut_off_is_not_taken_for_a_shorter_one(hostile: Any, length: int) -> None:
    """RFC 9112 8: incomplete. The other side has closed its half: it still hears what was wrong."""
    said = hostile.raw(HEAD + b"Content-Length: %d\r\n\r\n" % length + BODY, shut=True)
    assert statuses(said) == [400]
    assert b"the body is shorter than was announced" in said


@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_a_slow_body_is_waited_for(hostile: Any, pause: float) -> None:
    """Issue 3, bad input. 100-continue is answered (RFC 9110 10.1.1), an unknown expectation ignored."""
    for expect in (b"", b"Expect: 100-continue\r\n", b"Expect: x\r\n"):
        with socket.create_connection(("127.0.0.1", hostile.op.port), timeout=10) as connection:
            connection.sendall(HEAD + CLOSE + LENGTH + expect + b"\r\n")
            for start in range(0, len(BODY), 6):
                time.sleep(pause)
                connection.sendall(BODY[start : start + 6])
            said = b""
            while part := connection.recv(65536):
                said += part
        assert statuses(said)[-1] in (200, 417)
        assert said.endswith(INACTIVE) or b" 417 " in said
