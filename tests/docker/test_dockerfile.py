"""docker/Dockerfile: what it copies is there, and what it starts works, as its user and on a read-only file system."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
from creance.provider.testing.running import demo_configuration, free_port

from .container import ROOT, Container, Dockerfile

SETUP = (ROOT / "setup.cfg").read_text("utf-8")


@pytest.fixture
def dockerfile() -> Dockerfile:
    return Dockerfile()


def test_what_is_copied_is_there_and_is_all_that_the_build_needs(dockerfile: Dockerfile) -> None:
    copied = dockerfile.copied()
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = re.findall(r"(?m)^    creance\.\w+ = (\w+)$", SETUP)
    assert {*packages, "setup.cfg", "pyproject.toml", "README.md", "LICENSE"} == set(copied)


def test_nothing_else_is_sent_to_a_build(dockerfile: Dockerfile) -> None:
    """The secrets and the database of `make run` are in config/var."""
    ignored = (ROOT / "docker" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert [rule.removeprefix("!") for rule in rules if rule.startswith("!")] == dockerfile.copied()
    assert {"config/var", "**/__pycache__"} <= set(rules)


def test_the_base_is_named_by_version_and_distribution(dockerfile: Dockerfile) -> None:
    """Issue 5, Deployments: pinned base. Both stages are on the same one, or what was built would not run."""
    ((_, base),) = dockerfile.before
    version = re.fullmatch(r"PYTHON=python:(\d+\.\d+)(\.\d+)?-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base)
    assert version
    assert f"Programming Language :: Python :: {version[1]}\n" in SETUP
    assert [stage[0] for stage in (dockerfile.build, dockerfile.image)] == [
        ("FROM", "${PYTHON} AS build"),
        ("FROM", "${PYTHON}"),
    ]


def test_it_runs_as_nobody_special(dockerfile: Dockerfile) -> None:
    """A number, so that an orchestrator sees that it is not root without looking into the image."""
    user = dockerfile.in_image("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert f"--uid {user.partition(':')[0]} " in dockerfile.in_image("RUN")


@pytest.mark.default_store("is about a file in the volume")
def test_what_it_starts_serves_and_says_so(container: Container) -> None:
    """Issue 5, Deployments: non-root, read-only root file system, health check by the program's own command.

    On an embedded database, in the volume.
    """
    port = free_port()
    text = demo_configuration(f"http://localhost:{port}", f"0.0.0.0:{port}").replace("var/", "/var/lib/creance/")
    configuration = Path(container.path("/etc/creance/creance.toml"))
    configuration.write_text(container.path(text), "utf-8")
    health = container.dockerfile.command("HEALTHCHECK")
    assert container.run(health)[0] == 1
    with (container.places["/etc/creance"] / "log").open("w") as log, container.serving(log):
        document = requests.get(f"http://localhost:{port}/.well-known/openid-configuration", timeout=10).json()
        assert document["issuer"] == f"http://localhost:{port}"
    assert container.run(health)[0] == 1


def test_the_root_file_system_is_read_only_indeed(container: Container) -> None:
    """Otherwise the test above would show nothing."""
    code, said = container.run(["/bin/sh", "-c", "id -u; for f in /x /opt/creance/x /etc/creance/x; do : > $f; done"])
    assert (code, said.splitlines()[0]) == (2, container.dockerfile.in_image("USER").partition(":")[0])
    assert "Read-only file system" in said
