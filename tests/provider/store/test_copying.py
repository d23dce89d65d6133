"""Documents copied from one store to another, and compared there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import FOREVER, Collection, Document, insert
from creance.provider.store.copying import FIRST_ALLOWANCE, PAGE, DifferentDocumentsError, compare, copy, count
from creance.provider.store.sqlite import SQLiteStore

from ...conftest import Clock

TOKENS = Collection("tokens", indexes=("user",))


@pytest.fixture
def source(clock: Clock, tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "source.db", timeout=20)
    store.open([TOKENS])
    yield store
    store.close()


@pytest.fixture
def target(clock: Clock, tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "target.db", timeout=20)
    store.open([TOKENS])
    yield store
    store.close()


def ignore(documents: int) -> None:
    """Nobody looks on."""


def token(clock: Clock, key: str = "k", **members: Any) -> Document:
    return changed(Document(key, {"user": "alice"}, 1, clock() + 6000, clock() + 6000, None), **members)


def test_all_pages_are_copied(source: SQLiteStore, target: SQLiteStore, clock: Clock) -> None:
    """copy: answers how many were written; who looks on is told of each page."""
    source.put(TOKENS, [token(clock, str(number)) for number in range(2 * PAGE + 1)])
    told: list[int] = []
    assert copy(source, target, TOKENS, overwrite=False, done=told.append) == 2 * PAGE + 1
    assert told == [PAGE, PAGE, 1]
    assert count(target, TOKENS) == count(source, TOKENS) == 2 * PAGE + 1
    assert copy(source, target, TOKENS, overwrite=False, done=ignore) == 0
    assert compare(source, target, TOKENS, done=ignore).documents == 2 * PAGE + 1


@pytest.mark.parametrize(
    "difference",
    [
        {"key": "other"},
        {"value": {"user": "bob"}},
        {"value": {"user": "alice", "more": None}},
        {"valid_until": 1_900_000_000.5},
        {"keep_until": FOREVER},
        {"redeemed_at": 1_700_000_000.0},
    ],
    ids=str,
)
def test_any_difference_is_found(
    source: SQLiteStore, target: SQLiteStore, clock: Clock, difference: dict[str, Any]
) -> None:
    """compare: key, value, times and redemption; counts alone would not tell."""
    source.put(TOKENS, [token(clock), token(clock, "same")])
    target.put(TOKENS, [changed(source.page_kept(TOKENS)[0], **difference), source.page_kept(TOKENS)[1]])
    with pytest.raises(DifferentDocumentsError, match=r"tokens: 2 documents with the digest \w{64} in .* and 2 with "):
        compare(source, target, TOKENS, done=ignore)


def test_an_order_of_their_own_makes_no_difference(source: SQLiteStore, target: SQLiteStore, clock: Clock) -> None:
    """Summary: in whatever order a store has it: neither documents nor the members of one."""
    first, second = token(clock, value={"a": 1, "b": 2}), token(clock, "l")
    source.put(TOKENS, [first, second])
    target.put(TOKENS, [second, changed(first, value={"b": 2, "a": 1})])
    assert compare(source, target, TOKENS, done=ignore).documents == 2


def test_what_was_written_to_the_source_meanwhile_is_found(
    source: SQLiteStore, target: SQLiteStore, clock: Clock
) -> None:
    """compare: by counts, where the provider was not stopped."""
    source.put(TOKENS, [token(clock)])
    copy(source, target, TOKENS, overwrite=False, done=ignore)
    source.write([insert(TOKENS, "later", {})])
    with pytest.raises(DifferentDocumentsError, match=r"2 documents .* and 1 with .*: stop the provider"):
        compare(source, target, TOKENS, done=ignore)


def test_what_ends_while_it_is_compared_is_no_difference(
    source: SQLiteStore, target: SQLiteStore, clock: Clock
) -> None:
    """compare: what ends soon is left out, and it is made again where it took longer than that."""
    ends = clock() + FIRST_ALLOWANCE + 30
    source.put(TOKENS, [token(clock), token(clock, "short", valid_until=ends, keep_until=ends)])
    copy(source, target, TOKENS, overwrite=False, done=ignore)
    assert compare(source, target, TOKENS, done=ignore).documents == 2
    told: list[int] = []

    def take_long(documents: int) -> None:
        told.append(documents)
        if len(told) == 2:  # between the one side and the other
            clock.advance(FIRST_ALLOWANCE + 60)

    assert compare(source, target, TOKENS, done=take_long).documents == 1
    assert len(told) == 2 + 1 + 2


def test_documents_that_differ_stay_as_they_are(source: SQLiteStore, target: SQLiteStore, clock: Clock) -> None:
    """copy: DifferentDocumentsError, which shows no key and no value, unless they may be replaced."""
    source.put(TOKENS, [token(clock, "secret-key", value={"user": "secret-value"})])
    target.put(TOKENS, [token(clock, "secret-key")])
    with pytest.raises(DifferentDocumentsError) as caught:
        copy(source, target, TOKENS, overwrite=False, done=ignore)
    assert str(caught.value).startswith("tokens: 1 documents are there already")
    assert "secret" not in str(caught.value)
    assert target.page(TOKENS)[0].value == {"user": "alice"}
    assert copy(source, target, TOKENS, overwrite=True, done=ignore) == 1
    assert target.page(TOKENS)[0].value == {"user": "secret-value"}
