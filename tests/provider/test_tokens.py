"""Codes, access tokens and refresh tokens as the store keeps them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import Grant, OpenIDProvider
from creance.provider.store import AlreadyExists, Conflict, NotFound, bearer_key, replace
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS, Tokens

from ..earlier_values import as_issued_earlier

MakeProvider = Callable[..., OpenIDProvider]


@pytest.fixture
def provider(make_provider: MakeProvider) -> OpenIDProvider:
    return make_provider(lifetimes={"refresh_token": 1000, "refresh_token_absolute": 5000})


@pytest.fixture
def tokens(provider: OpenIDProvider) -> Tokens:
    return provider.tokens


def make_grant(**changes: Any) -> Grant:
    fields: dict[str, Any] = {
        "client_id": "app",
        "subject": "s",
        "scope": ("openid", "email"),
        "username": "alice",
        "session_id": "a-session",
        "granted_at": time.time(),
        "parameters": {"redirect_uri": "x"},
    }
    return Grant(**fields | changes)


def test_a_token_is_256_random_bits_and_nobody_has_it_before_it_is_written(provider: OpenIDProvider) -> None:
    """RFC 6749 10.10; DESIGN, Keys, secrets and tokens."""
    grant = make_grant()
    tokens = provider.tokens
    for new, read in (
        (tokens.new_code(grant), tokens.read_code),
        (tokens.new_access_token(grant, ("openid",)), tokens.read_access_token),
        (tokens.new_refresh_token(grant), tokens.read_refresh_token),
    ):
        assert len(new.value) == 52  # the time is in front
        assert read(new.value) is None
        provider.store.write([new.operation])
        found = read(new.value)
        assert found is not None
        assert found.grant.grant_id == grant.grant_id


def test_no_value_is_ever_in_the_store(provider: OpenIDProvider) -> None:
    """PYOP 14; DESIGN, The store: bearer values are stored only as SHA-256."""
    grant = make_grant()
    made = [
        provider.tokens.new_code(grant),
        provider.tokens.new_access_token(grant, ("openid",)),
        provider.tokens.new_refresh_token(grant),
    ]
    provider.store.write([new.operation for new in made])
    for collection in (AUTHORIZATION_CODES, ACCESS_TOKENS, REFRESH_TOKENS):
        (document,) = provider.store.page(collection)
        assert not any(new.value in str(document) for new in made)


def test_a_code_is_never_taken_for_a_token(provider: OpenIDProvider) -> None:
    """DESIGN, The store: documents carry their kind."""
    tokens = provider.tokens
    made = {
        "code": tokens.new_code(make_grant()),
        "access": tokens.new_access_token(make_grant(), ("openid",)),
        "refresh": tokens.new_refresh_token(make_grant()),
    }
    provider.store.write([new.operation for new in made.values()])
    reads = {
        "code": [tokens.read_code],
        "access": [tokens.read_access_token],
        "refresh": [tokens.read_refresh_token, tokens.read_usable_refresh_token],
    }
    for kind, new in made.items():
        for other, readers in reads.items():
            for read in readers:
                assert (read(new.value) is not None) == (kind == other)


@pytest.mark.parametrize("value", ["", "x", "\0", "\ud800", "ä" * 10_000])
def test_what_nobody_issued_is_unknown(tokens: Tokens, value: str) -> None:
    """Issue 3, bad input."""
    for read in (
        tokens.read_code,
        tokens.read_access_token,
        tokens.read_refresh_token,
        tokens.read_usable_refresh_token,
    ):
        assert read(value) is None
    assert tokens.read_unused_successor(value, tokens.new_refresh_token(make_grant()).token) is None


def test_a_hash_from_the_database_is_no_token(provider: OpenIDProvider) -> None:
    """DESIGN, The store: who reads the database file cannot use what is in it."""
    new = provider.tokens.new_access_token(make_grant(), ("openid",))
    provider.store.write([new.operation])
    assert provider.tokens.read_access_token(bearer_key(new.value)) is None


def test_a_token_has_its_lifetime(provider: OpenIDProvider, clock: Any) -> None:
    """RFC 6749 4.2.2, 10.5; a code for 60 seconds, an access token for an hour."""
    code = provider.tokens.new_code(make_grant())
    access = provider.tokens.new_access_token(make_grant(), ("openid",))
    provider.store.write([code.operation, access.operation])
    clock.advance(59)
    assert provider.tokens.read_code(code.value) is not None
    clock.advance(2)
    assert provider.tokens.read_code(code.value) is None
    assert provider.tokens.read_access_token(access.value) is not None
    clock.advance(3600)
    assert provider.tokens.read_access_token(access.value) is None


def test_an_access_token_keeps_what_it_was_issued_for(provider: OpenIDProvider) -> None:
    """DESIGN, Grants: all that userinfo and introspection need, so that each costs one read."""
    new = provider.tokens.new_access_token(make_grant(), ("email",), ("https://api.example",), {"tenant": "a"})
    provider.store.write([new.operation])
    token = provider.tokens.read_access_token(new.value)
    assert token is not None
    assert (token.kind, token.scope, token.audience, token.claims) == (
        "access_token",
        ("email",),
        ("https://api.example",),
        {"tenant": "a"},
    )
    assert token.grant.scope == ("openid", "email")
    assert token.grant.parameters == {}


# Refresh tokens


def test_a_refresh_token_ends_idle_or_at_last(provider: OpenIDProvider, clock: Any) -> None:
    """DESIGN, Grants: idle and absolute lifetime are separate."""
    grant = make_grant()
    assert provider.tokens.refresh_token_ends(grant) == pytest.approx(clock() + 1000, abs=1)
    clock.advance(4500)
    assert provider.tokens.refresh_token_ends(grant) == grant.granted_at + 5000
    assert provider.tokens.last_refresh_token_ends(grant) == grant.granted_at + 5000


def test_a_successor_is_derived_from_its_token_and_the_secret(
    provider: OpenIDProvider, make_provider: MakeProvider
) -> None:
    """DESIGN, Grants: HMAC(key, presented token): the same in every worker, and not to be guessed from the token."""
    first = provider.tokens.new_refresh_token(make_grant())
    presented, token = first.value, first.token
    successor = provider.tokens.successor_of(presented, token)
    assert make_provider().tokens.successor_of(presented, token).value == successor.value
    assert provider.tokens.successor_of(successor.value, token).value not in (presented, successor.value)
    assert successor.value != provider.sealer.bearer_value("another purpose", presented, token.issued_at)


def test_a_successor_has_the_time_of_the_token_before_it(provider: OpenIDProvider, clock: Any) -> None:
    """DESIGN, Grants: whoever derives it, however much later, has read that time and no other."""
    first = provider.tokens.new_refresh_token(make_grant())
    provider.store.write([first.operation])
    clock.advance(5)
    read = provider.tokens.read_refresh_token(first.value)
    assert read is not None
    successor = provider.tokens.successor_of(first.value, read)
    assert successor.value[:9] == first.value[:9] == f"{int(first.token.issued_at):08x}-"
    assert provider.tokens.successor_of(first.value, first.token).value == successor.value
    following = provider.tokens.successor_of(successor.value, successor.token)
    assert following.value[:9] == f"{int(successor.token.issued_at):08x}-" > successor.value[:9]


def test_a_successor_that_is_there_is_left_as_it_is(provider: OpenIDProvider) -> None:
    """DESIGN, Grants: two that race derive the same; the loser must not take away what the winner hands out."""
    first = provider.tokens.new_refresh_token(make_grant())
    successor = provider.tokens.successor_of(first.value, first.token)
    provider.store.write([successor.operation])
    before = provider.store.get(REFRESH_TOKENS, bearer_key(successor.value))
    provider.store.write([provider.tokens.successor_of(first.value, first.token).operation])
    assert provider.store.get(REFRESH_TOKENS, bearer_key(successor.value)) == before
    with pytest.raises(AlreadyExists):
        provider.store.write([first.operation] * 2)


def test_an_unused_successor_is_found_and_a_used_one_is_not(provider: OpenIDProvider) -> None:
    """DESIGN, Grants: the same successor while that is unused."""
    tokens = provider.tokens
    first = tokens.new_refresh_token(make_grant())
    successor = tokens.successor_of(first.value, first.token)
    assert tokens.read_unused_successor(first.value, first.token) is None
    provider.store.write([successor.operation])
    found = tokens.read_unused_successor(first.value, first.token)
    assert found is not None
    assert found[0] == successor.value
    provider.store.write([tokens.redeem_refresh_token(successor.value, keep_until=time.time() + 100)])
    assert tokens.read_unused_successor(first.value, first.token) is None


def test_confirming_fails_when_the_token_was_used_or_revoked_since(provider: OpenIDProvider) -> None:
    """DESIGN, The store: compare-and-swap is the commit point of what spends nothing."""
    tokens = provider.tokens
    for meanwhile in (
        lambda new: provider.store.write([tokens.redeem_refresh_token(new.value, keep_until=time.time() + 100)]),
        lambda new: tokens.revoke_grant(new.token.grant.grant_id),
    ):
        new = tokens.new_refresh_token(make_grant())
        provider.store.write([new.operation])
        read = tokens.read_refresh_token(new.value)
        assert read is not None
        meanwhile(new)
        with pytest.raises(Conflict):
            provider.store.write([tokens.confirm_unused(read)])
    with pytest.raises(ValueError, match="was not read from the store"):
        tokens.confirm_unused(tokens.new_refresh_token(make_grant()).token)


def test_a_spent_token_is_remembered_with_its_grant(provider: OpenIDProvider, clock: Any) -> None:
    """DESIGN, The store: a spent code lives as long as what was issued from it."""
    code = provider.tokens.new_code(make_grant())
    provider.store.write([code.operation])
    provider.store.write([provider.tokens.redeem_code(code.value, keep_until=clock() + 3600)])
    clock.advance(3599)
    spent = provider.tokens.read_code(code.value)
    assert spent is not None
    assert spent.redeemed_at is not None
    clock.advance(2)
    assert provider.tokens.read_code(code.value) is None


# Issued by an earlier version


def test_what_was_issued_before_values_had_a_time_works_on(provider: OpenIDProvider) -> None:
    """performance.md, Growth: found, spent, revoked; never by the value that its document had here."""
    tokens, grant = provider.tokens, make_grant()
    kinds = (
        (AUTHORIZATION_CODES, tokens.new_code(grant), tokens.read_code),
        (ACCESS_TOKENS, tokens.new_access_token(grant, ("openid",)), tokens.read_access_token),
        (REFRESH_TOKENS, tokens.new_refresh_token(grant), tokens.read_refresh_token),
    )
    provider.store.write([new.operation for _, new, _ in kinds])
    code, access, refresh = (as_issued_earlier(provider.store, collection, new.value) for collection, new, _ in kinds)
    for earlier, (_, new, read) in zip((code, access, refresh), kinds, strict=True):
        found = read(earlier)
        assert found is not None
        assert found.grant.grant_id == grant.grant_id
        assert read(new.value) is None
    provider.store.write([tokens.redeem_code(code, keep_until=time.time() + 100)])
    provider.store.write([tokens.redeem_refresh_token(refresh, keep_until=time.time() + 100)])
    for spent in (tokens.read_code(code), tokens.read_refresh_token(refresh)):
        assert spent is not None
        assert spent.redeemed_at is not None
    tokens.revoke_access_token(access)
    assert tokens.read_access_token(access) is None


# The ends


def issue(provider: OpenIDProvider, **changes: Any) -> Callable[[], list[bool]]:
    """Issue a code, an access token and a refresh token; answers a function that says which are alive."""
    tokens, grant = provider.tokens, make_grant(**changes)
    made = [tokens.new_code(grant), tokens.new_access_token(grant, grant.scope), tokens.new_refresh_token(grant)]
    provider.store.write([new.operation for new in made])
    reads = [tokens.read_code, tokens.read_access_token, tokens.read_refresh_token]
    return lambda: [read(new.value) is not None for read, new in zip(reads, made, strict=True)]


ALIVE, DEAD = [True] * 3, [False] * 3


def test_revoking_a_grant_ends_all_that_it_gave_and_nothing_else(provider: OpenIDProvider) -> None:
    """RFC 6749 4.1.2, RFC 9700 4.14.2; also what was spent."""
    one = issue(provider, grant_id="one")
    other = issue(provider, grant_id="other")
    provider.tokens.revoke_grant("one")
    assert (one(), other()) == (DEAD, ALIVE)
    provider.tokens.revoke_grant("nobody's")
    assert other() == ALIVE


def test_the_end_of_a_session_ends_what_it_gave_but_not_what_is_offline(provider: OpenIDProvider) -> None:
    """OpenID Connect Core 11; DESIGN, Grants."""
    one = issue(provider, session_id="one")
    offline = issue(provider, session_id="one", scope=("openid", "offline_access"))
    other = issue(provider, session_id="other")
    none = issue(provider, session_id=None)
    provider.tokens.end_session("one")
    assert (one(), offline(), other(), none()) == (DEAD, ALIVE, ALIVE, ALIVE)


def test_the_end_of_a_subject_ends_all_that_was_given_for_it(provider: OpenIDProvider) -> None:
    """DESIGN, Grants."""
    one = issue(provider, subject="one", scope=("openid", "offline_access"))
    other = issue(provider, subject="other")
    provider.tokens.end_subject("one")
    assert (one(), other()) == (DEAD, ALIVE)


def test_one_access_token_can_end_alone(provider: OpenIDProvider) -> None:
    """RFC 7009 2.1."""
    new = provider.tokens.new_access_token(make_grant(), ("openid",))
    provider.store.write([new.operation])
    provider.tokens.revoke_access_token(new.value)
    provider.tokens.revoke_access_token("unknown")
    assert provider.tokens.read_access_token(new.value) is None


def test_a_token_that_the_store_has_under_a_wrong_kind_is_refused(provider: OpenIDProvider) -> None:
    """DESIGN, The store: documents carry kind; a store that was tampered with is not believed."""
    new = provider.tokens.new_access_token(make_grant(), ("openid",))
    provider.store.write([new.operation])
    document = provider.store.get(ACCESS_TOKENS, bearer_key(new.value))
    assert document is not None
    provider.store.write([replace(ACCESS_TOKENS, document, document.value | {"kind": "refresh_token"})])
    with pytest.raises(ValueError, match="a refresh_token where a access_token belongs"):
        provider.tokens.read_access_token(new.value)


def test_a_code_that_was_never_issued_cannot_be_spent(provider: OpenIDProvider) -> None:
    """DESIGN, The store: redeem."""
    with pytest.raises(NotFound):
        provider.store.write([provider.tokens.redeem_code("never issued", keep_until=time.time() + 100)])
