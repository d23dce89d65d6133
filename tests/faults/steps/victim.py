"""Workers that are killed in the middle of a token request: `victim.py CONFIGURATION`.

For each line of standard input, a form and a number, a child of this process serves the request, and is killed where it
begins that statement of SQL, or where it has an answer that nobody hears. This process opens no database itself, so
that each child is as one after a restart.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import traceback
from pathlib import Path
from typing import Any

from creance.provider import InvalidGrant, OpenIDProvider, Parameters
from creance.provider.headers import any_case

connect = sqlite3.connect


def serve(configuration: Path, form: dict[str, str], at: int) -> None:
    """Die at a step of this request, if it has so many. The start is none of it."""
    left: int | None = None

    def step(_: str) -> None:
        nonlocal left
        left = left - 1 if left is not None else None
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect_and_tell(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **named)
        connection.set_trace_callback(step)
        return connection

    sqlite3.connect = connect_and_tell
    provider = OpenIDProvider.from_config(configuration)
    provider.start()
    left = at
    provider.token(Parameters(form), any_case({}))
    step("the answer")


def exit_code_of(configuration: Path, form: dict[str, str], at: int) -> int:
    """Of a child that was not killed: whether its request was answered as it should be."""
    try:
        serve(configuration, form, at)
    except InvalidGrant:
        return 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main(configuration: str) -> None:
    """Tells the exit code of each child."""
    for line in sys.stdin:
        form, at = json.loads(line)
        child = os.fork()
        if not child:
            os._exit(exit_code_of(Path(configuration), form, at))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
