"""One line for each request, by structlog: JSON for machines, a readable form on a terminal.

What is logged is named one by one. Secrets, codes, tokens, cookies, passwords and queries have no way in.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from .settings import LogSettings

logger: Any = structlog.get_logger("creance")


@dataclass(slots=True)
class RequestLog:
    """What is learnt about a request while it is handled."""

    request_id: str
    started: float
    client_id: str | None = None
    grant: str | None = None
    error: str | None = None
    hint: str | None = None
    outcome: str | None = None


class _Output:
    """Standard output. Where it cannot be written (a full disk, a reader that is gone) the line is lost, and not the
    request that it is about, which may have been committed.

    A line is one call of the system: nothing waits in a buffer, that a fork would copy or fail on.
    """

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            os.write(sys.stdout.fileno(), text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Nothing is left to write."""


def configure_logging(settings: LogSettings) -> None:
    """Set up structlog for this process."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stdout.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(_Output()),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )


def report_defect(where: str, error: BaseException) -> None:
    """An exception that nobody expected: its type and where it was, never its message or any value."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("defect", where=where, type=type(error).__name__, frames=frames[-8:])
