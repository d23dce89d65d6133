"""A server that hangs: it takes connections and answers nothing."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .polling import eventually


@contextmanager
def paused(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Within, nothing of it runs. A signal is through when all threads have stopped."""
    process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: _thread_states(process) == {"T"})
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def _thread_states(process: subprocess.Popen[bytes]) -> set[str]:
    """proc(5): the letter after the name in parentheses."""
    stats = Path(f"/proc/{process.pid}/task").glob("*/stat")
    return {stat.read_text().rpartition(")")[2].split()[0] for stat in stats}
