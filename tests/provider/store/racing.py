"""A race among processes, for stores that a URI names: the text of each process's program."""

from __future__ import annotations

from creance.provider.store import Collection, Store

from ...conftest import RunInProcesses

CODES = 50
_TOKENS = Collection("tokens", indexes=("user",))

_RACE = """
import os, sys, time
from pathlib import Path
from creance.provider.store import AlreadyRedeemed, Collection, ensure, insert, make_store, redeem

uri, count, *folders = arguments
sys.path[:0] = folders
TOKENS = Collection("tokens", indexes=("user",))
ready()
store, won = make_store(uri, folder=Path(), timeout=20), []
store.open([TOKENS])
for number in range(int(count)):
    code, token = f"code{number}", f"token{number}.{os.getpid()}"
    store.write([ensure(TOKENS, code, {}, time.time() + 60)])
    try:
        store.write([insert(TOKENS, token, {"user": code}), redeem(TOKENS, code, time.time() + 60)])
    except AlreadyRedeemed:
        continue
    won.append(code)
tell(" ".join(won))
"""


def check_that_one_redeems(uri: str, store: Store, run_in_processes: RunInProcesses, *folders: str) -> None:
    """Four processes open the store at once, and each tries to redeem every code: one does, and what the others had
    inserted is gone. `store`: the same place; `folders`: where Python finds its backend.
    """
    won = " ".join(run_in_processes(_RACE, uri, str(CODES), *folders, count=4)).split()
    codes = [f"code{number}" for number in range(CODES)]
    assert sorted(won) == sorted(codes)
    store.open([_TOKENS])
    assert all(len(store.find(_TOKENS, "user", code)) == 1 for code in codes)
