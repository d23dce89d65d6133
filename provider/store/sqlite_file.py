"""The file of a SQLite store: what its URI means, where it may live, and which file it is."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

from . import StoreRefused, StoreUnavailable

Identity = tuple[int, int]
"""Device and inode: two files at one path, one after the other, differ in it."""

COMPANIONS: Final = ("-wal", "-shm", "-journal")
"""What follows the name of a database in those of the files beside it. They must never lie beside another database."""

MOUNT_TABLE = Path("/proc/self/mountinfo")
"""Where Linux lists what is mounted. Where there is none, no file system is known to be a network's."""

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"ocfs2", "orangefs", "smb2", "smb3", "smbfs", "fuse.ceph", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone"}
    | {"fuse.s3fs", "fuse.sshfs"}
)

_creating = threading.Lock()


def path_of(uri: str, folder: Path) -> Path:
    """The path in `sqlite:var/x.db` (relative to `folder`) or `sqlite:/abs/x.db`. Raises ValueError for all else."""
    scheme, colon, path = uri.partition(":")
    if scheme.lower() != "sqlite" or not colon:
        raise ValueError(f"not a URI of SQLite: {uri!r}; write sqlite:var/x.db or sqlite:/folder/x.db")
    if path.startswith("//"):
        raise ValueError(f"SQLite has no host: write sqlite:{'/' + path.lstrip('/')} instead of {uri}")
    if path.startswith(":memory:"):
        raise ValueError("a store in memory forgets everything at the end: name a file, as in sqlite:var/x.db")
    if not path or path.endswith("/"):
        raise ValueError(f"{uri} names no file: write sqlite:var/x.db or sqlite:/folder/x.db")
    if any(character in path for character in "?#\0"):
        raise ValueError("a URI of SQLite holds a path and nothing more: it takes no parameters, '?', '#' or NUL")
    return Path(os.path.abspath(folder / path))


def files_of(path: Path) -> list[Path]:
    """A database, and what SQLite keeps beside it while it is in use."""
    return [path, *(path.with_name(f"{path.name}{ending}") for ending in COMPANIONS)]


def create(path: Path) -> None:
    """Make the folder (0700) and an empty file (0600) where they are missing, durably. What is there stays as it is.

    The file is never opened once it exists: closing a file, any of its descriptors, drops the locks that SQLite holds
    on it in the same process. The lock spans from making it to closing it for the same reason.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _creating:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        sync_folder(path.parent)
    except FileExistsError:
        if not path.is_file():
            raise StoreRefused(f"{path} cannot be a database: it, or its folder, is not what it must be") from None
    except OSError as error:
        raise StoreUnavailable(f"cannot make the database {path}: {error.strerror}") from error


def refuse_unwritable(path: Path) -> None:
    """SQLite would find out too, and leave files beside it that cannot be written either. Raises StoreUnavailable."""
    if os.access(path, os.R_OK) and not os.access(path, os.W_OK):
        raise StoreUnavailable(f"the database {path} may not be written by this user, or its disk is read-only")


def sync_folder(folder: Path) -> None:
    """Make the name of a new file survive a power cut; its content is another's concern."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def identity_of(path: Path) -> Identity:
    """Which file is at the path now. Raises StoreUnavailable where there is none."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise StoreUnavailable(f"the database {path} cannot be reached: {error.strerror}") from error
    return status.st_dev, status.st_ino


def replaced(path: Path) -> str:
    """What to tell the operator when another file is at the path than before."""
    return f"the database {path} was replaced while in use: stop, remove its -wal and -shm files, and start again"


def free_name(path: Path, ending: str) -> Path:
    """The path with an ending, and with a number behind it where that is taken: nothing that was kept is lost."""
    name, number = path.with_name(f"{path.name}{ending}"), 1
    while os.path.lexists(name):
        number += 1
        name = path.with_name(f"{path.name}{ending}-{number}")
    return name


def refuse_network_file_system(path: Path) -> None:
    """SQLite's write-ahead log needs memory that all its users share, and locks that work: no network has them."""
    kind = file_system_of(path)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreRefused(
            f"{path} is on a network file system ({kind}), where SQLite loses data: use a local disk, or MongoDB"
        )


def file_system_of(path: Path) -> str:
    """The type of the file system that holds a path, which need not exist yet; empty where it is not known."""
    place = Path(os.path.realpath(path))
    best = kind = ""
    for mount, mounted in _mounts():
        if place.is_relative_to(mount) and len(mount) >= len(best):  # of two mounts at one place, the later hides
            best, kind = mount, mounted
    return kind


def _mounts() -> list[tuple[str, str]]:
    """Mount points with the types of their file systems, in the order in which they were mounted (proc(5))."""
    try:
        lines = os.fsdecode(MOUNT_TABLE.read_bytes()).splitlines()
    except OSError:
        return []
    mounts = []
    for line in lines:
        before, _, after = line.partition(" - ")
        if len(before.split()) > 4 and after:
            mounts.append((_unescaped(before.split()[4]), after.split()[0]))
    return mounts


def _unescaped(mount: str) -> str:
    """The kernel writes spaces, tabs, newlines and backslashes as octal numbers."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        mount = mount.replace(escape, character)
    return mount
