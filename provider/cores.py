"""The core that a worker keeps to.

The threads of a worker run Python one at a time, wherever they are; to wake one on another core costs more than most of
what it then does. On one core a request costs half of its CPU, and a worker answers twice as many. (Linux.)
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_everywhere: set[int] = set()
_here: set[int] = set()
"""Empty where a worker does not keep to a core; a property of the process, as its cores are."""


def keep_to_one() -> None:
    """Keep this process, and the threads that it makes from now on, to the core that its siblings use least."""
    if not hasattr(os, "sched_setaffinity"):
        return
    _everywhere.update(os.sched_getaffinity(0))
    _here.add(_free_core(sorted(_everywhere), _siblings()))
    os.sched_setaffinity(0, _here)


@contextmanager
def everywhere() -> Iterator[None]:
    """Let this thread run on any core meanwhile: for long work that does not need Python."""
    if not _here:
        yield
        return
    os.sched_setaffinity(0, _everywhere)
    try:
        yield
    finally:
        os.sched_setaffinity(0, _here)


def _free_core(cores: list[int], siblings: list[int]) -> int:
    """Of those that fewest use, one that depends on our place: siblings may be choosing at the same moment."""
    used: Counter[int] = Counter(dict.fromkeys(cores, 0))
    for sibling in siblings:
        with suppress(OSError):  # it has just ended
            affinity = os.sched_getaffinity(sibling)
            if len(affinity) == 1 and sibling != os.getpid():
                used.update(affinity)
    least = [core for core in cores if used[core] == min(used[each] for each in cores)]
    place = sum(sibling < os.getpid() for sibling in siblings)
    return least[place % len(least)]


def _siblings() -> list[int]:
    """The processes of our parent, ourselves among them; none where the system does not tell."""
    parent = os.getppid()
    with suppress(OSError):
        return [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()]
    return []
