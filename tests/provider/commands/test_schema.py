"""`creance schema` and docs/configuration.md: made from the settings, and never older than they are."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from creance.provider.commands.configuration_page import configuration_page
from creance.provider.commands.schema import configuration_schema, own_plugins, schema_text
from creance.provider.plugin_registry import installed_plugins
from creance.provider.settings import Settings

ROOT = Path(__file__).parents[3]
SAMPLES = [sample.name for sample in (ROOT / "config").glob("*.toml")]

PLUGIN = """
class Settings(PluginSettings):
    height: int = 3
    \"\"\"How high.\"\"\"

class ClientSettings(PluginSettings):
    colour: str = "red"
    \"\"\"Which colour.\"\"\"

class Stranger(Plugin[Settings, ClientSettings]):
    \"\"\"Paints.\"\"\"
"""


def mistakes(table: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(configuration_schema(installed_plugins()))
    return [error.json_path for error in validator.iter_errors(table)]


def test_the_schema_in_config_is_the_one_of_the_settings() -> None:
    """`make docs` writes it anew."""
    assert (ROOT / "config" / "creance.schema.json").read_text("utf-8") == schema_text(own_plugins())


def test_the_page_in_docs_is_the_one_of_the_settings() -> None:
    """`make docs` writes it anew."""
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == configuration_page()


def test_the_command_prints_it(command: Any) -> None:
    schema = json.loads(command.done("schema"))
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_sample_is_valid(sample: str) -> None:
    assert mistakes(tomllib.loads((files("creance.config") / sample).read_text("utf-8"))) == []


def test_what_a_start_refuses_an_editor_shows() -> None:
    table = {
        "issuer": "http://localhost:8400",
        "htp": {},
        "http": {"workers": 0},
        "clients": [{"client_id": "a", "plugins": {"introspection": {"sees": "all"}}}],
        "plugins": {"pkce": {"alow_plain": True}, "nothing": {}},
    }
    assert sorted(mistakes(table)) == [
        "$",
        "$.clients[0].plugins.introspection.sees",
        "$.http.workers",
        "$.plugins",
        "$.plugins.pkce",
    ]


def test_every_setting_is_documented() -> None:
    def undocumented(schema: dict[str, Any]) -> list[str]:
        return [name for name, field in schema.get("properties", {}).items() if "$ref" not in field]

    schema = configuration_schema(own_plugins())
    for table in (schema, *schema["$defs"].values()):
        for name in undocumented(table):
            assert table["properties"][name].get("description"), name


def test_every_setting_is_in_the_page() -> None:
    page = configuration_page()
    for name, field in Settings.model_fields.items():
        assert f"`{name}`" in page or f"[{name}]" in page
        for inner in getattr(field.annotation, "model_fields", {}):
            assert f"| `{inner}` |" in page


def test_a_strangers_plugin_is_in_the_schema_and_not_in_our_files(install_plugin: Callable[..., None]) -> None:
    install_plugin("painter", PLUGIN)
    schema = configuration_schema(installed_plugins())["$defs"]
    assert schema["plugins_painter"]["properties"]["height"]["description"] == "How high."
    assert schema["plugins_painter"]["properties"]["enabled"]["default"] is True
    assert schema["clients_plugins_painter"]["properties"]["colour"]["default"] == "red"
    assert "painter" not in schema_text(own_plugins())
    assert "painter" not in configuration_page()


def test_a_default_that_is_kept_as_a_secret_is_told() -> None:
    """What a database URI is without a setting is no secret; asterisks would be no default."""
    schema = configuration_schema(own_plugins())["$defs"]
    assert schema["StoreSettings"]["properties"]["uri"]["default"] == "sqlite:var/creance.db"
    assert "*****" not in schema_text(own_plugins())
