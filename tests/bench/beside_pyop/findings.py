"""What was found beside plain pyop, as a table and as rows of the report."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..turns import Comparison

AIMS: Mapping[str, tuple[float, int]] = {
    "exchange": (2.5, 0),
    "authorization": (10.0, 100_000),
    "userinfo": (10.0, 100_000),
}
"""How many times as much plain pyop shall cost, and with how many people at least, by row."""


@dataclass(frozen=True, slots=True)
class Findings:
    """One population."""

    size: int
    servers: Sequence[str]
    """Plain pyop is the first."""
    comparisons: Sequence[Comparison]

    def lines(self, signature: float) -> Iterator[str]:
        """The table. `signature`: S, in seconds."""
        plain, *ours = self.servers
        title = f"Beside plain pyop, {self.size:,} of each"
        yield f"{title:38}{'aim':>6} |{plain:^16}" + "".join(f" |{server:^33}" for server in ours)
        yield f"{'':44} |{'ms':>8}{'S':>8}" + f" |{'ms':>8}{'S':>8}{'times less':>14}{'':3}" * len(ours)
        for comparison in self.comparisons:
            yield "".join(self._line(comparison, signature)).rstrip()

    def _line(self, comparison: Comparison, signature: float) -> Iterator[str]:
        aim = self.aim(comparison)
        yield f"{comparison.row.title:38}{aim or '':>6}"
        for server in range(len(self.servers)):
            cpu = comparison.cpu(server)
            yield f" |{cpu * 1000:8.3f}{cpu / signature:8.2f}"
            if server:
                factor, spread = factor_and_spread(comparison, server)
                verdict = " !!" if aim is not None and factor < aim else ""
                yield f"{factor:7.1f} ±{spread:5.1f}{verdict:3}"

    def aim(self, comparison: Comparison) -> float | None:
        """How many times less it shall cost than at plain pyop; None where nothing was promised."""
        aim, people = AIMS.get(comparison.row.name, (None, 0))
        return aim if self.size >= people else None

    def rows(self, signature: float) -> Iterator[dict[str, Any]]:
        """For the report as JSON: what it costs at each server, and how many times less at ours."""
        for comparison in self.comparisons:
            for server, name in enumerate(self.servers):
                cpu = comparison.cpu(server)
                cost = {"value": cpu / signature, "cpu_ms": cpu * 1000, "others": comparison.others}
                yield self._row(comparison, name) | {"unit": "S"} | cost
                if server:
                    factor, spread = factor_and_spread(comparison, server)
                    found = {"value": factor, "spread": spread, "aim": self.aim(comparison)}
                    yield self._row(comparison, f"{self.servers[0]} by {name}") | {"unit": "times"} | found

    def _row(self, comparison: Comparison, of: str) -> dict[str, Any]:
        return {
            "name": f"beside-pyop/{comparison.row.name}/{of}",
            "title": f"{comparison.row.title}: {of}",
            "population": self.size,
        }


def factor_and_spread(comparison: Comparison, server: int) -> tuple[float, float]:
    """How many times less a request costs than at plain pyop: the median of the rounds, and half of their range."""
    factors = [1 / ratio for ratio in comparison.ratios(server)]
    return statistics.median(factors), (max(factors) - min(factors)) / 2
