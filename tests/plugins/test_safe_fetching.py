"""Fetching what a stranger names, against real servers on this machine (OWASP: server-side request forgery)."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from creance.plugins.registration import safe_fetching
from creance.plugins.registration.safe_fetching import LARGEST, PLACES, FetchFailed, SafeFetcher, is_public
from creance.provider import TemporarilyUnavailable

from ..polling import eventually
from .https_server import HTTPSServer, https_server

URIS = ["https://a.example/cb"]
LISTED = json.dumps(URIS).encode()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPSServer]:
    """A server on loopback whose certificate is trusted."""
    with https_server(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.certificate))
        yield running


@pytest.fixture
def fetcher(monkeypatch: pytest.MonkeyPatch) -> SafeFetcher:
    """It has time: a machine that is busy is no failure."""
    monkeypatch.setattr(safe_fetching, "SECONDS", 60)
    return SafeFetcher(allow_loopback=True)


def test_json_is_fetched(server: HTTPSServer, fetcher: SafeFetcher) -> None:
    """OpenID Connect Registration 5."""
    assert fetcher.json(server.gives(LISTED, "/a?b=c")) == URIS
    assert server.asked == ["/a?b=c"]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.0.0.8"),
        *("::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "2001::1"),
        *("::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::", "100::1"),
    ],
)
def test_an_inner_address_is_not_public(address: str) -> None:
    """RFC 6890 2.2; RFC 3056, RFC 6052: nor is one that leads to another."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001:80b::200e"])
def test_a_public_address_is(address: str) -> None:
    """RFC 6890 2.2."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_nobody_is_called_at_an_inner_address(server: HTTPSServer, host: str) -> None:
    """OWASP, SSRF: however it is written. Not even a connection is made."""
    server.gives(LISTED)
    with pytest.raises(FetchFailed, match="not public"):
        SafeFetcher(allow_loopback=False).json(server.url(host=host))
    assert server.connections == 0


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "fd00::1"])
def test_loopback_is_all_that_the_switch_of_tests_allows(
    fetcher: SafeFetcher, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """OWASP, SSRF: an inner network is never this machine. The resolver stands for a name server of an attacker's."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 443))])
    with pytest.raises(FetchFailed, match="not public"):
        fetcher.json("https://rebound.example/")


def test_one_inner_address_among_others_is_enough(fetcher: SafeFetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """OWASP, SSRF: which one would be connected to is then a matter of luck."""
    found = [(0, 0, 0, "", (address, 443)) for address in ("127.0.0.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(FetchFailed, match="not public"):
        fetcher.json("https://rebound.example/")


def test_a_name_is_resolved_once(tmp_path: Path, fetcher: SafeFetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what a name leads to a moment later is not connected to."""
    genuine, asked = socket.getaddrinfo, []

    def resolve(host: str, port: int, *rest: Any, **named: Any) -> Any:
        if host != "rebound.example":
            return genuine(host, port, *rest, **named)
        asked.append(host)
        return genuine("127.0.0.2" if len(asked) == 1 else "127.0.0.3", port, *rest, **named)

    with (
        https_server(tmp_path, "127.0.0.2") as looked_at,
        https_server(tmp_path, "127.0.0.3", looked_at.port) as rebound,
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(looked_at.certificate))
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        looked_at.gives(LISTED)
        rebound.gives(b'["somebody else"]')
        assert fetcher.json(looked_at.url(host="rebound.example")) == URIS
        assert (asked, rebound.connections) == (["rebound.example"], 0)


def test_a_redirect_is_not_followed(server: HTTPSServer, fetcher: SafeFetcher) -> None:
    """OWASP, SSRF: it would lead past the look at the address."""
    target = server.gives(LISTED, "/target")
    for status in (301, 302, 303, 307, 308):
        with pytest.raises(FetchFailed, match=f"status {status}"):
            fetcher.json(server.gives(b"", "/from", status, Location=target))
    assert "/target" not in server.asked


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>", "not JSON"),
        (b"", "not JSON"),
        (b"[NaN]", "not JSON"),
        (b'["\xff"]', "not UTF-8"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[" * 5000, "not JSON"),
        (b'["' + b"x" * LARGEST + b'"]', "bytes"),
    ],
)
def test_what_is_no_small_json_is_not_taken(
    server: HTTPSServer, fetcher: SafeFetcher, content: bytes, why: str
) -> None:
    """RFC 8259 4; OWASP, SSRF: size."""
    with pytest.raises(FetchFailed, match=why):
        fetcher.json(server.gives(content))


@pytest.mark.parametrize("status", [201, 204, 206, 404, 500])
def test_only_200_counts(server: HTTPSServer, fetcher: SafeFetcher, status: int) -> None:
    """RFC 9110 15."""
    with pytest.raises(FetchFailed, match=str(status)):
        fetcher.json(server.gives(LISTED if status != 204 else b"", status=status))


def test_an_answer_that_breaks_off_is_not_taken(server: HTTPSServer, fetcher: SafeFetcher) -> None:
    """RFC 9112 8."""
    with pytest.raises(FetchFailed):
        fetcher.json(server.gives(LISTED, **{"Content-Length": str(len(LISTED) + 5)}))


def test_a_certificate_must_be_trusted(server: HTTPSServer, fetcher: SafeFetcher, monkeypatch: Any) -> None:
    """RFC 9110 4.3.4: and be that of the name."""
    server.gives(LISTED)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", server.port))])
    with pytest.raises(FetchFailed, match="SSLCertVerificationError"):
        fetcher.json(server.url(host="other.example"))
    monkeypatch.undo()
    monkeypatch.setenv("SSL_CERT_FILE", ssl.get_default_verify_paths().openssl_cafile)
    with pytest.raises(FetchFailed, match="SSLCertVerificationError"):
        fetcher.json(server.url())
    assert server.asked == []


@pytest.mark.parametrize("size", [b"-1", b"-10000", b"fffffffffff"])
def test_of_a_chunk_of_any_size_little_is_read(server: HTTPSServer, fetcher: SafeFetcher, size: bytes) -> None:
    """RFC 9112 7.1; OWASP, SSRF: Python takes a chunk of -1 bytes for one that never ends, and keeps all of it."""
    portion, portions = b"x" * 65536, 512
    sent: list[int] = []
    ended = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
            while len(sent) < portions:
                sent.append(handler.wfile.write(portion))
        finally:
            ended.set()

    server.answers["/"] = answer
    with pytest.raises(FetchFailed):
        fetcher.json(server.url("/"))
    assert ended.wait(60)
    assert len(sent) < portions


def test_what_comes_in_chunks_is_read(server: HTTPSServer, fetcher: SafeFetcher) -> None:
    """RFC 9112 7.1: by its end, and not without it."""
    head, body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n" % (len(LISTED), LISTED)
    server.answers["/"] = lambda handler: handler.wfile.write(head + body + b"0\r\n\r\n")  # type: ignore[assignment]
    assert fetcher.json(server.url("/")) == URIS
    server.answers["/"] = lambda handler: handler.wfile.write(head + body)  # type: ignore[assignment]
    with pytest.raises(FetchFailed):
        fetcher.json(server.url("/"))


def dripping(handler: BaseHTTPRequestHandler, stopped: threading.Event) -> None:
    """One byte after another, each in time, and never an end."""
    handler.send_response(200)
    handler.end_headers()
    while not stopped.wait(0.05):
        handler.wfile.write(b" ")


def test_who_answers_byte_by_byte_is_cut_off(
    server: HTTPSServer, fetcher: SafeFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OWASP, SSRF: time, for all of it and not for each byte. The dripping never ends by itself."""
    monkeypatch.setattr(safe_fetching, "SECONDS", 0.5)
    stopped = threading.Event()
    server.answers["/"] = lambda handler: dripping(handler, stopped)
    try:
        with pytest.raises(FetchFailed):
            fetcher.json(server.url("/"))
    finally:
        stopped.set()


def test_who_never_ends_the_handshake_is_cut_off(fetcher: SafeFetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """OWASP, SSRF: time. It takes the connection, and says nothing."""
    monkeypatch.setattr(safe_fetching, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FetchFailed):
        fetcher.json(f"https://localhost:{silent.getsockname()[1]}/")


def test_a_name_that_nobody_resolves_is_given_up(
    server: HTTPSServer, fetcher: SafeFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OWASP, SSRF: time. The name server is a stranger's, and the system waits long for it; few such waits go on."""
    genuine, answered, asked = socket.getaddrinfo, threading.Event(), []

    def resolve(host: str, *rest: Any, **named: Any) -> Any:
        asked.append(host)
        answered.wait(60)
        return genuine("localhost", *rest, **named)

    url = server.gives(LISTED)
    monkeypatch.setattr(safe_fetching, "SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        for _ in range(PLACES):
            with pytest.raises(FetchFailed, match="cannot be resolved"):
                fetcher.json("https://tarpit.example/")
        with pytest.raises(TemporarilyUnavailable):
            fetcher.json("https://tarpit.example/")
        eventually(lambda: len(asked) == PLACES)
        assert asked == ["tarpit.example"] * PLACES
    finally:
        answered.set()
    monkeypatch.undo()
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))

    def fetched() -> bool:
        with suppress(TemporarilyUnavailable):  # as long as the last look-up has not ended
            return bool(fetcher.json(url) == URIS)
        return False

    eventually(fetched)


def test_fetches_take_few_threads(server: HTTPSServer, fetcher: SafeFetcher) -> None:
    """DESIGN, HTTP: others are served meanwhile; who comes then is told to try again."""
    go_on = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(60)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(LISTED)

    server.answers["/"] = answer
    threads = [threading.Thread(target=fetcher.json, args=(server.url("/"),)) for _ in range(PLACES)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(server.asked) == PLACES)
        with pytest.raises(TemporarilyUnavailable):
            fetcher.json(server.url("/"))
    finally:
        go_on.set()
        for thread in threads:
            thread.join()
    assert fetcher.json(server.url("/")) == URIS
