"""Whether a Redis keeps what it has acknowledged. Most are set to forget some of it, as a cache may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..request_log import logger
from . import StoreRefused, StoreUnavailable
from .redis_connection import MAY_LOSE_WRITES, Connected
from .redis_errors import is_forbidden


def accept_durability(connected: Connected, facts: Mapping[str, str]) -> None:
    """Raises StoreRefused where a code that was spent could be good again after a restart of the server, unless the
    operator has accepted that: then the log says so.
    """
    found = list(shortcomings(connected, facts))
    if found and connected.may_lose_writes:
        logger.warning("store_may_lose_writes", store=connected.name, because=found)
    elif found:
        raise StoreRefused(
            f"the {connected.name} can lose what it has acknowledged: {'; '.join(found)}. Set it so, or accept that "
            "what was spent or revoked may be good again, and logins be lost: "
            f'store.uri = "redis://…?{MAY_LOSE_WRITES}=true"'
        )


def shortcomings(connected: Connected, facts: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the settings of a server that says this of itself, and what they should be."""
    settings = _settings(connected)
    if not facts or not settings:
        yield "its user must be allowed INFO and CONFIG GET, so that its settings can be looked at"
        return
    if facts.get("aof_enabled") != "1":
        yield "it writes no log (appendonly yes)"
    elif settings.get("appendfsync") != "always":
        yield f"it answers before its log is on the disk (appendfsync always, and not {settings.get('appendfsync')})"
    if facts.get("maxmemory", "0") != "0" and facts.get("maxmemory_policy") != "noeviction":
        yield f"it drops what it has no room for (maxmemory-policy noeviction, and not {facts['maxmemory_policy']})"


def facts_of(connected: Connected) -> Mapping[str, str]:
    """What the server says of itself; nothing where its user may not ask."""
    lines = _allowed(connected, "INFO", otherwise=b"").decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _settings(connected: Connected) -> Mapping[str, str]:
    answer = [
        each.decode("utf-8", "replace") for each in _allowed(connected, "CONFIG", "GET", "appendfsync", otherwise=[])
    ]
    return dict(zip(answer[::2], answer[1::2], strict=True))


def _allowed(connected: Connected, *command: str, otherwise: Any) -> Any:
    try:
        return connected.ask(*command)
    except StoreUnavailable as refused:
        if not is_forbidden(refused):
            raise
        return otherwise
