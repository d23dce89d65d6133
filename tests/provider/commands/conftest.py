"""The command `creance` in this process, with a configuration of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from creance.provider.commands import creance
from creance.provider.testing.running import demo_configuration


class Command:
    """`creance` with a configuration: `command.done("users", "add", "carol", typed="a password")`."""

    def __init__(self, configuration: Path) -> None:
        self.configuration = configuration

    def __call__(self, *arguments: object, typed: str = "", environment: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(
            creance,
            [*map(str, arguments)],
            prog_name="creance",
            input=typed and f"{typed}\n",
            env={"CREANCE_CONFIG": str(self.configuration), **(environment or {})},
        )

    def done(self, *arguments: object, typed: str = "") -> str:
        """What it prints when it succeeds. On a busy machine it may say besides that it waits for something."""
        result = self(*arguments, typed=typed)
        assert result.exit_code == 0, result.output
        assert [line for line in result.stderr.splitlines() if not line.startswith("creance: waiting for ")] == []
        return result.stdout

    def refused(self, *arguments: object, typed: str = "") -> list[str]:
        """The lines with which it refuses: exit code 1, nothing on standard output, and each line says who speaks."""
        result = self(*arguments, typed=typed)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert all(line.startswith("creance: ") for line in lines), lines
        return [line.removeprefix("creance: ") for line in lines]


@pytest.fixture
def command(tmp_path: Path, prepared_folder: Path) -> Command:
    """With the demonstration's configuration, and a database that was prepared before."""
    shutil.copytree(prepared_folder, tmp_path / "var")
    configuration = tmp_path / "creance.toml"
    configuration.write_text(demo_configuration("http://localhost:8400", "127.0.0.1:8400"), "utf-8")
    return Command(configuration)
