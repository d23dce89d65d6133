"""Who is logged in at the host that the app is mounted in: what its one callable answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class HostLogin:
    """A login at a host, or at a proxy in front."""

    username: str
    auth_time: float | None = None
    """Seconds since the epoch; None where it is not known: then no app is served that asks for a recent login."""
    amr: tuple[str, ...] = ()
    """How they proved it (RFC 8176): `pwd`, `otp` …"""
    acr: str | None = None
    session: str | None = None
    """The session there. Apps get a digest of it (`sid`)."""
    claims: Mapping[str, Any] | None = None
    """What apps may learn of a person whom only the host knows: kept, and renewed at each login. None: the provider
    knows them.
    """


HostLogins = Callable[[Mapping[str, Any]], HostLogin | None]
"""From the WSGI environ of a request (PEP 3333) to who is logged in at that browser. Called by many threads at once."""
