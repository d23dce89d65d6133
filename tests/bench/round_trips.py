"""How often each kind of request asks the store: the app in this process, with a store whose calls are counted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from creance.provider import OpenIDProvider, create_app
from creance.provider.store import Store
from falcon.testing import create_environ

from .load import Outcome, Work, captured
from .population import variables
from .rows import Row
from .world import World

_CALLS = ("get", "get_kept", "find", "page", "write", "delete_where", "claim")
"""Each of them is a way to the store and back."""


class Counted:
    """Sends requests to an app in this process, and counts the calls that they make to its store."""

    def __init__(self, app: Any, store: Store) -> None:
        self.calls = 0
        self._app = app
        self._thread = threading.get_ident()
        self._deep = False
        for name in _CALLS:
            setattr(store, name, self._counting(getattr(store, name)))

    @property
    def process(self) -> int:
        return os.getpid()

    def run(self, work: Work) -> Outcome:
        """One after the other. Raises WrongAnswer."""
        begun = time.perf_counter()
        found = [captured(work, request, self._answer(request.message)) for request in work.requests]
        return Outcome(time.perf_counter() - begun, [], found)

    def _counting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread or self._deep:  # housekeeping; or one that another one makes
                return call(*arguments, **named)
            self.calls += 1
            self._deep = True
            try:
                return call(*arguments, **named)
            finally:
                self._deep = False

        return counted

    def _answer(self, message: bytes) -> bytes:
        """The answer as it would go over the wire."""
        head, _, body = message.partition(b"\r\n\r\n")
        line, *fields = head.decode("ascii").split("\r\n")
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        headers = dict(name_and_value.split(": ", 1) for name_and_value in fields)
        environ = create_environ(path, query, method=method, headers=headers, body=body)
        lines = []

        def start_response(status: str, fields: Sequence[tuple[str, str]], _: Any = None) -> None:
            lines[:] = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields), "", ""]

        answer = b"".join(self._app(environ, start_response))
        return "\r\n".join(lines).encode("latin-1") + answer


@contextmanager
def counted_world(world: World) -> Iterator[tuple[World, Counted]]:
    """The same people, with the same store, at an app in this process."""
    with variables(world.server.environment):
        provider: Any = OpenIDProvider.from_config(world.server.configuration)
    provider.start()
    try:
        counted = Counted(create_app(provider), provider.store)
        yield World(world.server, counted, world.population), counted
    finally:
        provider.stop()


def round_trips(world: World, kinds: Sequence[type[Row]], count: int) -> dict[str, float]:
    """Of each kind of request how many round trips it makes on average, by its title."""
    found = {}
    with counted_world(world) as (inside, counted):
        for kind in kinds:
            row = kind(inside)
            work = row.work(count)
            before = counted.calls
            outcome = counted.run(work)
            found[kind.title] = (counted.calls - before) / count
            row.learn(outcome.captured)
    return found
