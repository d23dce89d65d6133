"""The memory of a worker."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
"""Of mallopt(3): from which size on memory is the system's again as soon as it is free."""
_LARGE: Final = 1 << 20
_ALLOCATIONS: Final = 20_000
"""After which garbage is looked for: requests leave next to none that reference counting does not find."""


def keep_memory_small() -> None:
    """Called once, when all is made that lives as long as the worker."""
    _return_large_blocks()
    _spare_what_stays()


def _return_large_blocks() -> None:
    """The C library of GNU keeps for each thread what it has freed, up to the largest block ever: every thread that has
    hashed a password would keep 19 MiB. Another one is left as it is.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _spare_what_stays() -> None:
    """Looking through all that was made at the start for garbage, again and again, would cost time, and a copy of each
    page that the parent shares with its workers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, 10)
