"""Clients: those of the configuration file, in memory, and those that were added, in the store.

What only pyop's code sees is a mapping from client_id to metadata in the names of RFC 7591; ours uses `find`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .cache import ReadThrough
from .client_secrets import client_secret_matches, hash_client_secret
from .errors import ConfigurationError, InvalidClient
from .plugin import PluginSettings
from .registration import ClientSettings
from .response_types import in_order
from .scopes import split_scope
from .secret_files import read_first_line
from .setting_types import LONGEST_IDENTIFIER
from .settings import Settings
from .store import FOREVER, AlreadyExists, Collection, Conflict, Document, Store, delete, insert, replace

CLIENTS = Collection("clients")

PluginSettingsReader = Callable[[Mapping[str, Mapping[str, Any]], str], Mapping[str, PluginSettings]]
"""Turns a client's `plugins` tables into typed settings for each plugin that is on. Raises ConfigurationError."""


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """A client as a request needs it: nothing to parse, look up or split any more."""

    client_id: str
    name: str
    secret_hash: str | None
    secret_expires_at: int
    redirect_uris: frozenset[str]
    grant_types: frozenset[str]
    scope: tuple[str, ...]
    authentication_method: str
    settings: ClientSettings
    plugin_settings: Mapping[str, PluginSettings]
    registered_at: float = 0.0
    """Seconds since the epoch; 0 for those of the configuration file. What was granted to one that was registered
    before is not this client's: that was another of the same name.
    """
    response_types: frozenset[str] = frozenset({"code"})
    """Each with its words in alphabetical order."""

    @property
    def public(self) -> bool:
        """Whether it cannot keep a secret (RFC 6749 2.1)."""
        return self.authentication_method == "none"

    @property
    def native(self) -> bool:
        return self.settings.application_type == "native"

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its registration in the names of RFC 7591, without the secret: for pyop, and no request."""
        hidden = {"client_secret", "client_secret_file", "client_secret_hash", "plugins"}
        return self.settings.model_dump(mode="json", exclude=hidden, exclude_none=True)

    def accepts_redirect_uri(self, uri: str) -> bool:
        """RFC 9700 4.1.3: compared exactly; for native clients any port on loopback (RFC 8252 7.3)."""
        if uri in self.redirect_uris:
            return True
        if not self.native:
            return False
        without_port = _without_loopback_port(uri)
        return without_port is not None and any(
            without_port == _without_loopback_port(registered) for registered in self.redirect_uris
        )


def _document(client: Client, registration: Mapping[str, Any] | None) -> dict[str, Any]:
    """A client as the store has it: never with a secret."""
    settings = client.settings.model_dump(
        mode="json", exclude_defaults=True, exclude={"client_secret", "client_secret_file"}
    )
    kept = {"client_secret_hash": client.secret_hash, "client_id_issued_at": client.registered_at}
    return {**settings, **kept, **({"registration": dict(registration)} if registration is not None else {})}


# By the text alone, since parsers of URLs forgive what browsers do not: they drop line breaks, and change case.
_LOOPBACK = re.compile(r"(http://(?:localhost|127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:[/?].*)?)", re.DOTALL)


def _without_loopback_port(uri: str) -> str | None:
    """The URI with its port left out, if it is plain http on a loopback host; all the rest is compared as it is."""
    found = _LOOPBACK.fullmatch(uri)
    if found is None or int(found[2] or 0) > 65535:
        return None
    return found[1] + found[3]


class ClientRegistry(Mapping[str, Mapping[str, Any]]):
    """All clients. As a mapping it is what pyop calls `clients`."""

    def __init__(self, settings: Settings, read_plugin_settings: PluginSettingsReader) -> None:
        self._settings = settings
        self._read_plugin_settings = read_plugin_settings
        self._configured = self._make_configured()
        self._store: Store | None = None
        self._stored = ReadThrough(self._read)

    def start(self, store: Store) -> None:
        """Use the store too. Raises ConfigurationError where a client_id is in the file and in the store."""
        self._store = store
        if both := [client_id for client_id in self._configured if store.get(CLIENTS, client_id)]:
            raise ConfigurationError(*(f"client_id {name} is in the configuration and in the store" for name in both))

    def find(self, client_id: str) -> Client | None:
        """The client, or None. Those of the store are remembered for some seconds."""
        configured = self._configured.get(client_id)
        if configured is not None or self._store is None or len(client_id) > LONGEST_IDENTIFIER:
            return configured
        return self._stored(client_id)

    def authenticate_client(self, client_id: str, client_secret: str | None, method: str) -> Client:
        """RFC 6749 2.3: the client, if it is registered for this method and the secret is its own.

        Raises InvalidClient, the same and in the same time whether the client is unknown or the secret wrong; `hint`
        tells the operator which.
        """
        client = self.find(client_id)
        secret_hash = client.secret_hash if client else None
        proven = method == "none" or client_secret_matches(client_secret or "", secret_hash)
        if client is None:
            raise InvalidClient("client authentication failed", hint="unknown client_id")
        if method != client.authentication_method:
            raise InvalidClient(
                "client authentication failed", hint=f"used {method}, registered {client.authentication_method}"
            )
        if not proven:
            raise InvalidClient("client authentication failed", hint="wrong client_secret")
        if client.secret_expires_at and client.secret_expires_at <= time.time():
            raise InvalidClient("client authentication failed", hint="client_secret_expires_at has passed")
        return client

    def add(
        self, settings: ClientSettings, registration: Mapping[str, Any] | None = None, valid_until: float = FOREVER
    ) -> Client:
        """Keep a client in the store. Raises ConfigurationError where the client_id is taken or a field is wrong.

        `registration` is what is kept of a client that registered itself and no other request looks at. After
        `valid_until`, in seconds since the epoch, it is gone.
        """
        client = self._make(settings, "client", registered_at=time.time())
        if client.client_id in self._configured:
            raise ConfigurationError(f"client_id {client.client_id} is in the configuration file")
        try:
            self._opened.write([insert(CLIENTS, client.client_id, _document(client, registration), valid_until)])
        except AlreadyExists:
            raise ConfigurationError(f"client_id {client.client_id} exists already") from None
        self._stored.forget(client.client_id)
        return client

    def registered(self, client_id: str) -> Document | None:
        """A client that registered itself, as the store has it now: its value has the member `registration`."""
        if self._store is None or len(client_id) > LONGEST_IDENTIFIER:
            return None
        document = self._store.get(CLIENTS, client_id)
        return document if document and "registration" in document.value else None

    def update(self, document: Document, settings: ClientSettings, registration: Mapping[str, Any]) -> Client:
        """Another registration of the same client, whose codes and tokens go on. Other workers know it within some
        seconds. Raises ConfigurationError, and Conflict where it was changed or removed since it was read.
        """
        client = self._make(settings, "client", registered_at=document.value["client_id_issued_at"])
        self._opened.write([replace(CLIENTS, document, _document(client, registration))])
        self._stored.forget(client.client_id)
        return client

    def end_registration(self, document: Document) -> None:
        """Remove a client that registered itself, as it was read: its codes and tokens give nothing from then on.

        Raises Conflict where it was changed or removed since.
        """
        now = time.time()
        self._opened.write([replace(CLIENTS, document, {}, valid_until=now, keep_until=now)])
        self._stored.forget(document.key)

    def keep(self, client_id: str) -> None:
        """A client that would be gone after a time stays for good. For others nothing is written."""
        while (document := self.registered(client_id)) is not None and document.valid_until < FOREVER:
            try:
                self._opened.write([replace(CLIENTS, document, document.value, FOREVER)])
            except Conflict:  # it has just registered something else
                continue
            return

    def remove(self, client_id: str) -> None:
        """Remove a client of the store: its codes and tokens give nothing from then on. Raises ConfigurationError."""
        if client_id in self._configured:
            raise ConfigurationError(f"client_id {client_id} is in the configuration file: remove it there")
        if self._opened.get(CLIENTS, client_id) is None:
            raise ConfigurationError(f"client_id {client_id} does not exist")
        self._opened.write([delete(CLIENTS, client_id)])
        self._stored.forget(client_id)

    def configured(self) -> Iterable[Client]:
        """The clients of the configuration file."""
        return self._configured.values()

    def stored(self) -> Iterator[Client]:
        """The clients of the store, page by page: for commands, never for a request."""
        after = None
        while documents := self._opened.page(CLIENTS, after):
            for document in documents:
                yield self.from_document(document)
            after = documents[-1].key

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise RuntimeError("the registry was not started")
        return self._store

    def _read(self, client_id: str) -> Client | None:
        document = self._opened.get(CLIENTS, client_id)
        return self.from_document(document) if document else None

    def from_document(self, document: Document) -> Client:
        """It was checked when it was written, and a request waits for it: it is not checked again."""
        value = dict(document.value)
        registered_at = value.pop("client_id_issued_at", 0.0)
        value.pop("registration", None)
        settings = ClientSettings.model_construct(**value)
        return self._make(settings, "client", registered_at=registered_at, strict_plugins=False)

    def _make_configured(self) -> dict[str, Client]:
        clients: dict[str, Client] = {}
        mistakes: list[str] = []
        for index, settings in enumerate(self._settings.clients):
            try:
                clients[settings.client_id] = self._make(settings, f"clients[{index}]")
            except ConfigurationError as error:
                mistakes += error.mistakes
        if mistakes:
            raise ConfigurationError(*mistakes)
        return clients

    def _make(
        self, settings: ClientSettings, where: str, *, registered_at: float = 0.0, strict_plugins: bool = True
    ) -> Client:
        try:
            plugin_settings = self._read_plugin_settings(settings.plugins, where)
        except ConfigurationError:
            if strict_plugins:
                raise
            # A plugin was switched off, or its settings changed, since this client was stored: the safe defaults.
            plugin_settings = self._read_plugin_settings({}, where)
        secret_hash = self._secret_hash(settings, where)
        return Client(
            client_id=settings.client_id,
            name=settings.client_name or settings.client_id,
            secret_hash=secret_hash,
            secret_expires_at=settings.client_secret_expires_at,
            registered_at=registered_at,
            redirect_uris=frozenset(settings.redirect_uris),
            grant_types=frozenset(settings.grant_types),
            response_types=frozenset(map(in_order, settings.response_types)),
            scope=split_scope(settings.scope),
            authentication_method=settings.token_endpoint_auth_method,
            settings=settings,
            plugin_settings=plugin_settings,
        )

    def _secret_hash(self, settings: ClientSettings, where: str) -> str | None:
        if settings.client_secret is not None:
            return hash_client_secret(settings.client_secret.get_secret_value())
        if settings.client_secret_file is not None:
            path = self._settings.path(settings.client_secret_file)
            return hash_client_secret(read_first_line(path, f"{where}.client_secret_file"))
        return settings.client_secret_hash

    # The mapping that pyop knows as `clients`.

    def __getitem__(self, client_id: str) -> Mapping[str, Any]:
        client = self.find(client_id)
        if client is None:
            raise KeyError(client_id)
        return client.metadata

    def __contains__(self, client_id: object) -> bool:
        return isinstance(client_id, str) and self.find(client_id) is not None

    def __iter__(self) -> Iterator[str]:
        yield from self._configured
        if self._store is not None:
            yield from (client.client_id for client in self.stored())

    def __len__(self) -> int:
        return sum(1 for _ in self)
