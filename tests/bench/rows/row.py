"""What a row of the table is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from ..load import Captured, Outcome, Request, Work
from ..world import World


class Row(ABC):
    """A kind of request."""

    name: ClassVar[str]
    """As ROWS and ROW name it."""
    title: ClassVar[str]
    budget: ClassVar[float | None] = None
    """CPU time of the server for one request, in S."""
    status: ClassVar[int] = 200
    patterns: ClassVar[Sequence[bytes]] = ()
    share: ClassVar[float] = 1.0
    """How many requests are made where others make one: the cheaper the more, so that each has time to be measured."""
    concurrency: int = 16

    def __init__(self, world: World) -> None:
        self.world = world

    @abstractmethod
    def requests(self, count: int) -> list[Request]:
        """So many requests, all that they need being there."""

    def learn(self, captured: Sequence[Captured]) -> None:  # noqa: B027 - most have nothing to learn
        """Check what the patterns found more closely, and keep it for other rows. Raises WrongAnswer."""

    def work(self, count: int) -> Work:
        """The requests, and what their answers must be."""
        connections = self.concurrency * self.world.connections
        return Work(self.world.server.address, self.requests(count), self.status, self.patterns, connections)

    def run(self, count: int) -> Outcome:
        """Make so many requests, unmeasured."""
        outcome = self.world.load.run(self.work(count))
        self.learn(outcome.captured)
        return outcome
