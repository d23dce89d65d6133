"""A disk without space, truly full: a small one, mounted for the test. (Where nothing may be mounted, a limit on the
size of files stands for it: test_faults_over_http.py.)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from creance.provider.testing import RunningProvider

from .killing import kill_all

pytestmark = pytest.mark.default_store("fills the disk that a file is on")

SIZE = 4_000_000
FULL = "cannot grow: the disk is full (SQLITE_FULL)"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of the database, on a file system of its own."""
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    mount = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk cannot be mounted here: that needs root")
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount") or "umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """To the last byte, by somebody else."""
    filler = disk / "filler"
    try:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        assert shutil.disk_usage(disk).free == 0
        yield
    finally:
        filler.unlink()


@pytest.fixture
def full_scene(small_disk: Path, make_scene: Callable[[RunningProvider], Any]) -> Iterator[Any]:
    with RunningProvider(small_disk.parent) as op:
        scene = make_scene(op)
        yield scene
        scene.check_in_order()


def test_requests_that_write_are_refused_and_work_as_soon_as_there_is_space(full_scene: Any) -> None:
    """RFC 9110 15.6.4, RFC 6749 4.1.2.1: 503 or temporarily_unavailable; nothing burnt, nothing alive, no restart."""
    scene, disk = full_scene, full_scene.database.parent
    before = scene.documents()
    with filled(disk):
        scene.check_unavailable(scene.token())
        assert scene.last_request()["hint"] == f"the database {scene.database} {FULL}"
        scene.check_unavailable(scene.app.exchange(scene.code))
        scene.check_unavailable(scene.app.refresh(scene.tokens.refresh_token))
        scene.check_unavailable(scene.app.revoke(scene.tokens.access_token))
        assert scene.redirected(state="a").error == "temporarily_unavailable"
        assert scene.readiness() == 503
        assert scene.last_request()["hint"] == f"the database {scene.database} {FULL}"
        assert scene.app.userinfo(scene.tokens.access_token).status == 200
        assert scene.documents() == before
    assert scene.readiness() == 200
    assert scene.app.exchange(scene.code).status == 200
    assert scene.app.refresh(scene.tokens.refresh_token).status == 200


def test_what_was_given_out_before_is_there_after_a_kill_on_a_full_disk(full_scene: Any) -> None:
    """DESIGN, The store: acknowledged means durable; what was refused does not come to life by the recovery."""
    scene, disk = full_scene, full_scene.database.parent
    before = scene.documents()
    with filled(disk):
        scene.check_unavailable(scene.token())
        kill_all(scene.op)
    scene.op.start()
    assert scene.documents() == before
    assert scene.service.introspect(scene.tokens.access_token).active
    assert scene.app.exchange(scene.code).status == 200


def test_a_start_on_a_full_disk_is_refused_in_one_line(full_scene: Any) -> None:
    """STYLE, errors: the operator reads the cause, and no traceback."""
    scene = full_scene
    scene.op.stop()
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(scene.op.configuration), "serve"]
    with filled(scene.database.parent):
        refused = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"creance: the database {scene.database} cannot ")
    assert "the disk is full" in line
    scene.op.start()


def test_a_backup_onto_a_full_disk_leaves_nothing_behind(full_scene: Any) -> None:
    """Issue 4: the command says so, and the provider goes on."""
    scene = full_scene
    backup = scene.database.with_name("backup.db")
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(scene.op.configuration)]
    with filled(scene.database.parent):
        refused = subprocess.run(
            [*program, "store", "backup", str(backup)], capture_output=True, text=True, timeout=60, check=False
        )
    assert refused.returncode == 1
    assert f"{scene.database} was not copied to {backup}" in refused.stderr
    assert "the disk is full" in refused.stderr
    assert not list(backup.parent.glob("backup.db*"))
