"""The settings of a pyop provider, as ours have them: what it was made with, and what its metadata says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from pyop.provider import Provider
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory

from ..configuration import explain
from ..errors import ConfigurationError
from ..settings import Settings

_LONGEST_CODE = 600
_ENDPOINTS = {
    "authorization_endpoint": "authorization",
    "token_endpoint": "token",
    "userinfo_endpoint": "userinfo",
    "jwks_uri": "jwks",
    "introspection_endpoint": "introspection",
    "revocation_endpoint": "revocation",
    "end_session_endpoint": "end_session",
    "registration_endpoint": "registration",
}

Plugins = Sequence[str] | Mapping[str, Mapping[str, Any]] | None


def adopted_settings(provider: Provider, plugins: Plugins, given: Mapping[str, Any] | None) -> Settings:
    """What is `given` goes before what the provider says. Raises ConfigurationError."""
    named = plugins if isinstance(plugins, Mapping) else {name: {} for name in plugins or ()}
    table = _over(_of_provider(provider, named), given or {})
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise ConfigurationError(*explain(error, Settings, "")) from None


def _of_provider(provider: Provider, plugins: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    state = provider.authz_state
    information = provider.configuration_information
    lifetimes: dict[str, Any] = {
        "authorization_code": min(state.authorization_code_lifetime, _LONGEST_CODE),
        "access_token": state.access_token_lifetime,
        "id_token": provider.id_token_lifetime,
    }
    if state.refresh_token_lifetime:
        lifetimes["refresh_token"] = state.refresh_token_lifetime
        lifetimes["refresh_token_absolute"] = max(state.refresh_token_lifetime, 15552000)
    return {
        "issuer": information["issuer"],
        "lifetimes": lifetimes,
        "extra_scopes": {name: list(claims) for name, claims in provider.extra_scopes.items()},
        "subjects": _subjects(state._subject_identifier_factory, information["subject_types_supported"][0]),
        "endpoints": dict(_paths(information)),
        # As pyop: the claims of scopes at userinfo, and in the ID token what was asked for there.
        "plugins": _over({"id_token_claims": {"user_claims": "userinfo"}}, plugins),
    }


def _subjects(factory: Any, default_type: str) -> dict[str, Any]:
    subjects: dict[str, Any] = {"default_type": default_type, "pairwise_formula": "pyop"}
    if isinstance(factory, HashBasedSubjectIdentifierFactory):
        subjects["salt"] = factory.hash_salt
    return subjects


def _paths(information: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The endpoints that are under the issuer: the URLs of the others stay what the metadata says."""
    prefix = information["issuer"].rstrip("/")
    found = [(name, str(information[member])) for member, name in _ENDPOINTS.items() if member in information]
    return [
        (name, url[len(prefix) :]) for name, url in found if url.startswith(prefix + "/") and not urlsplit(url).query
    ]


def _over(below: Any, above: Any) -> Any:
    """A table with another over it, key by key; anything else takes the place of what is below."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}
    return above
