"""What a store was not told of when it was opened: a mistake in the program that asks for it."""

from __future__ import annotations

from . import Collection


def check_indexed(collection: Collection, field: str) -> None:
    """Raises ValueError for a field that was not declared."""
    if field not in collection.indexes:
        raise ValueError(f"{collection.name} declares no index on {field!r}")


def not_opened_with(collection: Collection) -> ValueError:
    """For a collection that was not declared."""
    return ValueError(f"the store was not opened with the collection {collection.name!r}")
