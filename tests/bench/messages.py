"""Requests of HTTP/1.1 as bytes, made before anything is measured."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote_plus, urlencode


class Messages:
    """Requests to one host."""

    def __init__(self, host: str) -> None:
        self._host = host

    def get(self, path: str, query: Mapping[str, str] | None = None, **headers: str) -> bytes:
        """A GET; the names of headers with `_` for `-`."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self._head(f"GET {target}", headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> bytes:
        """A form."""
        body = urlencode(form)
        return self._head(
            f"POST {path}",
            {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body)), **headers},
        ) + body.encode("ascii")

    def _head(self, start: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{start} HTTP/1.1", f"Host: {self._host}", "Accept: */*", "User-Agent: bench"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("ascii")


def basic(client_id: str, secret: str) -> str:
    """The value of Authorization (RFC 6749 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
