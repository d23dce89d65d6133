"""A backup takes the place of the database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from . import FOREVER, StoreRefused, StoreUnavailable
from .sqlite_connection import Deadline, cause_of, connect, is_busy
from .sqlite_copy import PATIENCE, copy_database
from .sqlite_file import COMPANIONS, free_name, identity_of, sync_folder
from .sqlite_layout import APPLICATION_ID, layout_of, number, tables_of

ISSUED: Final = 'DELETE FROM "<table>" WHERE valid_until < ?'
"""What is issued has an end; what is registered has none."""


def restore_database(path: Path, backup: Path, *, keep_issued: bool) -> Path | None:
    """Put a copy of a backup at the path; answers where what was there is now. Raises StoreUnavailable, StoreRefused.

    Until the last step, which is one renaming, what was there stays there.
    """
    _refuse_what_is_no_backup(backup)
    incoming = path.with_name(f"{path.name}.incoming")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_database(backup, incoming, overwrite=True)
        if not keep_issued:
            _leave_behind_what_was_issued(incoming)
        _give_to_owner_of(path if path.exists() else path.parent, incoming)
        aside = _set_aside(path)
        incoming.replace(path)
        sync_folder(path.parent)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{backup} was not restored: its copy {cause_of(error)}") from error
    except OSError as error:
        raise StoreUnavailable(f"{backup} was not restored: {error.filename}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            incoming.unlink(missing_ok=True)
    return aside


def _refuse_what_is_no_backup(backup: Path) -> None:
    identity_of(backup)
    try:
        with closing(connect(backup, Deadline(PATIENCE))) as connection:
            layout = layout_of(connection, backup)
    except sqlite3.Error as error:
        raise StoreRefused(f"{backup} is no backup: it {cause_of(error)}") from error
    if not layout:
        raise StoreRefused(f"{backup} is no backup: it is empty")


def _leave_behind_what_was_issued(path: Path) -> None:
    with closing(connect(path, Deadline(PATIENCE))) as connection:
        connection.execute("BEGIN")
        for table in tables_of(connection):
            connection.execute(ISSUED.replace("<table>", table), (FOREVER,))
        connection.execute("DELETE FROM leases")
        connection.execute("COMMIT")


def _give_to_owner_of(example: Path, path: Path) -> None:
    """Where root restores for the user that serves."""
    if os.geteuid() == 0:
        status = example.stat()
        os.chown(path, status.st_uid, status.st_gid)


def _set_aside(path: Path) -> Path | None:
    """Give what is there a second name, and take away what SQLite keeps beside it."""
    if path.exists():
        _end_use(path)
    aside = free_name(path, ".before-restore")
    for ending in COMPANIONS:
        companion = path.with_name(f"{path.name}{ending}")
        if companion.exists():
            companion.rename(f"{aside}{ending}")
    if not path.exists():
        return None
    os.link(path, aside)
    return aside


def _end_use(path: Path) -> None:
    """Take the log into the database, which SQLite does only for who is alone with it. Raises StoreUnavailable.

    Where the database is damaged its log stays as it is.
    """
    try:
        with closing(connect(path, Deadline(1.0))) as connection:
            if number(connection, "PRAGMA application_id") not in (0, APPLICATION_ID):
                raise StoreRefused(f"{path} is the database of another program: name another file")
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        if is_busy(error):
            raise StoreUnavailable(f"{path} is in use: stop the provider first") from error
