"""Who is the client? The one entry for every endpoint that asks (RFC 6749 2.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus

from .clients import Client, ClientRegistry
from .errors import InvalidClient, InvalidRequest
from .hooks import ClientAuthenticationMethod
from .parameters import Parameters

METHODS = ("client_secret_basic", "client_secret_post", "none")
"""What is there without a plugin."""


class ClientAuthentication:
    """Reads what a request brings, refuses two methods at once, and asks the registry."""

    def __init__(self, clients: ClientRegistry, methods: Mapping[str, ClientAuthenticationMethod]) -> None:
        self._clients = clients
        self._methods = methods

    @property
    def methods_supported(self) -> list[str]:
        return [*METHODS, *self._methods]

    def authenticate(self, parameters: Parameters, headers: Mapping[str, str]) -> Client:
        """The client that sent a request. Raises InvalidClient, or InvalidRequest for two methods at once."""
        for name, method in self._methods.items():
            if (client := method(parameters, headers)) is not None:
                if client.authentication_method != name:
                    hint = f"used {name}, registered {client.authentication_method}"
                    raise InvalidClient("client authentication failed", hint=hint)
                self._refuse_second(parameters, headers, name)
                self._refuse_other(parameters, client.client_id)
                return client
        authorization = headers.get("Authorization")
        if authorization is not None:
            client_id, secret = read_basic(authorization)
            if "client_secret" in parameters:
                raise InvalidRequest("two ways of client authentication at once (RFC 6749 2.3)")
            self._refuse_other(parameters, client_id)
            return self._clients.authenticate_client(client_id, secret, "client_secret_basic")
        if "client_id" not in parameters:
            raise InvalidClient("client authentication is missing")
        if "client_secret" in parameters:
            return self._clients.authenticate_client(
                parameters["client_id"], parameters["client_secret"], "client_secret_post"
            )
        return self._clients.authenticate_client(parameters["client_id"], None, "none")

    @staticmethod
    def _refuse_second(parameters: Parameters, headers: Mapping[str, str], used: str) -> None:
        if "client_secret" in parameters or headers.get("Authorization", "").lower().startswith("basic"):
            raise InvalidRequest(f"another way of client authentication beside {used} (RFC 6749 2.3)")

    @staticmethod
    def _refuse_other(parameters: Parameters, client_id: str) -> None:
        if parameters.get("client_id", client_id) != client_id:
            raise InvalidRequest("client_id is not that of the client that authenticates")


def claimed_client_id(parameters: Parameters, headers: Mapping[str, str]) -> str | None:
    """Who a request says that it is from; nothing is proven. None where it does not say."""
    authorization = headers.get("Authorization")
    if authorization is None:
        return parameters.get("client_id")
    try:
        return read_basic(authorization)[0]
    except InvalidClient:
        return None


def read_basic(authorization: str) -> tuple[str, str]:
    """client_id and secret of a Basic header: any case of the scheme (RFC 9110 11.1), both form-encoded
    (RFC 6749 2.3.1). Raises InvalidClient.
    """
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("the Authorization header must use the Basic scheme")
    try:
        decoded = base64.b64decode(credentials.strip(" "), validate=True).decode("utf-8")
        client_id, colon, secret = decoded.partition(":")
        if not colon or "\0" in decoded or "%00" in decoded:
            raise ValueError
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        raise InvalidClient("the Authorization header is malformed (RFC 6749 2.3.1)") from None
