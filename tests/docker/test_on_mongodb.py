"""A provider of docker/compose.yaml, as it is started there, on a MongoDB server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import requests
import yaml
from creance.provider.testing.running import free_port

from .container import ROOT, Container, interpolated

DOCKER = ROOT / "docker"


def test_it_serves_and_writes_nothing_but_to_the_database(container: Container, mongodb_uri: str) -> None:
    """Issue 5, Deployments: read-only root file system, with the configuration, variables and secrets of there."""
    service = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]["creance-1"]
    mount(container, service, mongodb_uri)
    port = free_port()
    environment = {name: interpolated(value, {}) for name, value in service["environment"].items()}
    environment["CREANCE_HTTP__BIND"] = f"0.0.0.0:{port}"
    with (container.places["/etc/creance"] / "log").open("w") as log, container.serving(log, **environment) as process:
        issuer = requests.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration", timeout=10).json()["issuer"]
        assert issuer == environment["CREANCE_ISSUER"]
        seen_from_it = Path(f"/proc/{process.pid}/root")
        for place in ("/tmp", "/var/lib/creance"):
            inside = seen_from_it / container.places[place].relative_to("/")
            assert inside.is_mount()
            assert list(inside.iterdir()) == []
    first = json.loads((container.places["/etc/creance"] / "log").read_text().splitlines()[0])
    assert first["store"].startswith("MongoDB")


def mount(container: Container, service: dict[str, Any], uri: str) -> None:
    """The configuration and the secrets, at their places: with the URI of this server, the others fresh."""
    shutil.copy(DOCKER / "make-secrets", container.places["/etc/creance"])
    made = container.places["/etc/creance"] / "secrets"
    subprocess.run(["sh", made.with_name("make-secrets")], check=True, stdout=subprocess.DEVNULL)
    made = made.rename(made.with_name("made"))
    (made / "store-uri").unlink()
    (made / "store-uri").write_text(f"{uri}\n")
    (source,) = (volume.removesuffix(":/etc/creance/creance.toml:ro") for volume in service["volumes"])
    shutil.copy(DOCKER / interpolated(source, {}), container.path("/etc/creance/creance.toml"))
    for secret in service["secrets"]:
        target = Path(container.path(secret["target"]))
        target.parent.mkdir(exist_ok=True)
        shutil.copy(made / secret["source"], target)
