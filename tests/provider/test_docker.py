"""docker/Dockerfile, as far as it can be held against the sources without a container engine."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text("utf-8")


def test_what_is_copied_is_there_and_is_all_that_the_build_needs() -> None:
    copied = {name for line in re.findall(r"(?m)^COPY (?!--)(.*) \S+$", DOCKERFILE) for name in line.split()}
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    packages = re.findall(r"(?m)^    creance\.\w+ = (\w+)$", (ROOT / "setup.cfg").read_text("utf-8"))
    assert set(packages) <= copied
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE"} <= copied


def test_it_starts_our_command_as_nobody_special() -> None:
    assert 'ENTRYPOINT ["/opt/creance/bin/creance"]' in DOCKERFILE
    assert "creance = creance.provider.commands:main" in (ROOT / "setup.cfg").read_text("utf-8")
    user = re.search(r"(?m)^USER (\w+)$", DOCKERFILE)
    assert user
    assert user[1] != "root"
