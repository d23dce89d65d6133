"""A log that cannot be written costs no request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from creance.provider.testing import RunningProvider


def test_requests_are_answered_when_the_log_s_disk_is_full(tmp_path: Path) -> None:
    """Standard output on a full device: tokens are issued all the same."""
    op = RunningProvider(tmp_path)
    with Path("/dev/full").open("wb") as full:
        op.process = subprocess.Popen(
            [sys.executable, "-m", "creance.provider.commands", "--config", str(op.configuration), "serve"],
            stdout=full,
            stderr=subprocess.DEVNULL,
        )
    try:
        op.wait_until_ready()
        service = op.client("service")
        tokens = service.client_credentials()
        assert tokens.status == 200
        assert service.introspect(tokens.access_token).active is True
    finally:
        op.stop()
