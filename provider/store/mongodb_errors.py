"""What the errors of MongoDB mean to the operator: a cause, and never data or a password."""

from __future__ import annotations

import re
from typing import Final

from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from . import StoreError, StoreRefused, StoreUnavailable

NOT_AUTHORIZED: Final = 13
DUPLICATE_KEY: Final = 11000
INDEX_CONFLICTS: Final = frozenset({85, 86})
"""An index of that name, or of those fields, is there with other options."""

_CAUSES: Final = {
    NOT_AUTHORIZED: "does not let this user do what is needed",
    18: "refuses the user or the password",
    8000: "refuses the command of the service that hosts it",
    14031: "cannot grow: the disk is full",
    12501: "is over its quota",
    64: "did not confirm in time that a majority has the write",
    100: "has too few members for the write concern",
}


def unavailable(name: str, error: PyMongoError) -> StoreUnavailable:
    """The same error for whoever uses the store."""
    return StoreUnavailable(f"the database {name} {_cause(error)}")


def unusable(name: str, error: PyMongoError) -> StoreError:
    """The same while opening, where a server that is too old is found: waiting does not mend that."""
    if isinstance(error, ConfigurationError) and "wire version" in str(error):
        return StoreRefused(f"the database {name} cannot be used: {_one_line(error)}")
    return unavailable(name, error)


def is_silence(error: PyMongoError) -> bool:
    """True where nobody answered, or not in time. Whoever answers, if only with a refusal, is there."""
    return error.timeout or not isinstance(error, OperationFailure)


def may_be_tried_again(error: PyMongoError) -> bool:
    """True where the connection was lost, or the primary has changed, and it is not for lack of time."""
    return isinstance(error, AutoReconnect) and not error.timeout


def _cause(error: PyMongoError) -> str:
    if isinstance(error, WTimeoutError):
        return _CAUSES[64]
    if isinstance(error, NotPrimaryError):
        return "has no primary that takes writes"
    if isinstance(error, ServerSelectionTimeoutError):
        return f"cannot be reached: {_one_line(error)}"
    if error.timeout:
        return "did not answer in time"
    if isinstance(error, ConnectionFailure):
        return f"cannot be reached: {_one_line(error)}"
    if isinstance(error, ConfigurationError):
        return f"cannot be used: {_one_line(error)}"
    if isinstance(error, OperationFailure):
        return _refusal(error)
    return f"cannot be used ({type(error).__name__})"


def _refusal(error: OperationFailure) -> str:
    """By its code: the server's own words may quote the command, and thus what is in a document."""
    details = error.details or {}
    if isinstance(error, BulkWriteError):
        details = next(iter([*details.get("writeErrors", []), *details.get("writeConcernErrors", [])]), {})
    code = details.get("code", error.code)
    words = str(details.get("errmsg", ""))
    cause = _CAUSES[12501] if "quota" in words else _CAUSES.get(code, "refuses the command")
    return f"{cause} ({details.get('codeName', 'code')} {code})"


def _one_line(error: PyMongoError) -> str:
    """What pymongo says of a connection: the host and the error of the system, without settings and topology."""
    text = re.sub(r" ?\(configured timeouts:[^)]*\)", "", str(error))
    text = text.partition(", Timeout: ")[0]
    return " ".join(text.split())[:300]
