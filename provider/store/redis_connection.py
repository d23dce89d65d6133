"""What a Redis URI says, and the connections that are made from it. The URI itself goes to `redis` whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

from redis import ConnectionPool, RedisError, ResponseError
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as NotInTime
from redis.retry import Retry

from . import StoreUnavailable, time_left
from .baton import baton
from .redis_errors import is_silence, unavailable

SCHEMES: Final = ("redis", "rediss", "unix")

MAY_LOSE_WRITES: Final = "insecure_may_lose_writes"
"""The option of a URI that lets a server be used which can forget what it has acknowledged."""

BEGINNING: Final = b"creance:"
"""Of all our keys."""
_PAUSE: Final = 1.0
"""Seconds for which nobody waits for a server that was silent."""


class Address:
    """A URI that was understood. Its password is shown nowhere."""

    def __init__(self, uri: str, timeout: float) -> None:
        """`timeout`: seconds that one call may take. Does no I/O; raises ValueError."""
        self.timeout = timeout
        self._uri, self.may_lose_writes = _without_our_option(uri)
        try:
            made = self.connect().make_connection()
        except (RedisError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"not a usable URI of Redis: {_told(error, uri)}") from None
        self.name = f"Redis database {getattr(made, 'db', 0)} at {_place(made)}"
        """The database and where it is, for people."""

    def connect(self) -> ConnectionPool:
        """Connections, each of which is made when it is first used. Nothing is ever sent twice: what was may have been
        done.
        """
        return ConnectionPool.from_url(
            self._uri,
            socket_timeout=self.timeout,
            socket_connect_timeout=self.timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )


def _without_our_option(uri: str) -> tuple[str, bool]:
    place, _, query = uri.partition("?")
    scheme, _, rest = place.partition("://")
    if scheme not in SCHEMES:
        raise ValueError("it begins with redis://, rediss:// or unix://")
    if "#" in uri:
        raise ValueError("a # in it is written as %23")
    _check_path(scheme, rest.partition("/")[2])
    options = query.split("&") if query else []
    ours = [option.partition("=")[2] for option in options if option.partition("=")[0] == MAY_LOSE_WRITES]
    if ours not in ([], ["true"], ["false"]):
        raise ValueError(f"{MAY_LOSE_WRITES} is true or false")
    others = "&".join(option for option in options if option.partition("=")[0] != MAY_LOSE_WRITES)
    return place + ("?" if others else "") + others, ours == ["true"]


def _check_path(scheme: str, path: str) -> None:
    """The library would take the end of a password with a / for a part of it, and show it."""
    if scheme != "unix" and path and not path.isdecimal():
        raise ValueError("its path is the number of a database, as in redis://localhost/0")
    if scheme == "unix" and (not path or "@" in path):
        raise ValueError("its path is a socket, as in unix:///run/redis.sock; an @ in it is %40, and a / before it %2F")


def _told(error: Exception, uri: str) -> str:
    """What is wrong, unless a piece of a password may be in it."""
    return type(error).__name__ if "@" in uri else " ".join(str(error).split())[:200]


def _place(connection: Any) -> str:
    return str(getattr(connection, "path", "") or f"{connection.host}:{connection.port}")


class Connected:
    """What one process has while its store is open."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.name = address.name
        self.may_lose_writes = address.may_lose_writes
        self._pool: Any = address.connect()
        self._script = files(__package__).joinpath("redis.lua").read_bytes()
        self._digest = sha1(self._script, usedforsecurity=False).hexdigest()
        self._silent_until = 0.0
        self._cause = ""

    def close(self) -> None:
        self._pool.disconnect()

    def ask(self, *command: str | bytes) -> Any:
        """The answer to a command. Raises StoreUnavailable."""
        with self._connection() as connection:
            return self._answer(connection, *command)

    def call(self, name: str, now: bytes, *arguments: bytes) -> Any:
        """The answer of a call of `redis.lua`. Raises StoreUnavailable."""
        called: tuple[str | bytes, ...] = ("1", BEGINNING, name, now, *arguments)
        with self._connection() as connection:
            try:
                return self._answer(connection, "EVALSHA", self._digest, *called)
            except NoScriptError:  # a server that has not seen it since its start
                return self._answer(connection, "EVAL", self._script, *called)

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        if time.monotonic() < self._silent_until:
            raise StoreUnavailable(self._cause)
        if not time_left(self._address.timeout):
            raise StoreUnavailable(f"the {self.name} was not asked: the request has used up its time")
        with baton.laid_down():
            try:
                connection = self._pool.get_connection()
                try:
                    yield connection
                except ResponseError:
                    raise
                except BaseException:
                    connection.disconnect()  # its answer may still come
                    raise
                finally:
                    self._pool.release(connection)
            except (RedisError, OSError) as error:
                failure = unavailable(self.name, error)
                if is_silence(error):
                    self._silent(str(failure))
                raise failure from error

    def _answer(self, connection: Any, *command: str | bytes) -> Any:
        connection.send_command(*command)
        if not connection.can_read(timeout=time_left(self._address.timeout)):
            raise NotInTime
        return connection.read_response()

    def _silent(self, cause: str) -> None:
        self._cause, self._silent_until = cause, time.monotonic() + _PAUSE
