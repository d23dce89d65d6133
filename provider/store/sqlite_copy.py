"""A copy of a database that may be in use: one file, as of one moment, sound and durable once it has its name."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from . import StoreRefused, StoreUnavailable
from .sqlite_connection import Deadline, cause_of, connect
from .sqlite_file import files_of, identity_of, sync_folder

PATIENCE: Final = 10.0
"""Seconds to wait for a lock; where the write-ahead log is on, none is needed."""


def copy_database(source: Path, target: Path, *, overwrite: bool = False) -> None:
    """Write what a database holds now to a file that only its owner can read. Raises StoreUnavailable, StoreRefused.

    Until it is complete the file has another name, with `.partial` at the end.
    """
    identity_of(source)
    partial = target.with_name(f"{target.name}.partial")
    _refuse_itself(source, target, partial)
    _refuse_existing(target, overwrite)
    try:
        with _claimed(partial) as descriptor:
            try:
                _copy(source, partial)
                os.fsync(descriptor)
                _refuse_existing(target, overwrite)
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        sync_folder(target.parent)
    except BlockingIOError:
        raise StoreUnavailable(f"{partial} is being written by another backup") from None
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror}") from error
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{source} was not copied to {target}: it {cause_of(error)}") from error


def _refuse_itself(source: Path, target: Path, partial: Path) -> None:
    if {target.resolve(), partial.resolve()} & {file.resolve() for file in files_of(source)}:
        raise StoreRefused(f"{target} is the database itself: name another file")


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise StoreRefused(f"{target} is there already, and stays as it is")


@contextmanager
def _claimed(path: Path) -> Iterator[int]:
    """An empty file that only we can read, and that nobody else is writing: a new one, or what was left of an attempt
    that was interrupted.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        descriptor = os.open(path, flags)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _refuse_strangers(path, os.fstat(descriptor))
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _refuse_strangers(path: Path, status: os.stat_result) -> None:
    """What lies there must be a file of ours, and still be what the name leads to."""
    if not (stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and os.path.samestat(status, os.stat(path))):
        raise StoreRefused(f"{path} is somebody else's: remove it, or name another file")


def _copy(source: Path, partial: Path) -> None:
    """VACUUM INTO is one read: no writer waits for it, and none makes it begin again, as each of their commits does
    with the online backup. What was deleted stays behind, which a copy of the pages would take along.
    """
    with closing(connect(source, Deadline(PATIENCE))) as connection:
        connection.execute("VACUUM INTO ?", (str(partial),))
    with closing(connect(partial, Deadline(PATIENCE))) as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise StoreRefused(f"{source} is damaged, and so is its copy, which is not kept: see `creance store check`")
