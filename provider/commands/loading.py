"""Reads the configuration for a command, with every mistake in it at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..configuration import read_settings
from ..errors import ConfigurationError
from ..openid_provider import OpenIDProvider
from ..placing import places
from ..plugin_registry import PluginRegistry
from ..settings import Settings


def load_provider(path: Path) -> OpenIDProvider:
    """The provider of a file, not started. Raises ConfigurationError.

    A mistake in one part does not hide those of another: what plugins say of their tables, and the store of its URI,
    is asked also where the rest cannot be read.
    """
    try:
        settings = read_settings(path)
    except ConfigurationError as error:
        raise _all(error, _plugin_mistakes(*_plugin_tables(path))) from None
    try:
        return OpenIDProvider(settings)
    except ConfigurationError as error:
        of_clients = [client.plugins for client in settings.clients]
        raise _all(error, _plugin_mistakes(settings.plugins, of_clients), _store_mistakes(settings)) from None


def _all(error: ConfigurationError, *more: Iterable[str]) -> ConfigurationError:
    """The mistakes of an error and others, each once."""
    return ConfigurationError(*dict.fromkeys([*error.mistakes, *(line for lines in more for line in lines)]))


def _plugin_tables(path: Path) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """The tables of plugins, and those that clients have for them, as far as they are tables at all."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}, []
    clients = table.get("clients")
    of_clients = [client.get("plugins") if isinstance(client, dict) else None for client in _list(clients)]
    return _tables(table.get("plugins")), [_tables(tables) for tables in of_clients]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _tables(value: Any) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in value.items() if isinstance(each, dict)} if isinstance(value, dict) else {}


def _plugin_mistakes(tables: Mapping[str, Any], of_clients: Iterable[Mapping[str, Any]]) -> list[str]:
    try:
        registry = PluginRegistry(Settings.model_construct(issuer="", plugins=dict(tables)))
    except ConfigurationError as error:
        return [*error.mistakes]
    mistakes: list[str] = []
    for index, client in enumerate(of_clients):
        try:
            registry.read_client_settings(client, f"clients[{index}]")
        except ConfigurationError as error:
            mistakes += error.mistakes
    return mistakes


def _store_mistakes(settings: Settings) -> list[str]:
    mistakes: list[str] = []
    for place in places(settings):
        try:
            place.make(place.uri_in(settings), settings)
        except ConfigurationError as error:
            mistakes += error.mistakes
    return mistakes
