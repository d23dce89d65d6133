"""Races for the signing keys: one set of first keys, and no token that a rotation makes worthless (DESIGN, Keys)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from creance.provider.testing.running import DemoStores
from joserfc import jws
from joserfc.jwk import KeySet

STARTING = 8


def test_workers_that_start_at_once_on_an_empty_store_have_one_keyring(
    arena: Any, race_stores: DemoStores, tmp_path: Path, rounds: range
) -> None:
    """DESIGN, Keys: one secret, made once; one document, changed by compare-and-swap. What one worker signs verifies
    by what any other publishes.
    """
    for number in rounds:
        folder = tmp_path / str(number)
        race_stores.give_secret(folder)
        start = arena.task("first_start", folder=str(folder), uri=race_stores.new_uri())
        outcomes = arena.race(*[start] * STARTING)
        assert outcomes.tally == {"answered": STARTING}
        published = {answer["jwks"] for answer in outcomes.answers}
        assert len(published) == 1
        keys = KeySet.import_key_set(json.loads(published.pop()))
        assert len(keys.keys) == 2
        for answer in outcomes.answers:
            assert jws.deserialize_compact(answer["token"], keys, algorithms=["ES256"])
        assert [path.name for path in (folder / "var").glob("*secret*")] == ["secret"]


def test_a_rotation_makes_no_token_worthless(make_arena: Callable[[], Any], rounds: range) -> None:
    """OpenID Connect Core 10.1.1: what was signed while keys were rotated, by whichever worker, verifies. Of rotations
    that race each is done, or told that it was not.
    """
    arena = make_arena()
    assert arena.race(*[arena.task("begin")] * 4).tally == {"answered": 4}
    rotated = 0
    for _ in rounds[::5]:
        signing, rotation = arena.task("sign", times=5), arena.task("rotate_keys")
        outcomes = arena.race(*[signing] * 4, *[rotation] * 4, *[signing] * 4)
        rotations = Counter(outcome.get("error", "done") for outcome in outcomes[4:8])
        assert rotations.keys() <= {"done", "another process changed the keys at this moment: try again"}
        rotated += rotations["done"]
        states = arena.race(*[arena.task("key_states")] * 4)
        assert states.answers == [sorted(["active", "next", *["retired"] * rotated])] * 4
        tokens = [token for outcome in (*outcomes[:4], *outcomes[8:]) for token in outcome["answer"]]
        assert arena.race(*[arena.task("verify", tokens=tokens)] * 4).answers == [len(tokens)] * 4
