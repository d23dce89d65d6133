"""Several stores as one: a group of collections may live in another place than the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NoReturn

from . import (
    Collection,
    Document,
    Ensure,
    Expired,
    Insert,
    NotFound,
    Operation,
    Store,
    StoreError,
    delete,
)


class PlacedStore(Store):
    """Hands each call to the store of its collection.

    A write that concerns several of them is done in its order, and the last store decides: what the others are asked
    for may only be insertions, which are taken back when it refuses.
    """

    schemes = ()

    def __init__(self, rest: Store, placed: Mapping[str, Store]) -> None:
        """`placed`: stores by the group of collections that lives there; all others live in `rest`."""
        self.collections: dict[str, Collection] = {}
        self._rest = rest
        self._placed = placed
        self._stores = list(dict.fromkeys([rest, *placed.values()]))

    @classmethod
    def from_uri(cls, uri: str, *, folder: Path, timeout: float) -> NoReturn:
        raise ValueError("a place is named for each group of collections, and not by one URI")

    def open(self, collections: Iterable[Collection]) -> None:
        declared = list(collections)
        for store, share in self.shares(declared):
            store.open(share)
        self.collections = {collection.name: collection for collection in declared}

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def describe(self) -> str:
        placed = (f"{group} in {store.describe()}" for group, store in self._placed.items())
        return "; ".join([self._rest.describe(), *placed])

    def place_of(self, collection: Collection) -> Store:
        return self._placed.get(collection.placed_by, self._rest)

    def shares(self, collections: Sequence[Collection]) -> list[tuple[Store, Sequence[Collection]]]:
        return [(store, [each for each in collections if self.place_of(each) is store]) for store in self._stores]

    def get(self, collection: Collection, key: str) -> Document | None:
        return self.place_of(collection).get(collection, key)

    def get_kept(self, collection: Collection, key: str) -> Document | None:
        return self.place_of(collection).get_kept(collection, key)

    def find(self, collection: Collection, field: str, value: str, limit: int = 1000) -> list[Document]:
        return self.place_of(collection).find(collection, field, value, limit)

    def page(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        return self.place_of(collection).page(collection, after, limit)

    def page_kept(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        return self.place_of(collection).page_kept(collection, after, limit)

    def put(self, collection: Collection, documents: Sequence[Document], *, overwrite: bool = False) -> list[Document]:
        return self.place_of(collection).put(collection, documents, overwrite=overwrite)

    def write(self, operations: Sequence[Operation]) -> list[int | None]:
        runs = [(store, list(run)) for store, run in groupby(operations, lambda each: self.place_of(each.collection))]
        if len(runs) == 1:
            store, run = runs[0]
            return store.write(run)
        for _, run in runs[:-1]:
            if not all(isinstance(operation, Insert | Ensure) for operation in run):
                raise ValueError("a write to several stores must begin with insertions: only they can be taken back")
        answers: list[int | None] = []
        done: list[tuple[Store, list[Operation]]] = []
        for store, run in runs:
            try:
                answers += store.write(run)
            except StoreError as error:
                _take_back(done, error)
                raise
            done.append((store, run))
        return answers

    def check_writable(self) -> None:
        for store in self._stores:
            store.check_writable()

    def claim(self, name: str, holder: str, until: float) -> bool:
        return self._rest.claim(name, holder, until)

    def sweep(self, limit: int = 1000) -> int:
        return sum(store.sweep(limit) for store in self._stores)


def _take_back(done: Sequence[tuple[Store, Sequence[Operation]]], error: StoreError) -> None:
    """Remove what was inserted for a write that was refused: nobody holds it. What an unreachable store keeps expires.

    What was ensured stays where another writer may have won: it is what that one hands out (see `ensure`).
    """
    kinds = Insert | Ensure if isinstance(error, NotFound | Expired) else Insert
    for store, run in reversed(done):
        inserted = [operation for operation in run if isinstance(operation, kinds)]
        with suppress(StoreError):
            store.write([delete(operation.collection, operation.key) for operation in inserted])
