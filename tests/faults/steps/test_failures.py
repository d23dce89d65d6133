"""A request fails at one of its steps, and is sent again: nothing was spent for an answer that could not be given, and
what was given without its answer being heard is not given twice (DESIGN, The order of a token request).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from creance.provider import InvalidGrant
from creance.provider.store import StoreUnavailable

LOST = "after write"
"""The step at which a failure comes too late: what was written is there, and nobody was told."""
FEWEST_STEPS = 4


def fail() -> None:
    raise StoreUnavailable("the store is away")


def failed(stage: Any, state: str, request: str) -> Iterator[tuple[Any, str]]:
    """For each step of a request: a scene in which it failed there, and the name of the step."""
    for at in count(1):
        scene = stage.scene(state)
        with stage.steps.of_this_thread({at: fail}) as steps, suppress(StoreUnavailable, InvalidGrant):
            getattr(scene, request)()
        if at > len(steps):
            break
        yield scene, steps[at - 1]
    assert at > FEWEST_STEPS, "what is no longer a step?"


def test_a_code_is_not_burnt_for_an_answer_that_could_not_be_given(make_stage: Callable[..., Any]) -> None:
    """RFC 6749 4.1.2: sent again it gives tokens, once. Where the answer was lost it was a second use: of what was
    issued nothing is alive.
    """
    for scene, step in failed(make_stage(), "authorized", "exchange"):
        if step == LOST:
            with pytest.raises(InvalidGrant):
                scene.exchange()
            assert scene.alive == {}
        else:
            assert scene.alive == {"authorization_codes": 1}, step
            assert scene.is_active(scene.exchange()["access_token"])
            assert scene.alive == {"access_tokens": 1, "refresh_tokens": 1}, step


@pytest.mark.parametrize(("state", "access_tokens"), [("exchanged", 1), ("refreshed", 2)])
def test_a_refresh_that_is_sent_again_gets_the_one_successor(
    make_stage: Callable[..., Any], state: str, access_tokens: int
) -> None:
    """DESIGN, Grants: a client whose answer was lost gets the same one, within the grace."""
    for scene, step in failed(make_stage(), state, "refresh"):
        before = access_tokens + (step == LOST)
        assert scene.alive == {"access_tokens": before, "refresh_tokens": 1}, step
        again = scene.refresh()
        assert scene.is_active(again["access_token"]), step
        assert scene.alive == {"access_tokens": before + 1, "refresh_tokens": 1}, step
        scene.tokens = again
        assert scene.refresh(), step


def test_without_a_grace_a_lost_answer_ends_the_grant(make_stage: Callable[..., Any]) -> None:
    """RFC 9700 4.14.2: it cannot be told from a thief's; any other failure has spent nothing."""
    for scene, step in failed(make_stage("refresh_token_grace = 0"), "exchanged", "refresh"):
        if step == LOST:
            with pytest.raises(InvalidGrant):
                scene.refresh()
            assert scene.alive == {}
        else:
            assert scene.is_active(scene.refresh()["access_token"]), step
            assert scene.alive == {"access_tokens": 2, "refresh_tokens": 1}, step


def test_a_token_that_does_not_rotate_is_still_good(make_stage: Callable[..., Any]) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1: that is what it is for."""
    for scene, step in failed(make_stage('refresh_token_rotation = "public"'), "exchanged", "refresh"):
        again = scene.refresh()
        assert again["refresh_token"] == scene.tokens["refresh_token"], step
        assert scene.is_active(again["access_token"]), step


@pytest.mark.parametrize("end", ["revoke", "log_out"])
@pytest.mark.parametrize("state", ["exchanged", "refreshed"])
def test_an_end_that_failed_can_be_brought_about_again(make_stage: Callable[..., Any], state: str, end: str) -> None:
    """RFC 7009 2.2.1: with a 503 the client must assume that the token still exists, and may try again."""
    for scene, step in failed(make_stage(), state, end):
        getattr(scene, end)()
        assert scene.alive == {}, step


def test_a_replay_that_could_not_revoke_does_so_when_it_comes_again(make_stage: Callable[..., Any]) -> None:
    """RFC 6749 4.1.2: half of it has not removed the evidence."""
    for scene, step in failed(make_stage(), "exchanged", "exchange"):
        with pytest.raises(InvalidGrant):
            scene.exchange()
        assert scene.alive == {}, step
