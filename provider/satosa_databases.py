"""The databases of SATOSA's frontend, by a driver of today; none is connected to before it is used."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any, Final

from pyop.provider import Provider
from pyop.storage import StorageBase
from pyop.userinfo import Userinfo

from .adopted.documents import PyopDatabase
from .errors import ConfigurationError
from .settings import Lifetimes
from .store.mongodb_connection import SCHEMES

_DATABASE: Final = "satosa"
"""Of a URI that names none, as in the plain frontend."""
_PEOPLE: Final = "creance_people"
"""People's claims, kept as long as their tokens: those that the plain frontend keeps, in `authz_codes`, end with the
codes."""


def without_databases(conf: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration for the plain frontend, whose databases would connect at once."""
    left_out = {"db_uri", "client_db_uri"} | ({"client_db_path"} if conf.get("client_db_uri") else set())
    return {name: value for name, value in conf.items() if name not in left_out}


def bring_databases(provider: Provider, conf: Mapping[str, Any], lifetimes: Lifetimes) -> Any:
    """Give a pyop provider the collections of the configuration; answers where people's claims are written.

    Raises ConfigurationError.
    """
    state = provider.authz_state
    people: Any = provider.userinfo._db
    if uri := conf.get("db_uri"):
        collection = _collections(uri)
        state.authorization_codes = collection("authz_codes", state.authorization_code_lifetime)
        state.access_tokens = collection("access_tokens", state.access_token_lifetime)
        state.refresh_tokens = collection("refresh_tokens", state.refresh_token_lifetime)
        state.subject_identifiers = collection("subject_identifiers", None)
        longest = lifetimes.refresh_token_absolute if state.refresh_token_lifetime else lifetimes.access_token
        people = ChainMap(
            collection(_PEOPLE, lifetimes.authorization_code + max(longest, lifetimes.access_token)),
            collection("authz_codes", None),
            _Known(state.subject_identifiers),  # type: ignore[arg-type]
        )
        provider.userinfo = Userinfo(people)
    if uri := conf.get("client_db_uri"):
        provider.clients = _collections(uri)("clients", None)
    return people


class _Known:
    """People whose claims have expired: there are no accounts here, and what was given for them goes on without."""

    def __init__(self, subject_identifiers: Any) -> None:
        self._subject_identifiers = subject_identifiers

    def __getitem__(self, username: str) -> dict[str, Any]:
        self._subject_identifiers[username]  # raises KeyError
        return {}

    def __contains__(self, username: object) -> bool:
        return username in self._subject_identifiers


def _collections(uri: str) -> Callable[[str, int | None], Any]:
    """What makes the mapping over a collection."""
    if uri.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        try:
            return PyopDatabase(uri, default_name=_DATABASE).collection
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
    return lambda name, ttl: StorageBase.from_uri(uri, name, db_name=_DATABASE, ttl=ttl)
