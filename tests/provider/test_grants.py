"""A grant: what it says of itself, and that the store gives back what it was given."""

from __future__ import annotations

import json

import pytest
from creance.provider import Grant
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(min_size=1, max_size=20)
WORDS = st.lists(TEXT, max_size=4).map(tuple)

GRANTS = st.builds(
    Grant,
    client_id=TEXT,
    subject=TEXT,
    scope=WORDS,
    username=st.none() | TEXT,
    session_id=st.none() | TEXT,
    nonce=st.none() | TEXT,
    auth_time=st.none() | st.floats(0, 4e9),
    acr=st.none() | TEXT,
    amr=WORDS,
    granted_at=st.floats(0, 4e9),
    client_registered_at=st.floats(0, 4e9),
    parameters=st.dictionaries(TEXT, st.text(max_size=20), max_size=4),
)


@given(GRANTS)
def test_a_grant_comes_back_from_the_store_as_it_was(grant: Grant) -> None:
    """DESIGN, Grants: codes and tokens carry it, so that each costs one read."""
    assert Grant.from_dict(json.loads(json.dumps(grant.to_dict()))) == grant


def test_what_is_empty_is_not_stored() -> None:
    """DESIGN, The store: growth."""
    assert Grant("app", "s", (), grant_id="g").to_dict() == {
        "client_id": "app",
        "subject": "s",
        "granted_at": 0.0,
        "client_registered_at": 0.0,
        "grant_id": "g",
    }


def test_each_grant_has_an_id_of_its_own() -> None:
    """DESIGN, Grants: revoking one leaves the others."""
    assert len({Grant("app", "s", ()).grant_id for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("scope", "openid", "offline"),
    [
        ((), False, False),
        (("openid",), True, False),
        (("openid", "offline_access"), True, True),
        (("offline_accessx", "openidx"), False, False),
    ],
)
def test_a_scope_says_what_a_grant_is(scope: tuple[str, ...], openid: bool, offline: bool) -> None:
    """OpenID Connect Core 3.1.2.1, 11."""
    grant = Grant("app", "s", scope)
    assert (grant.openid, grant.offline) == (openid, offline)


def test_tokens_do_not_carry_the_parameters() -> None:
    """DESIGN, Grants: the authorization request's parameters are with the code only."""
    grant = Grant("app", "s", ("openid",), parameters={"code_challenge": "x"})
    assert grant.without_parameters().parameters == {}
    assert grant.without_parameters().grant_id == grant.grant_id
