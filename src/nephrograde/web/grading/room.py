"""The private folder in which one server keeps what is uploaded: made at its start, limited, and removed at its end."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.private_folder import PrivateFolder, remove_abandoned
from nephrograde.web.grading.refusal import RETRY_S, Refusal, no_room

if TYPE_CHECKING:
    from nephrograde.web.grading.limits import Limits

PREFIX = "nephrograde-serve-"


class Room:
    """A folder that only its owner may open, with an account of the bytes in it.

    A folder that a killed server has left behind is removed when the next one starts: its lock is free then.

    Args:
        limits: How many bytes it may hold.
        base_dir: Where the folder is made; the system's folder of temporary files when None.
    """

    def __init__(self, limits: Limits, base_dir: Path | None = None) -> None:
        base = Path(tempfile.gettempdir()) if base_dir is None else base_dir
        remove_abandoned(PREFIX, base)
        self._private = PrivateFolder(PREFIX, base)
        self.folder = self._private.path
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
        self._private.close()


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
