"""JSON that somebody sent, parsed strictly: what two readers may read in two ways is refused (RFC 8259 4, 6)."""

from __future__ import annotations

import json
from typing import Any

from .store import BadDocument, encode


def parse_json(sent: bytes | str) -> Any:
    """The value. Raises ValueError, which repeats nothing of what was sent, for what is not UTF-8, not JSON, nested
    too deeply, or has a name twice, a number that is none, NUL, or half a character in it.
    """
    try:
        text = sent.decode("utf-8") if isinstance(sent, bytes) else sent
        value = json.loads(text, object_pairs_hook=_each_once, parse_constant=refuse_constant)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except _NamedTwice:
        raise ValueError("a name is there twice") from None
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    try:
        encode({"value": value})
    except BadDocument:
        raise ValueError("nested too deeply, or has NUL or half a character in it") from None
    return value


def parse_json_object(sent: bytes | str) -> dict[str, Any]:
    """The same, for an object and nothing else."""
    match parse_json(sent):
        case dict() as members:
            return members
    raise ValueError("not a JSON object")


class _NamedTwice(ValueError):
    pass


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _NamedTwice
    return members


def refuse_constant(name: str) -> None:
    """RFC 8259 6: Python takes NaN and Infinity for JSON."""
    raise ValueError(f"{name} is not JSON")
