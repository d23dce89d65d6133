"""Security 3 to 6: whose a refresh token is, and how often a code and a refresh token can be used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import InvalidGrant, OpenIDProvider
from jwkest.jwk import RSAKey
from pyop.exceptions import InvalidAccessToken, InvalidAuthorizationCode, InvalidRefreshToken, OAuthError
from pyop.provider import Provider

from ..pyop_provider import Client, plain_provider


def test_a_refresh_token_is_its_own_clients(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 3; RFC 6749 6, 10.4: another client that has found it gets nothing by it."""
    stolen = Client(plain).log_in()["refresh_token"]
    assert Client(plain, "public-subject").refresh(stolen)["access_token"]

    own = Client(ours).log_in()["refresh_token"]
    for value in (own, stolen):  # the one that pyop issued too
        with pytest.raises(InvalidGrant):
            Client(ours, "public-subject").refresh(value)
        assert Client(ours).refresh(value)["access_token"]


class Meeting(dict[str, Any]):
    """A mapping behind which writing takes its time: all who spend a code there have looked before one has written."""

    def __init__(self, guests: int) -> None:
        super().__init__()
        self.place = threading.Barrier(guests, timeout=20)

    def __setitem__(self, key: str, value: Any) -> None:
        if value["used"]:
            self.place.wait()
        super().__setitem__(key, value)

    def __getitem__(self, key: str) -> Any:
        return dict(super().__getitem__(key))


def race(app: Client, code: str, provider: Provider, count: int) -> int:
    """How many of `count` who exchange a code at the same moment get tokens for it."""
    won: list[str] = []
    start = threading.Barrier(count, timeout=20)

    def redeem() -> None:
        start.wait()
        try:
            won.append(app.exchange(code, provider)["access_token"])
        except OAuthError:
            return

    threads = [threading.Thread(target=redeem) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(won)


def test_a_code_has_one_winner_at_most(
    signing_key: RSAKey, adopt: Callable[..., OpenIDProvider], tmp_path: Any
) -> None:
    """Security 4; RFC 6749 4.1.2: pyop looks, and then writes. Codes of pyop's and of our own, in the same mapping."""
    plain = plain_provider(signing_key, authorization_code_db=Meeting(16))
    before = Client(plain)
    assert race(before, before.authorize(), plain, 16) == 16

    ours = adopt(plain, settings={"store": {"uri": f"sqlite:{tmp_path}/adopted.db"}})
    after = Client(ours)
    assert race(before, before.authorize(), ours, 16) <= 1
    assert race(after, after.authorize(), ours, 16) <= 1


def test_a_replayed_code_ends_what_it_gave(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 5; RFC 6749 4.1.2, RFC 9700 4.2.4: one of two who had the code is a thief."""
    before, after = Client(plain), Client(ours)
    code = before.authorize()
    tokens = before.exchange(code)
    with pytest.raises(InvalidAuthorizationCode):
        before.exchange(code)
    assert before.userinfo(tokens["access_token"])
    assert before.refresh(tokens["refresh_token"])

    code = after.authorize()
    tokens = after.exchange(code)
    with pytest.raises(InvalidAuthorizationCode):
        after.exchange(code)
    with pytest.raises(InvalidAccessToken):
        after.userinfo(tokens["access_token"])
    with pytest.raises(InvalidRefreshToken):
        after.refresh(tokens["refresh_token"])


def test_a_refresh_token_is_used_once(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> None:
    """Security 6; RFC 9700 4.14.2: rotated, and its reuse ends the grant."""
    before = Client(plain)
    token = before.log_in()["refresh_token"]
    for _ in range(5):
        assert "refresh_token" not in before.refresh(token)

    after = Client(adopt(plain, settings={"grants": {"refresh_token_grace": 0}}))
    token = after.log_in()["refresh_token"]
    successor = after.refresh(token)
    assert successor["refresh_token"] != token
    with pytest.raises(InvalidRefreshToken):
        after.refresh(token)
    with pytest.raises(InvalidRefreshToken):
        after.refresh(successor["refresh_token"])
    with pytest.raises(InvalidAccessToken):
        after.userinfo(successor["access_token"])


def test_a_client_gets_a_refresh_token_if_it_is_registered_for_it(
    plain: Provider, adopt: Callable[..., OpenIDProvider]
) -> None:
    """Security 6; RFC 7591 2: grant_types."""
    plain.clients["app"]["grant_types"] = ["authorization_code"]
    tokens = Client(plain).log_in()
    assert Client(plain).refresh(tokens["refresh_token"])

    ours = adopt(plain)
    assert "refresh_token" not in Client(ours).log_in()
    with pytest.raises(OAuthError) as refused:
        Client(plain).refresh(tokens["refresh_token"], ours)
    assert refused.value.oauth_error == "unauthorized_client"
