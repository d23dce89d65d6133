"""`creance migrate pyop` while workers of ours serve: each token is taken over once, by whoever comes first."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from creance.provider import InvalidGrant, OpenIDProvider
from pymongo import MongoClient
from pyop.exceptions import InvalidAccessToken

from ..mongodb_proxy import Exchange, MongoDBProxy, delay
from ..polling import eventually
from ..pyop_provider import Client
from .pyop_on_mongodb import TOKENS, Deployment, deployment

__all__ = ["deployment"]

LOGINS = 30
"""Of each fate."""


def has_begun(uri: str) -> bool:
    with MongoClient[dict[str, Any]](uri) as client:
        notes = {"_id": {"$regex": "^adopted_tokens/"}}
        return client.get_default_database()["creance_documents"].find_one(notes) is not None


def refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except (InvalidGrant, InvalidAccessToken):
        return True
    return False


class Fates:
    """What apps do with their tokens at a worker, each once, and what must then hold."""

    def __init__(self, app: Client, worker: OpenIDProvider) -> None:
        self.app = app
        self.worker = worker

    def rotated(self, tokens: dict[str, Any]) -> Callable[[], bool]:
        """RFC 9700 4.14.2: the first use is answered, and each later one refused."""
        newer = self.app.refresh(tokens["refresh_token"], self.worker)
        return lambda: (
            bool(self.app.userinfo(newer["access_token"], self.worker))
            and refused(lambda: self.app.refresh(tokens["refresh_token"], self.worker))
        )

    def revoked(self, tokens: dict[str, Any]) -> Callable[[], bool]:
        """RFC 7009 2.1: an access token alone."""
        assert self.app.userinfo(tokens["access_token"], self.worker)
        self.worker.tokens.revoke_access_token(tokens["access_token"])
        return lambda: (
            refused(lambda: self.app.userinfo(tokens["access_token"], self.worker))
            and bool(self.app.refresh(tokens["refresh_token"], self.worker))
        )

    def ended(self, tokens: dict[str, Any]) -> Callable[[], bool]:
        """RFC 7009 2.1: a refresh token with its grant."""
        token = self.worker.tokens.find(tokens["refresh_token"], "refresh_token")
        assert token is not None
        self.worker.tokens.revoke_grant(token.grant.grant_id)
        return lambda: (
            refused(lambda: self.app.userinfo(tokens["access_token"], self.worker))
            and refused(lambda: self.app.refresh(tokens["refresh_token"], self.worker))
        )

    def kept(self, tokens: dict[str, Any]) -> Callable[[], bool]:
        """Nobody touches it meanwhile."""
        return lambda: bool(self.app.refresh(tokens["refresh_token"], self.worker))

    def exchanged(self, code: str) -> Callable[[], bool]:
        """RFC 6749 4.1.2: good once; its second use ends what the first one gave."""
        tokens = self.app.exchange(code, self.worker)
        return lambda: (
            refused(lambda: self.app.exchange(code, self.worker))
            and refused(lambda: self.app.userinfo(tokens["access_token"], self.worker))
        )


def test_workers_and_two_moves_do_the_same_at_once(
    deployment: Deployment, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """Issue 7; RFC 6749 4.1.2, RFC 7009 2.1: whoever writes first, no app is refused what is good, and nothing that was
    spent or revoked comes back, from pyop's documents or by the move.
    """
    app = deployment.app()
    fates = Fates(app, deployment.adopted())
    deeds = [(deal, app.log_in(nonce=f"{deal.__name__} {n}")) for n in range(LOGINS) for deal in _of_logins(fates)]
    deeds += [(fates.exchanged, app.authorize(nonce=f"code {number}")) for number in range(LOGINS)]
    random.shuffle(deeds)

    mongodb_proxy.on("insert", strike=delay(0.05), times=10**6)
    moves = [deployment.start(mongodb_proxy_uri) for _ in range(2)]
    try:
        eventually(lambda: has_begun(deployment.uri))
        with ThreadPoolExecutor(6) as apps:
            holds = list(apps.map(lambda deed: deed[0](deed[1]), deeds))
        told = [move.communicate(timeout=120) for move in moves]
    finally:
        for move in moves:
            move.kill()
            move.communicate()
    assert [(move.returncode, said) for move, (_, said) in zip(moves, told, strict=True)] == [(0, "")] * 2
    deployment.done("--apply")  # what they have left to each other
    counted = deployment.done()
    assert {kind: cells[2] for kind, cells in counted.items()} == dict.fromkeys(counted, "0")
    with ThreadPoolExecutor(6) as apps:
        assert all(apps.map(lambda held: held(), holds))
    deployment.drop(*TOKENS)


def _of_logins(fates: Fates) -> tuple[Callable[[Any], Callable[[], bool]], ...]:
    return fates.rotated, fates.revoked, fates.ended, fates.kept


def test_a_grant_that_ends_while_it_is_moved_stays_ended(
    deployment: Deployment, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """RFC 7009 2.1: revoked between the look at it and the write of it, at the worst moment that there is."""
    app = deployment.app()
    tokens = app.log_in()
    worker = deployment.adopted()
    token = worker.tokens.read_access_token(tokens["access_token"])
    assert token is not None

    ended = []

    def end_first(exchange: Exchange) -> None:
        if b"refresh_tokens/" in exchange.message:
            ended.append(worker.tokens.revoke_grant(token.grant.grant_id))
        exchange.client.sendall(exchange.ask())

    mongodb_proxy.on("insert", strike=end_first, times=1000)
    move = deployment.start(mongodb_proxy_uri)
    said, wrong = move.communicate(timeout=60)
    assert (move.returncode, wrong) == (0, "")
    assert ended
    assert "1 ended since" in said
    for value in (tokens["access_token"], tokens["refresh_token"]):
        assert worker.tokens.find(value, None, spent=True) is None
    with pytest.raises(InvalidGrant):
        app.refresh(tokens["refresh_token"], worker)


def test_one_that_is_moved_while_it_is_looked_for_is_found(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6749 6: it was not there as ours, and a moment later it is noted as taken over: the app is not refused."""
    app = deployment.app()
    tokens = app.log_in()
    worker: Any = deployment.adopted()
    look = worker.issued.was_taken_over

    def move_first(kind: str, value: str) -> bool:
        deployment.done("--apply")
        return bool(look(kind, value))

    monkeypatch.setattr(worker.issued, "was_taken_over", move_first)
    assert app.refresh(tokens["refresh_token"], worker)["access_token"]
