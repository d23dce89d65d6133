"""A worker is killed at one of the statements of a token request, which is then sent to another: no code is honoured
twice, and none is burnt for an answer that could not be given (DESIGN, The order of a token request).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from creance.provider import InvalidGrant

pytestmark = pytest.mark.default_store("kills at each statement of SQL")

FEWEST_STATEMENTS = 6
"""What is read, BEGIN, what is written, COMMIT."""


class Victims:
    """Workers, one for each request, that are killed in the middle of it. They take the place of a scene's provider."""

    def __init__(self, configuration: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("victim.py")), str(configuration)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.at = 0
        self.was_killed = False

    def token(self, parameters: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """A token request. Nobody hears its answer, if it gets as far as that."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([dict(parameters), self.at]) + "\n")
        self._process.stdin.flush()
        exit_code = int(self._process.stdout.readline())
        assert exit_code in (0, -signal.SIGKILL)
        self.was_killed = exit_code != 0

    def close(self) -> None:
        with self._process as process:
            process.communicate(timeout=30)


@pytest.fixture
def make_victims() -> Iterator[Callable[[Any], Victims]]:
    """Victims on the store of a stage."""
    made: list[Victims] = []

    def make(stage: Any) -> Victims:
        made.append(Victims(stage.configuration))
        return made[-1]

    yield make
    for victims in made:
        victims.close()


def killed(stage: Any, victims: Victims, state: str, request: str) -> Iterator[tuple[Any, int]]:
    """For each statement of a request: a scene in which its worker was killed there."""
    for victims.at in count(1):
        scene = stage.scene(state)
        getattr(scene.at(victims), request)()
        if not victims.was_killed:
            break
        yield scene, victims.at
    assert victims.at > FEWEST_STATEMENTS, "how are statements told now?"


def test_a_code_gives_tokens_once(make_stage: Callable[..., Any], make_victims: Callable[[Any], Victims]) -> None:
    """RFC 6749 4.1.2: killed before the commit it has spent nothing; killed after it, nobody has what it gave, and the
    second use ends that.
    """
    stage = make_stage()
    burnt = 0
    for scene, at in killed(stage, make_victims(stage), "authorized", "exchange"):
        if scene.alive == {"authorization_codes": 1}:
            assert scene.is_active(scene.exchange()["access_token"]), at
            assert scene.alive == {"access_tokens": 1, "refresh_tokens": 1}, at
        else:
            burnt += 1
            with pytest.raises(InvalidGrant):
                scene.exchange()
            assert scene.alive == {}, at
    assert burnt, "it was never killed with the answer in its hand"


@pytest.mark.parametrize(("state", "access_tokens"), [("exchanged", 1), ("refreshed", 2)])
def test_a_refresh_that_is_sent_again_gets_the_one_successor(
    make_stage: Callable[..., Any], make_victims: Callable[[Any], Victims], state: str, access_tokens: int
) -> None:
    """DESIGN, Grants: a client whose answer was lost gets the same successor, within the grace."""
    stage = make_stage()
    for scene, at in killed(stage, make_victims(stage), state, "refresh"):
        before = scene.alive
        assert before["refresh_tokens"] == 1, at
        assert before["access_tokens"] - access_tokens in (0, 1), at
        again = scene.refresh()
        assert scene.is_active(again["access_token"]), at
        assert scene.alive == {"access_tokens": before["access_tokens"] + 1, "refresh_tokens": 1}, at


def test_without_a_grace_it_gets_one_or_ends_the_grant(
    make_stage: Callable[..., Any], make_victims: Callable[[Any], Victims]
) -> None:
    """RFC 9700 4.14.2: a lost answer cannot be told from a thief's."""
    stage = make_stage("refresh_token_grace = 0")
    for scene, at in killed(stage, make_victims(stage), "exchanged", "refresh"):
        if scene.alive == {"access_tokens": 1, "refresh_tokens": 1}:
            assert scene.is_active(scene.refresh()["access_token"]), at
            assert scene.alive == {"access_tokens": 2, "refresh_tokens": 1}, at
        else:
            with pytest.raises(InvalidGrant):
                scene.refresh()
            assert scene.alive == {}, at


def test_a_replay_revokes_all_or_can_be_told_again(
    make_stage: Callable[..., Any], make_victims: Callable[[Any], Victims]
) -> None:
    """RFC 6749 4.1.2: a revocation that was cut short has not removed the evidence."""
    stage = make_stage()
    for scene, at in killed(stage, make_victims(stage), "exchanged", "exchange"):
        assert scene.alive in ({}, {"access_tokens": 1, "refresh_tokens": 1}), at
        with pytest.raises(InvalidGrant):
            scene.exchange()
        assert scene.alive == {}, at
