"""`make profile ROW=exchange`: where the time of a request goes, by a profiler that looks at the worker from outside.

py-spy samples stacks by the clock on the wall, and cannot tell who waits for whom. So there is one request at a time,
and the database is in memory: then nobody waits, and samples are where CPU time goes. What that leaves out is in the
second line: what the same request costs with sixteen at a time and a disk. Native code (OpenSSL, SQLite) counts for the
Python function that called it, and the HTTP server, in Rust, for the `_runner` of Granian. Do nothing else on the
machine meanwhile: where the server is made to wait for a core, it is often in `_runner`, just after it has answered.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .load import Load
from .measuring import Round, measure
from .options import Options, bench_options, make_options, named_rows
from .population import populate
from .report import others_took
from .rows import Row
from .samples import Samples
from .server import Server
from .signature import SignatureClock
from .world import World

T = TypeVar("T")

_SECONDS = 10.0
"""How long the profiler looks."""
_RATE = 400
"""Samples a second."""
_IN_MEMORY = Path("/dev/shm")
_LIFETIMES = {"CREANCE_LIFETIMES__AUTHORIZATION_CODE": "600"}
"""All that is needed is made before the profiler looks."""


def profile(kind: type[Row], options: Options, folder: Path) -> list[str]:
    """Profile a row, and answer the summary; the samples go to a file for https://www.speedscope.app."""
    clock = SignatureClock()
    clock.measure()
    usual = _profiled(kind, options, None, lambda row: _measured(row, options))
    recorded = folder / f"profile-{kind.name}.speedscope.json"

    def look(row: Row) -> tuple[Round, Samples]:
        row.concurrency = 1
        alone = _measured(row, options)
        return alone, _sampled(row, alone, recorded)

    alone, samples = _profiled(kind, options, _IN_MEMORY if _IN_MEMORY.is_dir() else None, look)
    clock.measure()
    return [
        f"{kind.title}, {options.populations[0]:,} of each in the store; S = {clock.seconds * 1000:.4f} ms",
        f"CPU of the server a request: {usual.cpu * 1000:.3f} ms, {usual.cpu / clock.seconds:.2f} S with "
        f"{kind.concurrency} at a time, database on the disk",
        f"                             {alone.cpu * 1000:.3f} ms, {alone.cpu / clock.seconds:.2f} S one at a time, "
        "database in memory: shared out below",
        *others_took(alone.others),
        *samples.summary(alone.cpu / clock.seconds),
        "",
        f"All samples: {recorded}, to be opened with https://www.speedscope.app",
    ]


def _profiled(kind: type[Row], options: Options, parent: Path | None, look: Callable[[Row], T]) -> T:
    """Look at a row of a server whose folder is in `parent`."""
    with tempfile.TemporaryDirectory(dir=parent) as place, Load() as load:
        server = Server(Path(place), environment=options.environment | _LIFETIMES)
        population = populate(server.configuration, options.populations[0], server.environment)
        with server:
            return look(kind(World(server, load, population)))


def _measured(row: Row, options: Options) -> Round:
    """After a warm-up."""
    count = max(8, round(options.count * row.share))
    row.run(count // 2)
    return measure(row, count)


def _sampled(row: Row, alone: Round, path: Path) -> Samples:
    """Make requests for some seconds, with the profiler looking at the worker."""
    work = row.work(max(16, round(alone.per_second * _SECONDS)))
    worker = row.world.server.workers[-1]
    looking = ["--pid", str(worker), "--rate", str(_RATE), "--duration", "3600", "--nonblocking"]
    command = [str(Path(sys.executable).with_name("py-spy")), "record", *looking, "--format", "speedscope"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    profiler = subprocess.Popen(
        [*command, "--output", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert profiler.stdout is not None
        first = profiler.stdout.readline()  # it has begun
        row.world.load.run(work)
    finally:
        profiler.send_signal(signal.SIGINT)
        said = first + profiler.communicate()[0]
    if not path.exists():
        raise click.ClickException(
            f"py-spy could not look at the worker; as root it can, or with kernel.yama.ptrace_scope = 0:\n{said}"
        )
    return Samples.read(path)


@click.command()
@bench_options
@click.argument("name", metavar="ROW")
def main(name: str, **named: Any) -> None:
    """Show where the time of a request goes: ROW as `make bench` names it."""
    folder = Path("build")
    for kind in named_rows([name or "exchange"]):
        lines = profile(kind, make_options(**named), folder)
        (folder / f"profile-{kind.name}.txt").write_text("\n".join(lines) + "\n")
        print("\n".join(lines))


if __name__ == "__main__":
    main()
