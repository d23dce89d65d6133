"""A server of a test's own, a process that can be stopped and made to hang."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .polling import eventually


class OwnServer:
    """Base of one: `start` sets the process."""

    process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """Stop it, if it runs; what is in it stays."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within, it takes connections and answers nothing. A signal is through when all threads have stopped."""
        process = self.process
        assert process is not None
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
