"""People's passwords: argon2id, a bounded number at a time."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from creance.provider import TemporarilyUnavailable
from creance.provider import passwords as passwords_module
from creance.provider.passwords import Passwords
from creance.provider.registration import LONGEST_PASSWORD

from ..polling import eventually


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


class Witness(PasswordHasher):
    """Says what was computed, by its parameters, which decide how long that takes."""

    def __init__(self) -> None:
        super().__init__(time_cost=2, memory_cost=19456, parallelism=1)
        self.computed: list[Parameters] = []

    def verify(self, kept: str | bytes, password: str | bytes) -> Literal[True]:
        self.computed.append(extract_parameters(str(kept)))
        return super().verify(kept, password)


def test_an_unknown_user_takes_the_time_of_a_known_one(kept: str) -> None:
    """DESIGN, Keys: nobody learns from the time who has an account. The same is computed, once; how long that takes is
    measured by tests/protocol/test_login_timing.py.
    """
    passwords, witness = Passwords(), Witness()
    passwords._hasher = witness
    passwords.verify("wrong", kept)
    passwords.verify("wrong", None)
    assert witness.computed == [extract_parameters(kept)] * 2


def test_a_long_password_costs_nothing(passwords: Passwords, kept: str) -> None:
    """Issue 3, bad input: refused before it is hashed, and without a place for it."""
    none_free = Passwords(places=1, waiting=0)
    assert none_free._room.acquire()
    assert not none_free.verify("w" * 60_000, kept)


class Slow(PasswordHasher):
    """Says how many hash at this moment, and goes on when it is told."""

    def __init__(self, parties: int) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.entered = threading.Barrier(parties + 1)
        self.leave = threading.Event()

    def verify(self, *arguments: Any) -> Any:
        if not self.leave.is_set():
            self.entered.wait(60)
            assert self.leave.wait(60)
        return super().verify(*arguments)


def slow(places: int, waiting: int) -> tuple[Passwords, Slow]:
    passwords = Passwords(places, waiting)
    hasher = Slow(places)
    passwords._hasher = hasher
    return passwords, hasher


def test_when_all_places_are_taken_the_next_is_refused_at_once(kept: str) -> None:
    """Issue 6, attack limits: hashing takes memory and time, so only a few at once; tokens go on being issued."""
    passwords, hasher = slow(places=2, waiting=0)
    with ThreadPoolExecutor(2) as pool:
        two = [pool.submit(passwords.verify, "wonderland", kept) for _ in range(2)]
        hasher.entered.wait(60)
        with pytest.raises(TemporarilyUnavailable, match="too many logins at the moment"):
            passwords.verify("wonderland", kept)
        hasher.leave.set()
        assert [attempt.result() for attempt in two] == [True, True]
    assert passwords.verify("wonderland", kept)


def test_a_few_wait_their_turn(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6, attack limits: honest logins are not refused at the first collision; the waiting are bounded."""
    monkeypatch.setattr(passwords_module, "PATIENCE", 60.0)
    passwords, hasher = slow(places=1, waiting=3)
    with ThreadPoolExecutor(4) as pool:
        four = [pool.submit(passwords.verify, "wonderland", kept) for _ in range(4)]
        hasher.entered.wait(60)
        eventually(lambda: not passwords._room._value)
        with pytest.raises(TemporarilyUnavailable):
            passwords.verify("wonderland", kept)
        hasher.leave.set()
        assert [attempt.result() for attempt in four] == [True] * 4


def test_who_waits_too_long_is_refused_and_not_hashed_for_nothing(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6, attack limits: nobody waits without end, and what nobody waits for costs nothing."""
    monkeypatch.setattr(passwords_module, "PATIENCE", 0.05)
    passwords, hasher = slow(places=1, waiting=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(passwords.verify, "wonderland", kept)
        hasher.entered.wait(60)
        with pytest.raises(TemporarilyUnavailable):
            passwords.verify("wonderland", kept)
        hasher.leave.set()
        assert first.result()
    assert passwords._room.acquire(blocking=False)
    assert passwords._room.acquire(blocking=False)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_hashing_lets_others_go_first(kept: str) -> None:
    """Issue 6, attack limits: a thread that hashes has a lower priority than those that serve, which keep theirs."""
    seen = []

    class Watched(PasswordHasher):
        def verify(self, *arguments: Any) -> Any:
            seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super().verify(*arguments)

    passwords = Passwords(places=2)
    passwords._hasher = Watched()
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert passwords.verify("wonderland", kept)
    assert seen == [min(19, ours + passwords_module._NICENESS)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == ours


def test_a_place_is_given_back_whatever_happens(kept: str) -> None:
    """DESIGN, Performance."""
    passwords = Passwords(places=1, waiting=0)
    for password in ("wrong", "\ud800", "w" * 2000):
        assert not passwords.verify(password, kept)
    assert not passwords.verify("wonderland", "garbage")
    assert passwords.verify("wonderland", kept)
