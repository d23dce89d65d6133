"""What a plugin is: a small class whose methods are hooks, with settings of its own, for itself and for each client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from .setting_types import SettingsModel

if TYPE_CHECKING:
    from .clients import Client
    from .openid_provider import OpenIDProvider


class PluginSettings(SettingsModel):
    """Base of a plugin's settings: typed, documented by docstrings, unknown names refused."""


S = TypeVar("S", bound=PluginSettings)
C = TypeVar("C", bound=PluginSettings)


class Plugin(Generic[S, C]):
    """Base of every plugin: `class PKCE(Plugin[Settings, ClientSettings])`.

    Making one does no I/O, so that `creance check` can do it. `start` runs once in each worker, `stop` at its end.
    Methods marked with `@hookimpl` are called at the moments that `creance.provider.hooks` describes.
    """

    default_on: ClassVar[bool] = False
    """Whether it is on without being named: for what is safer on, and goes off only by `enabled = false`."""

    settings_type: ClassVar[type[PluginSettings]] = PluginSettings
    client_settings_type: ClassVar[type[PluginSettings]] = PluginSettings

    provider: OpenIDProvider
    """Set before `start` is called."""

    def __init_subclass__(cls, **named: Any) -> None:
        """Reads the two settings types out of `Plugin[Settings, ClientSettings]`."""
        super().__init_subclass__(**named)
        for base in getattr(cls, "__orig_bases__", ()):
            if getattr(base, "__origin__", None) is Plugin:
                cls.settings_type, cls.client_settings_type = get_args(base)

    def __init__(self, name: str, settings: S) -> None:
        self.name = name
        self.settings = settings

    def start(self, provider: OpenIDProvider) -> None:
        """Called once in each worker, when the store is open. The place for what needs the provider."""

    def stop(self) -> None:
        """Called once at the end of a worker that ends in order."""

    def client_settings(self, client: Client) -> C:
        """The plugin's settings for a client, as `[clients.plugins.NAME]` has them, or their defaults."""
        found: C = client.plugin_settings[self.name]  # type: ignore[assignment]
        return found
