"""The clients of a pyop provider: read in place, in the names of their registration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from ..cache import ReadThrough
from ..client_notices import ClientNotices
from ..clients import Client, ClientRegistry
from ..errors import InvalidClient
from ..registration import ClientSettings
from ..setting_types import LONGEST_IDENTIFIER
from ..settings import Settings
from .mapping import Origin

_TAKEN_OVER = (
    *("client_name", "application_type", "subject_type", "sector_identifier_uri", "token_endpoint_auth_method"),
    *("client_secret", "client_secret_expires_at", "default_max_age", "require_auth_time", "default_acr_values"),
    *("grant_types", "response_types"),
)
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
        issued_at = registered.get("client_id_issued_at", 0)
        registered_at = float(issued_at) if isinstance(issued_at, int | float) else 0.0
        return self._make(settings, f"client {client_id}", registered_at=registered_at)

    def _as_settings(self, client_id: str, registered: Mapping[str, Any]) -> dict[str, Any]:
        """A registration as pyop's hosts keep it. What is not safe to take over is left out, and said in the log."""
        values: dict[str, Any] = {**self._defaults, "client_id": client_id}
        values |= {name: registered[name] for name in _TAKEN_OVER if registered.get(name) is not None}
        values["redirect_uris"] = _uris(registered.get("redirect_uris"))
        values["post_logout_redirect_uris"] = _uris(registered.get("post_logout_redirect_uris"))
        values["scope"] = _scope(registered) or self._every_scope
        left_out = {name: str(registered[name])[:40] for name in _NOT_DONE if registered.get(name)}
        algorithm = registered.get("id_token_signed_response_alg")
        if algorithm in _ALGORITHMS:
            values["id_token_signed_response_alg"] = algorithm
        elif algorithm is not None:
            left_out["id_token_signed_response_alg"] = str(algorithm)[:40]
        if left_out:
            self._not_honoured.about(client_id, field=", ".join(left_out), value=", ".join(left_out.values()))
        if secret := values.pop("client_secret", None):
            values["client_secret"] = SecretStr(str(secret))
        return values


def _uris(registered: Any) -> list[str]:
    """A list, each URI as text. pyop matches a single string by its parts: here it is one URI (PYOP, Security 15)."""
    if isinstance(registered, str):
        return [registered]
    # oic keeps each as a pair of base and query
    return [each if isinstance(each, str) else _joined(each) for each in registered or ()]


def _joined(pair: Any) -> str:
    base, query = (*pair, None)[:2]
    return f"{base}?{query}" if query else str(base)


def _scope(registered: Mapping[str, Any]) -> str:
    """What the client is registered for: `scope` (RFC 7591), or a list that some hosts keep."""
    given = registered.get("scope") or registered.get("allowed_scope_values") or ""
    return given if isinstance(given, str) else " ".join(given)
