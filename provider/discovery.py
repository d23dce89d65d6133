"""What this provider says of itself (OpenID Connect Discovery 1.0, 3; RFC 8414 2): exactly what is switched on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    from .openid_provider import OpenIDProvider
    from .settings import Settings


def build_metadata(provider: OpenIDProvider) -> dict[str, Any]:
    """The members of both discovery documents. Raises ConfigurationError where two plugins give one member."""
    settings = provider.settings
    metadata: dict[str, Any] = {"issuer": settings.issuer}
    for endpoint in provider.endpoints:
        if endpoint.metadata:
            metadata[endpoint.metadata] = provider.url(endpoint.name)
        if endpoint.clients:
            metadata[f"{endpoint.name}_endpoint_auth_methods_supported"] = _methods(provider, endpoint.clients)
    metadata |= {
        "response_types_supported": list(provider.response_types),
        "response_modes_supported": list(provider.response_modes),
        "grant_types_supported": list(provider.token_grants),
        "subject_types_supported": _subject_types(settings),
        "id_token_signing_alg_values_supported": list(settings.keys.algorithms),
        "scopes_supported": list(provider.scope_claims.scopes_supported),
        "claims_supported": ["sub", *provider.scope_claims.claims_supported],
        "claim_types_supported": ["normal"],
        "prompt_values_supported": _prompts(provider),
        "ui_locales_supported": list(provider.languages.supported),
        "display_values_supported": ["page", "popup", "touch"],
        # Where the specification's default would claim more than is there, it is said explicitly.
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
    }
    for name, given in provider.plugins.each("metadata"):
        _add(metadata, given, name)
    return metadata


def _prompts(provider: OpenIDProvider) -> list[str]:
    """Without a plugin that asks, the operator has consented for first-party clients: nobody is prompted."""
    asks = bool(provider.plugins.hook.consent.get_hookimpls())
    return ["none", "login", "select_account", *(["consent"] if asks else [])]


def _subject_types(settings: Settings) -> list[str]:
    """OpenID Connect Core 8: pairwise where there is a salt for it, the default first."""
    types = ["public", "pairwise"] if settings.subjects.salt is not None else ["public"]
    return types[::-1] if settings.subjects.default_type == "pairwise" else types


def _methods(provider: OpenIDProvider, clients: str) -> list[str]:
    methods = provider.client_authentication.methods_supported
    return methods if clients == "all" else [method for method in methods if method != "none"]


def _add(metadata: dict[str, Any], given: Mapping[str, Any], plugin: str) -> None:
    for member, value in given.items():
        present = metadata.get(member)
        if present is None:
            metadata[member] = value
        elif isinstance(present, list) and isinstance(value, list):
            metadata[member] = list(dict.fromkeys([*present, *value]))
        else:
            raise ConfigurationError(f"plugins.{plugin}: the metadata member {member} is there already")
