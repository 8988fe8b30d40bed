"""The temporary folder of a Ray that is started here, and what is left of one whose command was killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.errors import about_temporary_files
from nephrograde.lock import lock_handle

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_DIR = 43
"""Characters of the folder; Ray's sockets lie up to 64 deeper, and systems take 107."""
_PREFIX = "ngray-"
_OWN_NAME = re.compile(_PREFIX + r"[a-z0-9_]{8}")


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
    remove_abandoned(above)
    with about_temporary_files():
        folder, handle = _made(above)
    try:
        (folder / "r").mkdir()
        yield folder / "r"
    finally:
        _end_processes(folder)  # of a Ray that was interrupted while it began or ended
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def remove_abandoned(above: Path) -> None:
    """Remove the folders of commands that were killed, and end the processes of Ray that still write there.

    A folder is left alone if its command is running, which holds a lock of it; if it belongs to another user; and if it
    is a link.

    Args:
        above: The folder that they are in.
    """
    with suppress(OSError):
        for path in sorted(above.iterdir()):
            if _OWN_NAME.fullmatch(path.name) and not path.is_symlink():
                with suppress(OSError):
                    _remove_if_abandoned(path)


def _made(above: Path) -> tuple[Path, int | None]:
    """A new folder, and the handle that holds its lock until this process ends; None where folders have no locks."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
        try:
            handle = _opened(folder)
        except FileNotFoundError:  # another command took it for an abandoned one before it was locked
            continue
        except OSError:
            return folder, None
        is_locked = lock_handle(handle)
        if is_locked is None or (is_locked and folder.is_dir()):
            return folder, handle
        os.close(handle)


def _opened(folder: Path) -> int:
    flags = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.open(folder, os.O_RDONLY | flags)


def _remove_if_abandoned(folder: Path) -> None:
    handle = _opened(folder)
    try:
        if os.fstat(handle).st_uid != os.getuid() or not lock_handle(handle):
            return
        _end_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


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
