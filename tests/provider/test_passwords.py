"""People's passwords: argon2id, a bounded number at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from argon2 import PasswordHasher
from creance.provider import TemporarilyUnavailable
from creance.provider.passwords import Passwords
from creance.provider.registration import LONGEST_PASSWORD


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


@pytest.fixture(scope="module")
def kept(passwords: Passwords) -> str:
    return passwords.hash("wonderland")


def test_a_password_is_kept_as_argon2id_with_a_salt_of_its_own(passwords: Passwords, kept: str) -> None:
    """DESIGN, Keys, secrets and tokens; RFC 9106 4, as OWASP recommends: 19 MiB, 2 passes."""
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.hash("wonderland") != kept


@pytest.mark.parametrize(
    ("password", "right"),
    [
        ("wonderland", True),
        ("Wonderland", False),
        ("wonderland ", False),
        ("wonderland\0", False),
        ("", False),
        ("\ud800", False),
        ("w" * LONGEST_PASSWORD, False),
        ("w" * (LONGEST_PASSWORD + 1), False),
    ],
)
def test_only_the_right_password_is_right(passwords: Passwords, kept: str, password: str, right: bool) -> None:
    """RFC 9106; issue 3, bad input."""
    assert passwords.verify(password, kept) is right


@pytest.mark.parametrize("kept", ["", "wonderland", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$YQ$YQ", "sha256:abc"])
def test_what_is_no_hash_makes_no_password_right(passwords: Passwords, kept: str) -> None:
    """Issue 3, bad input: never an exception."""
    assert passwords.verify("wonderland", kept) is False


def test_where_nothing_is_kept_no_password_is_right(passwords: Passwords) -> None:
    """RFC 9106; the user is unknown, or has no password."""
    assert passwords.verify("wonderland", None) is False
    assert passwords.verify("", None) is False


def test_an_unknown_user_takes_the_time_of_a_known_one(passwords: Passwords, kept: str) -> None:
    """DESIGN, Keys: nobody learns from the time who has an account. Measured as a proportion, generously."""

    def best(kept: str | None) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            passwords.verify("wrong", kept)
            times.append(time.perf_counter() - start)
        return min(times)

    assert 0.4 < best(None) / best(kept) < 2.5


def test_a_long_password_costs_nothing(passwords: Passwords, kept: str) -> None:
    """Issue 3, bad input: refused before it is hashed, and without a place for it."""
    none_free = Passwords(places=1)
    assert none_free._places.acquire()
    assert not none_free.verify("w" * 60_000, kept)


def test_when_all_places_are_taken_the_next_is_refused_at_once(kept: str) -> None:
    """DESIGN, Performance: hashing takes memory and time, so only a few at once; tokens go on being issued."""
    passwords = Passwords(places=2)
    entered = threading.Barrier(3)
    leave = threading.Event()

    class Slow(PasswordHasher):
        def verify(self, *arguments: Any) -> Any:
            entered.wait(10)
            leave.wait(10)
            return super().verify(*arguments)

    fast, passwords._hasher = passwords._hasher, Slow()
    with ThreadPoolExecutor(2) as pool:
        two = [pool.submit(passwords.verify, "wonderland", kept) for _ in range(2)]
        entered.wait(10)
        with pytest.raises(TemporarilyUnavailable, match="too many logins at the moment"):
            passwords.verify("wonderland", kept)
        leave.set()
        assert [attempt.result() for attempt in two] == [True, True]
    passwords._hasher = fast
    assert passwords.verify("wonderland", kept)


def test_a_place_is_given_back_whatever_happens(kept: str) -> None:
    """DESIGN, Performance."""
    passwords = Passwords(places=1)
    for password in ("wrong", "\ud800", "w" * 2000):
        assert not passwords.verify(password, kept)
    assert not passwords.verify("wonderland", "garbage")
    assert passwords.verify("wonderland", kept)
