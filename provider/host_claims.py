"""What a host written for pyop says of a login and wants in the ID token (`extra_id_token_claims`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .errors import ServerError
from .grants import Grant
from .hooks import HostClaims
from .protocol_claims import PROTOCOL_CLAIMS
from .store import FOREVER, BadDocument, encode


def with_host_claims(grant: Grant, given: HostClaims) -> Grant:
    """The grant with what its host says: when and how the person logged in, and claims of the host's own.

    No other claim of the protocol's is the host's to give, and what the grant says already stays: who was there when
    the person was authorized knows best. Raises ServerError for what cannot be in a token.
    """
    if not given:
        return grant
    claims = given(grant.username or "", grant.client_id) if callable(given) else given
    claims = _checked(claims or {})
    own = {name: value for name, value in claims.items() if name not in PROTOCOL_CLAIMS}
    return replace(
        grant,
        auth_time=grant.auth_time if grant.auth_time is not None else _auth_time(claims),
        acr=grant.acr or _acr(claims),
        amr=grant.amr or _amr(claims),
        host_claims={**own, **grant.host_claims},
    )


def _checked(claims: Any) -> dict[str, Any]:
    if not isinstance(claims, Mapping):
        raise _unusable("not a mapping")
    try:
        encode(claims)  # now, and not when a code or a refresh token would have been spent already
    except BadDocument as error:
        raise _unusable(str(error)) from None
    return dict(claims)


def _auth_time(claims: Mapping[str, Any]) -> float | None:
    """OpenID Connect Core 2: seconds since the epoch."""
    auth_time = claims.get("auth_time")
    if auth_time is None:
        return None
    if isinstance(auth_time, bool) or not isinstance(auth_time, int | float) or not 0 <= auth_time <= FOREVER:
        raise _unusable("auth_time is not a number of seconds")
    return float(auth_time)


def _acr(claims: Mapping[str, Any]) -> str | None:
    acr = claims.get("acr")
    if acr is not None and not isinstance(acr, str):
        raise _unusable("acr is not a string")
    return acr


def _amr(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """OpenID Connect Core 2: an array of strings."""
    amr = claims.get("amr") or ()
    if not isinstance(amr, list | tuple) or not all(isinstance(method, str) for method in amr):
        raise _unusable("amr is not a list of strings")
    return tuple(amr)


def _unusable(why: str) -> ServerError:
    return ServerError("the provider is misconfigured", hint=f"extra_id_token_claims: {why}")
