"""Who is logged in at the host that the app is mounted in: what its one callable answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .errors import ServerError
from .store import BadDocument, encode

CLOCK_TOLERANCE: Final = 60.0
"""Seconds that a host's clock may be ahead of ours."""


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


def read_host_login(answer: Any) -> HostLogin | None:
    """What a host has answered, if all of it is what it should be. Raises ServerError: its hint, for the log, says what
    is wrong, and repeats nothing.
    """
    if answer is None:
        return None
    if not isinstance(answer, HostLogin):
        raise _unusable("neither a HostLogin nor None")
    if problem := _problem(answer):
        raise _unusable(problem)
    return answer


def _problem(login: HostLogin) -> str | None:
    if not isinstance(login.username, str) or not login.username or not login.username.isprintable():
        return "username is no text, is empty, or has control characters"
    if login.auth_time is not None and not _is_past(login.auth_time):
        return "auth_time is no past moment, in seconds since the epoch"
    if not isinstance(login.amr, tuple | list) or not all(isinstance(method, str) for method in login.amr):
        return "amr is not a tuple of texts"
    if not all(text is None or isinstance(text, str) for text in (login.acr, login.session)):
        return "acr or session is no text"
    return _problem_of_claims(login.claims)


def _is_past(moment: Any) -> bool:
    """A login that is to come, as one in milliseconds is, would be recent enough for every app and for ever (OpenID
    Connect Core 3.1.2.1: prompt, max_age).
    """
    is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
    return is_number and 0 <= moment <= time.time() + CLOCK_TOLERANCE


def _problem_of_claims(claims: Any) -> str | None:
    if claims is None:
        return None
    if not isinstance(claims, Mapping):
        return "claims is not a mapping"
    try:
        encode(dict(claims))
    except BadDocument as error:
        return f"claims is {error}"
    return None


def _unusable(why: str) -> ServerError:
    return ServerError("the provider is misconfigured", hint=f"host_login: {why}")
