"""A plugin as a distribution, as pip installs it, for providers that run in a process of their own."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def installed(folder: Path, name: str, source: str, plugin: str) -> dict[str, str]:
    """`plugin` is the class in `source`. The environment in which it is found as `name`."""
    module = f"example_{name}_{secrets.token_hex(4)}"
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[creance.plugins]\n{name} = {module}:{plugin}\n")
    (folder / f"{module}.py").write_text(source)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}
