"""Whether somebody sets the time of day."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from creance.provider import clock_watch, housekeeping
from creance.provider.clock_watch import ClockWatch
from creance.provider.housekeeping import Housekeeping
from creance.provider.request_log import configure_logging
from creance.provider.settings import LogSettings


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 5.0, -5.0])
def test_a_clock_that_is_set_is_noticed_once(clock: Any, seconds: float) -> None:
    watch = ClockWatch()
    assert watch.moved() == 0
    clock.advance(seconds)
    assert watch.moved() == pytest.approx(seconds, abs=1)
    assert watch.moved() == 0


def test_a_clock_that_is_kept_right_is_not_one_that_is_set(clock: Any) -> None:
    """TOLERANCE: a correction by less than that, however often."""
    watch = ClockWatch()
    for _ in range(10):
        clock.advance(clock_watch.TOLERANCE / 4)
        assert watch.moved() == 0


@pytest.mark.parametrize(
    ("seconds", "hint"),
    [
        (-600, "what was issued before ends that much later"),
        (600, "what was issued before ends that much earlier, and what has ended is removed"),
    ],
)
def test_housekeeping_says_so_in_the_log(
    clock: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], seconds: int, hint: str
) -> None:
    """Issue 4, faults: a line that names the cause."""
    monkeypatch.setattr(housekeeping, "INTERVAL", 0.001)
    looked, go_on = threading.Semaphore(0), threading.Semaphore(0)

    class Store:
        def claim(self, *_: Any) -> bool:
            looked.release()
            assert go_on.acquire(timeout=30)
            return False

    configure_logging(LogSettings(format="json"))
    keeping = Housekeeping(Store())  # type: ignore[arg-type]
    keeping.start()
    assert looked.acquire(timeout=30)
    clock.advance(seconds)
    for _ in range(3):  # each begins after the clock was set, and only the first may say so
        go_on.release()
        assert looked.acquire(timeout=30)
    go_on.release()
    keeping.stop()
    (line,) = map(json.loads, capfd.readouterr().out.splitlines())
    assert (line["event"], line["seconds"], line["hint"], line["level"]) == ("clock_set", seconds, hint, "warning")
