"""The database, or its folder, is made read-only: at once nobody notices, and who begins anew says why they cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from creance.provider.testing import RunningProvider

pytestmark = [
    pytest.mark.default_store("is about the permissions of a file"),
    pytest.mark.usefixtures("without_privileges"),
]


@pytest.fixture
def scene(tmp_path: Path, make_scene: Callable[[RunningProvider], Any]) -> Iterator[Any]:
    """A provider of its own: nobody else sees these permissions."""
    with RunningProvider(tmp_path) as op:
        scene = make_scene(op)
        yield scene
        scene.check_in_order()


@contextmanager
def read_only(path: Path, mode: int) -> Iterator[None]:
    """A file or a folder that its owner may only read."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@contextmanager
def read_only_files(scene: Any) -> Iterator[None]:
    files = list(scene.database.parent.glob("creance.db*"))
    for file in files:
        file.chmod(0o444)
    try:
        yield
    finally:
        for file in files:
            file.chmod(0o600)


def reached(op: RunningProvider) -> bool:
    try:
        return op.get("/health/ready").ok
    except requests.ConnectionError:
        return False


@contextmanager
def trouble(scene: Any, name: str) -> Iterator[None]:
    with read_only_files(scene) if name == "files" else read_only(scene.database.parent, 0o555):
        yield


@pytest.mark.parametrize("what", ["files", "folder"])
def test_who_has_the_database_open_goes_on(scene: Any, what: str) -> None:
    """open(2): permissions are asked when a file is opened. What is given out meanwhile is there afterwards."""
    with trouble(scene, what):
        given = scene.token()
        exchanged = scene.app.exchange(scene.code)
        assert (given.status, exchanged.status, scene.readiness()) == (200, 200, 200)
    scene.op.stop()
    scene.op.start()
    assert scene.service.introspect(given.access_token).active
    assert scene.service.introspect(exchanged.access_token).active
    assert scene.app.exchange(scene.code).error == "invalid_grant"


def test_workers_that_cannot_write_say_why_and_are_tried_again(scene: Any, until: Callable[..., None]) -> None:
    """DESIGN, The host: a worker that dies is replaced; afterwards everything is as it was."""
    with read_only_files(scene):
        for pid in scene.workers():
            os.kill(pid, signal.SIGKILL)
        until(lambda: any(line["event"] == "worker_cannot_start" for line in scene.logged()))
        why = next(line["reason"] for line in scene.logged() if line["event"] == "worker_cannot_start")
        assert why.startswith(
            f"the database {scene.database} may not be written by this user, or its disk is read-only"
        )
    until(lambda: reached(scene.op))
    assert scene.app.exchange(scene.code).status == 200
    assert scene.service.introspect(scene.tokens.access_token).active


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("files", "may not be written by this user, or its disk is read-only"),
        ("folder", "lies in a folder that this user may not write (SQLITE_READONLY_DIRECTORY)"),
    ],
)
def test_a_start_says_why_it_cannot(scene: Any, what: str, cause: str) -> None:
    """STYLE, errors: one line that names the file and the cause; nothing is made or changed."""
    scene.op.stop()
    before = scene.database.read_bytes()
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(scene.op.configuration), "serve"]
    with trouble(scene, what):
        refused = subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        _, said = refused.communicate(timeout=60)
    assert refused.returncode == 1
    (line,) = said.splitlines()
    assert line == f"creance: the database {scene.database} {cause}"
    assert scene.database.read_bytes() == before
    assert [file.name for file in scene.database.parent.glob("creance.db*")] == ["creance.db"]
    scene.op.start()
