"""`NAME=VALUE` on the command line."""

from __future__ import annotations

import json
from typing import Any

import click


class Assignment(click.ParamType):
    """A name and a value: true, false, an object or a list in JSON; all else is text."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """The name and the value."""
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail("must be NAME=VALUE", param, ctx)
        return name, _value(text)


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | dict | list) else text
