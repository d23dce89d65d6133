"""Several stores as one: all that a store promises, with some of the collections elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from creance.provider.store import (
    AlreadyRedeemed,
    Collection,
    NotFound,
    Store,
    StoreUnavailable,
    delete,
    ensure,
    insert,
    redeem,
)
from creance.provider.store.placement import PlacedStore
from creance.provider.store.sqlite import SQLiteStore
from creance.provider.testing import store_conformance as kit
from creance.provider.testing.store_conformance import StoreConformance

CODES = Collection("codes", group="elsewhere")
TOKENS = Collection("tokens")
LATER = 99999999999.0


class TestPlacement(StoreConformance):
    """With all collections of the conformance kit in another file than the rest, since its writes mix them."""

    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        def make() -> Store:
            here, there = (SQLiteStore(tmp_path / name, timeout=20) for name in ("here.db", "there.db"))
            return PlacedStore(here, {collection.name: there for collection in (kit.CODES, kit.COUNTERS, kit.TOKENS)})

        return make

    def test_a_uri_of_another_backend_is_refused(self, store: Store, tmp_path: Path) -> None:
        """It has no scheme: a place is named for each group."""
        assert store.schemes == ()
        with pytest.raises(ValueError, match="for each group"):
            store.from_uri("sqlite:x.db", folder=tmp_path, timeout=1)


@pytest.fixture
def here(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(tmp_path / "here.db", timeout=5)


@pytest.fixture
def there(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(tmp_path / "there.db", timeout=5)


@pytest.fixture
def placed(here: SQLiteStore, there: SQLiteStore) -> Iterator[PlacedStore]:
    store = PlacedStore(here, {"elsewhere": there})
    store.open([CODES, TOKENS])
    yield store
    store.close()


def test_each_collection_is_in_one_place(placed: PlacedStore, here: SQLiteStore, there: SQLiteStore) -> None:
    """DESIGN, Configuration: any group of collections may live elsewhere."""
    placed.write([insert(TOKENS, "t", {}), insert(CODES, "c", {})])
    assert list(here.collections) == ["tokens"]
    assert list(there.collections) == ["codes"]
    assert here.get(TOKENS, "t") is not None
    assert there.get(CODES, "c") is not None
    with pytest.raises(ValueError, match="was not opened with"):
        there.get(TOKENS, "t")


def test_what_was_inserted_for_a_write_that_lost_is_taken_back(placed: PlacedStore) -> None:
    """DESIGN, the order of a token request: a loser deletes what it inserted."""
    placed.write([insert(CODES, "code", {})])
    placed.write([insert(TOKENS, "winner", {}), redeem(CODES, "code", LATER)])
    with pytest.raises(AlreadyRedeemed):
        placed.write([insert(TOKENS, "loser", {}), ensure(TOKENS, "shared", {}), redeem(CODES, "code", LATER)])
    assert [document.key for document in placed.page(TOKENS)] == ["shared", "winner"]
    with pytest.raises(NotFound):
        placed.write([insert(TOKENS, "loser", {}), ensure(TOKENS, "nobodys", {}), redeem(CODES, "other", LATER)])
    assert [document.key for document in placed.page(TOKENS)] == ["shared", "winner"]


def test_what_was_inserted_is_taken_back_when_the_other_store_is_gone(placed: PlacedStore, there: SQLiteStore) -> None:
    """Nothing lives that was answered by an error."""
    placed.write([insert(CODES, "code", {})])
    away = there.path.rename(there.path.with_name("away.db"))
    with pytest.raises(StoreUnavailable):
        placed.write([insert(TOKENS, "lost", {}), redeem(CODES, "code", LATER)])
    away.rename(there.path)
    assert placed.page(TOKENS) == []
    assert placed.get(CODES, "code") is not None


def test_what_cannot_be_taken_back_may_not_come_first(placed: PlacedStore) -> None:
    with pytest.raises(ValueError, match="must begin with insertions"):
        placed.write([delete(TOKENS, "t"), insert(CODES, "c", {})])
    assert placed.get(CODES, "c") is None


def test_it_says_what_is_where(placed: PlacedStore, here: SQLiteStore, there: SQLiteStore) -> None:
    assert placed.describe() == f"{here.describe()}; elsewhere in {there.describe()}"
