"""`config/mongodb.toml`: a provider as `creance init mongodb` writes it, on a database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from creance.provider.testing import RunningProvider

COMMAND = [sys.executable, "-m", "creance.provider.commands"]


@pytest.fixture
def folder(tmp_path: Path, mongodb_uri: str) -> Path:
    """What an operator has after following docs/mongodb.md, and copies to each machine."""
    folder = tmp_path / "written"
    subprocess.run([*COMMAND, "init", "mongodb", folder], check=True, stdout=subprocess.DEVNULL)
    (folder / "secrets" / "store-uri").write_text(f"{mongodb_uri}\n")
    return folder


def on_a_machine(folder: Path, machine: Path) -> RunningProvider:
    """The same configuration and secrets on another machine: at another port of this one."""
    shutil.copytree(folder / "secrets", machine / "secrets")
    text = (folder / "creance.toml").read_text("utf-8")
    return RunningProvider(machine, configuration=re.sub(r'(?m)^bind = ".*?"', 'bind = "BIND"', text))


def test_two_machines_share_nothing_but_the_database(folder: Path, tmp_path: Path) -> None:
    """Issue 5, outcome: with one secret, which is given, they have the same keys."""
    with on_a_machine(folder, tmp_path / "one") as one, on_a_machine(folder, tmp_path / "two") as two:
        assert one.get("/jwks").json() == two.get("/jwks").json()
        secret = (folder / "secrets" / "api").read_text().strip()
        for machine in (one, two):
            assert machine.post("/introspect", {"token": "x"}, auth=("api", secret)).json() == {"active": False}
            assert not (machine.folder / "var").exists()


def test_without_the_secret_it_does_not_start_and_makes_none(folder: Path) -> None:
    """DESIGN, Keys: on MongoDB it must be given."""
    secret = folder / "secrets" / "sealing"
    secret.unlink()
    serve = [*COMMAND, "--config", folder / "creance.toml", "serve", "--bind", "127.0.0.1:0"]
    result = subprocess.run(serve, capture_output=True, text=True, check=False, timeout=60, env=os.environ)
    assert result.returncode == 1
    assert result.stderr == f"creance: keys.secret_file: {secret} is not there\n"
    assert not secret.exists()
