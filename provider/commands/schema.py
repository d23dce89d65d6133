"""`creance schema`: the configuration as a JSON Schema, which editors complete and check by."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click
from pydantic import BaseModel, Field, SecretStr, create_model
from pydantic.json_schema import GenerateJsonSchema

from ..plugin import Plugin
from ..plugin_registry import installed_plugins
from ..registration import ClientSettings
from ..setting_types import SettingsModel
from ..settings import Settings

Plugins = Mapping[str, type[Plugin[Any, Any]]]

ENABLED = "False switches the plugin off; it is for those that are on without being named."


class SwitchedTable(SettingsModel):
    """What every plugin's table may say."""

    enabled: bool = Field(default=True, description=ENABLED)


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, with the settings of all installed plugins."""
    click.echo(schema_text(installed_plugins()), nl=False)


def schema_text(plugins: Plugins) -> str:
    """The schema as the file `creance.schema.json` has it."""
    return json.dumps(configuration_schema(plugins), indent=2, ensure_ascii=False) + "\n"


def configuration_schema(plugins: Plugins) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration in which these plugins may be named."""
    client = create_model(
        "Client",
        __base__=ClientSettings,
        __doc__=ClientSettings.__doc__,
        plugins=(_tables("ClientPlugins", _client_tables(plugins)), _like(ClientSettings, "plugins")),
    )
    configuration = create_model(
        "Configuration",
        __base__=Settings,
        __doc__=Settings.__doc__,
        clients=(list[client], _like(Settings, "clients")),
        plugins=(_tables("Plugins", _plugin_tables(plugins)), _like(Settings, "plugins")),
    )
    generated = configuration.model_json_schema(schema_generator=_Schema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **generated, "title": "Configuration of Creance"}


def _plugin_tables(plugins: Plugins) -> Iterable[tuple[str, type[BaseModel], str]]:
    for name, plugin in sorted(plugins.items()):
        table = create_model(f"plugins_{name}", __base__=(plugin.settings_type, SwitchedTable))
        yield name, table, summary(plugin)


def _client_tables(plugins: Plugins) -> Iterable[tuple[str, type[BaseModel], str]]:
    for name, plugin in sorted(plugins.items()):
        yield name, create_model(f"clients_plugins_{name}", __base__=plugin.client_settings_type), summary(plugin)


def _tables(name: str, tables: Iterable[tuple[str, type[BaseModel], str]]) -> type[BaseModel]:
    """A model with a table for each plugin."""
    fields: Any = {table_name: (table, Field(default={}, description=text)) for table_name, table, text in tables}
    return create_model(name, __base__=SettingsModel, **fields)


def _like(model: type[BaseModel], name: str) -> Any:
    """The default and the documentation of a field whose type is told more exactly here."""
    field = model.model_fields[name]
    return Field(default=field.default, description=field.description)


def summary(plugin: type[Plugin[Any, Any]]) -> str:
    """What a plugin is for: the first paragraph of its module's docstring, or of its own."""
    text = sys.modules[plugin.__module__].__doc__ or plugin.__doc__ or ""
    return " ".join(text.strip().partition("\n\n")[0].split())


def own_plugins() -> Plugins:
    """The plugins that come with Creance, whatever else is installed."""
    return {name: plugin for name, plugin in installed_plugins().items() if plugin.__module__.startswith("creance.")}


class _Schema(GenerateJsonSchema):
    """As TOML has it: there is no null, and a table's default is what is said at its members."""

    def nullable_schema(self, schema: Any) -> Any:
        """What can be left out is left out."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> Any:
        """A default that can be written, also where what people write instead is a secret."""
        described = super().default_schema(schema)
        if isinstance(default := schema.get("default"), SecretStr):
            described["default"] = default.get_secret_value()
        if described.get("default") is None or isinstance(described["default"], dict):
            described.pop("default", None)
        return described

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Names speak for themselves."""
        return False
