"""Documents written as they are, many with one command: to move them here from another store."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from . import Document
from .mongodb_documents import Documents, document_of
from .mongodb_errors import DUPLICATE_KEY


class Put:
    """May be done again where the answer was lost: what it has written itself is equal to what it writes."""

    def __init__(self, documents: Documents, given: Sequence[Document], *, overwrite: bool) -> None:
        """Raises BadDocument."""
        self._held = documents.held
        self._overwrite = overwrite
        self._rows = [
            documents.row(document.key, document.value, document.valid_until, document.keep_until)
            | {"redeemed_at": document.redeemed_at}
            for document in given
        ]

    def do(self, now: float) -> list[Document]:
        """Answers what is in the way: a row that finds its key taken becomes an insertion, which is refused."""
        free = {} if self._overwrite else {"keep_until": {"$lte": now}}
        commands = [ReplaceOne({"_id": row["_id"], **free}, row, upsert=True) for row in self._rows]
        try:
            self._held.bulk_write(commands, ordered=False)
        except BulkWriteError as error:
            refusals = error.details["writeErrors"]
            if error.details["writeConcernErrors"] or any(refusal["code"] != DUPLICATE_KEY for refusal in refusals):
                raise
            taken = [self._rows[refusal["index"]]["_id"] for refusal in refusals]
            return [document_of(row) for row in self._held.find({"_id": {"$in": taken}, "keep_until": {"$gt": now}})]
        return []
