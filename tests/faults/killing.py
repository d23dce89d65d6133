"""Ending a provider as a machine does that loses its power."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from creance.provider.testing import RunningProvider


def workers(op: RunningProvider) -> list[int]:
    """The processes that serve."""
    assert op.process is not None
    return [int(pid) for pid in Path(f"/proc/{op.process.pid}/task/{op.process.pid}/children").read_text().split()]


def kill_all(op: RunningProvider) -> None:
    """The parent first: it could start another worker. And the workers too, which would answer for a moment longer, to
    who waits for the next provider at this port.
    """
    assert op.process is not None
    for pid in (op.process.pid, *workers(op)):
        os.kill(pid, signal.SIGKILL)
    op.process.wait()
