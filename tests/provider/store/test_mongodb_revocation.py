"""The end of a grant on MongoDB, where a write is several commands: what others insert between them goes too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from creance.provider import InvalidGrant
from creance.provider.store import delete_where, insert, make_store
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS, Token

from ...conftest import App
from ...mongodb_proxy import Exchange, MongoDBProxy

COLLECTIONS = (AUTHORIZATION_CODES, REFRESH_TOKENS, ACCESS_TOKENS)
GRANT = {"grant_id": "g"}


@pytest.fixture
def others(mongodb_uri: str, tmp_path: Any) -> Iterator[Any]:
    """The store as another worker has it."""
    store = make_store(mongodb_uri, folder=tmp_path, timeout=20)
    store.open(COLLECTIONS)
    yield store
    store.close()


@pytest.mark.parametrize("removal", range(3))
def test_what_is_inserted_while_its_origin_is_removed_goes_too(
    mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str, others: Any, tmp_path: Any, removal: int
) -> None:
    """RFC 7009 2.1: a removal need not find what comes after it has begun: the successor of a token that was rotated at
    that moment, and the access token that came with it.
    """
    store = make_store(mongodb_proxy_uri, folder=tmp_path, timeout=20)
    store.open(COLLECTIONS)
    others.write([insert(REFRESH_TOKENS, "rotated", GRANT), insert(ACCESS_TOKENS, "first", GRANT)])

    def and_then_insert(exchange: Exchange) -> None:
        answer = exchange.ask()
        others.write([insert(REFRESH_TOKENS, "successor", GRANT), insert(ACCESS_TOKENS, "second", GRANT)])
        exchange.client.sendall(answer)

    mongodb_proxy.on("delete", strike=and_then_insert, skip=removal)
    removed = store.write([delete_where(collection, "grant_id", "g") for collection in COLLECTIONS])
    store.close()
    assert mongodb_proxy.struck == 1
    assert removed == [0, 2, 2]
    assert [others.find(collection, "grant_id", "g") for collection in COLLECTIONS] == [[], [], []]


def test_a_successor_that_comes_after_the_revocation_gives_nothing(
    make_app: Callable[..., App], mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 7009 2.1: one request retries a refresh; between its readings the grant is revoked, and another that had read
    before that, and will be refused, writes the successor.
    """
    app = make_app(store={"uri": mongodb_uri})
    tokens = app.provider.tokens
    issued = app.log_in()
    presented = issued["refresh_token"]
    found = tokens.read_refresh_token(presented)
    assert found is not None
    app.refresh(presented)
    read_unused_successor = tokens.read_unused_successor

    def meanwhile(value: str, spent: Token) -> Any:
        tokens.revoke_grant(found.grant.grant_id)
        app.provider.store.write([tokens.successor_of(presented, found).operation])
        return read_unused_successor(value, spent)

    monkeypatch.setattr(tokens, "read_unused_successor", meanwhile)
    with pytest.raises(InvalidGrant) as refused:
        app.refresh(presented)
    assert refused.value.hint == "its grant was revoked meanwhile"
    grant_id = found.grant.grant_id
    assert [app.provider.store.find(collection, "grant_id", grant_id) for collection in COLLECTIONS] == [[], [], []]
