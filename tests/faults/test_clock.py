"""The time of day is set while a provider serves: by hand, by a machine that slept, by one that came up with a wrong
clock. Whoever holds something is answered as the clock says, once is once, and afterwards all is as it was.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from creance.provider.testing import RunningProvider

from ..provider_clock import ProviderClock

HOUR = 3600.0


@pytest.fixture
def clock(tmp_path: Path) -> ProviderClock:
    return ProviderClock(tmp_path / "clock")


@pytest.fixture
def scene(tmp_path: Path, clock: ProviderClock, make_scene: Callable[[RunningProvider], Any]) -> Iterator[Any]:
    with RunningProvider(tmp_path / "op", environment=clock.environment) as op:
        scene = make_scene(op)
        yield scene
        clock.set(0)
        scene.check_in_order()
        assert {line["status"] for line in scene.logged() if line["event"] == "request"} <= {200, 303, 400, 401}


def test_what_was_issued_before_is_good_for_longer_and_still_for_once(scene: Any, clock: ProviderClock) -> None:
    """RFC 6749 4.1.2, 10.5: a clock that is set back ends nothing, and makes nothing that was spent good again."""
    spent_code = scene.app.authorize(browser=scene.browser)
    theirs = scene.app.exchange(spent_code)
    rotated = scene.app.refresh(theirs.refresh_token)
    clock.set(-HOUR)
    assert scene.app.userinfo(scene.tokens.access_token).status == 200
    assert scene.app.introspect(scene.tokens.access_token).active
    exchanged = scene.app.exchange(scene.code)
    assert exchanged.status == 200
    assert scene.app.exchange(scene.code).error == "invalid_grant"
    assert scene.app.introspect(exchanged.access_token) == {"active": False}
    assert scene.app.refresh(scene.tokens.refresh_token).status == 200
    assert scene.app.introspect(rotated.access_token).active
    assert scene.app.exchange(spent_code).error == "invalid_grant"
    assert scene.app.introspect(rotated.access_token) == {"active": False}


def test_a_clock_set_back_gives_a_spent_refresh_token_no_more_grace(scene: Any, clock: ProviderClock) -> None:
    """RFC 9700 4.14.2: the grace is seconds, and not as long as the clock was wrong; a copy in other hands is found."""
    rotated = scene.app.refresh(scene.tokens.refresh_token)
    clock.set(-HOUR)
    assert scene.app.refresh(scene.tokens.refresh_token).error == "invalid_grant"
    assert scene.app.introspect(rotated.access_token) == {"active": False}
    assert scene.app.refresh(rotated.refresh_token).error == "invalid_grant"


@pytest.mark.parametrize("ahead", [-HOUR, -24 * HOUR])
def test_people_log_in_by_a_clock_that_was_set_back(scene: Any, clock: ProviderClock, ahead: float) -> None:
    """OpenID Connect Core 2, 3.1.2.1: a session goes on, a login that was begun before ends, and a new one works."""
    begun_before = scene.app.begin(other := scene.op.browser())
    clock.set(ahead)
    assert scene.redirected().code
    assert "code=" in other.log_in(begun_before, "alice").headers["Location"]
    tokens = scene.app.log_in(prompt="login", max_age="60")
    claims = scene.app.verify(tokens.id_token)
    now = clock.time()
    assert abs(claims["iat"] - now) < 60
    assert abs(claims["auth_time"] - now) < 60
    assert scene.app.introspect(tokens.access_token).active
    assert scene.app.refresh(tokens.refresh_token).status == 200


def test_a_client_that_was_registered_by_a_clock_that_was_ahead_is_no_stranger(
    scene: Any, clock: ProviderClock
) -> None:
    """RFC 7591 3.2.1: what it is granted by the right clock is its own, though it seems to be registered later."""
    program = [sys.executable, "-m", "creance.provider.commands", "--config", str(scene.op.configuration)]
    add = [*program, "clients", "add", "worker", "--grant-type", "client_credentials", "--scope", "read"]
    added = tomllib.loads(subprocess.run(add, check=True, capture_output=True, text=True, timeout=60).stdout)
    worker = scene.op.client("worker", secret=added["client_secret"])
    for ahead in (-HOUR, -24 * HOUR, 0):
        clock.set(ahead)
        given = worker.client_credentials()
        assert given.status == 200
        assert worker.introspect(given.access_token).active


def test_what_ended_by_a_clock_set_forward_is_refused_as_expired(scene: Any, clock: ProviderClock) -> None:
    """RFC 6749 5.2, 6750 3.1, 7662 2.2: the usual answers; refresh tokens last, and everybody can log in again."""
    keys = scene.op.get("/jwks").json()
    clock.set(2 * HOUR)
    assert scene.app.exchange(scene.code).error == "invalid_grant"
    assert scene.app.userinfo(scene.tokens.access_token).status == 401
    assert scene.app.introspect(scene.tokens.access_token) == {"active": False}
    assert scene.browser.get("/auth/session").status_code == 401
    refreshed = scene.app.refresh(scene.tokens.refresh_token)
    assert scene.app.userinfo(refreshed.access_token).status == 200
    anew = scene.app.log_in(browser=scene.op.browser())
    assert scene.app.userinfo(anew.access_token).status == 200
    assert scene.op.get("/jwks").json() == keys


def test_what_was_issued_by_a_clock_that_was_ahead_is_good_when_it_is_right(scene: Any, clock: ProviderClock) -> None:
    """RFC 7519 4.1.6: the provider takes what it issued in a future that did not come."""
    clock.set(HOUR)
    browser = scene.op.browser()
    tokens = scene.app.exchange(scene.app.authorize(browser=browser))
    code = scene.app.authorize(browser=browser)
    clock.set(0)
    assert scene.app.userinfo(tokens.access_token).status == 200
    assert browser.get("/auth/session").status_code == 200
    assert scene.app.exchange(code).status == 200
    assert scene.app.refresh(tokens.refresh_token).status == 200


@pytest.mark.long
def test_the_log_says_that_the_clock_was_set(scene: Any, clock: ProviderClock, until: Callable[..., None]) -> None:
    """Issue 4, faults: a line that names the cause, from each worker, by how many seconds."""

    def said(seconds: float) -> list[Any]:
        return [line for line in scene.logged() if line["event"] == "clock_set" and abs(line["seconds"] - seconds) < 5]

    clock.set(-HOUR)
    until(lambda: bool(said(-HOUR)), 60)
    assert said(-HOUR)[0]["hint"] == "what was issued before ends that much later"
    clock.set(0)
    until(lambda: bool(said(HOUR)), 60)
    assert said(HOUR)[0]["level"] == "warning"
