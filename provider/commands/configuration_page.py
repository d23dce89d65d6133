"""Writes docs/configuration.md out of the settings: `python -m creance.provider.commands.configuration_page`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from ..plugin_registry import installed_plugins
from ..routes import CORE_ENDPOINTS
from .schema import configuration_schema, own_plugins

Schema = Mapping[str, Any]

INTRODUCTION = """\
# Configuration

*Made from the settings by `make docs`.*

One file in [TOML](https://toml.io) says what a provider is. `creance --config FILE` names it; without that
`CREANCE_CONFIG` does, and without both it is `creance.toml` in the current folder. `creance init` writes one to start
from, and `creance check` says all that is wrong with one.

- A setting that does not exist stops the start, with the nearest name that does.
- Paths are relative to the file that names them.
- The file may begin with `#:schema ./creance.schema.json`: editors complete and check it then. `creance schema` prints
  the schema, with the settings of all installed plugins.
- Environment variables go over the file: `CREANCE_STORE__URI` is `uri` in `[store]`; lists and tables are JSON. They
  cannot switch a plugin on, and one that is no setting stops the start.
- The file is read at the start. Clients, users and keys that commands change are seen by a running provider within ten
  seconds.

The samples in `config/` are complete: `minimal.toml`, `embedded.toml` (the demonstration), `custom-paths.toml`,
`production.toml` and `mongodb.toml`.
"""

CLIENT_INTRODUCTION = """\
Clients may also be kept in the store: `creance clients add` takes the same fields as options. The same client_id in
both stops the start."""

USER_INTRODUCTION = """\
Users may also be kept in the store, by `creance users add`. The same username in both stops the start."""

ENDPOINT_INTRODUCTION = """\
Each can have another path under the issuer: `token = "/api/v1/oauth/token"`. Those of plugins are there when the
plugin is on. The two at `/.well-known` are where clients look for them."""

PLUGIN_INTRODUCTION = """\
A plugin is on when its table is there, and its table is its settings. Those that are on without a table go off by
`enabled = false`. One that somebody else wrote is installed with pip and named here in the same way."""


def configuration_page() -> str:
    """The whole page."""
    schema = configuration_schema(own_plugins())
    return "\n".join([INTRODUCTION, *_tables(schema), _endpoints(), *_plugins(schema)])


def _tables(schema: Schema) -> Iterator[str]:
    """The settings outside of any table, then each table."""
    properties: Mapping[str, Schema] = schema["properties"]
    plain = {name: field for name, field in properties.items() if not _points(field)}
    yield _section("Without a table", "These come first in the file.", {"properties": plain, **_required(schema)})
    for name, field in properties.items():
        if name == "plugins" or not _points(field):
            continue
        table = _table(schema, field)
        if field.get("type") == "array":
            introduction = CLIENT_INTRODUCTION if name == "clients" else USER_INTRODUCTION
            yield _section(f"`[[{name}]]`", f"{table['description']}\n\n{introduction}", table)
        else:
            yield _section(f"`[{name}]`", table["description"], table)


def _endpoints() -> str:
    """The names of all endpoints, with the paths that they have unless moved."""
    endpoints = [*CORE_ENDPOINTS]
    for name, plugin in own_plugins().items():
        if hasattr(plugin, "endpoints"):
            made: Any = plugin(name, plugin.settings_type.model_construct())
            endpoints += made.endpoints()
    rows = (f"| `{endpoint.name}` | `{endpoint.path}` |" for endpoint in endpoints)
    return "\n".join(["## `[endpoints]`", "", ENDPOINT_INTRODUCTION, "", "| name | path |", "|---|---|", *rows, ""])


def _plugins(schema: Schema) -> Iterator[str]:
    """Each plugin: what it is for, its table, and the table that a client may have for it."""
    yield f"## Plugins\n\n{PLUGIN_INTRODUCTION}\n"
    of_clients = schema["$defs"]["ClientPlugins"]["properties"]
    for name, field in schema["$defs"]["Plugins"]["properties"].items():
        on = " On without a table." if installed_plugins()[name].default_on else ""
        yield f"### `[plugins.{name}]`\n\n{field['description']}{on}\n"
        own = _without_enabled(_table(schema, field))
        if own["properties"]:
            yield _rows(own)
        for_client = _table(schema, of_clients[name])
        if for_client.get("properties"):
            yield f"For a client, in `[clients.plugins.{name}]`:\n"
            yield _rows(for_client)


def _points(field: Schema) -> bool:
    """Whether a field is a table of its own, or a list of them."""
    return "$ref" in field or "$ref" in field.get("items", {})


def _table(schema: Schema, field: Schema) -> Schema:
    reference: str = field.get("$ref") or field["items"]["$ref"]
    table: Schema = schema["$defs"][reference.rpartition("/")[2]]
    return table


def _required(schema: Schema) -> Schema:
    return {"required": schema.get("required", [])}


def _without_enabled(table: Schema) -> dict[str, Any]:
    properties = {name: field for name, field in table["properties"].items() if name != "enabled"}
    return {**table, "properties": properties}


def _section(title: str, introduction: str, table: Schema) -> str:
    return f"## {title}\n\n{introduction}\n\n{_rows(table)}"


def _rows(table: Schema) -> str:
    """A table of Markdown: each setting with its type, its default and its meaning."""
    lines = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for name, field in table["properties"].items():
        default = "required" if name in table.get("required", ()) else _default(field)
        meaning = " ".join(field.get("description", "").split())
        lines.append("| " + " | ".join(_cell(text) for text in (f"`{name}`", _type(field), default, meaning)) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(field: Schema) -> str:
    value = field.get("default")
    if value is None or value in ("", []):
        return ""
    if isinstance(value, list):
        return "`[" + ", ".join(_toml(item) for item in value) + "]`"
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _type(field: Schema) -> str:
    """A type in words."""
    if "$ref" in field:
        return "table"
    if "const" in field or "enum" in field:
        return " or ".join(f"`{_toml(value)}`" for value in field.get("enum", [field.get("const")]))
    kind = field.get("type")
    if kind == "array":
        return f"list of {_type(field['items'])}"
    if kind == "object":
        return "table"
    if kind in ("integer", "number"):
        return _number(field)
    if kind == "boolean":
        return "`true` or `false`"
    return "path" if field.get("format") == "path" else "text"


def _number(field: Schema) -> str:
    word = "whole number" if field["type"] == "integer" else "number"
    least = field.get("minimum", field.get("exclusiveMinimum"))
    above = ", above " if "exclusiveMinimum" in field else ", at least "
    most = f", at most {field['maximum']}" if "maximum" in field else ""
    return word + (f"{above}{least}" if least is not None else "") + most


if __name__ == "__main__":
    click.echo(configuration_page(), nl=False)
