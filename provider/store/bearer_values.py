"""Values that open something for whoever has them (codes, tokens, session ids), and the keys they are stored under.

A value that we make begins with the second of its issue, and so does its key. What is written together is then together
in the index of keys too, on pages that are at hand; under a bare hash each insertion meets a page that nobody has used
for long. The time is no secret (a JWT says it as `iat`): the 256 bits after it are.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from typing import Final

_DATED: Final = re.compile("[0-9a-f]{8}-[A-Za-z0-9_-]{43}", re.ASCII)
_UNTIL_IT_BEGINS_AGAIN: Final = 2**32
"""Seconds of which eight hexadecimal digits can tell: until 2106, then from the beginning."""


def new_bearer_value() -> str:
    """256 random bits after the time: 52 characters that may stand in URLs, cookies and headers."""
    return dated(secrets.token_urlsafe(32), time.time())


def dated(secret: str, moment: float) -> str:
    """A value with a time in front, in seconds since the epoch. `secret`: 256 bits, as 43 characters of base64url."""
    return f"{int(moment) % _UNTIL_IT_BEGINS_AGAIN:08x}-{secret}"


def bearer_key(value: str) -> str:
    """The key under which a code, a token or a session id is stored: its SHA-256, never the value itself.

    That of a dated value begins with the same time: 52 characters, the hash in base64url. That of any other, as of all
    that was issued before values were dated, is the hash alone: 64 characters, in hexadecimal. So no value ever has the
    key of another.
    """
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass"))
    if _DATED.fullmatch(value):
        return value[:9] + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return digest.hexdigest()
