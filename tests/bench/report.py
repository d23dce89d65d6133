"""What was measured, as a table against the budgets and as JSON."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import creance.provider

from .beside_pyop.findings import Findings
from .measuring import Measurement
from .options import Options
from .startup import Figure

_TITLE = 34
_BUSY = 0.1
"""Cores that others may take before a warning is given."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured in one run."""

    options: Options
    signature: float
    """S, in seconds."""
    measurements: Sequence[Measurement]
    figures: Sequence[Figure]
    filled: dict[int, float]
    """The seconds that filling took, by population."""
    beside_pyop: Sequence[Findings]

    def in_signatures(self, measurement: Measurement) -> float:
        """The cost of a request in S."""
        return measurement.cpu / self.signature

    @property
    def others(self) -> float:
        """Cores that others took, on average."""
        compared = [each.others for findings in self.beside_pyop for each in findings.comparisons]
        return statistics.mean([*(each.others for each in self.measurements), *compared])

    def lines(self) -> Iterator[str]:
        """The table."""
        yield from self._about()
        if self.measurements:
            yield ""
            yield from self._costs()
        yield ""
        yield from self._figures()
        if self.measurements:
            yield ""
            yield from self._speeds()
        for findings in self.beside_pyop:
            yield ""
            yield from findings.lines(self.signature)

    def to_dict(self) -> dict[str, Any]:
        """For `build/bench.json`. Times in seconds unless the name says otherwise."""
        rows = [
            {**asdict(each), "unit": "S", "value": self.in_signatures(each), "cpu_ms": each.cpu * 1000}
            for each in self.measurements
        ]
        beside_pyop = [row for findings in self.beside_pyop for row in findings.rows(self.signature)]
        return {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": measured_commit(),
            "python": platform.python_version(),
            "machine": machine(),
            "S_ms": self.signature * 1000,
            "others_cores": self.others,
            "workers": self.options.workers[0],
            "store": self.options.store.partition(":")[0] or "sqlite",
            "fill_seconds": self.filled,
            "rows": [*rows, *(asdict(figure) for figure in self.figures), *beside_pyop],
        }

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_dict(), indent=1) + "\n")

    def _about(self) -> Iterator[str]:
        yield f"Creance {measured_commit()}, Python {platform.python_version()}, {machine()}"
        yield (
            f"{self.options.workers[0]} worker(s), store {self.options.store.partition(':')[0] or 'sqlite'}, "
            f"S = {self.signature * 1000:.4f} ms (one RSA-2048 signature by OpenSSL)"
        )
        yield from others_took(self.others)
        for population, seconds in self.filled.items():
            yield f"{population:,} users, clients, sessions and grants: filled in {seconds:.1f} s"

    def _costs(self) -> Iterator[str]:
        """CPU of the server a request; a row without population is the same for all."""
        populations = list(self.filled)
        heads = "".join(f" |{f'with {population:,} of each':^37}" for population in populations)
        ratio = " | ratio" if len(populations) > 1 else ""
        yield f"{'CPU of the server a request':{_TITLE}}{'budget':>8}{heads}{ratio}"
        columns = f" |{'S':>7}{'±':>6}{'ms':>8}{'of budget':>10}{'':>6}" * len(populations)
        yield f"{'':{_TITLE}}{'S':>8}{columns}"
        for cells in self._by_row(self.measurements):
            first = next(iter(cells.values()))
            line = f"{first.title:{_TITLE}}{_number(first.budget, 8, 2)}"
            line += "".join(f" |{self._cost(cells.get(population))}" for population in populations)
            if len(populations) > 1 and len(cells) > 1:
                line += f" | {cells[populations[-1]].cpu / cells[populations[0]].cpu:5.2f}"
            yield line.rstrip()

    def _cost(self, measurement: Measurement | None) -> str:
        if measurement is None:
            return " " * 37
        used = self.in_signatures(measurement)
        return f"{used:7.2f}{measurement.spread:6.0%}{measurement.cpu * 1000:8.3f}{_verdict(used, measurement.budget)}"

    def _figures(self) -> Iterator[str]:
        for figure in self.figures:
            title = f"{figure.title}, {figure.population:,} of each" if figure.population else figure.title
            yield f"{title:{_TITLE + 14}}{figure.value:8.2f} {figure.unit:4}" + _verdict(figure.value, figure.budget)

    def _speeds(self) -> Iterator[str]:
        """Requests a second and latency: with a load that shares the machine, so less sure than CPU."""
        populations = list(self.filled)
        heads = "".join(f" |{f'with {population:,} of each':^24}" for population in populations)
        yield f"{'Speed, with the load beside it':{_TITLE}}{heads}"
        yield f"{'':{_TITLE}}" + f" |{'1/s':>8}{'p50 ms':>8}{'p99 ms':>8}" * len(populations)
        for cells in self._by_row([each for each in self.measurements if each.per_second]):
            yield f"{next(iter(cells.values())).title:{_TITLE}}" + "".join(
                f" |{each.per_second:8.0f}{each.p50 * 1000:8.2f}{each.p99 * 1000:8.2f}" for each in cells.values()
            )

    def _by_row(self, measurements: Sequence[Measurement]) -> Iterator[dict[int, Measurement]]:
        """The measurements of each row by population; one that has none is under the first."""
        first = next(iter(self.filled))
        for name in dict.fromkeys(each.name for each in measurements):
            yield {each.population or first: each for each in measurements if each.name == name}


def _number(value: float | None, width: int, digits: int) -> str:
    return f"{value:{width}.{digits}f}" if value is not None else " " * (width - 1) + "-"


def _verdict(used: float, budget: float | None) -> str:
    if budget is None:
        return " " * 16
    return f"{used / budget:10.0%}  {'ok' if used <= budget else 'OVER':4}"


def others_took(cores: float) -> list[str]:
    """A warning, where others on the machine took so much that figures are not sure, whichever way they err."""
    return [f"OTHERS TOOK {cores:.2f} CORES MEANWHILE: these figures are not sure"] if cores > _BUSY else []


def measured_commit() -> str:
    """The commit of the package that is measured, which need not be that of this tool."""
    folder = Path(creance.provider.__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", ".", "../plugins", "../config")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + (" with changes" if changed else "")


def machine() -> str:
    """The model of the processor, and how many there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0]} ({len(models)} cores)" if models else platform.machine()
