"""Several servers measured in turns: what disturbs the machine for a while disturbs all of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .measuring import Round, measure
from .rows import Row
from .world import World


@dataclass(frozen=True, slots=True)
class Comparison:
    """A kind of request at several servers, of which the first is what the others are compared with."""

    row: type[Row]
    rounds: list[tuple[Round, ...]] = field(default_factory=list)
    """A round of each server, as often as there were rounds."""

    def cpu(self, server: int) -> float:
        """Seconds of a request at a server: the median."""
        return statistics.median(each[server].cpu for each in self.rounds)

    def ratios(self, server: int) -> list[float]:
        """The cost at a server, by that at the first one in the same round."""
        return [each[server].cpu / each[0].cpu for each in self.rounds]

    def ratio(self, server: int) -> float:
        """The median of these."""
        return statistics.median(self.ratios(server))

    def spread(self, server: int) -> float:
        """Half of the distance between the quarter of the rounds with the least ratio and that with the largest."""
        if len(self.rounds) < 4:
            return (max(self.ratios(server)) - min(self.ratios(server))) / 2
        quarters = statistics.quantiles(self.ratios(server), method="inclusive")
        return (quarters[2] - quarters[0]) / 2

    @property
    def others(self) -> float:
        """Cores that were taken by what is neither a server nor the load, on average."""
        return max(0.0, statistics.mean(turn.others for each in self.rounds for turn in each))


class Turns:
    """Measures rows round by round: each at one server, and at once at the next. Who comes first changes."""

    def __init__(self, worlds: Sequence[World], kinds: Sequence[type[Row]], count: int) -> None:
        """`count` requests make a round, for rows with a share of 1. Raises WrongAnswer, as `measure_round` does."""
        self.comparisons = [Comparison(kind) for kind in kinds]
        self._rows = {kind: [kind(world) for world in worlds] for kind in kinds}
        self._count = count
        for rows in self._rows.values():
            for row in rows:  # so that all are warm
                row.run(max(8, self._requests(row) // 2))

    def measure_round(self) -> None:
        """One more."""
        for comparison in self.comparisons:
            rows = self._rows[comparison.row]
            first = len(comparison.rounds) % len(rows)
            order = [*range(first, len(rows)), *range(first)]
            taken = {server: measure(rows[server], self._requests(rows[server])) for server in order}
            comparison.rounds.append(tuple(taken[server] for server in range(len(rows))))

    def _requests(self, row: Row) -> int:
        return max(4, round(self._count * row.share * row.world.share))


def table(comparisons: Sequence[Comparison], titles: Sequence[str], signature: float, promise: float) -> Iterator[str]:
    """What a request costs at each server, and how many times what it costs at the first one."""
    heads = "".join(f" |{title:^16}" if not number else f" |{title:^32}" for number, title in enumerate(titles))
    yield f"{'CPU of the server a request':34}{heads}".rstrip()
    yield f"{'':34} |{'ms':>8}{'S':>8}" + f" |{'ms':>8}{'S':>8}{'times':>8}{'±':>5}   " * (len(titles) - 1)
    for each in comparisons:
        yield "".join(_line(each, len(titles), signature, promise)).rstrip()


def _line(comparison: Comparison, servers: int, signature: float, promise: float) -> Iterator[str]:
    yield f"{comparison.row.title:34}"
    for server in range(servers):
        cpu = comparison.cpu(server)
        yield f" |{cpu * 1000:8.3f}{cpu / signature:8.2f}"
        if server:
            ratio = comparison.ratio(server)
            yield f"{ratio:8.2f}{comparison.spread(server):5.2f}{'   ' if ratio <= promise else ' !!'}"
