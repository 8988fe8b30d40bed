"""One writer for each file or folder: a second process is rejected while the first is writing.

The lock is held by the operating system, so it is released when its process ends, however that happens.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nephrograde.errors import RunError, about_writing
from nephrograde.replacement import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""Errors of file systems without locks; there, no process is rejected."""

_LOCKED_BYTE = 1 << 30
"""The locked byte; on Windows a locked range cannot be read, so it lies far beyond the text."""


def lock_path_of(path: Path) -> Path:
    """Return the path of the hidden file that :func:`only_writer_of` locks.

    Args:
        path: The file to be written.
    """
    return path.with_name(f".{path.name}.lock")


@contextmanager
def only_writer_of(path: Path, *, is_private: bool = False) -> Iterator[None]:
    """Be the only process that reads and writes a file, such as a key, for the duration of the block.

    Args:
        path: The file; it need not exist. Its folder is created if it is missing.
        is_private: Whether only the owner may open the folders that are created.

    Raises:
        RunError: Another process is writing it; the message gives its id and host.
        WriteError: The folder cannot be written to.

    >>> import pathlib, tempfile
    >>> key_path = pathlib.Path(tempfile.mkdtemp()) / "key.csv"
    >>> with only_writer_of(key_path):
    ...     [path.name for path in key_path.parent.iterdir()]
    ['.key.csv.lock']
    >>> list(key_path.parent.iterdir())
    []
    """
    make_folder(path.parent, is_private=is_private)
    lock_path = lock_path_of(path)
    with about_writing(path, temporary_path=lock_path):
        handle, is_locked = _open_locked(lock_path)
    try:
        if is_locked is False:
            raise RunError(f"{path} is being written by {holder_of(lock_path)}. Wait until it has finished.")
        with about_writing(path, temporary_path=lock_path):
            write_holder(handle)
        yield
    finally:
        if is_locked is not False:
            with suppress(OSError):  # Windows does not remove open files
                lock_path.unlink()
        os.close(handle)


def lock_handle(handle: int) -> bool | None:
    """Lock an open file without waiting; returns success, or None if the file system has no locks.

    Args:
        handle: The file descriptor. The lock is released when it is closed.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def write_holder(handle: int) -> None:
    """Write into a locked file which process holds it.

    Args:
        handle: The file descriptor.
    """
    holder = {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps(holder).encode())


def holder_of(lock_path: Path) -> str:
    """Say which process holds a locked file.

    Args:
        lock_path: The file.
    """
    with suppress(OSError, ValueError):
        holder = json.loads(lock_path.read_text(encoding="utf-8"))
        if isinstance(holder, dict) and "pid" in holder:
            return f"process {holder['pid']} on {holder.get('host')}, started at {holder.get('since')}"
    return "another process"


def _open_locked(lock_path: Path) -> tuple[int, bool | None]:
    """Open a file and try to lock it; opened again if its last holder has removed it in between."""
    while True:
        handle = os.open(lock_path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        is_locked = lock_handle(handle)
        if not is_locked or _has_name(handle, lock_path):
            return handle, is_locked
        os.close(handle)


def _has_name(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
