"""One writer per run folder: a second process is rejected while the first is writing.

The lock is held by the operating system, so it is released when its process ends, however that happens. If several
processes share one fit (torchrun, srun), the first of them holds the lock for all.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nephrograde.errors import RunError, about_writing
from nephrograde.lock import holder_of, lock_handle, write_holder
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
    if _rank() > 0:
        yield run
        return
    if run.writer_path.is_symlink():  # its target would be overwritten
        raise RunError(f"{run.writer_path} is a symbolic link. Remove it, or choose another folder with --out.")
    with about_writing(run.run_dir):
        handle = os.open(run.writer_path, os.O_RDWR | os.O_CREAT, 0o666)
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


def is_launched() -> bool:
    """Whether a launcher started several processes, so that others may be writing temporary files."""
    variable = "WORLD_SIZE" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_NTASKS"
    return os.environ.get(variable, "1") != "1"


def _rank() -> int:
    """The rank of this process among those that a launcher started; 0 if it is alone."""
    variable = "RANK" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_PROCID"
    number = os.environ.get(variable, "")
    return int(number) if number.isdecimal() else 0
