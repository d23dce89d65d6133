"""What docker/Dockerfile describes, without a container engine: its instructions, and a process as they start it.

The process has what `compose.yaml` gives a container: a user without rights, a root file system that is read-only, and
memory for temporary files. Linux has all of it for root (unshare(1), setpriv(1)).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]

CONFINE = """
set -e
mount --bind / /
mount -o remount,ro,bind /
for place in "$1" "$2"; do mount -t tmpfs -o mode=1777 tmpfs "$place"; done
user="$3"; cd "$2"; shift 3
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
"""


class Dockerfile:
    """Its stages: lists of instructions with what they say."""

    def __init__(self) -> None:
        text = re.sub(r"\\\n", " ", (ROOT / "docker" / "Dockerfile").read_text("utf-8"))
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.stages: list[list[tuple[str, str]]] = [[]]
        for line in lines:
            instruction, _, rest = line.partition(" ")
            if instruction == "FROM":
                self.stages.append([])
            self.stages[-1].append((instruction, rest.strip()))
        self.before, self.build, self.image = self.stages

    def in_build(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.build if name == instruction]

    def in_image(self, instruction: str) -> str:
        """What the image has once."""
        (rest,) = (rest for name, rest in self.image if name == instruction)
        return rest

    def copied(self) -> list[str]:
        """What is copied from the sources."""
        return [name for rest in self.in_build("COPY") for name in rest.split()[:-1]]

    def environment(self) -> dict[str, str]:
        return dict(setting.split("=", 1) for setting in shlex.split(self.in_image("ENV")))

    def command(self, instruction: str) -> list[str]:
        """ENTRYPOINT, CMD, or the CMD of HEALTHCHECK: in their form without a shell."""
        command: list[str] = json.loads(self.in_image(instruction).rpartition("CMD ")[2])
        return command


def can_be_confined() -> bool:
    """Whether we are root on Linux, and may make mount namespaces."""
    try:
        return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
    except OSError:
        return False


class Container:
    """Runs the image's commands, with its paths in a folder that all users can enter."""

    def __init__(self, folder: Path, installed: Path) -> None:
        """`installed` stands for /opt/creance."""
        self.dockerfile = Dockerfile()
        self.places = {
            "/opt/creance": installed,
            "/etc/creance": folder / "etc",
            "/var/lib/creance": folder / "var",
            "/tmp": folder / "tmp",
        }
        for place in self.places.values():
            place.mkdir(exist_ok=True)
        self.environment = {name: self.path(value) for name, value in self.dockerfile.environment().items()}

    def path(self, text: str) -> str:
        """A path of the image, or a list of them, as it is here."""
        return re.sub(r"(?<![\w/])/(opt|etc|var/lib)/creance\b", lambda match: str(self.places[match[0]]), text)

    def start(self, command: Sequence[str], output: IO[Any] | int, **environment: str) -> subprocess.Popen[str]:
        """Start a command. It can write to standard output, and to the memory at /tmp and /var/lib/creance."""
        user = self.dockerfile.in_image("USER").partition(":")[0]
        places = [self.places["/tmp"], self.places["/var/lib/creance"]]
        confined = ["unshare", "--mount", "sh", "-c", CONFINE, "sh", *map(str, places), user]
        return subprocess.Popen(
            [*confined, *map(self.path, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**self.environment, "TMPDIR": str(places[0]), **environment},
        )

    @contextmanager
    def serving(self, output: IO[Any], **environment: str) -> Iterator[subprocess.Popen[str]]:
        """What the image starts, when its health check is content. It ends in order."""
        health = self.dockerfile.command("HEALTHCHECK")
        process = self.start(
            [*self.dockerfile.command("ENTRYPOINT"), *self.dockerfile.command("CMD")], output, **environment
        )
        try:
            end = time.monotonic() + 60
            while (answer := self.run(health, **environment)) != (0, "ready\n"):
                assert process.poll() is None, "it has ended"
                assert time.monotonic() < end, answer
            yield process
        finally:
            process.terminate()
            assert process.wait(60) == 0

    def run(self, command: Sequence[str], **environment: str) -> tuple[int, str]:
        """Its exit code and what it printed."""
        with self.start(command, subprocess.PIPE, **environment) as process:
            output, _ = process.communicate(timeout=60)
        return process.returncode, output


def interpolated(value: str, environment: Mapping[str, str]) -> str:
    """A value of a compose file: `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: environment.get(match[1]) or match[2], value)
