"""The temporary folder of a Ray that is started here, and what is left of one whose command was killed."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.errors import about_temporary_files
from nephrograde.private_folder import PrivateFolder, remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_DIR = 43
"""Characters of the folder; Ray's sockets lie up to 64 deeper, and systems take 107."""
_PREFIX = "ngray-"


@contextmanager
def folder_of_ray() -> Iterator[Path]:
    """A folder for Ray, removed after the block; first, what killed commands of the same user have left is removed.

    Ray lets everybody write to its folder, so that it lies in one that only the owner may open. The name is short
    enough for Ray's sockets.

    >>> with folder_of_ray() as folder:
    ...     folder.parent.name[:6], folder.parent.stat().st_mode & 0o077
    ('ngray-', 0)
    >>> folder.parent.exists()
    False
    """
    usual = Path(tempfile.gettempdir())
    needed = len(f"/{_PREFIX}12345678/r")
    above = usual if len(str(usual)) + needed <= _LONGEST_DIR else Path("/tmp")  # noqa: S108 (a folder of its own inside)
    remove_abandoned(_PREFIX, above, before=_end_processes)  # of Ray that still write there
    with about_temporary_files():
        private = PrivateFolder(_PREFIX, above)
    try:
        (private.path / "r").mkdir()
        yield private.path / "r"
    finally:
        _end_processes(private.path)  # of a Ray that was interrupted while it began or ended
        private.close()


def _end_processes(folder: Path) -> None:
    """End the processes of Ray that have a file in the folder open; without ``/proc``, they end by themselves."""
    others = (process for process in Path("/proc").glob("[0-9]*") if process.name != str(os.getpid()))
    for process in others:
        with suppress(OSError, AttributeError):  # of another user, or gone; not on Linux
            handle = os.pidfd_open(int(process.name))  # names this process, also if its number is given to another
            try:
                if _is_of_ray(process) and _writes_in(process, folder):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def _is_of_ray(process: Path) -> bool:
    command = (process / "cmdline").read_bytes()
    return command.startswith(b"ray::") or b"/site-packages/ray/" in command


def _writes_in(process: Path, folder: Path) -> bool:
    start = f"{folder.resolve()}{os.sep}"
    return any(str(handle.readlink()).startswith(start) for handle in (process / "fd").iterdir())
