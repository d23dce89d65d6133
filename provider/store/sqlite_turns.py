"""Who of the threads that want to write leads, and for whom.

There is no thread of its own for it. One of those that write leads: it takes along all who came meanwhile, and hands
the lead to the next one who came too late for that.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from . import StoreUnavailable
from .baton import baton

T = TypeVar("T")


class Turn:
    """One thread's work, and then what became of it."""

    __slots__ = ("_answer", "_error", "_woken", "decided", "work")

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.decided = False
        self._answer: Any = None
        self._error: Exception | None = None
        self._woken = threading.Lock()
        self._woken.acquire()

    def succeed(self, answer: Any) -> None:
        self._answer, self._error = answer, None

    def fail(self, error: Exception) -> None:
        self._error = error

    def outcome(self) -> Any:
        """What the work answered; raises what it failed with."""
        if self._error is not None:
            raise self._error
        return self._answer

    def wait(self, seconds: float) -> bool:
        """Until it is woken, to lead or because it is decided. False where that took too long; -1 waits for ever.

        The baton is not taken again: those whose commit is done have only to answer.
        """
        baton.lay_down()
        return self._woken.acquire(timeout=seconds)

    def wake(self) -> None:
        self._woken.release()


class Turns:
    """The order in which threads write. A turn that was taken along can no longer be given up."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[Turn] = deque()
        self._led = False

    def comes_to_lead(self, turn: Turn, seconds: float) -> bool:
        """Wait until this thread leads (True), or another one has decided the turn (False).

        Raises StoreUnavailable where neither happened in time; then the turn has not begun, and never will.
        """
        with self._mutex:
            if not self._led:
                self._led = True
                return True
            self._waiting.append(turn)
        if not turn.wait(seconds):
            self._give_up(turn)
            turn.wait(-1)  # too late to give up: it is being decided
        return not turn.decided

    def take_along(self, most: int) -> list[Turn]:
        """Those who wait now, in the order in which they came: whoever leads has to decide and to wake them."""
        with self._mutex:
            return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def hand_over(self) -> None:
        """Let the next one lead, if there is one."""
        with self._mutex:
            successor = self._waiting.popleft() if self._waiting else None
            self._led = successor is not None
        if successor is not None:
            successor.wake()

    def _give_up(self, turn: Turn) -> None:
        with self._mutex:
            if turn in self._waiting:
                self._waiting.remove(turn)
                raise StoreUnavailable("the database is busy: the writes before this one took too long")
