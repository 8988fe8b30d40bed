"""Temporary folders that only their owner may open, and that the next process removes if this one is killed.

A folder holds a locked file as long as its process lives; the system frees the lock however the process ends.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.lock import lock_handle

if TYPE_CHECKING:
    from collections.abc import Callable

_LOCK = "lock"
_BY_CHANCE = r"[a-z0-9_]{8}"
"""What ``tempfile`` puts after a prefix."""


class PrivateFolder:
    """A new folder, removed with everything in it by :meth:`PrivateFolder.close`.

    Attributes:
        path: The folder, with the locked file ``lock`` in it.

    >>> folder = PrivateFolder("example-", Path(tempfile.gettempdir()))
    >>> folder.path.name[:8], folder.path.stat().st_mode & 0o077
    ('example-', 0)
    >>> folder.close()
    >>> folder.path.exists()
    False
    """

    def __init__(self, prefix: str, above: Path) -> None:
        """Make the folder.

        Args:
            prefix: What its name begins with, by which :func:`remove_abandoned` finds it.
            above: The folder in which it is made.

        Raises:
            OSError: The folder cannot be made.
        """
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
            try:
                self._handle = _opened(self.path)
            except FileNotFoundError:  # another process took it for an abandoned one before it was locked
                continue
            if lock_handle(self._handle) is not False and (self.path / _LOCK).exists():
                return
            os.close(self._handle)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            os.close(self._handle)
        shutil.rmtree(self.path, ignore_errors=True)  # Windows does not remove open files


def remove_abandoned(prefix: str, above: Path, *, before: Callable[[Path], None] = lambda _: None) -> None:
    """Remove the folders of processes that were killed.

    A folder is left alone if its process lives; if it belongs to another user; and if it is a link. Where the file
    system has no locks, all of them are.

    Args:
        prefix: As of :class:`PrivateFolder`.
        above: The folder that they are in.
        before: Called with each before it is removed.
    """
    own_name = re.compile(re.escape(prefix) + _BY_CHANCE)
    with suppress(OSError):
        for folder in sorted(above.iterdir()):
            if own_name.fullmatch(folder.name) and not folder.is_symlink():
                with suppress(OSError):
                    _remove_if_abandoned(folder, before)


def _remove_if_abandoned(folder: Path, before: Callable[[Path], None]) -> None:
    if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
        return
    handle = _opened(folder)
    try:
        is_free = lock_handle(handle) is True
        if is_free:
            before(folder)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
    if is_free:
        shutil.rmtree(folder, ignore_errors=True)  # Windows does not remove open files


def _opened(folder: Path) -> int:
    return os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
