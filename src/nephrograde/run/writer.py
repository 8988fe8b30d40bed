"""One writer per run folder: a second process is rejected while the first is writing.

The lock is held by the operating system, so it is released when its process ends, however that happens. If several
processes share one fit (torchrun, srun), the first of them holds the lock for all.
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

from nephrograde.errors import RunError
from nephrograde.run.folder import RunFolder
from nephrograde.run.stage import remove_interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""Errors of file systems without locks; there, no process is rejected and nothing is cleaned up."""

_LOCKED_BYTE = 1 << 30
"""The locked byte; on Windows a locked range cannot be read, so it lies far beyond the text."""


@contextmanager
def only_writer(run: RunFolder | str | Path) -> Iterator[RunFolder]:
    """Hold the lock of a run folder for the duration of the block.

    Temporary files of an earlier writer are removed first. The folder is created if it is missing.

    Args:
        run: The run folder.

    Raises:
        RunError: Another process is writing to it; the message gives its id and host.

    >>> import tempfile
    >>> with only_writer(tempfile.mkdtemp()) as run:
    ...     run.writer_path.name
    '.nephrograde.lock'
    """
    run = RunFolder.at(run)
    run.run_dir.mkdir(parents=True, exist_ok=True)
    if _rank() > 0:
        yield run
        return
    if run.writer_path.is_symlink():  # its target would be overwritten
        raise RunError(f"{run.writer_path} is a symbolic link. Remove it, or choose another folder with --out.")
    handle = os.open(run.writer_path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        is_locked = _try_lock(handle)
        if is_locked is False:
            raise _refused(run)
        if is_locked:
            _write_holder(handle)
            if not _is_launched():
                remove_interrupted(run)
        yield run
        if is_locked:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool | None:
    """Lock an open file without waiting; returns success, or None if the file system has no locks."""
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


def _rank() -> int:
    """The rank of this process among those that a launcher started; 0 if it is alone."""
    variable = "RANK" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_PROCID"
    number = os.environ.get(variable, "")
    return int(number) if number.isdecimal() else 0


def _is_launched() -> bool:
    """Whether a launcher started several processes, so that others may be writing temporary files."""
    variable = "WORLD_SIZE" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_NTASKS"
    return os.environ.get(variable, "1") != "1"


def _write_holder(handle: int) -> None:
    holder = {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps(holder).encode())


def _read_holder(run: RunFolder) -> dict[str, object]:
    with suppress(OSError, ValueError):
        holder = json.loads(run.writer_path.read_text(encoding="utf-8"))
        if isinstance(holder, dict):
            return holder
    return {}


def _refused(run: RunFolder) -> RunError:
    holder = _read_holder(run)
    if "pid" not in holder:
        who = "another process"
    else:
        who = f"process {holder['pid']} on {holder.get('host')}, started at {holder.get('since')}"
    return RunError(
        f"{run.run_dir} is being written by {who}. Wait until it has finished, or choose another folder with --out."
    )
