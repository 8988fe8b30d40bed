"""One writer for each file or folder: a second process is rejected while the first is writing.

The lock is held by the operating system, so it is released when its process ends, however that happens.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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

_FAIL_AT_ONCE, _EXCLUSIVE = 1, 2
"""LOCKFILE_FAIL_IMMEDIATELY and LOCKFILE_EXCLUSIVE_LOCK of Windows."""

_ASK_EVERY_S = 0.2


def lock_path_of(path: Path) -> Path:
    """Return the path of the hidden file that :func:`only_writer_of` and :func:`in_turn` lock.

    Args:
        path: The file or folder to be written.
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
    handle, is_locked = _open_locked(path)
    if is_locked is False:
        holder = holder_of(lock_path_of(path))
        os.close(handle)
        raise RunError(f"{path} is being written by {holder}. Wait until it has finished.")
    with _held(handle, path):
        yield


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Wait until no other process writes a file or folder, and be the only one that does for the block.

    The lock of a process that is killed is free at once. On a network share, that of a machine that has lost its power
    is free as soon as the server gives it up.

    Args:
        path: The file or folder; it need not exist. The folder that it is in is created if it is missing.

    Raises:
        WriteError: The folder cannot be written to.

    >>> import pathlib, tempfile
    >>> fold_dir = pathlib.Path(tempfile.mkdtemp()) / "fold-0"
    >>> with in_turn(fold_dir):
    ...     [path.name for path in fold_dir.parent.iterdir()]
    ['.fold-0.lock']
    """
    make_folder(path.parent)
    handle, is_locked = _open_locked(path)
    while is_locked is False:
        os.close(handle)
        time.sleep(_ASK_EVERY_S)
        handle, is_locked = _open_locked(path)
    with _held(handle, path):
        yield


@contextmanager
def _held(handle: int, path: Path) -> Iterator[None]:
    """Name the holder in a locked file for the duration of the block; then remove and release it."""
    lock_path = lock_path_of(path)
    try:
        with about_writing(path, temporary_path=lock_path):
            write_holder(handle)
        yield
    finally:
        with suppress(OSError):  # Windows does not remove open files
            lock_path.unlink()
        os.close(handle)


def lock_handle(handle: int) -> bool | None:
    """Lock an open file without waiting; returns success, or None if the file system has no locks.

    Args:
        handle: The file descriptor. The lock is released when it is closed.
    """
    return _locked(handle, is_shared=False)


def share_handle(handle: int) -> bool | None:
    """Lock an open file together with others that do the same, without waiting; results as of :func:`lock_handle`.

    Args:
        handle: The file descriptor. The lock is released when it is closed.
    """
    return _locked(handle, is_shared=True)


def _locked(handle: int, *, is_shared: bool) -> bool | None:
    try:
        if sys.platform == "win32":
            _lock_on_windows(handle, is_shared=is_shared)
        else:
            import fcntl

            fcntl.flock(handle, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _lock_on_windows(handle: int, *, is_shared: bool) -> None:
    """Lock a byte of an open file by LockFileEx, as ``msvcrt`` knows only locks that are not shared.

    Source:
        https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex
    """
    import ctypes
    import msvcrt

    class Overlapped(ctypes.Structure):
        """OVERLAPPED: where the locked byte is."""

        _fields_ = (
            ("internal", ctypes.c_size_t),
            ("internal_high", ctypes.c_size_t),
            ("offset", ctypes.c_uint32),
            ("offset_high", ctypes.c_uint32),
            ("event", ctypes.c_void_p),
        )

    library: Any = ctypes
    lock_file = library.WinDLL("kernel32", use_last_error=True).LockFileEx
    double_word = ctypes.c_uint32
    lock_file.argtypes = (
        ctypes.c_void_p,
        double_word,
        double_word,
        double_word,
        double_word,
        ctypes.POINTER(Overlapped),
    )
    lock_file.restype = ctypes.c_int
    of_system: Any = msvcrt
    flags = _FAIL_AT_ONCE if is_shared else _FAIL_AT_ONCE | _EXCLUSIVE
    where = Overlapped(offset=_LOCKED_BYTE)
    if not lock_file(of_system.get_osfhandle(handle), flags, 0, 1, 0, ctypes.byref(where)):
        raise library.WinError(library.get_last_error())  # one that is held has the number EACCES


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


def _open_locked(path: Path) -> tuple[int, bool | None]:
    """Open the lock of a file and try to take it; opened again if its last holder has removed it in between."""
    lock_path = lock_path_of(path)
    with about_writing(path, temporary_path=lock_path):
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
