"""All documents of a provider, copied from one store to another exactly as they are, and compared there.

Nothing need be remembered of a copy that was interrupted: the next one finds what is there already, and goes on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from . import Collection, Document, Store, StoreError

PAGE: Final = 500
"""Documents that are read, and written, at once."""

FIRST_ALLOWANCE: Final = 60.0
"""Seconds that a comparison may take at first: what is no longer kept after them is left out of it."""

Done = Callable[[int], object]
"""Is told how many documents more were dealt with."""


class DifferentDocumentsError(StoreError):
    """The stores do not hold the same: nothing says which of them is right."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a collection holds, in whatever order a store has it."""

    documents: int
    digest: str
    """The sum of the documents' SHA-256, modulo 2**256, in hexadecimal."""


def documents_of(store: Store, collection: Collection) -> Iterator[Document]:
    """All that are kept."""
    page = store.page_kept(collection, limit=PAGE)
    while page:
        yield from page
        page = store.page_kept(collection, page[-1].key, limit=PAGE)


def count(store: Store, collection: Collection) -> int:
    """How many are kept."""
    return sum(1 for _ in documents_of(store, collection))


def copy(source: Store, target: Store, collection: Collection, *, overwrite: bool, done: Done) -> int:
    """Copy what is not there yet; answers how many that were.

    Raises DifferentDocumentsError where a key of the target has another document, unless `overwrite`.
    """
    copied = 0
    after = None
    while page := source.page_kept(collection, after, limit=PAGE):
        there = target.put(collection, page, overwrite=overwrite)
        _refuse_different(collection, page, there)
        copied += len(page) - len(there)
        after = page[-1].key
        done(len(page))
    return copied


def compare(source: Store, target: Store, collection: Collection, *, done: Done) -> Summary:
    """Read both sides; answers what each of them holds. Raises DifferentDocumentsError where it is not the same.

    What ends meanwhile would be there on one side only. So what ends soon is left out, and where that was not long
    enough, the comparison is made again.
    """
    allowance = FIRST_ALLOWANCE
    while True:
        beyond = time.time() + allowance
        here = _summary(source, collection, beyond, done)
        there = _summary(target, collection, beyond, done)
        if time.time() < beyond:
            break
        allowance *= 10
    if here != there:
        raise DifferentDocumentsError(
            f"{collection.name}: {here.documents} documents with the digest {here.digest} in {source.describe()}, and "
            f"{there.documents} with {there.digest} in {target.describe()}: stop the provider, and copy to where "
            "nothing is"
        )
    return here


def _summary(store: Store, collection: Collection, beyond: float, done: Done) -> Summary:
    total = documents = 0
    for document in documents_of(store, collection):
        done(1)
        if document.keep_until > beyond:
            documents += 1
            total += int.from_bytes(_digest(document))
    return Summary(documents, f"{total % 2**256:064x}")


def _refuse_different(collection: Collection, given: list[Document], there: list[Document]) -> None:
    wanted = {document.key: _digest(document) for document in given} if there else {}
    different = sum(_digest(document) != wanted[document.key] for document in there)
    if different:
        raise DifferentDocumentsError(
            f"{collection.name}: {different} documents are there already, and are not what they are to be: they stay "
            "as they are. Copy to where nothing is, or have them replaced by --overwrite"
        )


def _digest(document: Document) -> bytes:
    """Of all that every store has alike: not the version."""
    times = [float(document.valid_until), float(document.keep_until)]
    redeemed_at = None if document.redeemed_at is None else float(document.redeemed_at)
    content = json.dumps([document.key, document.value, *times, redeemed_at], sort_keys=True)
    return hashlib.sha256(content.encode()).digest()
