"""Dynamic registration: clients register themselves (RFC 7591, OpenID Connect Registration 1.0), and look after their
registration (RFC 7592).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from creance.provider import (
    ConfigurationError,
    Endpoint,
    Event,
    Metadata,
    OpenIDProvider,
    Plugin,
    PluginSettings,
    hookimpl,
    split_scope,
)
from creance.provider.attempt_counters import Limit
from creance.provider.cache import ReadThrough
from creance.provider.rate_limits import RateLimit
from creance.provider.response_types import grant_types_for

from .client_metadata import Offer
from .initial_access import InitialAccess, read_hashes
from .new_token import registration_token
from .registration_endpoint import RegistrationResource
from .registrations import Registrations
from .settings import Settings

HOUR: Final = 3600
DAY: Final = 86400

__all__ = ["Registration", "Settings"]


class Registration(Plugin[Settings, PluginSettings]):
    """The registration endpoint, for whoever has an initial access token."""

    def start(self, provider: OpenIDProvider) -> None:
        """Raises ConfigurationError for a file that cannot be read, and a grant that is not on."""
        self.initial_access = self._initial_access(provider)
        self.requests = self._limit("requests_per_hour", HOUR, provider)
        """Of each network."""
        a_day = self._limit("registrations_per_day", DAY, provider)
        self.registrations = Registrations(provider, self.settings, self._offer(provider), a_day)
        self._keep = ReadThrough(provider.clients.keep, seconds=DAY)

    @hookimpl
    def endpoints(self) -> Sequence[Endpoint]:
        """RFC 7591 3, RFC 7592 2: one URL, with the client_id in the query where there is a client."""
        resource = RegistrationResource(self)
        return [Endpoint("registration", "/register", resource, metadata="registration_endpoint")]

    @hookimpl
    def commands(self) -> Sequence[click.Command]:
        return [registration_token]

    @hookimpl
    def register_client(self, metadata: Metadata, headers: Mapping[str, str]) -> dict[str, Any]:
        """The same for a pyop host."""
        return self.registrations.register(metadata, self.initial_access.holder_of(headers))

    @hookimpl
    def event(self, event: Event) -> None:
        """A client that has got something stays. Looked up once a day in each worker."""
        if event.name in ("authorization", "token") and event.client_id is not None:
            self._keep(event.client_id)

    def _initial_access(self, provider: OpenIDProvider) -> InitialAccess:
        hashes, path = list(self.settings.initial_access_token_hashes), self.settings.initial_access_tokens_file
        if path is not None:
            hashes += read_hashes(provider.settings.path(path), f"plugins.{self.name}.initial_access_tokens_file")
        return InitialAccess(hashes, open_to_all=self.settings.unsafe_open_registration)

    def _limit(self, setting: str, window: int, provider: OpenIDProvider) -> RateLimit:
        limit = Limit(f"plugins.{self.name}.{setting}", getattr(self.settings, setting), window)
        return RateLimit(limit, provider.attempt_counters, provider.settings.http.workers)

    def _offer(self, provider: OpenIDProvider) -> Offer:
        """What is on, as far as clients may register it."""
        grant_types = self.settings.grant_types
        if off := set(grant_types).difference(provider.metadata["grant_types_supported"]):
            raise ConfigurationError(
                f"plugins.{self.name}.grant_types: {', '.join(sorted(off))} is not on (is its plugin?)"
            )
        subjects = provider.settings.subjects
        return Offer(
            grant_types=tuple(grant_types),
            response_types=tuple(each for each in provider.response_types if grant_types_for(each) <= set(grant_types)),
            authentication_methods=tuple(provider.client_authentication.methods_supported),
            algorithms=tuple(provider.settings.keys.algorithms),
            scope=split_scope(self.settings.scope),
            pairwise=subjects.salt is not None,
            default_subject_type=subjects.default_type,
        )
