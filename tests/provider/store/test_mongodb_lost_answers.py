"""A connection that is cut before or after MongoDB has done what it was told, at every command of every operation.

Where the server can be reached again, the operation is done, and done once. Where it cannot, the caller is told so, and
what the write has left behind goes when the server is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import (
    AlreadyExists,
    AlreadyRedeemed,
    Collection,
    Conflict,
    Expired,
    Operation,
    Store,
    StoreUnavailable,
    WriteRefused,
    delete,
    delete_where,
    ensure,
    increment,
    insert,
    redeem,
    replace,
)
from creance.provider.store.mongodb import MongoDBStore
from creance.provider.testing.store_conformance import refusals, together
from pymongo import common

from ...mongodb_proxy import CutError, Exchange, MongoDBProxy, Strike, cut_after, cut_before
from ...polling import eventually

CODES = Collection("codes", indexes=("grant_id",))
TOKENS = Collection("tokens", indexes=("grant_id",))
REFRESH_TOKENS = Collection("refresh_tokens", indexes=("grant_id",))
COLLECTIONS = (CODES, TOKENS, REFRESH_TOKENS)

GRANT = {"grant_id": "g"}
OTHER_GRANT = {"grant_id": "other"}
LIFETIME = 600.0

CUTS = {"before": cut_before, "after": cut_after}
WRITING = ("insert", "update", "delete", "findAndModify")


def later() -> float:
    return time.time() + LIFETIME


def store_at(uri: str, timeout: float) -> MongoDBStore:
    store = MongoDBStore.from_uri(uri, folder=Path(), timeout=timeout)
    store.open(COLLECTIONS)
    return store


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver waits for half a second before it asks after a server that it has lost; no test needs to."""
    monkeypatch.setattr(common, "MIN_HEARTBEAT_INTERVAL", 0.02)


@pytest.fixture
def witness(mongodb_uri: str) -> Iterator[Store]:
    """Another worker, whom nothing happens to."""
    store = store_at(mongodb_uri, 20)
    yield store
    store.close()


@pytest.fixture(
    params=["", pytest.param("&retryWrites=false&retryReads=false", marks=pytest.mark.long)],
    ids=["the driver retries", "the driver does not"],
)
def store(witness: Store, mongodb_proxy_uri: str, request: pytest.FixtureRequest) -> Iterator[MongoDBStore]:
    """The worker whose connection is cut."""
    store = store_at(mongodb_proxy_uri + request.param, 20)
    yield store
    store.close()


# The server can be reached again at once.

OPERATIONS: dict[str, Callable[[Store], Operation]] = {
    "insert": lambda store: insert(TOKENS, "new", GRANT, later()),
    "insert over what is forgotten": lambda store: insert(TOKENS, "forgotten", GRANT, later()),
    "ensure": lambda store: ensure(TOKENS, "new", GRANT, later()),
    "ensure what is there": lambda store: ensure(TOKENS, "there", GRANT, later()),
    "replace": lambda store: replace(TOKENS, document(store, "there"), {**GRANT, "changed": True}),
    "redeem": lambda store: redeem(TOKENS, "there", later()),
    "increment": lambda store: increment(TOKENS, "counter", valid_until=later()),
    "increment for the first time": lambda store: increment(TOKENS, "first", valid_until=later()),
    "increment again after its end": lambda store: increment(TOKENS, "over", valid_until=later()),
    "delete": lambda store: delete(TOKENS, "there"),
    "delete by field": lambda store: delete_where(TOKENS, "grant_id", "g"),
}


def document(store: Store, key: str) -> Any:
    found = store.get(TOKENS, key)
    assert found is not None
    return found


def prepare(store: Store) -> None:
    past = time.time() - 60
    store.write(
        [
            insert(TOKENS, "there", GRANT, later()),
            insert(TOKENS, "forgotten", {"old": True}, past, past),
            increment(TOKENS, "counter", 5, valid_until=later()),
            increment(TOKENS, "over", 7, valid_until=past),
        ]
    )


def state(store: Store) -> dict[str, tuple[Any, bool]]:
    """What is in the store, but for versions and times."""
    found = {}
    for key in ("there", "new", "forgotten", "counter", "first", "over"):
        kept = store.get_kept(TOKENS, key)
        if kept is not None:
            found[key] = (kept.value, kept.redeemed_at is not None)
    return found


def commands_of(proxy: MongoDBProxy, begun: int) -> list[str]:
    return [name for name in proxy.names()[begun:] if name in (*WRITING, "find")]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_whose_answer_was_lost_is_done_once(
    store: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, name: str, cut: str
) -> None:
    """MONGODB.md, Single use: an operation recognises its own retry; as without any cut, at each of its commands."""
    prepare(witness)
    begun = len(mongodb_proxy.names())
    expected = store.write([operation_of(witness, name)])
    commands = commands_of(mongodb_proxy, begun)
    result = state(witness)
    for number in range(len(commands)):
        for collection in COLLECTIONS:
            empty(witness, collection)
        prepare(witness)
        operation = operation_of(witness, name)
        mongodb_proxy.on(*WRITING, "find", strike=CUTS[cut], skip=number)
        answers = store.write([operation])
        assert mongodb_proxy.struck == number + 1
        assert state(witness) == result
        if name != "delete by field" or cut == "before":  # how many were removed went with the answer
            assert answers == expected


def operation_of(store: Store, name: str) -> Operation:
    return OPERATIONS[name](store)


def empty(store: Store, collection: Collection) -> None:
    for key in ("there", "new", "forgotten", "counter", "first", "over"):
        store.write([delete(collection, key)])


@pytest.mark.parametrize("cut", CUTS)
def test_a_lease_whose_answer_was_lost_is_held(
    store: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, cut: str
) -> None:
    """claim: True for exactly one holder."""
    mongodb_proxy.on("update", strike=CUTS[cut])
    assert store.claim("work", "one", later())
    assert mongodb_proxy.struck == 1
    assert not witness.claim("work", "other", later())
    assert store.claim("work", "one", later())


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("read", ["get", "get_kept", "find", "page"])
def test_a_read_whose_answer_was_lost_is_made_again(
    store: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, read: str, cut: str
) -> None:
    witness.write([insert(TOKENS, "k", GRANT)])
    mongodb_proxy.on("find", strike=CUTS[cut])
    reads: dict[str, Callable[[], Any]] = {
        "get": lambda: [store.get(TOKENS, "k")],
        "get_kept": lambda: [store.get_kept(TOKENS, "k")],
        "find": lambda: store.find(TOKENS, "grant_id", "g"),
        "page": lambda: store.page(TOKENS),
    }
    assert [found.key for found in reads[read]()] == ["k"]
    assert mongodb_proxy.struck == 1


@pytest.mark.parametrize("cut", CUTS)
def test_the_winner_whose_answer_was_lost_wins_and_nobody_else(
    store: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, cut: str
) -> None:
    """MONGODB.md, Single use: the one true winner is not refused, and whoever comes second is."""
    witness.write([insert(CODES, "code", GRANT, later())])
    mongodb_proxy.on("findAndModify", strike=CUTS[cut])
    store.write([insert(TOKENS, "a", GRANT), insert(REFRESH_TOKENS, "r", GRANT), redeem(CODES, "code", later())])
    assert mongodb_proxy.struck == 1
    for other in (store, witness):
        with pytest.raises(AlreadyRedeemed):
            other.write([insert(TOKENS, "b", GRANT), redeem(CODES, "code", later())])
    assert [token.key for token in witness.find(TOKENS, "grant_id", "g")] == ["a"]
    assert witness.get(REFRESH_TOKENS, "r") is not None


REFUSED: dict[type[WriteRefused], Callable[[Store], Operation]] = {
    AlreadyExists: lambda store: insert(TOKENS, "there", GRANT),
    Conflict: lambda store: replace(TOKENS, changed(store), GRANT),
    AlreadyRedeemed: lambda store: redeem(CODES, "spent", later()),
    Expired: lambda store: redeem(CODES, "over", later()),
}


def changed(store: Store) -> Any:
    """A document as it was before."""
    read = document(store, "there")
    store.write([replace(TOKENS, read, GRANT)])
    return read


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("refusal", REFUSED)
def test_who_must_be_refused_is_refused_and_leaves_nothing(
    store: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, refusal: type[WriteRefused], cut: str
) -> None:
    """write: one raises and none remains, whichever command is cut off, those that take back included."""
    witness.write(
        [
            insert(CODES, "over", {}, time.time() - 1, later()),
            insert(CODES, "spent", {}, later()),
            redeem(CODES, "spent", later()),
            insert(TOKENS, "there", {}, later()),
        ]
    )
    number = 0
    while mongodb_proxy.struck == number:
        operations = [insert(REFRESH_TOKENS, "r", GRANT), increment(TOKENS, "n", valid_until=later())]
        mongodb_proxy.calm()
        mongodb_proxy.on(*WRITING, strike=CUTS[cut], skip=number)
        with pytest.raises(refusal):
            store.write([*operations, REFUSED[refusal](witness)])
        assert witness.get(REFRESH_TOKENS, "r") is None
        assert witness.get(TOKENS, "n") is None
        number += 1
    assert number > 4


def test_many_redeemers_on_a_bad_line_have_one_winner(
    witness: Store, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """redeem: exactly one writer ever succeeds, and what the others had inserted is gone."""
    stores = [store_at(mongodb_proxy_uri + "&retryWrites=false", 20) for _ in range(4)]
    for turn, cut in enumerate((cut_before, cut_after, cut_after)):
        code = f"code{turn}"
        witness.write([insert(CODES, code, GRANT, later())])
        for skip in (0, 2, 5):
            mongodb_proxy.on("findAndModify", strike=cut, skip=skip)
            mongodb_proxy.on("insert", "delete", strike=cut, skip=skip)

        def work(number: int, code: str = code) -> int:
            token = insert(TOKENS, f"{code}.{number}", {"grant_id": code})
            stores[number % 4].write([token, redeem(CODES, code, later())])
            return number

        outcomes = together(8, work)
        assert len(refusals(outcomes)) == 7
        winner = next(outcome for outcome in outcomes if isinstance(outcome, int))
        assert [token.key for token in witness.find(TOKENS, "grant_id", code)] == [f"{code}.{winner}"]
    for store in stores:
        store.close()


# The server cannot be reached any more, until it is back.


@pytest.fixture
def impatient(witness: Store, mongodb_proxy_uri: str) -> Iterator[MongoDBStore]:
    """A worker that is lost together with its connections."""
    store = store_at(mongodb_proxy_uri, 2)
    yield store
    store.close()


def gone_before(proxy: MongoDBProxy) -> Strike:
    def strike(exchange: Exchange) -> None:
        proxy.shut()
        raise CutError

    return strike


def gone_after(proxy: MongoDBProxy) -> Strike:
    def strike(exchange: Exchange) -> None:
        exchange.ask()
        proxy.shut()
        raise CutError

    return strike


GONE = {"before": gone_before, "after": gone_after}


def fail(
    store: Store, proxy: MongoDBProxy, gone: str, command: str, operations: list[Operation], skip: int = 0
) -> None:
    """Lose the server at this command of a write, and have it back when the caller was told."""
    proxy.on(command, strike=GONE[gone](proxy), skip=skip)
    with pytest.raises(StoreUnavailable):
        store.write(operations)
    proxy.listen()
    recovered(store)


def recovered(store: Store) -> None:
    """Wait until the store serves again."""

    def serves() -> bool:
        with suppress(StoreUnavailable):
            store.get(TOKENS, "k")
            return True
        return False

    eventually(serves)


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("command", ["insert", "findAndModify"])
def test_of_an_exchange_that_was_answered_503_nothing_lives_and_the_code_is_good(
    impatient: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, gone: str, command: str
) -> None:
    """DESIGN, The order of a token request: no code burnt for an answer that could not be given."""
    witness.write([insert(CODES, "code", GRANT, later())])
    tokens: list[Operation] = [insert(TOKENS, "a", GRANT), insert(REFRESH_TOKENS, "r", GRANT)]
    fail(impatient, mongodb_proxy, gone, command, [*tokens, redeem(CODES, "code", later())])
    assert witness.get_kept(TOKENS, "a") is None
    assert witness.get_kept(REFRESH_TOKENS, "r") is None
    assert witness.get(CODES, "code") is not None
    witness.write([insert(TOKENS, "b", GRANT), redeem(CODES, "code", later())])
    with pytest.raises(AlreadyRedeemed):
        impatient.write([redeem(CODES, "code", later())])
    assert [token.key for token in witness.find(TOKENS, "grant_id", "g")] == ["b"]


def test_a_code_that_was_revoked_meanwhile_stays_so(
    impatient: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy
) -> None:
    """RFC 6749 4.1.2: giving back a redemption revives nothing that somebody else has ended since."""
    witness.write([insert(CODES, "code", GRANT, later())])
    mongodb_proxy.on("findAndModify", strike=gone_after(mongodb_proxy))
    with pytest.raises(StoreUnavailable):
        impatient.write([insert(TOKENS, "a", GRANT), redeem(CODES, "code", later())])
    with pytest.raises(AlreadyRedeemed):
        witness.write([redeem(CODES, "code", later())])
    witness.write([delete_where(collection, "grant_id", "g") for collection in (CODES, REFRESH_TOKENS, TOKENS)])
    mongodb_proxy.listen()
    recovered(impatient)
    assert witness.get_kept(CODES, "code") is None
    assert witness.get_kept(TOKENS, "a") is None


@pytest.mark.parametrize("gone", GONE)
def test_a_rotation_that_was_answered_503_can_be_repeated(
    impatient: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, gone: str
) -> None:
    """ensure: others may hand out the successor, so it stays; the access token, which nobody was given, goes."""
    witness.write([insert(REFRESH_TOKENS, "old", GRANT, later())])
    rotation = [
        insert(TOKENS, "a", GRANT),
        ensure(REFRESH_TOKENS, "new", GRANT),
        redeem(REFRESH_TOKENS, "old", later()),
    ]
    fail(impatient, mongodb_proxy, gone, "findAndModify", rotation)
    assert witness.get_kept(TOKENS, "a") is None
    assert witness.get(REFRESH_TOKENS, "new") is not None
    spent = witness.get(REFRESH_TOKENS, "old") is None
    assert spent == (gone == "after")
    repeated = [
        insert(TOKENS, "b", GRANT),
        ensure(REFRESH_TOKENS, "new", GRANT),
        redeem(REFRESH_TOKENS, "old", later()),
    ]
    if spent:
        with pytest.raises(AlreadyRedeemed):
            witness.write(repeated)
    else:
        witness.write(repeated)
    assert witness.get(REFRESH_TOKENS, "new") is not None


@pytest.mark.parametrize("gone", GONE)
def test_what_was_replaced_is_as_before_and_what_was_removed_stays_removed(
    impatient: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, gone: str
) -> None:
    """write: nothing of it remains, but a removal: who was told to try again may have succeeded elsewhere."""
    witness.write([insert(TOKENS, "replaced", GRANT), insert(TOKENS, "removed", GRANT)])
    operations = [
        replace(TOKENS, document(witness, "replaced"), OTHER_GRANT),
        delete(TOKENS, "removed"),
        insert(TOKENS, "new", OTHER_GRANT),
    ]
    fail(impatient, mongodb_proxy, gone, "insert", operations)
    assert [token.key for token in witness.find(TOKENS, "grant_id", "g")] == ["replaced"]
    assert witness.find(TOKENS, "grant_id", "other") == []


@pytest.mark.parametrize("gone", GONE)
def test_a_replacement_meanwhile_is_not_undone(
    impatient: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, gone: str
) -> None:
    """Only what nobody has written since is taken back."""
    witness.write([insert(TOKENS, "there", GRANT)])
    mongodb_proxy.on("insert", strike=GONE[gone](mongodb_proxy))
    with pytest.raises(StoreUnavailable):
        impatient.write([replace(TOKENS, document(witness, "there"), OTHER_GRANT), insert(TOKENS, "new", GRANT)])
    witness.write([replace(TOKENS, document(witness, "there"), {"by": "witness"})])
    mongodb_proxy.listen()
    recovered(impatient)
    assert document(witness, "there").value == {"by": "witness"}
    assert witness.get_kept(TOKENS, "new") is None


@pytest.mark.parametrize("gone", GONE)
def test_a_loser_that_could_not_clean_up_does_so_later(
    impatient: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, gone: str
) -> None:
    """redeem: the loser learns that it lost, and what it inserted goes when the server is back."""
    witness.write([insert(CODES, "code", GRANT, later()), redeem(CODES, "code", later())])
    mongodb_proxy.on("delete", strike=GONE[gone](mongodb_proxy))
    with pytest.raises(AlreadyRedeemed):
        impatient.write([insert(TOKENS, "a", GRANT), redeem(CODES, "code", later())])
    mongodb_proxy.listen()
    eventually(lambda: witness.get_kept(TOKENS, "a") is None)


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("number", range(4))
def test_a_revocation_that_is_cut_off_leaves_nothing_usable_and_can_be_repeated(
    impatient: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, gone: str, number: int
) -> None:
    """RFC 7009 2.2.1, delete_where: after a 503 whoever presents the code or the refresh token again ends the rest."""
    witness.write([insert(collection, "k", GRANT, later()) for collection in COLLECTIONS])
    witness.write([insert(collection, "other", OTHER_GRANT, later()) for collection in COLLECTIONS])
    revocation = [delete_where(collection, "grant_id", "g") for collection in (CODES, REFRESH_TOKENS, TOKENS)]
    if number == 0:
        fail(impatient, mongodb_proxy, gone, "update", list(revocation))
    else:
        fail(impatient, mongodb_proxy, gone, "delete", list(revocation), skip=number - 1)
    begun = number > 0 or gone == "after"
    assert (witness.get(CODES, "k") is None) == begun
    assert (witness.get(REFRESH_TOKENS, "k") is None) == begun
    if witness.get(TOKENS, "k") is not None:
        assert witness.get_kept(CODES, "k") is not None
        assert witness.get_kept(REFRESH_TOKENS, "k") is not None
    witness.write(list(revocation))
    assert all(witness.get_kept(collection, "k") is None for collection in COLLECTIONS)
    assert all(witness.get(collection, "other") is not None for collection in COLLECTIONS)


@pytest.mark.parametrize("gone", GONE)
def test_one_operation_alone_is_done_or_not(
    impatient: MongoDBStore, witness: Store, mongodb_proxy: MongoDBProxy, gone: str
) -> None:
    """write: others may rely on what they have read, such as signing keys; so nobody takes it away behind them."""
    fail(impatient, mongodb_proxy, gone, "insert", [insert(TOKENS, "there", GRANT)])
    assert (witness.get(TOKENS, "there") is not None) == (gone == "after")
