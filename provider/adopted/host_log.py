"""Our lines in the log of a host that has one of its own."""

from __future__ import annotations

import structlog


def log_by_host() -> None:
    """Hand our lines to the logger `creance` of `logging`, as JSON: the host's configuration says where they go.
    Nothing changes where the host has set up structlog itself.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
