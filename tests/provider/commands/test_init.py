"""`creance init`: a configuration to start from, and never a change to what is there."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("kind", "sample"), [("demo", "embedded.toml"), ("production", "production.toml"), ("mongodb", "mongodb.toml")]
)
def test_what_it_writes_is_right_at_once(kind: str, sample: str, command: Any, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert f"--config {folder}/creance.toml" in command.done("init", kind, folder)
    written = (folder / "creance.toml").read_text("utf-8")
    assert written == (files("creance.config") / sample).read_text("utf-8")
    assert written.startswith("#:schema ./creance.schema.json\n")
    assert json.loads((folder / "creance.schema.json").read_text())["title"]
    command.done("--config", folder / "creance.toml", "check")


def test_the_demonstration_here_is_the_default(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    command.done("init")
    assert tomllib.loads(Path("creance.toml").read_text())["issuer"] == "http://localhost:8400"


def test_production_comes_with_fresh_secrets_for_its_owner_only(command: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        command.done("init", "production", tmp_path / name)
    secrets = [*(tmp_path / "one" / "secrets").iterdir(), *(tmp_path / "two" / "secrets").iterdir()]
    assert sorted(path.name for path in secrets) == sorted(["sealing", "webapp", "api"] * 2)
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert len({path.read_text() for path in secrets}) == len(secrets)


def test_the_uri_of_a_database_is_in_a_file_for_its_owner_only(command: Any, tmp_path: Path) -> None:
    """DESIGN, Configuration: secrets from files. What was put there stays."""
    command.done("init", "mongodb", tmp_path / "new")
    file = tmp_path / "new" / "secrets" / "store-uri"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("mongodb://creance:p%40ssword@db1.example.org/creance\n")
    (tmp_path / "new" / "creance.toml").unlink()
    command.done("init", "mongodb", tmp_path / "new")
    assert file.read_text() == "mongodb://creance:p%40ssword@db1.example.org/creance\n"


@pytest.mark.parametrize("sample", ["production.toml", "mongodb.toml"])
def test_what_is_for_real_has_no_secret_of_the_demonstration(sample: str) -> None:
    text = (files("creance.config") / sample).read_text("utf-8")
    table = tomllib.loads(text)
    assert table["issuer"].startswith("https://")
    assert table["http"]["trusted_proxies"]
    assert not any(word in text for word in ("wonderland", "builder", "app-secret"))
    assert "client_secret =" not in text
    assert "password =" not in text


def test_nothing_is_overwritten(command: Any, tmp_path: Path) -> None:
    configuration = tmp_path / "creance.toml"
    before = configuration.read_text()
    assert command.refused("init", "production", tmp_path) == [f"{configuration} is there already, and stays as it is"]
    assert configuration.read_text() == before
    assert not (tmp_path / "secrets").exists()


def test_secrets_that_are_there_stay(command: Any, tmp_path: Path) -> None:
    secret = tmp_path / "new" / "secrets" / "webapp"
    secret.parent.mkdir(parents=True)
    secret.write_text("the secret of an app\n")
    command.done("init", "production", tmp_path / "new")
    assert secret.read_text() == "the secret of an app\n"


def test_a_folder_that_cannot_be_made_is_one_line(command: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (line,) = command.refused("init", "demo", tmp_path / "file" / "folder")
    assert str(tmp_path / "file") in line
