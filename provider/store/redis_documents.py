"""Documents and operations as `redis.lua` has them: texts, and lists of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from . import (
    AlreadyExists,
    AlreadyRedeemed,
    Collection,
    Conflict,
    Delete,
    DeleteWhere,
    Document,
    Ensure,
    Expired,
    Increment,
    Insert,
    NotFound,
    Operation,
    Redeem,
    Replace,
    WriteRefused,
    check_key,
    encode,
)

Text = bytes

_REFUSALS: Final[dict[Text, type[WriteRefused]]] = {
    refusal.__name__.encode(): refusal for refusal in (AlreadyExists, AlreadyRedeemed, Conflict, Expired, NotFound)
}


def text_of(text: str) -> Text:
    """What no document can have is a text of its own too, under which there is none."""
    return text.encode("utf-8", "surrogatepass")


def time_of(moment: float) -> Text:
    """Without loss: what was written is read as the same number."""
    return repr(float(moment)).encode()


def document_of(key: str, text: Text) -> Document:
    """A document as it is kept."""
    version, valid_until, keep_until, redeemed_at, _schema, value = text.split(b"\n", 5)
    return Document(
        key,
        json.loads(value),
        int(version),
        float(valid_until),
        float(keep_until),
        float(redeemed_at) if redeemed_at else None,
    )


def documents_of(answer: Sequence[Text]) -> list[Document]:
    """Each comes after its key."""
    return [document_of(key.decode(), text) for key, text in zip(answer[::2], answer[1::2], strict=True)]


def arguments_of(operation: Operation) -> list[Text]:
    """Eight for each: kind, collection, key, schema, value, valid_until, keep_until, one more. Raises BadDocument."""
    kind, collection = type(operation).__name__.lower(), operation.collection
    key, value, valid_until, keep_until, extra = _members_of(operation)
    kind = "delete_where" if isinstance(operation, DeleteWhere) else kind
    return [
        kind.encode(),
        collection.name.encode(),
        text_of(key),
        str(collection.schema).encode(),
        text_of(value),
        time_of(valid_until),
        time_of(keep_until),
        str(extra).encode(),
    ]


def _members_of(operation: Operation) -> tuple[str, str, float, float, int]:
    match operation:
        case Insert(_, key, value, valid_until, keep_until) | Ensure(_, key, value, valid_until, keep_until):
            return check_key(key), encode(value), valid_until, keep_until, 0
        case Replace(_, document, value, valid_until, keep_until):
            return check_key(document.key), encode(value), valid_until, keep_until, document.version
        case Redeem(_, key, keep_until):
            return key, "", 0, keep_until, 0
        case Increment(_, key, by, valid_until):
            return check_key(key), "", valid_until, valid_until, by
        case DeleteWhere(_, field, value):
            return field, value, 0, 0, 0
        case Delete(_, key):
            return key, "", 0, 0, 0


def arguments_of_moved(collection: Collection, documents: Sequence[Document]) -> Iterator[Text]:
    """Five for each: key, valid_until, keep_until, redeemed_at, value. Raises BadDocument."""
    for document in documents:
        yield text_of(check_key(document.key))
        yield time_of(document.valid_until)
        yield time_of(document.keep_until)
        yield b"" if document.redeemed_at is None else time_of(document.redeemed_at)
        yield text_of(encode(document.value))


def refusal_of(answer: Sequence[Text], operations: Sequence[Operation]) -> WriteRefused:
    """Why the script did nothing: the kind of refusal, which operation it was, and what it found."""
    kind, number, found = answer
    operation = operations[int(number)]
    key = operation.document.key if isinstance(operation, Replace) else getattr(operation, "key", "")
    return _REFUSALS[kind](operation.collection, key, document_of(key, found) if found else None)
