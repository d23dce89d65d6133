"""The parameters of a query or form, parsed strictly (RFC 6749 3.1, 3.2 and B)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import parse_qsl

from .errors import InvalidRequest

_NAME = re.compile(r"[a-z_]+")


class Parameters(dict[str, str]):
    """What was sent, each name once. A parameter without a value counts as not sent (RFC 6749 3.1).

    `problems` says what was wrong with a parameter, by its name: endpoints that answer by redirect can only do so when
    client_id and redirect_uri are not among them. `multiple` has all values of the parameters that may be repeated.
    """

    def __init__(self, values: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(values)
        self.problems: dict[str, str] = {}
        self.multiple: dict[str, tuple[str, ...]] = {}

    def required(self, name: str) -> str:
        """The value of a parameter that must be there. Raises InvalidRequest."""
        if name not in self:
            raise InvalidRequest(f"{name} is missing")
        return self[name]

    def refuse_problems(self) -> None:
        """Raises InvalidRequest for the first parameter that had something wrong with it."""
        for name, problem in self.problems.items():
            raise InvalidRequest(f"{shown(name)} {problem}")


def shown(name: str) -> str:
    """Names as they may stand in an error: they come from the client too, and what is not lower case may be a token."""
    return name[:40] if _NAME.fullmatch(name) else "a parameter"


def parse_parameters(encoded: bytes | str, *, limit: int, repeatable: Collection[str] = ()) -> Parameters:
    """Parse application/x-www-form-urlencoded.

    Raises InvalidRequest for what is not UTF-8 and for more than `limit` parameters. Repeats and NUL are not raised but
    noted in `problems`.
    """
    try:
        text = str(encoded if isinstance(encoded, bytes) else encoded.encode(), "utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=limit)
    except UnicodeError:
        raise InvalidRequest("the parameters are not UTF-8") from None
    except ValueError:
        raise InvalidRequest(f"more than {limit} parameters") from None
    parameters = Parameters()
    seen: set[str] = set()
    for name, value in pairs:
        _add(parameters, seen, name, value, repeatable)
    return parameters


def _add(parameters: Parameters, seen: set[str], name: str, value: str, repeatable: Collection[str]) -> None:
    if "\0" in value or "\0" in name:
        parameters.problems[name] = "holds a NUL character"
        parameters.pop(name, None)
    elif name in repeatable:
        if value:
            parameters.multiple[name] = (*parameters.multiple.get(name, ()), value)
    elif name in seen:
        parameters.problems[name] = "is there more than once"
        parameters.pop(name, None)
    elif value:
        parameters[name] = value
    seen.add(name)
