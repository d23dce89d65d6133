"""What the errors of Redis mean to the operator: a cause, and never data or a password."""

from __future__ import annotations

from typing import Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as NotInTime

from . import StoreUnavailable

_CLUSTER: Final = "is a cluster: use a single Redis, or one with replicas"

_CAUSES: Final[dict[type[Exception], str]] = {
    NoPermissionError: "does not let this user do what is needed",
    AuthenticationError: "refuses the user or the password, or wants some",
    BusyLoadingError: "is still reading its data from the disk",
    OutOfMemoryError: "has used up its memory (maxmemory)",
    ReadOnlyError: "is a replica, which takes no writes",
    MasterDownError: "is a replica without its primary",
    ClusterError: _CLUSTER,
    NotInTime: "did not answer in time",
}
"""By the class that redis has for an error; the first that fits."""

_WORDS: Final = {
    "BUSY": "is busy with a script",
    "CLUSTERDOWN": _CLUSTER,
    "CROSSSLOT": _CLUSTER,
    "MOVED": _CLUSTER,
    "MISCONF": "takes no writes, because it cannot write them to its disk",
    "NOREPLICAS": "has too few replicas for min-replicas-to-write",
    "OOM": "has used up its memory (maxmemory)",
    "READONLY": "is a replica, which takes no writes",
}
"""By the word with which Redis begins an error, or that in a script."""


def unavailable(name: str, error: Exception) -> StoreUnavailable:
    """The same error for whoever uses the store."""
    return StoreUnavailable(f"the {name} {_cause(error)}")


def is_silence(error: Exception) -> bool:
    """True where an answer was waited for in vain. Who is refused a connection is told so at once."""
    return isinstance(error, NotInTime)


def is_forbidden(unavailable: StoreUnavailable) -> bool:
    """True where the user is right, and this command is not allowed to it."""
    return isinstance(unavailable.__cause__, NoPermissionError)


def _cause(error: Exception) -> str:
    for kind, cause in _CAUSES.items():
        if isinstance(error, kind):
            return cause
    if isinstance(error, NotConnected | OSError):
        return f"cannot be reached: {' '.join(str(error).split())[:200]}"
    words = str(error).replace(":", " ").replace("-", " ").split()  # the others may quote what was asked for
    return next((_WORDS[word] for word in words if word in _WORDS), "refuses the command")
