"""Reads the configuration: a TOML file, environment variables over it, and every mistake at once in words that help."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from .errors import ConfigurationError
from .settings import Settings

PREFIX = "CREANCE_"
OTHER_VARIABLES = frozenset({"CREANCE_CONFIG"})
"""Variables with our prefix that are not settings."""


def read_settings(path: str | Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a file, with environment variables over them (`CREANCE_STORE__URI`).

    Raises ConfigurationError with one line for each mistake, each with its dotted path.
    """
    path = Path(path)
    table = _read_toml(path)
    environment = dict(os.environ if environ is None else environ)
    unknown = _unknown_variables(environment, table)
    mistakes = [f"{name}: {mistake}" for name, mistake in unknown.items()]
    environment = {name: value for name, value in environment.items() if name not in unknown}
    try:
        merged = _merge(table, environment)
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigurationError(*explain(error, Settings), *mistakes) from None
    except (ValueError, RecursionError) as error:  # pydantic-settings: a variable that should be JSON is not
        raise ConfigurationError(
            *mistakes, f'environment: {error} (a list or a table is JSON there: ["10.0.0.0/8"])'
        ) from None
    if mistakes:
        raise ConfigurationError(*mistakes)
    settings._folder = path.resolve().parent
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file; `creance init` writes one to start from") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or tables in tables without end
        raise ConfigurationError(f"{path}: is not TOML that can be read") from None


def _merge(table: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The file's table with the environment over it, key by key."""

    class Variables(BaseSettings, Settings):
        model_config = SettingsConfigDict(
            env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", case_sensitive=False
        )

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return ()

    source = EnvSettingsSource(Variables)
    source.env_vars = {key.lower(): value for key, value in environ.items() if key.upper() not in OTHER_VARIABLES}
    variables = source()
    for settings in variables.get("plugins", {}).values():
        settings.update({name: _plugin_setting(name, value) for name, value in settings.items()})
    merged: dict[str, Any] = _over(table, variables)
    return merged


def _plugin_setting(name: str, value: Any) -> Any:
    """A plugin's setting out of a variable. Its type is the plugin's affair: here only lists and tables are known by
    their look.
    """
    if name == "enabled":
        return False  # what else it could say was refused
    if not isinstance(value, str) or not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _over(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}
    return above


def _unknown_variables(environ: Mapping[str, str], table: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with our variables, by name: what is no setting, or would switch on a plugin, stops the start."""
    mistakes: dict[str, str] = {}
    named = table.get("plugins")
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX) or name.upper() in OTHER_VARIABLES:
            continue
        path = name[len(PREFIX) :].lower().split("__")
        if path[0] == "plugins":
            there = len(path) > 2 and isinstance(named, dict) and path[1] in named
            if not there or (path[2:] == ["enabled"] and environ[name].lower() != "false"):
                mistakes[name] = "the environment cannot switch a plugin on; name its table [plugins.…] in the file"
        elif message := _unknown(path, Settings):
            mistakes[name] = message
    return mistakes


def _unknown(path: list[str], model: type[BaseModel]) -> str | None:
    known = list(model.model_fields)
    if path[0] not in known:
        return no_such("setting", path[0], known)
    inner = model.model_fields[path[0]].annotation
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return _unknown(path[1:], inner) if len(path) > 1 else None
    return no_such("setting", path[-1], ()) if len(path) > (2 if get_origin(inner) is dict else 1) else None


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    """A line for each mistake: where it is (`clients[0].redirect_uris[1]`), what is wrong, and the nearest name."""
    return [_explain_one(mistake, model, prefix) for mistake in error.errors(include_url=False, include_input=False)]


def _explain_one(mistake: Any, model: type[BaseModel], prefix: str) -> str:
    location = mistake["loc"]
    where = prefix + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    where = where.lstrip(".") or "configuration"
    if mistake["type"] == "extra_forbidden":
        return f"{where}: {no_such('setting', str(location[-1]), _fields_at(location[:-1], model))}"
    message = str(mistake["msg"]).removeprefix("Value error, ")
    return f"{where}: {message[:1].lower() + message[1:] if mistake['type'] != 'value_error' else message}"


def _fields_at(location: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    """The names that would have been right at a place."""
    current: Any = model
    for part in location:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = _model_in(fields[part].annotation)
    return list(getattr(current, "model_fields", ()))


def _model_in(annotation: Any) -> Any:
    """The table that an annotation such as `list[Table]`, `dict[str, Table]` or `Table | None` is about."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for argument in get_args(annotation) if (model := _model_in(argument)) is not None), None)


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """`no such setting; did you mean 'required'?`"""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"no such {kind}" + (f"; did you mean {near[0]!r}?" if near else "")
