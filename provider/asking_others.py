"""Asking what is not ours, and may take long or fail: a directory, a signer, a host, databases of a pyop provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import TemporarilyUnavailable
from .request_log import report_defect
from .store import StoreUnavailable, time_not_counted
from .store.baton import baton


@contextmanager
def waiting() -> Iterator[None]:
    """Around a wait for something else than a store: other requests run, and the deadline of this one stands still."""
    with baton.laid_down(), time_not_counted():
        yield


@contextmanager
def asking(whom: str) -> Iterator[None]:
    """Around a call of somebody else's code. Raises StoreUnavailable and TemporarilyUnavailable as they are, and
    TemporarilyUnavailable for whatever else it raises, whose text may hold what it was asked with and goes nowhere.
    """
    try:
        with waiting():
            yield
    except (StoreUnavailable, TemporarilyUnavailable):
        raise
    except Exception as error:
        report_defect(whom, error)
        raise TemporarilyUnavailable(hint=f"{whom}: {type(error).__name__}") from None
