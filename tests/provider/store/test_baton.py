"""The baton: one thread of a process runs at a time, and none of them depends on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from creance.provider.store import baton as module
from creance.provider.store.baton import Baton

from ...polling import eventually


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Baton:
    """One that threads wait for as long as it takes."""
    monkeypatch.setattr(module, "PATIENCE", 20.0)
    return Baton()


def in_another_thread(task: Callable[[], object]) -> Future[object]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(task)


def has_it(baton: Baton) -> bool:
    return baton._has_it()


def held(baton: Baton) -> bool:
    """Whether a thread that comes now gets it."""
    with baton.held():
        return has_it(baton)


def test_two_threads_that_have_it_never_run_together(patient: Baton) -> None:
    inside = most = 0

    def work(_: int) -> None:
        nonlocal inside, most
        for _ in range(50):
            with patient.held():
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert most == 1


def test_who_waits_lets_another_run(patient: Baton) -> None:
    with patient.held():
        with patient.laid_down():
            assert not has_it(patient)
            assert in_another_thread(lambda: held(patient)).result() is True
        assert has_it(patient)


def test_laid_down_for_good_it_is_not_taken_again(patient: Baton) -> None:
    with patient.held():
        patient.lay_down()
        with patient.laid_down():
            assert not has_it(patient)
        assert not has_it(patient)
        assert in_another_thread(lambda: held(patient)).result() is True
    assert held(patient)


def test_who_has_waited_too_long_runs_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that waits for a network without laying it down holds up nobody for long."""
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    baton = Baton()
    with baton.held():
        assert in_another_thread(lambda: held(baton)).result() is False
        assert has_it(baton)
    assert held(baton)


def test_a_thread_without_it_is_held_up_by_nothing(patient: Baton) -> None:
    """Commands and background threads never take it."""
    with patient.laid_down():
        assert not has_it(patient)
    patient.lay_down()
    assert held(patient)


def test_an_error_leaves_it_to_the_next(patient: Baton) -> None:
    with pytest.raises(ValueError, match="inside"), patient.held(), patient.laid_down():
        raise ValueError("inside")
    assert in_another_thread(lambda: held(patient)).result() is True


def test_waiting_ends_when_nobody_runs(patient: Baton) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        with patient.held():
            done.append(number)

    with ThreadPoolExecutor(4) as pool, patient.held():
        waiting = [pool.submit(work, number) for number in range(4)]
        eventually(lambda: patient._wanted == 4)
        assert done == []
        with patient.laid_down():
            patient.wait_until_nobody_runs(20)
            assert sorted(done) == [0, 1, 2, 3]
    assert [each.exception(20) for each in waiting] == [None] * 4


def test_waiting_has_an_end(patient: Baton) -> None:
    """Requests that go on and on do not keep a commit from being made."""
    go_on = threading.Event()

    def work() -> None:
        with patient.held():
            go_on.wait(20)

    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(work)
        eventually(patient._lock.locked)
        patient.wait_until_nobody_runs(0.01)
        assert not go_on.is_set()
        assert not patient._resting
        go_on.set()
        assert busy.exception(20) is None


def test_where_nobody_runs_there_is_no_wait(patient: Baton) -> None:
    """A lone request, and a command."""
    patient.wait_until_nobody_runs(float("inf"))
    assert not patient._resting
