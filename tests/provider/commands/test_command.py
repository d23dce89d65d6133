"""What holds for all commands: which configuration, what exit code, and the commands of plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from creance.provider import OpenIDProvider
from creance.provider.store import StoreUnavailable

GREETER = """
import click

class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def commands(self):
        @click.command()
        @click.argument("name")
        @click.pass_obj
        def greet(invocation, name):
            with invocation.started_provider() as provider:
                click.echo(f"{provider.settings.issuer} knows {self.provider.users.find(name).claims['name']}")

        return [greet, click.Command("serve", help="Takes the place of ours.")]
"""


def test_its_version(command: Any) -> None:
    assert command.done("--version") == f"creance {version('creance')}\n"


def test_it_runs_as_a_module_too() -> None:
    program = [sys.executable, "-m", "creance.provider.commands", "--version"]
    assert subprocess.run(program, check=True, capture_output=True, text=True).stdout.startswith("creance ")


def test_the_configuration_is_named_before_or_after_the_command(command: Any, tmp_path: Path) -> None:
    for arguments in (
        ["--config", command.configuration, "users", "list"],
        ["users", "--config", command.configuration, "list"],
        ["users", "list", "--config", command.configuration],
        ["users", "list", "-c", command.configuration],
    ):
        assert command(*arguments, environment={"CREANCE_CONFIG": "nowhere.toml"}).exit_code == 0


def test_without_a_name_it_is_creance_toml_here(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("check", environment={"CREANCE_CONFIG": ""})
    assert result.stdout.startswith("creance.toml is right")


def test_a_missing_configuration_says_how_to_get_one(tmp_path: Path, command: Any) -> None:
    (line,) = command.refused("--config", tmp_path / "none.toml", "users", "list")
    assert line == f"{tmp_path}/none.toml: no such file; `creance init` writes one to start from"


def test_an_unreachable_store_is_one_line(command: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = command("clients", "list", environment={"CREANCE_STORE__URI": "sqlite:file/creance.db"})
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert f"{tmp_path}/file/creance.db" in result.stderr


@pytest.mark.parametrize("error", [StoreUnavailable("it is away"), PermissionError(13, "Permission denied", "/a/file")])
def test_what_the_system_refuses_is_one_line(error: Exception, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(provider: OpenIDProvider) -> None:
        raise error

    monkeypatch.setattr(OpenIDProvider, "prepare", refuse)
    (line,) = command.refused("keys", "list")
    assert line in ("it is away", "/a/file: Permission denied")


def test_a_closed_pipe_is_no_error() -> None:
    """`creance schema | head -1`."""
    program = f"{sys.executable} -m creance.provider.commands schema | head -1"
    result = subprocess.run(program, shell=True, check=True, capture_output=True, text=True)
    assert result.stdout == "{\n"
    assert result.stderr == ""


def test_a_plugin_brings_commands(command: Any, install_plugin: Callable[..., None]) -> None:
    install_plugin("greeter", GREETER)
    command.configuration.write_text(command.configuration.read_text() + "\n[plugins.greeter]\n")
    assert "greet" in command.done("--help")
    assert command.done("greet", "alice") == "http://localhost:8400 knows Alice Liddell\n"


def test_a_plugin_takes_no_command_of_ours(command: Any, install_plugin: Callable[..., None]) -> None:
    install_plugin("greeter", GREETER)
    command.configuration.write_text(command.configuration.read_text() + "\n[plugins.greeter]\n")
    assert "Takes the place" not in command.done("serve", "--help")


def test_the_command_of_a_plugin_that_cannot_be_read_says_why(command: Any) -> None:
    command.configuration.write_text(command.configuration.read_text() + "\n[plugins.greeter]\n")
    assert "no such plugin installed" in command.refused("greet", "alice")[0]
    assert "users" in command.done("--help")


def test_a_command_that_nobody_brings_is_a_usage_error(command: Any) -> None:
    result = command("greet")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_no_secret_is_an_argument(command: Any) -> None:
    """Arguments are seen by everybody on the machine."""
    for arguments in (["clients", "add"], ["users", "add"], ["users", "passwd"], ["hash"], ["secret", "new"]):
        options = command.done(*arguments, "--help")
        assert not any(word in options for word in ("--password", "--client-secret TEXT", "--secret TEXT", "_HASH"))
    assert command("hash", "a-secret").exit_code == 2
    assert command("users", "add", "carol", "a-secret").exit_code == 2


def test_no_variable_of_ours_is_set_where_tests_run() -> None:
    assert not [name for name in os.environ if name.startswith("CREANCE_")]
