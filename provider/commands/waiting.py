"""What a command waits for, said to who looks on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Timer
from typing import Final

import click

PATIENCE: Final = 2.0
"""Seconds after which somebody wonders what is going on."""


@contextmanager
def waiting_for(what: str, *, timeout: float) -> Iterator[None]:
    """Around the first call of something that may be away, and then is waited for up to `timeout` seconds."""
    said = f"creance: waiting for {what}, {timeout:g} s at most"
    timer = Timer(PATIENCE, partial(click.echo, said, err=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
