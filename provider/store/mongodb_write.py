"""A write from its first step to its last, and what becomes of it when it does not come to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final, TypeVar

from pymongo.errors import PyMongoError

from . import Collection, Delete, DeleteWhere, Ensure, Increment, Insert, Operation, Redeem, Replace, WriteRefused
from .mongodb_documents import Documents
from .mongodb_errors import may_be_tried_again
from .mongodb_operations import Increase, Insertion, Redemption, Removal, RemovalByField, Replacement, Step

T = TypeVar("T")
Undo = Callable[[], None]
Later = Callable[[Sequence[Undo]], None]
"""Takes what is to be done, in this order, when the server answers again."""

_ATTEMPTS: Final = 3


class Write:
    """All writes of one request, planned: checked, encoded, and those put together that can be done at once."""

    def __init__(self, documents_of: Callable[[Collection], Documents], operations: Sequence[Operation]) -> None:
        """Raises BadDocument, and ValueError for a collection or a field that was not declared."""
        self._documents_of = documents_of
        self._operations = operations
        self._steps = [self._step(run, operations[after:]) for run, after in _runs(operations)]

    def perform(self, clock: Callable[[], float], later: Later) -> list[int | None]:
        """Do the steps in their order; the last is the commit point. Answers a value for each operation.

        Where one is refused, those before it are undone, and its WriteRefused is raised. Where the server is lost,
        PyMongoError is raised, and what is to be undone when it is back is handed to `later`.
        """
        answers: list[int | None] = []
        for number, step in enumerate(self._steps):
            try:
                answers += persistently(partial(step.do, clock()))
            except WriteRefused as refusal:
                _undo(self._steps[:number], refusal, later)
                raise
            except PyMongoError:
                if len(self._operations) > 1:  # one alone is whole, done or not
                    later(_undos(self._steps[: number + 1], None))
                raise
        return answers

    def _step(self, run: Sequence[Operation], rest: Sequence[Operation]) -> Step:
        documents = self._documents_of(run[0].collection)
        match run[0]:
            case Insert() | Ensure():
                insertions = [
                    (self._documents_of(operation.collection), operation)
                    for operation in run
                    if isinstance(operation, Insert | Ensure)
                ]
                return Insertion(insertions)
            case DeleteWhere():
                removals = [
                    (self._documents_of(operation.collection), operation)
                    for operation in run
                    if isinstance(operation, DeleteWhere)
                ]
                refusable = any(isinstance(operation, Insert | Replace | Redeem) for operation in rest)
                return RemovalByField(removals, may_be_undone=refusable)
            case Replace() as operation:
                return Replacement(documents, operation)
            case Redeem() as operation:
                ensured = any(isinstance(other, Ensure) for other in self._operations)
                return Redemption(documents, operation, successor_ensured=ensured)
            case Delete() as operation:
                return Removal(documents, operation)
            case Increment() as operation:
                return Increase(documents, operation)


def persistently(work: Callable[[], T]) -> T:
    """Work that recognises itself, done again where the connection was lost or the primary has changed: what pymongo
    itself could retry, it has.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return work()
        except PyMongoError as error:
            if not may_be_tried_again(error):
                raise
    return work()


def _runs(operations: Sequence[Operation]) -> Iterator[tuple[list[Operation], int]]:
    """Inserts are done together, and removals by a field; any other operation alone. Each with where it ends."""

    def company(numbered: tuple[int, Operation]) -> object:
        match numbered[1]:
            case Insert() | Ensure():
                return Insert
            case DeleteWhere():
                return DeleteWhere
            case _:
                return numbered[0]

    for _, group in groupby(enumerate(operations), company):
        run = list(group)
        yield [operation for _, operation in run], run[-1][0] + 1


def _undo(steps: Sequence[Step], refusal: WriteRefused, later: Later) -> None:
    undos = _undos(steps, refusal)
    for number, undo in enumerate(undos):
        try:
            persistently(undo)
        except PyMongoError:
            later(undos[number:])
            return


def _undos(steps: Sequence[Step], refusal: WriteRefused | None) -> list[Undo]:
    """From the last to the first."""
    return [partial(step.undo, refusal) for step in reversed(steps)]
