"""What Linux tells of processes: their children, CPU time and memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

_CPU_OF_PROCESS = 2
"""CPUCLOCK_SCHED: what clock_getcpuclockid(3) makes of a process, to the nanosecond."""
_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE = (3, 4)
"""Of the columns in /proc/stat: doing nothing, and waiting for a disk. The last two are in others already."""


def family(process: int) -> list[int]:
    """A process and all that descend from it."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(each for child in children for each in family(int(child)))]


def cpu_seconds(process: int) -> float:
    """CPU time of a process, and of the children that it has waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime((~process << 3) | _CPU_OF_PROCESS) + (int(fields[13]) + int(fields[14])) / _TICKS


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    status = Path(f"/proc/{process}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def machine_cpu_seconds() -> float:
    """CPU time that the whole machine has spent, what its host took away included."""
    columns = [int(word) for word in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return sum(ticks for index, ticks in enumerate(columns) if index not in _IDLE) / _TICKS
