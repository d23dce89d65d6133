"""Authorization requests as pyop's hosts hold them, and as parameters."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from oic.exception import MessageException
from oic.oauth2.message import Message
from oic.oic.message import OpenIDSchema, RegistrationRequest
from pyop.message import AuthorizationRequest

from .errors import InvalidClientMetadata, InvalidRequest
from .parameters import Parameters
from .store import encode

M = TypeVar("M", bound=Message)


def message(kind: type[M], members: Mapping[str, Any]) -> M:
    """A message of a kind; no member's name is special, as it would be among keyword arguments."""
    made: M = kind().from_dict(members)  # type: ignore[no-untyped-call]
    return made


def request_message(parameters: Mapping[str, str], multiple: Mapping[str, tuple[str, ...]]) -> AuthorizationRequest:
    """The message that pyop makes of an authorization request. Raises InvalidRequest for claims that it cannot read."""
    values: dict[str, Any] = {**parameters, **{name: list(items) for name, items in multiple.items()}}
    try:
        if "claims" in parameters:
            values["claims"] = json.loads(parameters["claims"])
        made = message(AuthorizationRequest, values)
        encode(made.to_dict())  # refuses what is nested too deeply for whoever keeps the message
    except (MessageException, RecursionError, ValueError) as error:
        raise InvalidRequest("the authorization request is malformed", hint=type(error).__name__) from None
    return made


def registration_message(metadata: Mapping[str, Any]) -> RegistrationRequest:
    """The message that pyop makes of what a client registers. Raises InvalidClientMetadata."""
    try:
        return message(RegistrationRequest, metadata)
    except (MessageException, TypeError, ValueError) as error:
        raise InvalidClientMetadata("the registration is malformed", hint=type(error).__name__) from None


def summary(parameters: Parameters) -> AuthorizationRequest:
    """As much of a request that was refused as can be shown without reading the rest."""
    shown = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce")
    return message(AuthorizationRequest, {name: parameters[name] for name in shown if name in parameters})


def encoded(request: Mapping[str, Any], repeatable: Collection[str] = ()) -> bytes:
    """A request as the query that it came from. What its host changed in it is in there too."""
    return urlencode(list(_pairs(request, repeatable)), errors="surrogatepass").encode("ascii")


def texts(request: Mapping[str, Any]) -> dict[str, str]:
    """A request's parameters as text."""
    return dict(_pairs(request, ()))


def _pairs(request: Mapping[str, Any], repeatable: Collection[str]) -> Iterator[tuple[str, str]]:
    """Lists are words with spaces between them, or one parameter an item where it may be repeated."""
    plain = request.to_dict() if hasattr(request, "to_dict") else request
    for name, value in plain.items():
        if isinstance(value, list | tuple) and name in repeatable:
            yield from ((name, str(item)) for item in value)
        elif isinstance(value, list | tuple):
            yield name, " ".join(map(str, value))
        elif isinstance(value, Mapping):
            yield name, json.dumps(value)
        elif value is not None:
            yield name, str(value)


class UserinfoResponse(OpenIDSchema):
    """Claims as they are: what somebody's directory says is not refused here for its type."""

    c_param = {}
