"""What `make bench-scale` found, as text and as JSON."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .crowd import Filled
from .leaving import Leaving
from .report import machine, measured_commit, others_took
from .turns import Comparison, table

PROMISE = 1.1
"""Times that a request may cost beside a crowd."""
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class ScaleReport:
    """One store."""

    store: str
    notes: Sequence[str]
    signature: float
    """S, in seconds."""
    active: int
    people: int
    filled: Sequence[Filled]
    comparisons: Sequence[Comparison]
    """Empty where CPU would say nothing."""
    round_trips: Sequence[Mapping[str, float]]
    """By the title of a row: alone, and beside the crowd."""
    worker_memory: Sequence[int]
    """Bytes of a worker after load: the same two."""
    database_memory: int | None
    """Bytes by which a database server of our own grew."""
    leaving: Leaving | None

    def lines(self) -> Iterator[str]:
        """The report as text."""
        yield f"Creance {measured_commit()}, Python {platform.python_version()}, {machine()}, {self.store}"
        yield f"S = {self.signature * 1000:.4f} ms; {self.active:,} people make the requests, each at an app of theirs"
        yield from (f"Note: {note}" for note in self.notes)
        yield ""
        titles = ["nobody else", f"{self.people:,} others"]
        if self.comparisons:
            yield from table(self.comparisons, titles, self.signature, PROMISE)
            yield from others_took(max(each.others for each in self.comparisons))
            yield ""
        yield f"{'Round trips to the store a request':34}" + "".join(f" |{title:^16}" for title in titles)
        for title, alone in self.round_trips[0].items():
            yield f"{title:34} |{alone:9.2f}{'':7} |{self.round_trips[1][title]:9.2f}"
        yield ""
        yield from self._sizes()
        if self.leaving is not None:
            yield ""
            yield self._left(self.leaving)

    def _sizes(self) -> Iterator[str]:
        yield f"{'What the others have in the store':36}{'documents':>12}{'1/s':>9}{'MiB':>9}{'bytes each':>12}"
        for each in self.filled:
            line = f"{each.collection:36}{each.documents:12,}{each.documents / each.seconds:9,.0f}"
            yield line + (f"{each.bytes / _MIB:9,.0f}{each.bytes / each.documents:12,.0f}" if each.bytes else "")
        alone, crowded = (each / _MIB for each in self.worker_memory)
        yield f"Memory of a worker after load: {alone:.0f} MiB, beside the others {crowded:.0f} MiB"
        if self.database_memory is not None:
            yield f"Memory of the database server: {self.database_memory / _MIB:,.0f} MiB more"

    @staticmethod
    def _left(leaving: Leaving) -> str:
        return (
            f"{leaving.documents - leaving.left:,} of {leaving.documents:,} documents that had ended left within "
            f"{leaving.seconds:.1f} s; p99 of userinfo {leaving.p99_meanwhile * 1000:.1f} ms meanwhile, "
            f"{leaving.p99_afterwards * 1000:.1f} ms afterwards"
        )

    def to_dict(self) -> dict[str, Any]:
        """For `build/bench-scale.json`. Times in seconds unless the name says otherwise."""
        rows = [
            {
                "name": each.row.name,
                "cpu_ms": [each.cpu(0) * 1000, each.cpu(1) * 1000],
                "ratio": each.ratio(1),
                "spread": each.spread(1),
                "others_cores": each.others,
            }
            for each in self.comparisons
        ]
        return {
            "store": self.store,
            "notes": list(self.notes),
            "commit": measured_commit(),
            "python": platform.python_version(),
            "machine": machine(),
            "S_ms": self.signature * 1000,
            "active": self.active,
            "people": self.people,
            "promise": PROMISE,
            "rows": rows,
            "round_trips": [dict(trips) for trips in self.round_trips],
            "filled": [asdict(each) for each in self.filled],
            "worker_memory": list(self.worker_memory),
            "database_memory": self.database_memory,
            "leaving": asdict(self.leaving) if self.leaving else None,
        }
