"""What both of our backends do alike, beyond what the contract asks of any."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import Collection, StoreUnavailable, increment, insert, make_store, redeem

TOKENS = Collection("tokens", indexes=("user",))
ALIKE = pytest.mark.default_store("is on each backend without it")


@pytest.fixture(params=[pytest.param(backend, marks=ALIKE) for backend in ("sqlite", "mongodb")])
def closed_store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Not open yet."""
    uri = "sqlite:creance.db" if request.param == "sqlite" else request.getfixturevalue("mongodb_uri")
    return make_store(uri, folder=tmp_path, timeout=10)


@pytest.fixture
def store(closed_store: Any) -> Iterator[Any]:
    closed_store.open([TOKENS])
    yield closed_store
    closed_store.close()


def test_a_store_that_is_not_open_is_unavailable(closed_store: Any) -> None:
    """Store: every method may raise StoreUnavailable."""
    for _ in range(2):
        with pytest.raises(ValueError, match="tokens"):
            closed_store.get(TOKENS, "k")
        with pytest.raises(StoreUnavailable, match="is not open"):
            closed_store.claim("a", "b", 1)
        closed_store.close()


def test_a_closed_store_is_unavailable_until_it_is_opened_again(store: Any) -> None:
    """open, close."""
    store.write([insert(TOKENS, "k", {})])
    store.close()
    with pytest.raises(StoreUnavailable, match="is not open"):
        store.get(TOKENS, "k")
    with pytest.raises(StoreUnavailable, match="is not open"):
        store.write([insert(TOKENS, "l", {})])
    store.open([TOKENS])
    assert store.get(TOKENS, "k") is not None


def test_a_collection_that_was_not_declared_is_a_mistake_of_the_caller(store: Any) -> None:
    """write: and nothing of it is done."""
    with pytest.raises(ValueError, match="other"):
        store.get(Collection("other"), "k")
    with pytest.raises(ValueError, match="other"):
        store.write([insert(TOKENS, "k", {}), insert(Collection("other"), "k", {})])
    assert store.get(TOKENS, "k") is None


def test_time_is_asked_of_the_clock(store: Any) -> None:
    """Document: valid and kept until its times, by the store's own clock, which a test can put forward."""
    now = time.time()
    store.write([insert(TOKENS, "k", {"user": "alice"}, now + 1000, now + 2000), insert(TOKENS, "c", {}, now + 5000)])
    assert store.write([increment(TOKENS, "n", valid_until=now + 1000)]) == [1]
    store.clock = lambda: now + 1500
    assert store.get(TOKENS, "k") is None
    assert store.get_kept(TOKENS, "k") is not None
    store.write([redeem(TOKENS, "c", 0)])
    assert store.get_kept(TOKENS, "c").redeemed_at == now + 1500
    store.clock = lambda: now + 2500
    assert store.get_kept(TOKENS, "k") is None
    assert store.sweep() == 2
