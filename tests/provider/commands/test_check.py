"""`creance check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_a_right_configuration(command: Any) -> None:
    line = command.done("check")
    assert line.startswith(f"{command.configuration} is right: http://localhost:8400, with ")
    assert "pkce" in line


def test_nothing_is_written(command: Any, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "creance.toml"
    alone.parent.mkdir()
    alone.write_bytes(command.configuration.read_bytes())
    command.done("check", "--config", alone)
    assert [path.name for path in alone.parent.iterdir()] == ["creance.toml"]


def test_all_mistakes_at_once(command: Any) -> None:
    """Those of the settings, of a plugin, and of what a client says to a plugin."""
    command.configuration.write_text("""
        issuer = "http://login.example.org"
        unknown = 1
        [http]
        bind = "8400"
        [[clients]]
        client_id = "a"
        client_secret = "b"
        redirect_uris = ["https://app.example.org/*"]
        [clients.plugins.introspection]
        sees = "all"
        [plugins.introspection]
        [plugins.pkce]
        [plugins.sesions]
    """)
    lines = command.refused("check")
    for start in (
        "issuer: must be an https URL",
        "unknown: no such setting",
        "http.bind: must be HOST:PORT",
        "clients[0].redirect_uris[0]: ",
        "plugins.sesions: no such plugin installed; did you mean 'sessions'?",
    ):
        assert [line for line in lines if line.startswith(start)], (start, lines)
    assert len(lines) == len(set(lines))


def test_a_clients_mistake_about_a_plugin_is_told_beside_others(command: Any) -> None:
    command.configuration.write_text("""
        issuer = "http://login.example.org"
        [[clients]]
        client_id = "a"
        [clients.plugins.introspection]
        sees = "all"
        [plugins.introspection]
    """)
    assert any(line.startswith("clients[0].plugins.introspection.sees: ") for line in command.refused("check"))


def test_what_is_wrong_with_the_store_is_told_beside_a_plugins_mistake(command: Any) -> None:
    command.configuration.write_text("""
        issuer = "http://localhost:8400"
        [store]
        uri = "mysql://somewhere"
        [plugins.pkce]
        alow_plain = true
    """)
    lines = command.refused("check")
    assert any(line.startswith("store.uri: no store for 'mysql'") for line in lines)
    assert "plugins.pkce.alow_plain: no such setting; did you mean 'allow_plain'?" in lines


def test_a_secret_that_is_too_short_is_refused(command: Any, tmp_path: Path) -> None:
    (tmp_path / "var" / "secret").write_text("short")
    assert "32 characters or more" in command.refused("check")[0]


def test_a_mistake_never_repeats_a_secret(command: Any) -> None:
    text = command.configuration.read_text().replace('"wonderland"', '["wonderland"]').replace("app-secret", "")
    command.configuration.write_text(text)
    assert "wonderland" not in "".join(command.refused("check"))


@pytest.mark.parametrize(
    "text", ["plugins = 3", "clients = 3", "[[plugins]]", "clients = [1]", "[plugins]\npkce = 1", "["]
)
def test_what_is_no_table_is_refused_too(text: str, command: Any) -> None:
    command.configuration.write_text(text)
    assert command.refused("check")
