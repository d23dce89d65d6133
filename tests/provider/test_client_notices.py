"""Lines in the log about clients, one an hour for each."""

from __future__ import annotations

import structlog.testing
from creance.provider import ClientNotices


def test_each_client_is_named_once_an_hour() -> None:
    """Issue 7, item 8: the operator sees who still needs what is tolerated, and the log stays readable."""
    now = [0.0]
    notices, others = ClientNotices("still_needed", clock=lambda: now[0]), ClientNotices("other")
    with structlog.testing.capture_logs() as lines:
        for now[0] in (0.0, 1.0, 3599.0, 3601.0):
            notices.about("app", public=False)
            notices.about("portal", public=True)
        others.about("app")
    said = [(line["event"], line["client_id"], line.get("public")) for line in lines]
    assert said == [
        ("still_needed", "app", False),
        ("still_needed", "portal", True),
        ("still_needed", "app", False),
        ("still_needed", "portal", True),
        ("other", "app", None),
    ]


def test_nobody_is_named_once_an_hour_too() -> None:
    """What needs no client can be repeated by anybody: it cannot fill the log, nor take the line of a client."""
    now = [0.0]
    notices = ClientNotices("refused", clock=lambda: now[0])
    with structlog.testing.capture_logs() as lines:
        for now[0] in (0.0, 1.0, 3599.0, 3601.0):
            notices.about_nobody(error="invalid_token")
            notices.about("app", error="invalid_token")
    nobody = {"event": "refused", "log_level": "info", "error": "invalid_token"}
    app = {"event": "refused", "log_level": "warning", "error": "invalid_token", "client_id": "app"}
    assert lines == [nobody, app, nobody, app]
