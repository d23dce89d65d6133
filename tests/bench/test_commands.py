"""The commands that measure, with as little as they can do: that they work, and what they show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def run(module: str, *arguments: str) -> str:
    """What a command prints. In a process of its own, as `make` runs it."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bench_scale_compares_an_empty_store_with_a_full_one(tmp_path: Path) -> None:
    """Design, Performance: growth."""
    report = tmp_path / "report.json"
    small = ["--count=100", "--active=8", "--rows=userinfo", "--requests=8", "--rounds=1"]
    printed = run("bench.scale", "--store=sqlite", *small, "--no-leaving", f"--json={report}")
    (said,) = json.loads(report.read_text())
    assert "100 others" in printed
    assert [row["name"] for row in said["rows"]] == ["userinfo"]
    assert all(cost > 0 for cost in said["rows"][0]["cpu_ms"])
    assert [filled["documents"] for filled in said["filled"]] == [100] * 5
    assert all(trips["userinfo"] >= 1 for trips in said["round_trips"])


def test_bench_compares_with_plain_pyop(tmp_path: Path) -> None:
    """Design, Performance: the same requests to plain pyop, to ours, and to ours in its place; none may fail."""
    report = tmp_path / "report.json"
    printed = run("bench", "--rows=beside-pyop", "--count=8", "--populations=8", f"--json={report}")
    rows = {row["name"]: row for row in json.loads(report.read_text())["rows"]}
    assert "Beside plain pyop, 8 of each" in printed
    for name in ("authorization", "exchange", "userinfo", "refresh", "discovery"):
        plain, creance, adopted = (rows[f"beside-pyop/{name}/{of}"] for of in ("plain pyop", "Creance", "adopted"))
        assert all(row["unit"] == "S" and row["value"] > 0 for row in (plain, creance, adopted))
        assert rows[f"beside-pyop/{name}/plain pyop by Creance"]["value"] > 0


@pytest.mark.long
def test_bench_compares_numbers_of_workers() -> None:
    """Design, Performance: CPU a request with one worker and with two, in one table."""
    printed = run("bench", "--workers=1,2", "--rows=userinfo", "--count=4", "--populations=8")
    for title in ("1 worker", "2 workers", "userinfo"):
        assert title in printed
