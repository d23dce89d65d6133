"""Finds plugins by entry point, builds those that the configuration names, and calls their hooks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
from pydantic import ValidationError

from .configuration import explain, no_such
from .errors import ConfigurationError, ServerError
from .hooks import Hooks
from .plugin import Plugin, PluginSettings
from .settings import Settings

AnyPlugin = Plugin[Any, Any]
GROUP = "creance.plugins"


def installed_plugins() -> dict[str, type[AnyPlugin]]:
    """All installed plugins by name, ours and strangers' alike.

    Raises ConfigurationError for one that cannot be loaded, and where two distributions have one of the same name.
    """
    found: dict[str, EntryPoint] = {}
    plugins: dict[str, type[AnyPlugin]] = {}
    mistakes: list[str] = []
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            names = sorted(str(each.dist.name) for each in (other, point) if each.dist)
            mistakes.append(f"plugins.{point.name}: is in two installed distributions: {', '.join(names)}")
    for name, point in found.items():
        try:
            plugin = point.load()
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            mistakes.append(f"plugins.{name}: cannot be loaded: {why}")
            continue
        if not (isinstance(plugin, type) and issubclass(plugin, Plugin)):
            mistakes.append(f"plugins.{name}: {point.value} is not a creance.provider.Plugin")
            continue
        plugins[name] = plugin
    if mistakes:
        raise ConfigurationError(*mistakes)
    return plugins


class PluginRegistry:
    """The plugins that are on, in the order of the configuration: those that are on without being named come first."""

    def __init__(self, settings: Settings) -> None:
        """Build them. Raises ConfigurationError for unknown names, wrong settings and misspelt hooks."""
        self._manager = pluggy.PluginManager("creance")
        self._manager.add_hookspecs(Hooks)
        self.plugins = {plugin.name: plugin for plugin in self._build(settings)}
        try:
            for plugin in reversed(self.plugins.values()):  # pluggy calls the last registered first
                self._manager.register(plugin, plugin.name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            name = error.plugin.name if isinstance(error.plugin, Plugin) else "?"
            raise ConfigurationError(f"plugins.{name}: {' '.join(str(error).split())}") from None
        self.hook = self._manager.hook
        self._without_tables: Mapping[str, PluginSettings] | None = None
        """What most clients have: the defaults of every plugin. They are frozen, and read once."""

    def read_client_settings(self, tables: Mapping[str, Mapping[str, Any]], where: str) -> Mapping[str, PluginSettings]:
        """A client's settings for each plugin that is on. Raises ConfigurationError with the place of each mistake."""
        if not tables and self._without_tables is not None:
            return self._without_tables
        mistakes: list[str] = []
        for name in tables:
            if name not in self.plugins:
                mistakes.append(f"{where}.plugins.{name}: {no_such('plugin switched on', name, self.plugins)}")
        typed: dict[str, PluginSettings] = {}
        for name, plugin in self.plugins.items():
            model = plugin.client_settings_type
            try:
                typed[name] = model.model_validate(tables.get(name, {}))
            except ValidationError as error:
                mistakes += explain(error, model, f"{where}.plugins.{name}")
        if mistakes:
            raise ConfigurationError(*mistakes)
        if not tables:
            self._without_tables = typed
        return typed

    def merge(self, hook: str, **arguments: Any) -> dict[str, Any]:
        """The members that plugins give at a hook, in one mapping. Raises ServerError, with a hint that names both,
        where two give the same.
        """
        merged: dict[str, Any] = {}
        for given in getattr(self.hook, hook)(**arguments):
            if not merged.keys().isdisjoint(given):
                raise ServerError("the provider is misconfigured", hint=self._who_collides(hook, arguments))
            merged.update(given)
        return merged

    def merge_tables(self, hook: str, own: Collection[str] = ()) -> dict[str, Any]:
        """The entries that plugins give at start-up. Raises ConfigurationError where two give the same, or one gives
        what is the provider's own.
        """
        merged: dict[str, Any] = {}
        for name, given in self.each(hook):
            if taken := given.keys() & set(own):
                raise ConfigurationError(f"plugins.{name}: {hook} {', '.join(sorted(taken))} is the provider's own")
            if taken := merged.keys() & given.keys():
                raise ConfigurationError(f"plugins.{name}: {hook} {', '.join(sorted(taken))} is another plugin's")
            merged.update(given)
        return merged

    def each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """What each plugin answers at a hook, with its name: at start-up, and to name who was wrong."""
        for name, plugin in self.plugins.items():
            others = [other for other in self.plugins.values() if other is not plugin]
            caller = self._manager.subset_hook_caller(hook, others)
            for answer in caller(**arguments):
                yield name, answer

    def listed(self, hook: str) -> list[Any]:
        """The items that all plugins list at a hook, in one list."""
        return [item for _, items in self.each(hook) for item in items]

    def _who_collides(self, hook: str, arguments: Mapping[str, Any]) -> str:
        givers: dict[str, str] = {}
        for name, given in self.each(hook, **arguments):
            for member in given:
                if member in givers:
                    return f"{hook}: the plugins {givers[member]} and {name} both give {member}"
                givers[member] = name
        return f"{hook}: two plugins give the same member"

    @staticmethod
    def _build(settings: Settings) -> Sequence[AnyPlugin]:
        installed = installed_plugins()
        unnamed = [name for name, cls in installed.items() if cls.default_on and name not in settings.plugins]
        plugins: list[AnyPlugin] = []
        mistakes: list[str] = []
        for name in (*sorted(unnamed), *settings.plugins):
            table = dict(settings.plugins.get(name, {}))
            if name not in installed:
                mistakes.append(f"plugins.{name}: {no_such('plugin installed', name, installed)}")
                continue
            enabled = table.pop("enabled", True)
            if not isinstance(enabled, bool):
                mistakes.append(f"plugins.{name}.enabled: must be true or false")
                continue
            if not enabled:
                continue
            model = installed[name].settings_type
            try:
                plugins.append(installed[name](name, model.model_validate(table)))
            except ValidationError as error:
                mistakes += explain(error, model, f"plugins.{name}")
            except ConfigurationError as error:
                mistakes += error.mistakes
        if mistakes:
            raise ConfigurationError(*mistakes)
        return plugins
