"""What a MongoDB URI says, and the client that is made from it. The URI itself goes to `MongoClient` whole."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote_plus

from bson.codec_options import CodecOptions
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

Row = dict[str, Any]
"""A document as MongoDB has it."""

SCHEMES: Final = ("mongodb", "mongodb+srv")

_DEFAULT_DATABASE: Final = "creance"


class Address:
    """A URI that was understood. Only the database and the hosts are read from it; its password is shown nowhere."""

    def __init__(self, uri: str, timeout: float) -> None:
        """`timeout`: seconds that one call may take. Does no I/O; raises ValueError."""
        self._uri = uri
        self._options: dict[str, Any] = {}
        if "connecttimeoutms=" not in uri.partition("?")[2].lower():  # pymongo's own 20 s would outlast any request
            self._options["connectTimeoutMS"] = max(1, int(timeout * 1000))
        with _understood(uri), self._examined() as client:
            self.timeout = min(timeout, client.options.timeout or timeout)
            """Seconds that one call may take: timeoutMS of the URI, where that is shorter."""
            self.name = f"{client.get_default_database(_DEFAULT_DATABASE).name} at {_hosts(uri)}"
            """The database and its hosts, for people."""

    def _examined(self) -> MongoClient[Row]:
        if not self._uri.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
            raise ValueError("it begins with mongodb:// or mongodb+srv://")
        client = self.connect()
        if client.options.write_concern.document.get("w") == 0:
            client.close()
            raise ValueError("w=0 acknowledges what may never be written: leave it out")
        return client

    def connect(self) -> MongoClient[Row]:
        """A client, which connects when it is first used. One for each process, made after a fork."""
        return MongoClient(self._uri, connect=False, **self._options)


def database_of(client: MongoClient[Row]) -> Database[Row]:
    """The database that the URI names.

    What is acknowledged is durable: a majority has it in its journal, unless the URI says otherwise. Reads decide
    something: they ask the primary, for the newest that it knows.
    """
    asked_for = client.options.write_concern.document
    return client.get_default_database(_DEFAULT_DATABASE).with_options(
        codec_options=CodecOptions(document_class=dict, tz_aware=True),
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("local"),
        write_concern=WriteConcern(**{"w": "majority", "j": True, **asked_for}),
    )


@contextmanager
def _understood(uri: str) -> Iterator[None]:
    """Turns what MongoClient says of a URI into a ValueError: also what it would only warn of, such as an option that
    it does not know. A misspelt `tls` must not connect without.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            yield
    except (PyMongoError, ValueError, TypeError, OSError, UserWarning) as error:
        raise ValueError(f"not a usable URI of MongoDB: {_without_credentials(str(error), uri)}") from None


def _without_credentials(message: str, uri: str) -> str:
    """MongoClient quotes what it does not understand, and that may be a piece of a password with a `/` in it."""
    credentials = uri.partition("://")[2].rpartition("@")[0]
    if any(piece in message for piece in re.findall(r"\w+", credentials + " " + unquote_plus(credentials))):
        return (
            "what is wrong cannot be told without a piece of its password: percent-encode user and password "
            "(RFC 3986 2.1), or see what is told without them"
        )
    return message


def _hosts(uri: str) -> str:
    authority = re.split("[/?]", uri.partition("://")[2], maxsplit=1)[0]
    return authority.rpartition("@")[2]
