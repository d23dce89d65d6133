"""The operations of a write as steps with no transaction around them: how each is done, recognised and taken back.

A step writes a number into the document that is its own, the new version. When the answer to a command is lost, it is
done again, by pymongo or by us, and finds its number there: it has been done, and is not refused for that. By the same
number it is taken back when a later step is refused: only where nobody has written since.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, groupby

from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from . import (
    AlreadyExists,
    AlreadyRedeemed,
    Conflict,
    Delete,
    DeleteWhere,
    Ensure,
    Expired,
    Increment,
    Insert,
    NotFound,
    Redeem,
    Replace,
    WriteRefused,
)
from .mongodb_connection import Row
from .mongodb_documents import Documents, date_of, document_of, is_text, new_version, valid
from .mongodb_errors import DUPLICATE_KEY


class Step(ABC):
    """What one command does: an operation, or several of a kind. Both methods may be called again when an answer was
    lost.
    """

    @abstractmethod
    def do(self, now: float) -> list[int | None]:
        """Answers a value for each operation, as `Store.write` does. Raises WriteRefused, having done nothing then."""

    @abstractmethod
    def undo(self, refusal: WriteRefused | None) -> None:
        """Take back what was done, or may have been: because of a later step's refusal, or, with None, because the
        server was lost in this step or a later one, and its caller was told that the write failed.
        """


class Insertion(Step):
    """All that a write inserts or ensures in a row, whatever its collection."""

    def __init__(self, operations: Sequence[tuple[Documents, Insert | Ensure]]) -> None:
        self._held = operations[0][0].held
        self._operations = [operation for _, operation in operations]
        self._rows = [
            documents.row(operation.key, operation.value, operation.valid_until, operation.keep_until)
            for documents, operation in operations
        ]

    def do(self, now: float) -> list[int | None]:
        for number in self._insert_all():
            operation = self._operations[number]
            if not self._insert_again(self._rows[number], now) and isinstance(operation, Insert):
                self._remove(self._rows)
                raise AlreadyExists(operation.collection, operation.key)
        return [None] * len(self._rows)

    def _insert_all(self) -> list[int]:
        """The numbers of those whose key was taken: by what is forgotten, by this very step, or indeed."""
        try:
            self._held.insert_many(self._rows, ordered=False)
        except BulkWriteError as error:
            refusals = error.details["writeErrors"]
            if error.details["writeConcernErrors"] or any(refusal["code"] != DUPLICATE_KEY for refusal in refusals):
                raise
            return [refusal["index"] for refusal in refusals]
        return []

    def _insert_again(self, row: Row, now: float) -> bool:
        """Where the document that has the key is forgotten. True also where this step has inserted its own before."""
        while True:
            forgotten = {"_id": row["_id"], "keep_until": {"$lte": now}}
            if self._held.find_one_and_replace(forgotten, row, {"_id": 1}) is not None:
                return True
            there = self._held.find_one({"_id": row["_id"]}, {"version": 1})
            if there is not None:
                return bool(there["version"] == row["version"])
            with suppress(DuplicateKeyError):  # it has just gone
                self._held.insert_one(row)
                return True

    def undo(self, refusal: WriteRefused | None) -> None:
        """Nobody was given what was inserted. What was ensured others may have been given: who redeemed its predecessor
        first, and who is just about to, where it is not known how this write has ended.
        """
        others_may_have_it = refusal is None or isinstance(refusal, AlreadyRedeemed)
        pairs = zip(self._operations, self._rows, strict=True)
        self._remove([row for operation, row in pairs if isinstance(operation, Insert) or not others_may_have_it])

    def _remove(self, rows: Sequence[Row]) -> None:
        if rows:
            self._held.delete_many({name: {"$in": [row[name] for row in rows]} for name in ("_id", "version")})


class Replacement(Step):
    def __init__(self, documents: Documents, operation: Replace) -> None:
        self._operation = operation
        self._held = documents.held
        self._read = operation.document.version
        self._row = documents.row(operation.document.key, operation.value, operation.valid_until, operation.keep_until)
        self._mine = {"_id": self._row["_id"], "version": self._row["version"]}
        self._before: Row | None = None

    def do(self, now: float) -> list[int | None]:
        unchanged = {"_id": self._row["_id"], "version": self._read, **valid(now)}
        self._before = self._held.find_one_and_replace(unchanged, self._row)
        if self._before is None and self._held.find_one(self._mine, {"_id": 1}) is None:
            raise Conflict(self._operation.collection, self._operation.document.key)
        return [None]

    def undo(self, refusal: WriteRefused | None) -> None:
        """Not where the answer was lost that would have said what was there before."""
        if self._before is not None:
            self._held.find_one_and_replace(self._mine, self._before, {"_id": 1})


class Redemption(Step):
    """The one atomic operation that decides who wins."""

    def __init__(self, documents: Documents, operation: Redeem, *, successor_ensured: bool) -> None:
        self._operation = operation
        self._held = documents.held
        self._id = documents.id_of(operation.key)
        self._version = new_version()
        self._successor_ensured = successor_ensured

    def do(self, now: float) -> list[int | None]:
        if not is_text(self._id):
            raise NotFound(self._operation.collection, self._operation.key)
        keep_until = float(self._operation.keep_until)
        spent = {
            "$set": {"redeemed_at": now, "version": self._version},
            "$max": {"keep_until": keep_until, "expires_at": date_of(keep_until)},
        }
        while self._held.find_one_and_update({"_id": self._id, **valid(now)}, spent, {"_id": 1}) is None:
            row = self._held.find_one({"_id": self._id, "keep_until": {"$gt": now}})
            if row is not None and row["version"] == self._version:
                break
            self._refuse(row, now)
        return [None]

    def _refuse(self, row: Row | None, now: float) -> None:
        """Raises, unless another redeemer has given it back since."""
        collection, key = self._operation.collection, self._operation.key
        if row is None:
            raise NotFound(collection, key)
        if row["redeemed_at"] is not None:
            raise AlreadyRedeemed(collection, key, document_of(row))
        if row["valid_until"] <= now:
            raise Expired(collection, key, document_of(row))

    def undo(self, refusal: WriteRefused | None) -> None:
        """Give it back, for nobody got what it was spent for. It stays kept for longer, which harms nobody.

        Not where a successor was ensured and the server was lost: who asked again has been given that one, perhaps.
        """
        if refusal is None and self._successor_ensured:
            return
        mine = {"_id": self._id, "version": self._version}
        given_back = {"$set": {"redeemed_at": None, "version": new_version()}}
        self._held.find_one_and_update(mine, given_back, {"_id": 1})


class Increase(Step):
    def __init__(self, documents: Documents, operation: Increment) -> None:
        self._held = documents.held
        self._by = operation.by
        self._first = documents.row(operation.key, {"count": operation.by}, operation.valid_until, 0)
        self._mine = {"_id": self._first["_id"], "version": self._first["version"]}
        self._undone = new_version()
        self._before: Row | None = None

    def do(self, now: float) -> list[int | None]:
        count = self._add(now)
        while count is None:
            count = self._begin_again(now) or self._add(now)
        return [count]

    def _add(self, now: float) -> int | None:
        """None where the counter has expired, or was just made by somebody else, or by this very step."""
        counter = {"_id": self._first["_id"], "version": {"$ne": self._first["version"]}, "valid_until": {"$gt": now}}
        first = {name: value for name, value in self._first.items() if name not in {"_id", "count", "version"}}
        change = {"$inc": {"count": self._by}, "$set": {"version": self._first["version"]}, "$setOnInsert": first}
        try:
            self._before = self._held.find_one_and_update(counter, change, upsert=True)
        except DuplicateKeyError:
            return None
        return self._by + int(self._before.get("count", 0) if self._before else 0)

    def _begin_again(self, now: float) -> int | None:
        done = self._held.find_one(self._mine, {"count": 1})
        if done is not None:
            return int(done["count"])
        expired = {"_id": self._first["_id"], "valid_until": {"$lte": now}}
        return self._by if self._held.find_one_and_replace(expired, self._first, {"_id": 1}) is not None else None

    def undo(self, refusal: WriteRefused | None) -> None:
        """Others may have counted on; then only what this step has added goes. What limits attacks may well count a
        request that failed.
        """
        if refusal is None:
            return
        if self._before is None:
            gone = self._held.find_one_and_delete(self._mine, {"_id": 1})
        else:
            gone = self._held.find_one_and_replace(self._mine, self._before, {"_id": 1})
        if gone is None:
            others = {"_id": self._first["_id"], "version": {"$ne": self._undone}}
            self._held.update_one(others, {"$inc": {"count": -self._by}, "$set": {"version": self._undone}})


class Removal(Step):
    """One document."""

    def __init__(self, documents: Documents, operation: Delete) -> None:
        self._held = documents.held
        self._id = documents.id_of(operation.key)
        self._before: list[Row] = []

    def do(self, now: float) -> list[int | None]:
        row = self._held.find_one_and_delete({"_id": self._id}) if is_text(self._id) else None
        if row is not None:
            self._before = [row]
        return [None]

    def undo(self, refusal: WriteRefused | None) -> None:
        _bring_back(self._held, self._before, refusal)


class RemovalByField(Step):
    """Several in a row end what belongs together, and may be cut off in the middle. So at first nothing of it can be
    used any more, and then it goes, the first at last: what names the others is there until they are gone, and whoever
    presents it again has the rest removed.

    Those that differ in the value only are one command: a person's hundred grants are not hundreds of round trips.

    The server removes what it finds, one after the other, and need not find what is inserted meanwhile. Whatever hangs
    on a document was inserted before that could no longer be spent, at the latest before it was removed: so it is
    looked again until nothing is left.
    """

    def __init__(self, operations: Sequence[tuple[Documents, DeleteWhere]], *, may_be_undone: bool) -> None:
        self._held = operations[0][0].held
        alike = groupby(operations, lambda each: (each[1].collection, each[1].field))
        together = [list(group) for _, group in alike]
        self._numbers = [len(group) for group in together]
        self._wheres = [_where(group) for group in together]
        self._may_be_undone = may_be_undone
        self._before: list[Row] = []

    def do(self, now: float) -> list[int | None]:
        if self._may_be_undone and not self._before:
            self._before = list(self._held.find({"$or": self._wheres}))
        if self._wheres[:-1]:
            usable = {"$or": self._wheres[:-1], "redeemed_at": None}
            self._held.update_many(usable, {"$set": {"redeemed_at": now}})
        counts = self._delete()
        while self._wheres[:-1] and self._held.find_one({"$or": self._wheres}, {"_id": 1}) is not None:
            counts = [before + more for before, more in zip(counts, self._delete(), strict=True)]
        return list(chain.from_iterable(map(_answers, counts, self._numbers)))

    def _delete(self) -> list[int]:
        return [self._held.delete_many(where).deleted_count for where in reversed(self._wheres)][::-1]

    def undo(self, refusal: WriteRefused | None) -> None:
        _bring_back(self._held, self._before, refusal)


def _where(alike: Sequence[tuple[Documents, DeleteWhere]]) -> Row:
    documents, operation = alike[0]
    return documents.where(operation.field, *(each.value for _, each in alike))


def _answers(count: int, number: int) -> list[int | None]:
    """The first answers for all that went together."""
    return [count, *[0] * (number - 1)]


def _bring_back(held: MongoCollection[Row], rows: Sequence[Row], refusal: WriteRefused | None) -> None:
    """What was removed, unless its key was taken since. Not when the server was lost: who was told to try again may
    have removed it elsewhere by now, and dead it must stay.
    """
    for row in rows if refusal is not None else ():
        with suppress(DuplicateKeyError):
            held.insert_one(row)
