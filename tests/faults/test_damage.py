"""A damaged database: refused at the start with the way out, answered 503 where it is met while serving."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from creance.provider.testing import RunningProvider

pytestmark = pytest.mark.default_store("damages a file")

WAY_OUT = "`creance store check` says how much, `creance store restore` puts a backup in its place"
PAGE = 4096


@pytest.fixture
def op(tmp_path: Path) -> Iterator[RunningProvider]:
    """A provider of its own, with a backup that was taken before anything went wrong."""
    with RunningProvider(tmp_path) as op:
        yield op


@pytest.fixture
def scene(op: RunningProvider, make_scene: Callable[[RunningProvider], Any]) -> Any:
    return make_scene(op)


def creance(op: RunningProvider, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(op.configuration), *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def cut(path: Path) -> None:
    """As a copy that was not finished."""
    path.write_bytes(path.read_bytes()[: 2 * PAGE])


def overwrite_all(path: Path) -> None:
    """As another program that took it for its own."""
    path.write_bytes(random.Random(7).randbytes(path.stat().st_size))


def overwrite_pages(path: Path) -> None:
    """As a disk that fails: the first page, which has the tables' names, can still be read."""
    content = path.read_bytes()
    path.write_bytes(content[:PAGE] + b"\xa5" * (len(content) - PAGE))


@pytest.mark.parametrize("damage", [cut, overwrite_all, overwrite_pages])
def test_a_start_is_refused_with_the_way_out_which_works(scene: Any, damage: Callable[[Path], None]) -> None:
    """Issue 4, faults: a damaged file is refused at the start; nothing is made in its place; a backup is put there."""
    op = scene.op
    backup = str(op.folder / "backup.db")
    assert creance(op, "store", "backup", backup).returncode == 0
    op.stop()
    damage(scene.database)
    damaged = scene.database.read_bytes()

    refused = creance(op, "serve")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"creance: the database {scene.database} is ")
    assert "damaged" in line
    assert WAY_OUT in line
    assert scene.database.read_bytes() == damaged

    assert creance(op, "store", "check").returncode == 1
    restored = creance(op, "store", "restore", "--keep-issued", backup)
    assert restored.returncode == 0, restored.stderr
    assert scene.database.with_name("creance.db.before-restore").read_bytes() == damaged
    op.start()
    scene.check_in_order()
    assert scene.app.exchange(scene.code).status == 200
    assert creance(op, "store", "check").returncode == 0


def test_damage_that_is_met_while_serving_is_answered_503(scene: Any) -> None:
    """RFC 7662 2.2, RFC 6750 3.1: a token that cannot be read is not an invalid one; the log names the way out."""
    tokens = [scene.token().access_token for _ in range(200)]
    scene.op.stop()  # so that all of it is in the file, and nothing in memory
    scene.op.start()
    with scene.database.open("r+b") as file:
        file.seek(10 * PAGE)
        file.write(b"\xa5" * (scene.database.stat().st_size - 10 * PAGE))
    answers = [scene.service.introspect(token) for token in tokens]
    unreadable = [answer for answer in answers if answer.status == 503]
    assert unreadable
    for answer in unreadable:
        scene.check_unavailable(answer)
    assert {answer.status for answer in answers} <= {200, 503}
    assert all(answer.active for answer in answers if answer.status == 200)
    hints = {line["hint"] for line in scene.logged() if line.get("status") == 503}
    assert hints == {f"the database {scene.database} is damaged (SQLITE_CORRUPT): {WAY_OUT}"}
    assert [line for line in scene.logged() if line["event"] == "defect"] == []
    assert scene.op.get("/health/live").status_code == 200
