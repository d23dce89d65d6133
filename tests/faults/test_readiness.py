"""Whether a load balancer should send requests here: no longer, as soon as writes fail, and again without a restart."""

from __future__ import annotations

from typing import Any

import pytest

from ..polling import once

pytestmark = pytest.mark.default_store("locks and fills a file; test_mongodb_over_http has a server's")

CAUSES = {
    "locked": "is locked by another process (SQLITE_BUSY)",
    "full": "cannot be read or written (SQLITE_IOERR_WRITE)",
}


@pytest.mark.parametrize("trouble", CAUSES)
def test_who_cannot_write_is_not_ready(scene: Any, trouble: str) -> None:
    """DESIGN, URLs: /health/ready. The log of the probe names the cause; when it is over, the next probe finds out."""
    with scene.trouble(trouble):
        scene.check_unavailable(scene.token())
        ready = scene.in_time(scene.op.get, "/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "unavailable"})
        line = scene.last_request()
        assert (line["path"], line["status"]) == ("/health/ready", 503)
        assert line["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
        assert scene.op.get("/health/live").status_code == 200
    ready = scene.op.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


def test_probes_write_nothing_while_writes_succeed(scene: Any) -> None:
    """A probe that asks every second must not cost a commit every second."""
    log = scene.database.with_name("creance.db-wal")

    def nothing_written() -> bool:
        """Housekeeping writes, once in a while."""
        before = log.stat().st_mtime_ns
        assert {scene.readiness() for _ in range(20)} == {200}
        return log.stat().st_mtime_ns == before

    assert once(nothing_written)


def test_nor_do_they_wait_for_a_lock_that_nobody_met(scene: Any) -> None:
    """Readers never wait for a writer: a command that writes for a moment takes no provider out of service."""
    with scene.locked():
        assert {scene.readiness() for _ in range(5)} == {200}
