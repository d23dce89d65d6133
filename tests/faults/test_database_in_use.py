"""Others come to the database of a provider that serves, and go again: a person with a tool, a command, a backup."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import Any

import pytest

from .killing import kill_all

pytestmark = pytest.mark.default_store("puts a file in the place of another")


def creance(scene: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(scene.op.configuration), *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def test_who_leaves_last_does_not_take_the_log_of_those_who_are_still_there(scene: Any) -> None:
    """fcntl(2): a process that closes any descriptor of a file loses all its locks on it. Without its lock a provider
    would go on writing to a log that another process has removed, and all of that would be lost.
    """
    log = scene.database.with_name("creance.db-wal")
    end = time.monotonic() + 2  # long enough for all that the provider does from time to time
    while time.monotonic() < end:
        given = scene.token()
        with closing(sqlite3.connect(scene.database)) as other:
            assert other.execute("SELECT count(*) FROM c_access_tokens").fetchone()[0] > 0
        assert log.exists()
        time.sleep(0.05)
    kill_all(scene.op)
    scene.op.start()
    assert scene.service.introspect(given.access_token).active


def test_a_backup_does_not_take_the_place_of_a_database_in_use(scene: Any) -> None:
    """`creance store restore` says what to do, and the provider does not notice."""
    backup = str(scene.op.folder / "backup.db")
    assert creance(scene, "store", "backup", "--force", backup).returncode == 0
    refused = creance(scene, "store", "restore", backup)
    assert refused.returncode == 1
    assert refused.stderr == f"creance: {scene.database} is in use: stop the provider first\n"
    assert scene.token().status == 200
    assert [file.name for file in sorted(scene.database.parent.glob("creance.db*"))] == [
        "creance.db",
        "creance.db-shm",
        "creance.db-wal",
    ]
