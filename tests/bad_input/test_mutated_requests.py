"""Requests of every endpoint, changed at random where their grammar could be misread, on connections that stay open.

Which they are is decided by a seed: a failure names it, and shows the bytes.
"""

from __future__ import annotations

import re
import socket
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Self
from urllib.parse import quote_plus

import pytest

CONNECTIONS = 8
FORM = b"application/x-www-form-urlencoded"


def basic(client: str) -> bytes:
    return b"Basic " + b64encode(client.encode())


# ----- Requests, part by part ----------------------------------------------------------------------------------------

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Parts:
    """A request, and what is still to be done to it when it is bytes."""

    method: bytes
    path: bytes
    query: Pairs = ()
    headers: Pairs = ()
    form: Pairs | None = None
    version: bytes = b"HTTP/1.1"
    length: bytes | None = None
    """In place of the right one."""
    scars: tuple[Callable[[bytes], bytes], ...] = field(default=())

    def message(self) -> bytes:
        target = self.path + (b"?" + encoded(self.query) if self.query else b"")
        headers, body = [(b"Host", b"localhost"), *self.headers], b""
        if self.form is not None:
            body = encoded(self.form)
            headers += [(b"Content-Type", FORM), (b"Content-Length", b"%d" % len(body))]
        if self.length is not None:
            headers = [(name, self.length if name == b"Content-Length" else value) for name, value in headers]
        lines = [b"%s %s %s" % (self.method, target, self.version), *(b"%s: %s" % pair for pair in headers)]
        raw = b"\r\n".join(lines) + b"\r\n\r\n" + body
        for scar in self.scars:
            raw = scar(raw)
        return raw


def encoded(pairs: Pairs) -> bytes:
    return b"&".join(quote_plus(name).encode() + b"=" + quote_plus(value).encode() for name, value in pairs)


def pairs(text: str) -> Pairs:
    return tuple(
        (name.encode(), value.encode()) for name, _, value in (part.partition("=") for part in text.split("&"))
    )


REQUEST = pairs(
    "client_id=app&redirect_uri=http://localhost:8401/callback&response_type=code&scope=openid email&state=s&nonce=n"
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&prompt=none&max_age=5"
)
APP, SERVICE = ((b"Authorization", basic("app:app-secret")),), ((b"Authorization", basic("service:service-secret")),)
EXCHANGE = "grant_type=authorization_code&code=x&redirect_uri=http://localhost:8401/callback&code_verifier=" + "v" * 43
COOKIE = ((b"Cookie", b"creance-session=x; creance-visit=y; a=b"),)
SEEDS: Sequence[Parts] = [
    Parts(b"GET", b"/authorize", REQUEST, COOKIE),
    Parts(b"POST", b"/authorize", (), COOKIE, REQUEST),
    Parts(b"POST", b"/token", (), APP, pairs(EXCHANGE)),
    Parts(b"POST", b"/token", (), APP, pairs("grant_type=refresh_token&refresh_token=x&scope=openid")),
    Parts(b"POST", b"/token", (), (), pairs(EXCHANGE + "&client_id=spa")),
    Parts(b"POST", b"/token", (), (), pairs("grant_type=client_credentials&client_id=service&client_secret=x")),
    Parts(b"POST", b"/introspect", (), SERVICE, pairs("token=x&token_type_hint=access_token")),
    Parts(b"POST", b"/revoke", (), APP, pairs("token=x&token_type_hint=refresh_token")),
    Parts(b"GET", b"/userinfo", (), ((b"Authorization", b"Bearer xyz"),)),
    Parts(b"POST", b"/userinfo", (), (), pairs("access_token=xyz")),
    Parts(b"GET", b"/auth/login", pairs("request=x"), COOKIE),
    Parts(b"POST", b"/auth/login", (), COOKIE, pairs("username=alice&password=wrong&csrf_token=x&request=y")),
    Parts(b"GET", b"/auth/resume", pairs("request=x"), COOKIE),
    Parts(b"POST", b"/auth/logout", (), COOKIE, pairs("csrf_token=x")),
    Parts(b"GET", b"/auth/session", (), COOKIE),
    Parts(b"GET", b"/.well-known/openid-configuration", (), ((b"If-None-Match", b'"x"'), (b"Range", b"bytes=0-1"))),
    Parts(b"OPTIONS", b"/token", (), ((b"Origin", b"https://a.example"), (b"Access-Control-Request-Method", b"POST"))),
    Parts(b"HEAD", b"/jwks"),
    Parts(b"GET", b"/", (), ((b"Accept", b"text/html;q=0.5, */*"), (b"Accept-Language", b"de-CH, *;q=0"))),
    Parts(b"GET", b"/health/ready"),
    Parts(b"GET", b"/openapi.json"),
]

# ----- What is done to them ------------------------------------------------------------------------------------------

ODD = [
    *(b"", b" ", b"\t", b"\0", b"\r", b"\n", b"\r\n", b"%", b"%00", b"%zz", b"%ff%fe", b"\xff\xfe", b"\xc3\xa9", b"+"),
    *(b"&", b"=", b";", b"?", b"#", b"/", b"//", b"..", b"%2e%2e%2f", b"\\", b'"', b"'", b"<script>", b"{}", b"[]"),
    *(b"*", b"-1", b"0", b"00000", b"1e9", b"99999999999999999999", b"null", b"none", b"code", b"openid", b"chunked"),
    *(b"http://localhost:8401/callback", b"http://evil.example", b"://", b"S256", b"Basic", b"Bearer ", b"app", b"spa"),
    *(b"x" * 300, b"x" * 20_000, b"%41" * 3000, b"a=b&" * 200, "\u202e\U0001f600".encode(), b"\x7f", b"\x1b[2J"),
]
NAMES = [
    *(b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"Upgrade", b"Host", b"Cookie", b"Range"),
    *(b"Authorization", b"Content-Type", b"Content-Encoding", b"Accept", b"Origin", b"Referer", b"X-Forwarded-For"),
    *(b"Sec-Fetch-Site", b"Te", b"Trailer", b"Keep-Alive", b"DPoP", b"If-None-Match", b"Forwarded", b"Via", b"X_Y"),
]
METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"get", b"X", b"G\0T", b""]
VERSIONS = [b"HTTP/1.0", b"HTTP/1.1", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 x", b"", b"X"]


def changed_pairs(random: Random, before: Pairs, names: Sequence[bytes] = ()) -> Pairs:
    """One of a list is left out, there twice, another, or in another place; or one is added."""
    after = list(before)
    place = random.randrange(len(after) + 1)
    name, value = after[place] if place < len(after) else (random.choice(names or ODD), random.choice(ODD))
    match random.randrange(7):
        case 0:
            del after[place : place + 1]
        case 1:
            after.insert(random.randrange(len(after) + 1), (name, value))
        case 2:
            after[place : place + 1] = [(name, random.choice(ODD))]
        case 3:
            after[place : place + 1] = [(random.choice([name.lower(), name + b" ", b" " + name, *ODD]), value)]
        case 4:
            at = random.randrange(len(value) + 1)
            after[place : place + 1] = [(name, value[:at] + random.choice(ODD) + value[at:])]
        case 5:
            random.shuffle(after)
        case 6:
            after.append((random.choice(names or ODD), random.choice(ODD)))
    return tuple(after)


def changed_bytes(random: Random) -> Callable[[bytes], bytes]:
    """What does not keep to the parts: cut off, put in, taken out, twice, turned over."""
    kind, here, there = random.randrange(6), random.random(), random.random()
    put, size = random.choice([*ODD, *(b"%s: x\r\n" % name for name in NAMES)]), random.randrange(1, 9)
    noise = random.randbytes(size)

    def scar(raw: bytes) -> bytes:
        start, end = sorted((int(here * len(raw)), int(there * len(raw))))
        return {
            0: lambda: raw[:start],
            1: lambda: raw[:start] + put + raw[start:],
            2: lambda: raw[:start] + raw[start + size :],
            3: lambda: raw[:start] + noise + raw[start + size :],
            4: lambda: raw[:start] + raw[start : min(end, start + 200)] + raw[start:],
            5: lambda: raw.replace(b"\r\n", random.choice([b"\n", b"\r", b"\r\n ", b"\r\r\n"]), size),
        }[kind]()

    return scar


def mutated(random: Random) -> Parts:
    """A request with one to four changes."""
    parts = random.choice(SEEDS)
    for _ in range(random.choice([1, 1, 1, 2, 2, 3, 4])):
        match random.choices(range(8), [1, 2, 5, 5, 6, 1, 2, 4])[0]:
            case 0:
                parts = replace(parts, method=random.choice(METHODS))
            case 1:
                at, other = random.randrange(len(parts.path) + 1), random.choice([*ODD, random.choice(SEEDS).path])
                parts = replace(parts, path=random.choice([parts.path[:at] + other + parts.path[at:], other]))
            case 2:
                parts = replace(parts, query=changed_pairs(random, parts.query))
            case 3:
                parts = replace(parts, headers=changed_pairs(random, parts.headers, NAMES))
            case 4:
                parts = replace(parts, form=changed_pairs(random, parts.form or ()))
            case 5:
                parts = replace(parts, version=random.choice(VERSIONS))
            case 6:
                parts = replace(parts, length=random.choice([b"0", b"1", b"5", b"70000", b"1, 1", *ODD]))
            case 7:
                parts = replace(parts, scars=(*parts.scars, changed_bytes(random)))
    return parts


# ----- What is answered ----------------------------------------------------------------------------------------------

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-4][0-9][0-9]) [\x20-\x7e]*")
HEADER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\x20-\x7e]*")


def checked(said: bytes, issuer: str) -> None:
    """All that is said on a connection is well-formed responses (RFC 9112 4, 5), none of them 5xx."""
    while said:
        head, end, rest = said.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        found = STATUS_LINE.fullmatch(status_line)
        assert found is not None, status_line
        assert end
        assert all(HEADER_LINE.fullmatch(line) for line in lines), lines
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        place = headers.get(b"location", b"").decode()
        assert not place or place.startswith((f"{issuer}/", "http://localhost:8401/callback?")), place
        length = int(headers.get(b"content-length", b"0"))
        if rest.startswith(b"HTTP/1.") or not rest:  # the answer to a HEAD, or none
            length = 0
        assert b"Traceback" not in rest[:length]
        said = rest[length:]


class Connection:
    """Stays open as long as the server leaves it open."""

    def __init__(self, hostile: Any, patience: float = 0.1) -> None:
        """`patience`: seconds after which it is told that no more comes, which may cost the answer."""
        self._patience = patience
        self._address = ("127.0.0.1", hostile.op.port)
        self._socket: socket.socket | None = None

    def ask(self, message: bytes) -> bytes:
        """What the server says. Where it says nothing for a while it may wait for more: it is told that none comes."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address)
        said = b""
        with suppress(ConnectionError):
            self._socket.settimeout(10)
            self._socket.sendall(message)
            self._socket.settimeout(self._patience)
            with suppress(TimeoutError):
                said = self._socket.recv(1 << 20)
                if said and len(message) < 4000 and said.count(b"\r\n\r\n") == 1 and self._is_whole(said):
                    return said
            with suppress(OSError):  # it has heard enough
                self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(20)
            while part := self._socket.recv(1 << 20):
                said += part
        self.close()
        return said

    @staticmethod
    def _is_whole(said: bytes) -> bool:
        head, _, body = said.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        return length is not None and len(body) == int(length[1]) and b"connection: close" not in head.lower()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def attack(hostile: Any, seed: int, count: int) -> None:
    random = Random(seed)
    with Connection(hostile) as connection:
        for number in range(count):
            message = mutated(random).message()
            said = connection.ask(message)
            try:
                checked(said, hostile.op.issuer)
            except AssertionError as error:
                shown = f"{message[:3000]!r} gave {said[:3000]!r}"
                raise AssertionError(f"seed {seed}, request {number}: {shown}") from error


def attack_together(hostile: Any, first_seed: int, count: int) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        seeds = range(first_seed, first_seed + CONNECTIONS)
        for attacker in [pool.submit(attack, hostile, seed, count // CONNECTIONS) for seed in seeds]:
            attacker.result()


def test_the_seeds_are_right(hostile_client: Any) -> None:
    """Or what is made of them would prove little: each is answered at its endpoint, none as malformed HTTP."""
    before = len(hostile_client.logged_requests())
    with Connection(hostile_client, patience=60) as connection:
        for parts in SEEDS:
            said = connection.ask(parts.message())
            checked(said, hostile_client.op.issuer)
            assert said
    lines = hostile_client.logged_requests()[before:]
    assert [line["path"].encode() for line in lines] == [parts.path for parts in SEEDS]


def test_no_mutated_request_is_a_defect(hostile_client: Any, undisturbed: Any) -> None:
    """RFC 9110 15.6: well-formed answers or a closed connection, never 5xx, and the provider serves on."""
    with undisturbed(hostile_client):
        attack_together(hostile_client, 0, 2000)


@pytest.mark.long
def test_nor_is_any_of_many_and_nothing_grows(hostile_client: Any, undisturbed: Any) -> None:
    """Issue 4, garbage: 100,000 of them; files, threads and memory are as they were after the first thousands."""
    with undisturbed(hostile_client):
        attack_together(hostile_client, 1000, 10_000)
        before = hostile_client.figures()
        for turn in range(1, 10):
            attack_together(hostile_client, 1000 + turn * CONNECTIONS, 10_000)
        after = hostile_client.figures()
    assert after.files <= before.files + 20
    assert after.threads <= before.threads + CONNECTIONS
    assert after.memory < before.memory + 20
