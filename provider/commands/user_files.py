"""Files of users: JSON lines, or CSV with a header."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ..errors import ConfigurationError
from ..registration import UserSettings
from ..user_import import Row
from .assignment import value_of


def read_users(path: Path, *, as_csv: bool) -> list[Row]:
    """The users of a file. Raises ConfigurationError with all lines that cannot be read, OSError."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            read = list(_read_csv(file) if as_csv else _read_json_lines(file))
        except UnicodeDecodeError:
            raise ConfigurationError(f"{path} is not UTF-8") from None
    if mistakes := [each for each in read if isinstance(each, str)]:
        raise ConfigurationError(*mistakes)
    return [each for each in read if isinstance(each, Row)]


def _read_json_lines(file: TextIO) -> Iterator[Row | str]:
    """One object a line, with the names of `[[users]]`; or what is wrong with the line."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            yield f"line {number}: is not JSON"
            continue
        yield Row(number, fields) if isinstance(fields, dict) else f"line {number}: is not a JSON object"


def _read_csv(file: TextIO) -> Iterator[Row | str]:
    """RFC 4180: columns by the names of `[[users]]`, and each other column a claim. An empty cell is none."""
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        if "username" not in header:
            yield "line 1: no column username: the first line names the columns"
            return
        if twice := sorted({name for name in header if header.count(name) > 1}):
            yield f"line 1: two columns are called {', '.join(twice)}"
            return
        while True:
            line = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                return
            if len(cells) > len(header):
                yield f"line {line}: has more cells than the first line"
            elif cells:
                yield Row(line, _fields(dict(zip(header, cells, strict=False))))
    except csv.Error as error:
        yield f"line {reader.line_num}: {error}"


def _fields(cells: dict[str, str]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    claims = {}
    for name, cell in cells.items():
        if cell and name in UserSettings.model_fields:
            own[name] = cell
        elif cell:
            claims[name] = value_of(cell)
    return {"claims": claims, **own}
