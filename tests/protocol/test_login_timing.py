"""Whether the time of a login tells who has an account: CWE-208. By statistics, in the long rounds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from creance.provider.testing import RunningProvider
from creance.provider.testing.relying_party import forms_of

EXTRA = """
[[users]]
username = "without-password"

[[users]]
username = "disabled"
password = "builder"
disabled = true
"""
PAIRS = 400
DEVIATION = 3.5
"""Standard deviations of a fair coin: beyond them one of two kinds of names is told from the other."""


@pytest.fixture(scope="module")
def timed_op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(tmp_path_factory.mktemp("timing"), extra=EXTRA) as running:
        yield running


@pytest.mark.long
@pytest.mark.parametrize("name", ["alice", "alice@example.org", "without-password", "disabled"])
def test_a_wrong_password_takes_as_long_whoever_is_named(timed_op: RunningProvider, name: str) -> None:
    """CWE-208: pairs of logins, one of each kind and in turns the first; neither kind is the slower one more
    often than a coin would have it.
    """
    browser = timed_op.browser()
    page = timed_op.client("app").begin(browser)
    action, fields = forms_of(page.text)[0]

    def seconds(username: str) -> float:
        begun = time.perf_counter()
        answer = browser.post(action, {**fields, "username": username, "password": "wrong"})
        assert answer.status_code == 200
        return time.perf_counter() - begun

    for _ in range(10):
        seconds(name)
    slower = 0
    for turn in range(PAIRS):
        first, second = (name, f"nobody{turn}") if turn % 2 else (f"nobody{turn}", name)
        times = {first: seconds(first)}
        times[second] = seconds(second)
        slower += times[name] > times[f"nobody{turn}"]
    assert abs(slower - PAIRS / 2) < DEVIATION * (PAIRS / 4) ** 0.5, f"slower in {slower} of {PAIRS}"
