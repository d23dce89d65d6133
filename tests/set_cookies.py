"""The Set-Cookie headers of a response, one by one: `requests` makes one line of them."""

from __future__ import annotations

import requests


def set_cookies(response: requests.Response) -> dict[str, str]:
    """The headers by what follows the issuer's digest in the cookie's name: `session`, `visit` …"""
    headers: list[str] = response.raw.headers.getlist("Set-Cookie")
    return {header.partition("=")[0].rpartition("_")[2]: header for header in headers}
