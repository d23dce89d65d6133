"""A request pauses at one of its steps, and meanwhile another is served from its beginning to its end. Wherever the
pause is, the promises of DESIGN hold (The store, Grants). Nobody lists the steps: one that comes to be added counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any

import pytest
from creance.provider import InvalidClient, InvalidGrant, LoginRequired, OAuthError

ROTATION = {name: f'refresh_token_rotation = "{name}"' for name in ("always", "public")}
FEWEST_STEPS = 4
"""Of any request: what it reads first, and what it writes last."""


def outcome(scene: Any, request: str) -> Any:
    """What a request is answered, or the error that it is refused with."""
    try:
        return getattr(scene, request)()
    except OAuthError as error:
        return error


def played(stage: Any, state: str, first: str, meanwhile: Mapping[int, str]) -> tuple[Any, list[Any], list[str]]:
    """A scene in which the first request pauses at some of its steps, for another one at each: the scene, what all of
    them were told, the first of them first, and which steps it took.
    """
    scene, told = stage.scene(state), []
    with ThreadPoolExecutor(1) as another_thread:

        def serve(request: str) -> None:
            told.append(another_thread.submit(outcome, scene, request).result(30))

        with stage.steps.of_this_thread({at: partial(serve, request) for at, request in meanwhile.items()}) as steps:
            told.insert(0, outcome(scene, first))
    return scene, told, steps


def paused(stage: Any, state: str, first: str, second: str) -> Iterator[tuple[Any, ...]]:
    """For each step of the first request: the scene, what both were told, and where the pause was."""
    for at in count(1):
        scene, told, steps = played(stage, state, first, {at: second})
        if at > len(steps):
            break
        yield scene, *told, f"{at}: {steps[at - 1]}"
    assert at > FEWEST_STEPS, "what is no longer a step?"


def paused_twice(stage: Any, state: str, first: str, second: str, third: str) -> Iterator[tuple[Any, ...]]:
    """The same for each two steps, of which the later may be one that is only taken because of what came before."""
    for at in count(1):
        for later in count(at + 1):
            scene, told, steps = played(stage, state, first, {at: second, later: third})
            if later > len(steps):
                break
            yield scene, *told, f"{at}: {steps[at - 1]}, {later}: {steps[later - 1]}"
        if at > len(steps):
            break
    assert at > FEWEST_STEPS


def winners(*answers: Any) -> list[dict[str, Any]]:
    """Those who were given tokens. Whoever was refused was so for what the other had done."""
    refusals = (InvalidGrant, InvalidClient, LoginRequired, type(None))
    assert all(isinstance(answer, (dict, *refusals)) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, dict)]


NOTHING_ALIVE = [
    ("authorized", "exchange", "exchange"),
    ("authorized", "exchange", "log_out"),
    ("authorized", "exchange", "end_grant"),
    ("authorized", "exchange", "remove_client"),
    ("authorized", "exchange", "replace_client"),
    ("exchanged", "exchange", "refresh"),
    ("exchanged", "refresh", "exchange"),
    ("exchanged", "refresh", "revoke"),
    ("exchanged", "refresh", "log_out"),
    ("exchanged", "refresh", "remove_client"),
    ("exchanged", "refresh", "replace_client"),
    ("exchanged", "revoke", "refresh"),
    ("exchanged", "revoke", "refresh_twice"),
    ("exchanged", "log_out", "refresh"),
    ("exchanged", "log_out", "visit"),
    ("refreshed", "refresh", "exchange"),
    ("refreshed", "refresh", "revoke"),
    ("refreshed", "refresh", "log_out"),
    ("refreshed", "revoke", "refresh_with_the_successor"),
]


@pytest.mark.parametrize(("state", "first", "second"), NOTHING_ALIVE)
@pytest.mark.parametrize("rotation", ROTATION)
def test_nothing_is_alive(make_stage: Callable[..., Any], rotation: str, state: str, first: str, second: str) -> None:
    """RFC 6749 4.1.2, RFC 7009 2.1, OpenID Connect Core 11, DESIGN: nothing alive that was issued from what was
    replayed, revoked, or has ended, whichever of two requests was quicker.
    """
    for scene, *answers, where in paused(make_stage(ROTATION[rotation]), state, first, second):
        assert scene.alive == {}, where
        for tokens in winners(*answers):
            assert not scene.is_active(tokens["access_token"]), where


@pytest.mark.long
@pytest.mark.parametrize(
    ("state", "first", "second", "third"),
    [
        ("authorized", "exchange", "log_out", "exchange"),
        ("authorized", "exchange", "exchange", "exchange"),
        ("exchanged", "refresh", "refresh", "revoke"),
        ("exchanged", "refresh", "refresh", "exchange"),
        ("exchanged", "refresh", "refresh_twice", "log_out"),
        ("exchanged", "refresh", "refresh", "remove_client"),
        ("exchanged", "revoke", "refresh", "refresh"),
        ("exchanged", "log_out", "visit", "visit"),
    ],
)
@pytest.mark.parametrize("rotation", ROTATION)
def test_nor_is_it_after_two_pauses(
    make_stage: Callable[..., Any], rotation: str, state: str, first: str, second: str, third: str
) -> None:
    """The same: steps are paused at, too, that are only taken since something happened at one before."""
    for scene, *answers, where in paused_twice(make_stage(ROTATION[rotation]), state, first, second, third):
        assert scene.alive == {}, where
        for tokens in winners(*answers):
            assert not scene.is_active(tokens["access_token"]), where


def test_a_code_has_one_winner(make_stage: Callable[..., Any]) -> None:
    """DESIGN, The store: exactly one caller ever succeeds."""
    for _, *answers, where in paused(make_stage(), "authorized", "exchange", "exchange"):
        assert len(winners(*answers)) == 1, where


def test_within_the_grace_both_get_the_same_successor(make_stage: Callable[..., Any]) -> None:
    """DESIGN, Grants: a retry by the same client gets the same successor while that is unused."""
    for scene, *answers, where in paused(make_stage(), "exchanged", "refresh", "refresh"):
        one, other = winners(*answers)
        assert one["refresh_token"] == other["refresh_token"], where
        assert all(scene.is_active(each["access_token"]) for each in (scene.tokens, one, other)), where
        assert scene.alive == {"access_tokens": 3, "refresh_tokens": 1}, where


def test_without_a_grace_one_wins_and_its_grant_ends(make_stage: Callable[..., Any]) -> None:
    """DESIGN, Grants: anything else is reuse and revokes the grant."""
    for scene, *answers, where in paused(make_stage("refresh_token_grace = 0"), "exchanged", "refresh", "refresh"):
        assert len(winners(*answers)) == 1, where
        assert scene.alive == {}, where


def test_a_token_that_does_not_rotate_serves_both(make_stage: Callable[..., Any]) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1; DESIGN, Grants."""
    for scene, *answers, where in paused(make_stage(ROTATION["public"]), "exchanged", "refresh", "refresh"):
        assert len(winners(*answers)) == 2, where
        assert {answer["refresh_token"] for answer in answers} == {scene.tokens["refresh_token"]}, where
        assert scene.alive == {"access_tokens": 3, "refresh_tokens": 1}, where


@pytest.mark.parametrize(
    ("state", "second"), [("exchanged", "refresh_twice"), ("refreshed", "refresh_with_the_successor")]
)
def test_there_are_never_two_heirs(make_stage: Callable[..., Any], state: str, second: str) -> None:
    """RFC 9700 4.14.2: who comes when the successor was used has a copy, and ends the grant; who came before has what
    was true then. There is one unspent refresh token at most.
    """
    for scene, answer, other, where in paused(make_stage(), state, "refresh", second):
        if winners(answer):
            assert scene.alive["refresh_tokens"] == 1, where
            assert scene.is_active(other["access_token"]), where
        else:
            assert scene.alive == {}, where


def test_a_code_that_is_issued_while_its_session_ends_gives_nothing(make_stage: Callable[..., Any]) -> None:
    """OpenID Connect Core 11: whoever was quicker."""
    for scene, answer, _, where in paused(make_stage(), "authorized", "authorize", "log_out"):
        scene.code |= answer if isinstance(answer, dict) else {}
        assert isinstance(outcome(scene, "exchange"), InvalidGrant), where
        assert scene.alive == {}, where


@pytest.mark.parametrize("change", ["remove_client", "replace_client"])
def test_what_a_client_asks_for_while_it_is_removed_is_worth_nothing(
    make_stage: Callable[..., Any], change: str
) -> None:
    """RFC 6749 2.2: also where another client comes to have its name."""
    for scene, answer, _, where in paused(make_stage(), "authorized", "client_credentials", change):
        for tokens in winners(answer):
            assert not scene.is_active(tokens["access_token"]), where


@pytest.mark.parametrize(("state", "first"), [("authorized", "exchange"), ("exchanged", "refresh")])
def test_a_rotation_of_keys_harms_nobody(make_stage: Callable[..., Any], state: str, first: str) -> None:
    """OpenID Connect Core 10.1.1: the ID token is signed by the one or the other, and verifies."""
    for scene, answer, _, where in paused(make_stage(), state, first, "rotate_keys"):
        assert scene.provider.keyring.verify(answer["id_token"])["nonce" if state == "authorized" else "sub"], where
        assert scene.is_active(answer["access_token"]), where
