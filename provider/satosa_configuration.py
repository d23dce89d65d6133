"""What stands in the configuration of SATOSA's frontend: its own settings, and ours under `creance`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from .configuration import explain
from .errors import ConfigurationError
from .request_log import logger
from .setting_types import SettingsModel

_ON: Final = ("introspection", "revocation", "client_credentials")
"""Plugins that are on without being named, beside those that always are."""
_PATHS: Final = {"introspection": "introspect", "revocation": "revoke"}
"""Below the frontend's name, and not below `token`, which SATOSA's own pattern would catch."""

Plugins = dict[str, dict[str, Any]]


class Section(SettingsModel):
    """What may stand under `creance` in the frontend's `config`."""

    plugins: dict[str, dict[str, Any] | None] = {}
    """Plugins with their settings, beside introspection, revocation and client credentials, which are on."""
    settings: dict[str, Any] = {}
    """Whatever differs, in the names of the configuration file."""


def read_section(conf: Mapping[str, Any], name: str) -> tuple[Plugins, dict[str, Any]]:
    """Plugins and settings for a frontend of this name. Raises ConfigurationError with all mistakes that can be seen
    here.
    """
    try:
        section = Section.model_validate(conf.get("creance") or {})
    except ValidationError as error:
        raise ConfigurationError(*explain(error, Section, "creance")) from None
    if mistakes := list(_mistakes(conf, name)):
        raise ConfigurationError(*mistakes)
    named = {plugin: table or {} for plugin, table in section.plugins.items()}
    plugins: Plugins = {**{plugin: {} for plugin in _ON}, **named}
    paths = {plugin: f"/{name}/{path}" for plugin, path in _PATHS.items() if is_on(plugin, plugins)}
    return plugins, {**section.settings, "endpoints": paths | section.settings.get("endpoints", {})}


def is_on(plugin: str, plugins: Plugins) -> bool:
    """Whether a plugin is named, and not switched off."""
    return plugin in plugins and plugins[plugin].get("enabled", True) is not False


def warn_of(conf: Mapping[str, Any], name: str) -> None:
    """Say in the log what is not wrong, and still not as the operator may think."""
    if "sub_hash_salt" not in conf:
        logger.warning("sub_hash_salt_missing", frontend=name, hint="every start gives everybody another pairwise sub")


def _mistakes(conf: Mapping[str, Any], name: str) -> Iterator[str]:
    types = _response_types(conf)
    if "code" not in types:
        yield (
            f"{name}: provider.response_types_supported is {types}: this frontend offers the code flow alone, "
            'and others beside it by the plugin insecure_response_types: add "code", and let clients use it'
        )
    for member in ("db_uri", "client_db_uri"):
        if _scheme(conf, member) == "stateless":
            yield (
                f"{name}: {member} is stateless: codes could be used again and again, and nothing could be revoked. "
                "Give the URI of a MongoDB or of a Redis"
            )


def _response_types(conf: Mapping[str, Any]) -> list[str]:
    """With SATOSA's own default."""
    return list(conf["provider"].get("response_types_supported", ["id_token"]))


def _scheme(conf: Mapping[str, Any], member: str) -> str:
    return urlsplit(conf.get(member) or "").scheme
