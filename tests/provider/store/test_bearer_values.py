"""Bearer values: how those that we issue are made, and the keys that any value at all is stored under."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any

import pytest
from creance.provider.store import bearer_key, check_key, new_bearer_value
from creance.provider.store.bearer_values import dated
from hypothesis import given
from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(codec=None))
SECRET = st.from_regex(re.compile("[A-Za-z0-9_-]{43}", re.ASCII), fullmatch=True)
MOMENT = st.floats(0, 2**32 - 1)
DATED = st.builds(dated, SECRET, MOMENT)
ANY_VALUE = DATED | SECRET | ANY_TEXT | DATED.map(bearer_key)


def sha256(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def test_a_value_is_256_random_bits_after_the_time_of_its_issue() -> None:
    """RFC 6749 10.10; RFC 3986 2.3, RFC 6265 4.1.1, RFC 6750 2.1: good in URLs, cookies and headers as it is."""
    before = int(time.time())
    values = [new_bearer_value() for _ in range(1000)]
    assert all(re.fullmatch(r"[0-9a-f]{8}-[A-Za-z0-9_-]{43}", value) for value in values)
    assert len({value[9:] for value in values}) == 1000
    assert all(before <= int(value[:8], 16) <= time.time() for value in values)


@given(ANY_VALUE)
def test_any_value_has_a_key_that_every_store_takes(value: str) -> None:
    """DESIGN, The store: bearer values are stored only as SHA-256. The same each time, short, and never the value."""
    key = bearer_key(value)
    assert check_key(key) == key == bearer_key(value)
    assert len(key) <= 64
    assert key.isascii()
    assert key != value
    assert value[9:] not in key or len(value) < 20


@given(ANY_VALUE, ANY_VALUE)
def test_two_values_never_share_a_key(one: str, other: str) -> None:
    """DESIGN, The store: so nobody can choose a value that meets what was issued to somebody else."""
    assert (bearer_key(one) == bearer_key(other)) == (one == other)


@given(DATED, st.data())
def test_each_character_of_a_value_counts(value: str, data: st.DataObject) -> None:
    """RFC 6749 10.10: of the time too, which anybody could change."""
    place = data.draw(st.integers(0, len(value) - 1))
    other = value[:place] + data.draw(st.sampled_from("0f-zA")) + value[place + 1 :]
    assert (bearer_key(value) == bearer_key(other)) == (value == other)


@given(SECRET, SECRET, MOMENT, MOMENT)
def test_keys_are_in_the_order_of_their_time(one: str, other: str, first: float, second: float) -> None:
    """performance.md, Growth: what is issued together is together in an index."""
    first, second = sorted([first, second])
    keys = [bearer_key(dated(one, first)), bearer_key(dated(other, second))]
    assert int(first) == int(second) or keys == sorted(keys)
    assert keys[0].startswith(f"{int(first):08x}-")


@given(SECRET)
def test_what_was_issued_earlier_keeps_its_key(value: str) -> None:
    """performance.md, Growth: values of before had 43 characters, and their SHA-256 in hexadecimal for a key."""
    assert bearer_key(value) == sha256(value)


@given(ANY_TEXT)
def test_what_others_issued_keeps_its_key(value: str) -> None:
    """DESIGN, Who it is for: tokens of an adopted pyop, and whatever clients send."""
    assert bearer_key(value) == sha256(value)


SECRET_PART = "A" * 43


@pytest.mark.parametrize(
    "value",
    [
        f"6b04ad96-{SECRET_PART}\n",
        f"6b04ad96-{SECRET_PART}A",
        f"6b04ad96-{SECRET_PART[1:]}",
        f"6b04ad96-{SECRET_PART[1:]}é",
        f"6b04ad96-{SECRET_PART[1:]}\ud800",
        f"6b04ad96-{SECRET_PART[1:]}/",
        f"6b04ad96.{SECRET_PART}",
        f"6B04AD96-{SECRET_PART}",
        f"\u0666b04ad96-{SECRET_PART}"[:52],
        f" 6b04ad9-{SECRET_PART}",
        f"-0000001-{SECRET_PART}",
    ],
)
def test_what_only_looks_like_ours_is_hashed_as_a_whole(value: str) -> None:
    """DESIGN, The store: nothing that others choose comes into a key but eight digits."""
    assert bearer_key(value) == sha256(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_any_moment_can_be_in_a_value(moment: Any) -> None:
    """A clock that is wrong, and the years after 2106."""
    value = dated(SECRET_PART, moment)
    assert bearer_key(value).startswith(value[:9])
    assert len(bearer_key(value)) == len(value) == 52
