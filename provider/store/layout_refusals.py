"""Why a place is not used as it is laid out, and what to do about it."""

from __future__ import annotations

from . import StoreRefused


def newer_layout(place: object, found: int, known: int) -> StoreRefused:
    """What is there may mean something else than this version would take it for."""
    return StoreRefused(
        f"{place} has layout {found}, made by a newer version; this one knows layout {known}: install the newer "
        "version, or restore a backup"
    )


def not_laid_out(place: object) -> StoreRefused:
    """Nothing is there yet, where it was only to be looked at."""
    return StoreRefused(f"{place} is empty: creance store init lays it out")
