"""`NAME=VALUE` on the command line."""

from __future__ import annotations

import json
from typing import Any

import click


def assignments(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """For an option: names with their values. true, false, objects and lists are JSON, all else is text."""
    values = {}
    for assignment in given:
        name, equals, text = assignment.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{assignment!r} is not NAME=VALUE")
        values[name] = value_of(text)
    return values


def value_of(text: str) -> Any:
    """true, false, objects and lists are JSON, all else is text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | dict | list) else text
