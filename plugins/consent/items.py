"""What a consent page lists: each thing that is asked for, in words, with the values that the app will be given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from creance.provider import AuthorizationRequest, User
from creance.provider.claims_request import untagged
from creance.provider.consents import Permissions
from creance.provider.scope_words import CLAIMS, CONFIRMED_BY, NOT_SHOWN, ScopeWords, value_text
from creance.provider.scopes import ScopeClaims

_GOES_WITH = {confirmation: name for name, confirmation in CONFIRMED_BY.items()}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is asked for."""

    box: str
    """The name of its checkbox in the form."""
    words: str | None
    """What it is; None where nobody has given words for it."""
    name: str
    """The scope or claim."""
    permissions: Permissions
    """What is allowed with it."""
    required: bool = False
    """Whether it is allowed together with all the rest or not at all."""
    ticked: bool = False
    essential: bool = False
    """Whether the app says that it needs it (OpenID Connect Core 5.5.1)."""
    values: tuple[tuple[str, str], ...] = ()
    """What the app will learn, as far as it is known: what it is, in words, and the value."""
    unknown: bool = False
    """Whether it is about data of the person, and there are none."""


def asked_by(request: AuthorizationRequest, scope_claims: ScopeClaims) -> Permissions:
    """All that a request asks for: its scopes with their claims, and single claims. With `name` goes `name#de`."""
    by_scope = frozenset(scope_claims.claims_of(request.scope))
    return Permissions(frozenset(request.scope), by_scope | {untagged(name) for name in request.claims.names})


class Wording:
    """Puts into words what is asked for."""

    def __init__(self, scope_claims: ScopeClaims, words: ScopeWords) -> None:
        self._scope_claims = scope_claims
        self._words = words

    def items(
        self,
        request: AuthorizationRequest,
        asked: Permissions,
        *,
        user: User | None = None,
        required: Iterable[str] = (),
    ) -> Iterator[Item]:
        """The items of a request: its scopes, then the claims that no scope of it gives. `openid` is none: it is what a
        login is. With a user, their values are in them.
        """
        scopes = [word for word in request.scope if word in asked.scope]
        for word in scopes:
            if word != "openid":
                yield self._scope_item(word, user, word in required)
        for name, together in _grouped(asked.claims.difference(self._scope_claims.claims_of(scopes))).items():
            yield self._claim_item(name, together, user, _is_essential(request, name))

    def _scope_item(self, word: str, user: User | None, required: bool) -> Item:
        claims = self._scope_claims.claims_of([word])
        return Item(
            f"scope.{word}",
            self._words.scopes.get(word),
            word,
            Permissions(frozenset({word}), frozenset(claims)),
            required=required,
            values=self._values(claims, user),
            unknown=_is_unknown(claims, user),
        )

    def _claim_item(self, name: str, together: list[str], user: User | None, essential: bool) -> Item:
        return Item(
            f"claim.{name}",
            self._words.claims.get(name),
            name,
            Permissions(frozenset(), frozenset(together)),
            essential=essential,
            values=self._values(together, user),
            unknown=_is_unknown(together, user),
        )

    def _values(self, claims: Iterable[str], user: User | None) -> tuple[tuple[str, str], ...]:
        given = user.claims if user else {}
        texts = {name: value_text(given[name]) for name in claims if name in given and name not in NOT_SHOWN}
        return tuple((self._words.claims.get(name, name), text) for name, text in texts.items() if text)


def _grouped(claims: AbstractSet[str]) -> dict[str, list[str]]:
    """Single claims by the one that stands for them, in the order of OpenID Connect Core 5.1, then by name."""
    known = list(CLAIMS)
    groups: dict[str, list[str]] = {}
    for name in sorted(claims, key=lambda name: (known.index(name) if name in CLAIMS else len(known), name)):
        main = _GOES_WITH.get(name, name)
        groups.setdefault(main if main in claims else name, []).append(name)
    return groups


def _is_unknown(claims: Collection[str], user: User | None) -> bool:
    return bool(claims) and user is not None and user.claims.keys().isdisjoint(claims)


def _is_essential(request: AuthorizationRequest, name: str) -> bool:
    places = (request.claims.userinfo, request.claims.id_token)
    return any(each.essential for asked in places for tagged, each in asked.items() if untagged(tagged) == name)
