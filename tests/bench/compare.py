"""`make bench-compare A=… B=…`: two commits measured in turns by this checkout's tool, A B A B.

Each commit is checked out beside the other and installed into an environment of its own. What is not twice as far apart
as the runs of one commit are among themselves says nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

_TURNS = 2
_ROOT = Path(__file__).resolve().parents[2]

Key = tuple[str, int]
"""A row and its population."""


@contextmanager
def installed(commit: str, folder: Path) -> Iterator[Path]:
    """A commit in an environment of its own; answers its Python."""
    place, environment = folder / "checkout", folder / "venv"
    _run("git", "-C", str(_ROOT), "worktree", "add", "--quiet", "--detach", str(place), commit)
    try:
        _run(sys.executable, "-m", "venv", str(environment))
        python = environment / "bin" / "python"
        _run(str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "-e", f"{place}[testing]")
        yield python
    finally:
        _run("git", "-C", str(_ROOT), "worktree", "remove", "--force", str(place))


def run_bench(python: Path, report: Path) -> dict[str, Any]:
    """This checkout's tool with another package; not in this folder, whose entry points Python would find."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT / "tests")}
    _run(str(python), "-m", "bench", "--json", str(report), environment=environment, folder=report.parent)
    answer: dict[str, Any] = json.loads(report.read_text())
    return answer


def lines(reports: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Both side by side: each row's value, its spread over the runs, and the difference."""
    runs_of_first, runs_of_second = reports.values()
    for name, runs in reports.items():
        yield f"{name}: {runs[0]['commit']}"
    yield ""
    yield f"{'':44}{'A':>9}{'±':>7}{'B':>9}{'±':>7}{'B - A':>9}"
    titles = {_key(row): row for run in [*runs_of_first, *runs_of_second] for row in run["rows"]}
    for key, row in titles.items():
        a, b = _values(runs_of_first, key), _values(runs_of_second, key)
        title = f"{row['title']}, {key[1]:,}" if key[1] else row["title"]
        yield f"{title:44}{_cell(a)}{_cell(b)}{_difference(a, b)}  {row['unit']}"


def _key(row: dict[str, Any]) -> Key:
    return row["name"], row["population"]


def _values(runs: list[dict[str, Any]], key: Key) -> list[float]:
    return [row["value"] for run in runs for row in run["rows"] if _key(row) == key]


def _cell(values: list[float]) -> str:
    if not values:
        return f"{'-':>9}{'':7}"
    return f"{statistics.mean(values):9.3f}{_spread(values):7.3f}"


def _spread(values: list[float]) -> float:
    return (max(values) - min(values)) / 2


def _difference(a: list[float], b: list[float]) -> str:
    if not a or not b:
        return f"{'':9}"
    before, after = statistics.mean(a), statistics.mean(b)
    sure = abs(after - before) > 2 * max(_spread(a), _spread(b))
    return f"{(after - before) / before:+9.1%}" if sure else f"{'same':>9}"


def _run(*command: str, environment: dict[str, str] | None = None, folder: Path | None = None) -> None:
    done = subprocess.run(command, check=False, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise click.ClickException(f"this failed: {' '.join(command)}")


@click.command()
@click.argument("a")
@click.argument("b")
def main(a: str, b: str) -> None:
    """Measure the commits A and B in turns. Options by environment, as `bench` has them; BENCH is quick by default."""
    if not a or not b:
        raise click.UsageError("name two commits: make bench-compare A=main~1 B=main")
    os.environ.setdefault("BENCH", "quick")
    reports: dict[str, list[dict[str, Any]]] = {f"A {a}": [], f"B {b}": []}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("a", "b"):
            (place / name).mkdir()
        with installed(a, place / "a") as python_a, installed(b, place / "b") as python_b:
            for turn in range(_TURNS):
                for name, python in zip(reports, (python_a, python_b), strict=True):
                    click.echo(f"… {name}, {turn + 1} of {_TURNS}", err=True)
                    reports[name].append(run_bench(python, place / "report.json"))
    report = Path("build/bench-compare.json")
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps(reports, indent=1) + "\n")
    click.echo("\n".join(lines(reports)))


if __name__ == "__main__":
    main()
