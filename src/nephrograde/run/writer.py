"""One writer per run folder: a second process is rejected while the first is writing.

Processes that each do one unit of a run, such as a fit, write side by side: each to files of its own, under a lock of
its own, and none of them while another process writes to the folder as a whole.

The lock is held by the operating system, so it is released when its process ends, however that happens. If several
processes share one fit (torchrun, srun), the first of them holds the lock for all.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nephrograde.errors import RunError, about_writing
from nephrograde.lock import holder_of, lock_handle, share_handle, write_holder
from nephrograde.replacement import make_folder
from nephrograde.run.folder import RunFolder
from nephrograde.run.stage import remove_interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def only_writer(run: RunFolder | str | Path) -> Iterator[RunFolder]:
    """Hold the lock of a run folder for the duration of the block.

    Temporary files of an earlier writer are removed first. The folder is created if it is missing.

    Args:
        run: The run folder.

    Raises:
        RunError: Another process is writing to it; the message gives its id and host.
        WriteError: It cannot be written to.

    >>> import tempfile
    >>> with only_writer(tempfile.mkdtemp()) as run:
    ...     run.writer_path.name
    '.nephrograde.lock'
    """
    run = RunFolder.at(run)
    make_folder(run.run_dir)
    if not is_first():
        yield run
        return
    handle = _open(run)
    try:
        is_locked = lock_handle(handle)
        if is_locked is False:
            raise RunError(
                f"{run.run_dir} is being written by {holder_of(run.writer_path)}. Wait until it has finished, or "
                "choose another folder with --out."
            )
        if is_locked:
            with about_writing(run.writer_path):
                write_holder(handle)
                if not is_launched():
                    remove_interrupted(run)
        yield run
        if is_locked:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


@contextmanager
def beside_others(run: RunFolder | str | Path) -> Iterator[RunFolder]:
    """Write to a run folder beside other processes that do the same, for the duration of the block.

    What is written needs a lock of its own (:func:`nephrograde.lock.in_turn`). The block ends before the folder can be
    written as a whole, as by :func:`only_writer`, which is refused until then.

    Args:
        run: The run folder, which exists.

    Raises:
        RunError: It does not exist, or another process is writing to it as a whole; the message gives its id and host.
        WriteError: It cannot be written to.
    """
    run = RunFolder.at(run)
    if not is_first():
        yield run
        return
    if not run.run_dir.is_dir():
        raise RunError(f"{run.run_dir} is not prepared. Run `nephrograde prepare` on the study first.")
    handle = _open(run)
    try:
        if share_handle(handle) is False:
            holder = holder_of(run.writer_path)
            raise RunError(f"{run.run_dir} is being written by {holder}. Wait until it has finished.")
        os.ftruncate(handle, 0)  # what a killed process has left
        yield run
    finally:
        os.close(handle)


def _open(run: RunFolder) -> int:
    """Open the file that is locked."""
    if run.writer_path.is_symlink():  # its target would be overwritten
        raise RunError(f"{run.writer_path} is a symbolic link. Remove it, or choose another folder with --out.")
    with about_writing(run.run_dir):
        return os.open(run.writer_path, os.O_RDWR | os.O_CREAT, 0o666)


def is_launched() -> bool:
    """Whether a launcher started several processes, so that others may be writing temporary files."""
    variable = "WORLD_SIZE" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_NTASKS"
    return os.environ.get(variable, "1") != "1"


def is_first() -> bool:
    """Whether this process is alone, or the first of those that a launcher started, which holds the locks for all."""
    variable = "RANK" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_PROCID"
    number = os.environ.get(variable, "")
    return not number.isdecimal() or int(number) == 0
