"""One of the three servers, in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ..server import Server
from .plain_provider import SALT


class HostServer(Server):
    """Serves what `serving` builds. Start, CPU time and memory as of any other."""

    CONFIGURATION: ClassVar = f"""
issuer = "ISSUER"

[http]
bind = "BIND"

[store]
uri = "sqlite:var/creance.db"

[keys]
secret_file = "var/secret"

[subjects]
salt = "{SALT}"
default_type = "pairwise"
pairwise_formula = "pyop"

[plugins.host_login]
login_url = "/login"
[plugins.client_credentials]
[plugins.introspection]
[plugins.revocation]
"""
    """Plain pyop has of it the issuer, and how it is served."""

    def __init__(
        self, kind: str, size: int, folder: Path, *, environment: Mapping[str, str], port: int | None = None
    ) -> None:
        """`size`: how many people and apps there are. `folder` and `port`: for Creance those of a store that is
        filled, since keys are sealed for their issuer.
        """
        super().__init__(folder, environment=environment, configuration=self.CONFIGURATION, port=port)
        self._command = [sys.executable, "-m", "bench.beside_pyop.serving", kind, str(size), str(self.configuration)]

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with its output where it does not."""
        self._begun = time.monotonic()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
            )
        try:
            self.wait_until_ready()
        except RuntimeError:
            self.stop()
            raise
