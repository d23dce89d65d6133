"""Secrets in files of their own, named by settings that end in `_file`: one secret, the first line."""

from __future__ import annotations

from pathlib import Path

from .errors import ConfigurationError


def read_first_line(path: Path, setting: str) -> str:
    """The secret of a file. Raises ConfigurationError, which names the `setting` that names the file, and no secret."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigurationError(f"{setting}: {path} cannot be read: {why}") from None
    if not lines or not lines[0].strip():
        raise ConfigurationError(f"{setting}: {path} is empty")
    return lines[0].strip()
