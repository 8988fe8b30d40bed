"""The private folder in which one server keeps what is uploaded: made at its start, limited, and removed at its end."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.lock import lock_handle
from nephrograde.web.grading.refusal import RETRY_S, Refusal, no_room

if TYPE_CHECKING:
    from nephrograde.web.grading.limits import Limits

PREFIX = "nephrograde-serve-"
_LOCK = "lock"
_YOUNG_S = 60.0
"""A folder that was made a moment ago may not be locked yet."""


class Room:
    """A folder that only its owner may open, with an account of the bytes in it.

    A folder that a killed server has left behind is removed when the next one starts: its lock is free then.

    Args:
        limits: How many bytes it may hold.
        base_dir: Where the folder is made; the system's folder of temporary files when None.
    """

    def __init__(self, limits: Limits, base_dir: Path | None = None) -> None:
        base = Path(tempfile.gettempdir()) if base_dir is None else base_dir
        remove_leftovers(base)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        self._handle = os.open(self.folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        lock_handle(self._handle)
        self._limits = limits
        self._held: Counter[str] = Counter()
        self._turn = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Of all users."""
        with self._turn:
            return self._held.total()

    def new_folder(self) -> Path:
        """Make a folder with a name that nobody can guess."""
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return folder

    def reserve(self, owner: str, n_bytes: int) -> None:
        """Set bytes aside for a user.

        Args:
            owner: The user.
            n_bytes: How many.

        Raises:
            Refusal: With code "user-full" (429) or "full" (503) if there is no room for them.
        """
        with self._turn:
            if self._held[owner] + n_bytes > self._limits.user_bytes:
                what = "Your scans take all the room of one user. Remove one of them, or wait until it expires."
                raise Refusal("user-full", what, 429, retry_s=RETRY_S)
            if self._held.total() + n_bytes > self._limits.disk_bytes:
                raise no_room()
            self._held[owner] += n_bytes

    def grant(self, owner: str, held: int, most: int) -> int:
        """Enlarge what was set aside as far as there is room.

        Args:
            owner: The user.
            held: What is set aside already.
            most: What is wanted in all.

        Returns:
            What is set aside now, from ``held`` to ``most``.
        """
        with self._turn:
            own, whole = self._limits.user_bytes - self._held[owner], self._limits.disk_bytes - self._held.total()
            more = max(0, min(most - held, own, whole))
            self._held[owner] += more
            return held + more

    def release(self, owner: str, n_bytes: int) -> None:
        """Give bytes back.

        Args:
            owner: The user.
            n_bytes: How many.
        """
        with self._turn:
            self._held[owner] -= n_bytes
            if not self._held[owner]:
                del self._held[owner]

    def close(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            os.close(self._handle)
        shutil.rmtree(self.folder, ignore_errors=True)  # Windows does not remove open files


def remove(folder: Path) -> None:
    """Remove a folder of a room; what cannot be removed goes with the room.

    Args:
        folder: The folder.
    """
    shutil.rmtree(folder, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Return the size of the files in a folder and below it, in bytes.

    Args:
        folder: The folder.
    """
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(Path(parent) / name).st_size
    return total


def remove_leftovers(base_dir: Path) -> None:
    """Remove the folders of servers that were killed: ours by their name and owner, and locked by no process.

    Args:
        base_dir: Where they lie.
    """
    for folder in base_dir.glob(f"{PREFIX}*"):
        with suppress(OSError):
            status = folder.lstat()
            is_ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            if folder.is_symlink() or not is_ours or time.time() - status.st_mtime < _YOUNG_S:
                continue
            handle = os.open(folder / _LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                is_free = lock_handle(handle) is True
            finally:
                os.close(handle)
            if is_free:
                shutil.rmtree(folder, ignore_errors=True)
