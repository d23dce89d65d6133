"""Secrets typed by people: without an echo from a terminal, one line from anything else. Never an argument."""

from __future__ import annotations

import sys

import click

from .refusal import Refused


def read_secret(what: str) -> str:
    """A password or secret: typed twice where somebody can type, else the first line of standard input.

    Raises Refused for one that is empty or no text.
    """
    if sys.stdin.isatty():
        typed: str = click.prompt(what, hide_input=True, confirmation_prompt=f"{what} again", err=True)
        return typed
    return read_secret_line(what)


def read_secret_line(what: str) -> str:
    """The first line of standard input. Raises Refused for one that is empty or no text."""
    try:
        line = sys.stdin.buffer.readline().decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refused(f"{what}: what was given on standard input is not UTF-8") from None
    if not line:
        raise Refused(f"{what}: nothing was given on standard input")
    return line
