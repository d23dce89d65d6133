"""What has expired is removed, by one worker at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider.housekeeping import BATCH, Housekeeping
from creance.provider.store import StoreUnavailable, insert
from creance.provider.tokens import ACCESS_TOKENS

MakeProvider = Callable[..., Any]


def put(provider: Any, count: int, until: float) -> None:
    provider.store.write([insert(ACCESS_TOKENS, f"k{until}.{number}", {}, until) for number in range(count)])


def test_all_that_has_expired_is_removed_and_nothing_else(make_provider: MakeProvider, clock: Any) -> None:
    """DESIGN, The store: bounded sweep; a full one is followed by the next at once."""
    provider = make_provider()
    put(provider, 2 * BATCH + 7, clock() - 10)
    put(provider, 5, clock() + 60)
    assert provider.housekeeping.sweep() >= 2 * BATCH + 7
    assert len(provider.store.page(ACCESS_TOKENS)) == 5
    assert provider.housekeeping.sweep() == 0


def test_one_worker_sweeps_at_a_time(make_provider: MakeProvider, clock: Any) -> None:
    """DESIGN, The store: claim: a lease on background work."""
    one, other = make_provider(), make_provider()
    put(one, 3, clock() - 10)
    assert one.housekeeping.sweep() == 3
    put(one, 3, clock() - 20)
    assert other.housekeeping.sweep() == 0
    assert one.housekeeping.sweep() == 3
    put(one, 3, clock() - 30)
    clock.advance(60)
    assert other.housekeeping.sweep() >= 3


def test_it_goes_on_when_the_store_was_away(
    make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DESIGN, The store: the next works when the store is back; a defect is logged, and is not the end."""
    monkeypatch.setattr("creance.provider.housekeeping.INTERVAL", 0.001)
    answers: list[Any] = [StoreUnavailable("away"), RuntimeError("marked-secret-8f2c"), 0, 0]
    seen = threading.Event()

    class Store:
        def claim(self, *_: Any) -> bool:
            return True

        def sweep(self, _: int) -> int:
            answer = answers.pop(0) if len(answers) > 1 else seen.set() or answers[0]
            if isinstance(answer, Exception):
                raise answer
            return int(answer)

    housekeeping = Housekeeping(Store())  # type: ignore[arg-type]
    housekeeping.start()
    assert seen.wait(60)
    housekeeping.stop()
    assert "marked-secret" not in "".join(capsys.readouterr())
