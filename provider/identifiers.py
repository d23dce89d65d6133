"""Names that we give to grants and sessions."""

from __future__ import annotations

import secrets
import time


def new_id() -> str:
    """128 random bits after the time in seconds: neighbours in time are neighbours in an index, so that what is written
    together touches few of its pages. It is a name and no secret.
    """
    return f"{int(time.time()):08x}-{secrets.token_urlsafe(16)}"
