"""Which apps have access for a person: by a grant that is alive, or by a consent that is remembered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from creance.provider import Client, Grant, OpenIDProvider, User
from creance.provider.claims_request import untagged
from creance.provider.consents import Consent
from creance.provider.scope_words import ScopeWords
from creance.provider.scopes import ScopeClaims

_LOOKED_AT = 1000
"""Tokens of each kind: more than people have."""


@dataclass(frozen=True, slots=True)
class AppAccess:
    """One app, and what it may do."""

    client: Client
    permissions: Sequence[str]
    """In words: what its scopes give, then single claims. Nothing for an app that only lets people log in."""
    since: float
    """Seconds since the epoch."""


@dataclass(slots=True)
class _Given:
    """What one app was given."""

    grants: list[Grant] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)


def apps_with_access(provider: OpenIDProvider, user: User) -> tuple[list[AppAccess], bool]:
    """The apps of a person, those that got their access last first, and whether these are all."""
    grants, complete = provider.tokens.grants_of(user.subject, _LOOKED_AT)
    given: dict[str, _Given] = {}
    for grant in grants:
        given.setdefault(grant.client_id, _Given()).grants.append(grant)
    for consent in provider.consents.of_user(user.username):
        given.setdefault(consent.client_id, _Given()).consents.append(consent)
    apps = _accesses(provider, user, given)
    return sorted(apps, key=lambda app: -app.since), complete


def _accesses(provider: OpenIDProvider, user: User, given: Mapping[str, _Given]) -> Iterator[AppAccess]:
    """What another client of the same name had gives nothing any more."""
    for client_id, all_of_it in given.items():
        client = provider.clients.find(client_id)
        if client is None:
            continue
        grants = [grant for grant in all_of_it.grants if grant.client_registered_at == client.registered_at]
        consents = [consent for consent in all_of_it.consents if consent.is_of(user, client)]
        if grants or consents:
            yield _access(client, grants, consents, provider.scope_claims, provider.scope_words)


def _access(
    client: Client,
    grants: Sequence[Grant],
    consents: Sequence[Consent],
    scope_claims: ScopeClaims,
    words: ScopeWords,
) -> AppAccess:
    scope = {word for grant in grants for word in grant.scope}
    scope |= {word for consent in consents for word in consent.allowed.scope}
    claims = {untagged(name) for grant in grants for place in grant.claims.values() for name in place}
    claims |= {name for consent in consents for name in consent.allowed.claims}
    claims -= set(scope_claims.claims_of(scope))
    since = min([*(grant.granted_at for grant in grants), *(consent.given_at for consent in consents)])
    permissions = [*_in_words(scope - {"openid"}, words.scopes), *_in_words(claims, words.claims)]
    return AppAccess(client, permissions, since)


def _in_words(names: Collection[str], words: Mapping[str, str]) -> list[str]:
    """In the order of the words; then those that nobody has given words for, by their names."""
    return [text for name, text in words.items() if name in names] + sorted(set(names) - words.keys())
