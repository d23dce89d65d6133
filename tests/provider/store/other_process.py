"""Another process on the same database, for tests: `other_process.py ROLE PATH`. It is told to go on by a line."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from itertools import count
from pathlib import Path

from creance.provider.store import AlreadyRedeemed, Collection, StoreError, StoreUnavailable, ensure, insert, redeem
from creance.provider.store.sqlite import SQLiteStore

TOKENS = Collection("tokens", indexes=("user",))
CODES = 25
NOBODY = 65534


def say(*words: object) -> None:
    """One line in one piece, whatever thread it is from."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def race(store: SQLiteStore) -> None:
    """Open at the same moment as others do, then redeem each code that they try to redeem, too."""
    say("ready")
    sys.stdin.readline()
    store.open([TOKENS])
    for number in range(CODES):
        code = f"code{number}"
        store.write([ensure(TOKENS, code, {"user": "alice"}, time.time() + 60)])
        try:
            store.write(
                [insert(TOKENS, f"{code}.{os.getpid()}", {"user": code}), redeem(TOKENS, code, time.time() + 60)]
            )
        except AlreadyRedeemed:
            say("lost", code)
        else:
            say("won", code)


def write(store: SQLiteStore) -> None:
    """Write pairs of documents in four threads until killed, telling the number of each pair that is acknowledged."""
    store.open([TOKENS])
    numbers = count()

    def work() -> None:
        while True:
            number = f"{os.getpid()}.{next(numbers)}"
            pair = {"user": number, "filling": "x" * 500}
            store.write([insert(TOKENS, f"a{number}", pair), insert(TOKENS, f"b{number}", pair)])
            say(number)

    for _ in range(4):
        threading.Thread(target=work).start()


def fill(store: SQLiteStore) -> None:
    """Write until the file may not grow any more; then again when it may."""
    store.open([TOKENS])
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    written = 0
    try:
        for _ in range(1000):
            store.write([insert(TOKENS, str(written), {"user": "alice", "filling": "x" * 5000})])
            written += 1
    except StoreUnavailable as error:
        say(error)
    assert all(store.get(TOKENS, str(number)) is not None for number in range(written))
    assert store.get(TOKENS, str(written)) is None
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.write([insert(TOKENS, str(written), {"user": "alice"})])
    say(len(store.find(TOKENS, "user", "alice")), written + 1)


def unprivileged(store: SQLiteStore) -> None:
    """Open and write as a user who is not root: root may write anywhere."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        store.open([TOKENS])
        store.write([insert(TOKENS, "k", {})])
    except StoreError as error:
        say(type(error).__name__, error)
    else:
        say("written")


if __name__ == "__main__":
    roles = {"race": race, "write": write, "fill": fill, "unprivileged": unprivileged}
    store = SQLiteStore(Path(sys.argv[2]), timeout=20)
    roles[sys.argv[1]](store)
    if sys.argv[1] != "write":
        store.close()
