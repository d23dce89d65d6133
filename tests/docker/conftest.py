"""What the tests of the containers share."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .container import ROOT, Container, Dockerfile, can_be_confined


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter; those of pytest are its owner's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session", params=["here", pytest.param("fresh", marks=pytest.mark.long)])
def installed(request: pytest.FixtureRequest, open_folder: Path) -> Path:
    """What is installed: the environment of these tests; and what the build stage makes out of what it copies."""
    if request.param == "here":
        return Path(sys.prefix)
    dockerfile, source, environment = Dockerfile(), open_folder / "source", open_folder / "opt"
    source.mkdir()
    for name in dockerfile.copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "var"))
        else:
            shutil.copy(ROOT / name, source)
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    for command in dockerfile.in_build("RUN"):
        here = command.replace("/opt/creance", str(environment))
        subprocess.run(["sh", "-c", here], check=True, cwd=source, env={"PATH": path}, timeout=600)
    shutil.rmtree(source)
    return environment


@pytest.fixture
def container(installed: Path, open_folder: Path) -> Iterator[Container]:
    """The image, with nothing mounted yet."""
    if not can_be_confined():
        pytest.skip("only root on Linux can start a process with a read-only root file system")
    folder = open_folder / "container"
    folder.mkdir()
    yield Container(folder, installed)
    shutil.rmtree(folder)
