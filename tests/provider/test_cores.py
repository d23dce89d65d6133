"""Workers that keep to a core: each to one of its own, but for what is long and does not need Python."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from creance.provider.cores import _free_core, everywhere
from creance.provider.testing import RunningProvider

RunInProcesses = Callable[..., list[str]]

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not tell cores apart")

KEEP = """
import json, os
from creance.provider.cores import everywhere, keep_to_one
before = os.sched_getaffinity(0)
keep_to_one()
one = os.sched_getaffinity(0)
with everywhere():
    inside = os.sched_getaffinity(0)
ready()
tell(json.dumps([sorted(before), sorted(one), sorted(inside), sorted(os.sched_getaffinity(0))]))
"""


def test_a_process_keeps_to_one_core_and_leaves_it_for_long_work(run_in_processes: RunInProcesses) -> None:
    [told] = run_in_processes(KEEP, count=1)
    before, one, inside, after = json.loads(told)
    assert len(one) == 1
    assert set(one) <= set(before)
    assert inside == before
    assert after == one


def test_siblings_share_the_cores_out(run_in_processes: RunInProcesses) -> None:
    cores = len(os.sched_getaffinity(0))
    kept = [json.loads(told)[1][0] for told in run_in_processes(KEEP, count=2)]
    assert len(set(kept)) == min(2, cores)


def test_where_none_is_kept_to_nothing_is_changed() -> None:
    before = os.sched_getaffinity(0)
    with everywhere():
        assert os.sched_getaffinity(0) == before


def test_a_core_that_nobody_uses_is_taken_first() -> None:
    """Of processes that do not keep to a core nothing is known; one that has ended is nobody."""
    assert _free_core([3, 5], []) == 3
    assert _free_core([3, 5], [os.getpid()]) == 3
    assert _free_core([3, 5], [1, os.getpid()]) == 5


def affinities(process: int) -> list[set[int]]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()
    return [os.sched_getaffinity(int(child)) for child in children]


def test_workers_keep_to_cores_of_their_own_where_they_are_told_to(tmp_path: Path) -> None:
    """http.one_core: a setting, off by default."""
    environment = {"CREANCE_HTTP__ONE_CORE": "true", "CREANCE_HTTP__WORKERS": "2"}
    cores = os.sched_getaffinity(0)
    with RunningProvider(tmp_path / "one", environment=environment) as op:
        assert op.process is not None
        kept = affinities(op.process.pid)
        app = op.client("app")
        assert app.exchange(app.authorize()).access_token
    assert [len(each) for each in kept] == [1, 1]
    assert len(set().union(*kept)) == min(2, len(cores))
    with RunningProvider(tmp_path / "any") as op:
        assert op.process is not None
        assert affinities(op.process.pid) == [cores]
