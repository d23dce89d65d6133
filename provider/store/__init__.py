"""The store contract: what a backend must promise, and nothing about how it keeps the promise.

A store keeps JSON documents in named collections. Each promise below is one test of
`creance.provider.testing.StoreConformance`, which every backend runs, ours and a stranger's.

Time is a float of seconds since the epoch (UTC). A document is *valid* until `valid_until` and *kept* until
`keep_until`; between the two it is invisible to reads that decide something, and still there to recognise that a code
or a refresh token is used for a second time.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from .bearer_values import bearer_key as bearer_key
from .bearer_values import new_bearer_value as new_bearer_value

FOREVER = 253402300799.0
"""31 December 9999: the `valid_until` of what does not expire."""

MAXIMUM_DOCUMENT_SIZE = 1_000_000
"""Bytes of JSON. MongoDB refuses 16 MB; nothing of ours comes near this."""

MAXIMUM_DEPTH = 50
"""Objects and arrays within each other. MongoDB refuses 100, and any reader of JSON ends somewhere."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents of one kind. `indexes` are the fields of the value that `find` and `delete_where` take.

    `schema` is the version of the documents' shape; it is stored with each of them. Who declares one reads older ones
    too; newer ones nobody looks for but `creance store check`. `group` is the name by which `[store.placement]` gives
    several collections another place together; a collection without one goes by its own.
    """

    name: str
    indexes: tuple[str, ...] = ()
    schema: int = 1
    group: str = ""

    def __post_init__(self) -> None:
        for name in (self.name, *self.indexes, self.placed_by):
            if not (name.isascii() and name.replace("_", "a").isalnum() and name[0].isalpha() and name == name.lower()):
                raise ValueError(f"{name!r} cannot name a collection or a field: use a-z, 0-9 and _")

    @property
    def placed_by(self) -> str:
        """The name that `[store.placement]` knows it by."""
        return self.group or self.name


@dataclass(frozen=True, slots=True)
class Document:
    """What was read. `version` changes with every write; `replace` compares it. `value` belongs to the reader."""

    key: str
    value: dict[str, Any]
    version: int
    valid_until: float
    keep_until: float
    redeemed_at: float | None


class StoreError(Exception):
    """The base of all that a store raises by contract."""


class StoreUnavailable(StoreError):
    """The backend did not answer in time, or cannot write. Nothing is known to have been written.

    The message names the cause for the operator, and never holds a password or a document.
    """


class StoreRefused(StoreError):
    """The store can be reached, and must not be used as it is: wrong schema, damaged file, a network file system."""


class BadDocument(StoreError, ValueError):
    """A document that no backend may take: too large, not JSON, or with NUL or a lone surrogate in it."""


class WriteRefused(StoreError):
    """An operation could not be done. Nothing of its write remains."""

    def __init__(self, collection: Collection, key: str, document: Document | None = None) -> None:
        super().__init__(f"{type(self).__name__} in {collection.name}")
        self.collection = collection
        self.key = key
        self.document = document


class AlreadyExists(WriteRefused):
    """`insert`: the key is taken, by a document that is still valid or still kept."""


class Conflict(WriteRefused):
    """`replace`: the document was changed, redeemed, or removed since it was read."""


class NotFound(WriteRefused):
    """`redeem`: there is no such document."""


class Expired(WriteRefused):
    """`redeem`: the document is no longer valid; `document` holds it."""


class AlreadyRedeemed(WriteRefused):
    """`redeem`: somebody else succeeded before; `document` holds what was redeemed."""


@dataclass(frozen=True, slots=True)
class Insert:
    collection: Collection
    key: str
    value: Mapping[str, Any]
    valid_until: float
    keep_until: float


@dataclass(frozen=True, slots=True)
class Ensure:
    collection: Collection
    key: str
    value: Mapping[str, Any]
    valid_until: float
    keep_until: float


@dataclass(frozen=True, slots=True)
class Replace:
    collection: Collection
    document: Document
    value: Mapping[str, Any]
    valid_until: float
    keep_until: float


@dataclass(frozen=True, slots=True)
class Delete:
    collection: Collection
    key: str


@dataclass(frozen=True, slots=True)
class DeleteWhere:
    collection: Collection
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Redeem:
    collection: Collection
    key: str
    keep_until: float


@dataclass(frozen=True, slots=True)
class Increment:
    collection: Collection
    key: str
    by: int
    valid_until: float


Operation = Insert | Ensure | Replace | Delete | DeleteWhere | Redeem | Increment


def insert(
    collection: Collection,
    key: str,
    value: Mapping[str, Any],
    valid_until: float = FOREVER,
    keep_until: float | None = None,
) -> Insert:
    """Write a new document. The write raises AlreadyExists where the key is taken; a document past `keep_until` is not
    in the way, whether or not it was swept.
    """
    return Insert(collection, key, value, valid_until, keep_until if keep_until is not None else valid_until)


def ensure(
    collection: Collection,
    key: str,
    value: Mapping[str, Any],
    valid_until: float = FOREVER,
    keep_until: float | None = None,
) -> Ensure:
    """Write a document unless the key is taken; then leave the one that is there.

    For a key that is derived from the document which the same write redeems (a refresh token's successor): two writers
    that race derive the same key, and the loser must not take away what the winner hands out. A backend without
    transactions therefore undoes it when the redemption finds NotFound or Expired, and leaves it on AlreadyRedeemed.
    """
    return Ensure(collection, key, value, valid_until, keep_until if keep_until is not None else valid_until)


def replace(
    collection: Collection,
    document: Document,
    value: Mapping[str, Any],
    valid_until: float | None = None,
    keep_until: float | None = None,
) -> Replace:
    """Change a document if it still is what was read (compare-and-swap on its version). The write raises Conflict.

    Without `valid_until` and `keep_until` the document keeps its own.
    """
    if valid_until is None:
        valid_until = document.valid_until
        keep_until = document.keep_until if keep_until is None else keep_until
    return Replace(collection, document, value, valid_until, keep_until if keep_until is not None else valid_until)


def delete(collection: Collection, key: str) -> Delete:
    """Remove a document. One that is not there is no error."""
    return Delete(collection, key)


def delete_where(collection: Collection, field: str, value: str) -> DeleteWhere:
    """Remove all documents, also kept ones, whose declared field has this value; answers how many.

    A write of several of these is all or nothing, as any: a backend without transactions must be able to repeat it,
    and thus removes what names the others (spent codes and refresh tokens) last. It looks again until nothing is left:
    what others insert meanwhile, before they find that what they spend is gone, must go too.

    Those in a row that differ in the value only may be removed together: then the first answers for all of them, and
    the others 0.
    """
    return DeleteWhere(collection, field, value)


def redeem(collection: Collection, key: str, keep_until: float) -> Redeem:
    """Spend a single-use document. Exactly one writer ever succeeds, across threads, processes and machines.

    The spent document is kept until `keep_until` (or its own, if later), so that a second use is recognised. The write
    raises AlreadyRedeemed (with the document: replay detection needs its grant), Expired, NotFound or StoreUnavailable.
    """
    return Redeem(collection, key, keep_until)


def increment(collection: Collection, key: str, by: int = 1, *, valid_until: float) -> Increment:
    """Add to a counter, atomically, and answer its new value. The first one sets when it expires; an expired counter
    starts again from zero. The document's value is `{"count": n}`.
    """
    return Increment(collection, key, by, valid_until)


def check_key(key: str) -> str:
    """The key of a document to be written, as every backend can keep it. Raises BadDocument.

    Reads and removals take any text: where no document can have it, there is none.
    """
    if not key:
        raise BadDocument("an empty key")
    if "\0" in key or not (key.isascii() or _is_unicode(key)):
        raise BadDocument("NUL or a lone surrogate in a key")
    return key


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(value: Mapping[str, Any]) -> str:
    """A document as JSON, as every backend must be able to keep it. Raises BadDocument."""
    try:
        text = _JSON.encode(value)
        size = len(text.encode("utf-8"))
        depth = _depth(value) if text.count("{") + text.count("[") > MAXIMUM_DEPTH else 0
    except (TypeError, ValueError, RecursionError) as error:
        raise BadDocument(f"not a JSON document: {type(error).__name__}") from None
    if size > MAXIMUM_DOCUMENT_SIZE:
        raise BadDocument(f"a document of {size} bytes; {MAXIMUM_DOCUMENT_SIZE} is the most")
    if depth > MAXIMUM_DEPTH:
        raise BadDocument(f"a document nested deeper than {MAXIMUM_DEPTH}")
    if "\\u0000" in text and "\0" in _texts(value):
        raise BadDocument("NUL in a document")
    return text


def _texts(value: Any) -> str:
    """All text of a document, keys included, in one string: only made where NUL is suspected."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "".join(_texts(key) + _texts(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "".join(_texts(item) for item in value)
    return ""


def _depth(value: Any) -> int:
    """How deep a document is nested: only counted where it has that many brackets."""
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, (list, tuple)):
        return 1 + max(map(_depth, value), default=0)
    return 0


_request = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """All calls that this thread makes to a store meanwhile share these seconds, counted from the first of them: one
    deadline a request, in which the time that a slow client takes is not the store's.
    """
    before = getattr(_request, "seconds", None), getattr(_request, "ends", None)
    _request.seconds, _request.ends = seconds, None
    try:
        yield
    finally:
        _request.seconds, _request.ends = before


@contextmanager
def time_not_counted() -> Iterator[None]:
    """Around a wait for something else than a store: it is not taken from the deadline of the request."""
    began = time.monotonic()
    try:
        yield
    finally:
        ends = getattr(_request, "ends", None)
        if ends is not None:
            _request.ends = ends + time.monotonic() - began


def time_left(timeout: float) -> float:
    """The seconds that a call may take: a backend's own timeout, or what its request has left."""
    seconds = getattr(_request, "seconds", None)
    if seconds is None:
        return timeout
    if _request.ends is None:
        _request.ends = time.monotonic() + seconds
    left: float = _request.ends - time.monotonic()
    return max(0.0, min(timeout, left))


class Store(ABC):
    """A backend. One object a process, made where it is used (after a fork, never before), safe for many threads.

    Every method may raise StoreUnavailable, within `time_left(timeout)` seconds.
    """

    schemes: ClassVar[tuple[str, ...]]
    """The URI schemes that select this backend: each has an entry point of its name in the group `creance.stores`."""

    on_this_machine: ClassVar[bool] = False
    """Whether its data are here, and nobody else's too: then the first start makes the secret that seals the keys, and
    a place that cannot be used is refused instead of awaited.
    """

    collections: Mapping[str, Collection]

    @classmethod
    @abstractmethod
    def from_uri(cls, uri: str, *, folder: Path, timeout: float) -> Store:
        """Make a store. `folder` is what relative paths in the URI are relative to; `timeout` the deadline of one
        call, in seconds. Does no I/O; raises ValueError for a URI that it does not understand.
        """

    @abstractmethod
    def open(self, collections: Iterable[Collection]) -> None:
        """Connect, and make what the declared collections need: idempotent, also with many workers at once.

        Raises StoreUnavailable, or StoreRefused where the data must not be touched by this version.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections and threads. Closing twice is no error."""

    @abstractmethod
    def describe(self) -> str:
        """The backend and its place in a few words, for the first log line: never a password."""

    @abstractmethod
    def get(self, collection: Collection, key: str) -> Document | None:
        """The document, if it is valid now. A redeemed one is not. One round trip."""

    @abstractmethod
    def get_kept(self, collection: Collection, key: str) -> Document | None:
        """The document, even if it is expired or redeemed, as long as it is kept. One round trip.

        Only for who must tell a replay from an unknown value; look at `redeemed_at` and `valid_until` before use.
        """

    @abstractmethod
    def find(self, collection: Collection, field: str, value: str, limit: int = 1000) -> list[Document]:
        """The valid documents whose declared field has this value. An undeclared field is a ValueError."""

    def delete_where(self, collection: Collection, field: str, value: str) -> int:
        """The operation of that name as a write of its own."""
        return self.write([delete_where(collection, field, value)])[0] or 0

    @abstractmethod
    def page(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        """Valid documents in the order of their keys, those after the key `after`. For commands, not for requests."""

    @abstractmethod
    def page_kept(self, collection: Collection, after: str | None = None, limit: int = 100) -> list[Document]:
        """All documents that are kept, also expired and redeemed ones, in the order of their keys, those after the key
        `after`. For moving them to another store.
        """

    @abstractmethod
    def put(self, collection: Collection, documents: Sequence[Document], *, overwrite: bool = False) -> list[Document]:
        """Write documents exactly as they are, expired and redeemed ones too; only the version is this store's own.
        For moving them from another store, while nobody else writes.

        A key that is taken by a document which is still kept is left alone, and that one is answered; with `overwrite`
        it is replaced. All others are durable when this returns. Where it raises, any of them may have been written:
        doing it again does no harm. Raises BadDocument before anything is written.
        """

    @abstractmethod
    def write(self, operations: Sequence[Operation]) -> list[int | None]:
        """All writes of one request. Either all are done and durable when this returns, or one raises and none remains.

        Where there are no transactions they are done in the given order, and the last is the commit point: insert
        what nobody holds yet first, redeem last. Answers one value an operation: the new count for
        `increment`, how many were removed for `delete_where`, None for the others.
        """

    def place_of(self, collection: Collection) -> Store:
        """The one store that keeps a collection: this one, unless it stands for several."""
        return self

    def shares(self, collections: Sequence[Collection]) -> list[tuple[Store, Sequence[Collection]]]:
        """Each store that this one stands for, with those that it keeps."""
        return [(self, collections)]

    def check_writable(self) -> None:
        """Raise StoreUnavailable where writes fail. For probes, which ask often: it costs nothing while they succeed.

        A backend whose reads fail together with its writes need not do more.
        """
        return

    @abstractmethod
    def claim(self, name: str, holder: str, until: float) -> bool:
        """Take or renew a lease on background work. True for exactly one holder at a time; free again after `until`."""

    @abstractmethod
    def sweep(self, limit: int = 1000) -> int:
        """Remove documents past `keep_until`, at most `limit` of each collection; answers how many. Reads do not
        depend on it.
        """


def store_class(scheme: str) -> type[Store]:
    """The installed backend of a URI scheme (entry point group `creance.stores`). Raises ValueError.

    No other backend is loaded: what one of them lacks harms only those who use it.
    """
    installed = entry_points(group="creance.stores")
    found = {point.value: point for point in installed if point.name == scheme}
    if not found:
        raise ValueError(f"no store for {scheme!r}: installed are {', '.join(sorted(installed.names))}")
    if len(found) > 1:
        raise ValueError(f"several stores for {scheme!r} are installed: {', '.join(sorted(found))}")
    (point,) = found.values()
    try:
        backend: type[Store] = point.load()
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"the store for {scheme!r} cannot be loaded: {why}") from error
    return backend


def make_store(uri: str, *, folder: Path, timeout: float) -> Store:
    """The backend that a URI names. Raises ValueError where none can be had for its scheme, or it does not take it."""
    scheme = uri.partition(":")[0].lower()
    return store_class(scheme).from_uri(uri, folder=folder, timeout=timeout)
