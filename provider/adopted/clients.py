"""The clients of a pyop provider: read in place, in the names of their registration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from ..cache import ReadThrough
from ..client_notices import ClientNotices
from ..client_secrets import is_client_secret_hash
from ..clients import Client, ClientRegistry
from ..errors import InvalidClient
from ..registration import ClientSettings
from ..setting_types import LONGEST_IDENTIFIER
from ..settings import Settings
from .mapping import Origin
from .registrations import read_registration

_ALGORITHMS = ("RS256", "ES256")
_NOT_DONE = ("id_token_encrypted_response_alg", "userinfo_signed_response_alg", "userinfo_encrypted_response_alg")


class AdoptedClients(ClientRegistry):
    """Those of our own store and configuration, and after them those of the adopted provider."""

    def __init__(
        self,
        settings: Settings,
        read_plugin_settings: Any,
        origin: Origin,
        *,
        defaults: Mapping[str, Any],
        every_scope: str,
    ) -> None:
        """`defaults`: what holds for each adopted client that does not say otherwise. `every_scope`: pyop grants any
        scope that it supports to clients that register none.
        """
        super().__init__(settings, read_plugin_settings)
        self._origin = origin
        self._defaults = defaults
        self._every_scope = every_scope
        self._adopted = ReadThrough(self._read_adopted)
        self._secrets_not_encoded = ClientNotices("secret_not_form_encoded")
        self._not_honoured = ClientNotices("registration_not_honoured")

    def find(self, client_id: str) -> Client | None:
        """The client, or None. Adopted ones are remembered for some seconds too."""
        return super().find(client_id) or (
            self._adopted(client_id) if 0 < len(client_id) <= LONGEST_IDENTIFIER else None
        )

    def authenticate_client(self, client_id: str, client_secret: str | None, method: str) -> Client:
        """As `ClientRegistry.authenticate_client`. A `+` in a Basic header is a space (RFC 6749 2.3.1, B), and to pyop
        a plus: here it is either, and the operator is told whose.
        """
        try:
            return super().authenticate_client(client_id, client_secret, method)
        except InvalidClient:
            with_plus = (client_secret or "").replace(" ", "+")
            if method != "client_secret_basic" or with_plus == client_secret:
                raise
        client = super().authenticate_client(client_id, with_plus, method)
        self._secrets_not_encoded.about(client_id)
        return client

    def _read_adopted(self, client_id: str) -> Client | None:
        registered = self._origin.get(client_id)
        if not isinstance(registered, Mapping):
            return None
        values = self._as_settings(client_id, registered)
        settings = ClientSettings.model_construct(**values)
        return self._make(settings, f"client {client_id}", registered_at=registered_at(registered))

    def _as_settings(self, client_id: str, registered: Mapping[str, Any]) -> dict[str, Any]:
        """A registration as pyop's hosts keep it. What is not safe to take over is left out, and said in the log."""
        values: dict[str, Any] = {**self._defaults, "client_id": client_id}
        understood, left_out = read_registration(registered)
        values |= understood
        values["scope"] = values.get("scope") or self._every_scope
        left_out |= {name: registered[name] for name in _NOT_DONE if registered.get(name)}
        algorithm = registered.get("id_token_signed_response_alg")
        if algorithm in _ALGORITHMS:
            values["id_token_signed_response_alg"] = algorithm
        elif algorithm is not None:
            left_out["id_token_signed_response_alg"] = algorithm
        if left_out:
            shown = [str(value)[:40] for value in left_out.values()]
            self._not_honoured.about(client_id, field=", ".join(left_out), value=", ".join(shown))
        return values | _secret(registered.get("client_secret"), registered.get("client_secret_hash"))


def registered_at(registered: Mapping[str, Any]) -> float:
    """Seconds since the epoch; 0 where the registration does not say it."""
    issued_at = registered.get("client_id_issued_at", 0)
    return float(issued_at) if isinstance(issued_at, int | float) else 0.0


def _secret(plain: Any, hashed: Any) -> dict[str, Any]:
    """Nobody but `creance migrate pyop --finish` writes the hash, and it takes the secret away with the same write. So
    where both are there the secret is the newer one, and the hash that of one that was replaced.
    """
    if plain is not None:
        return {"client_secret": SecretStr(str(plain))} if plain else {}
    return {"client_secret_hash": hashed} if is_client_secret_hash(hashed) else {}
