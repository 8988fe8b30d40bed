"""Every file below a folder, and what cannot be examined."""

from __future__ import annotations

import os
import stat
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

UNREADABLE_FOLDER = "folder that cannot be opened (ask for read permission)"
UNREADABLE = "cannot be read (damaged disk, or no read permission)"
LOOP = "link to a folder that is scanned anyway"
BROKEN_LINK = "link that leads nowhere"
NO_FILE = "neither a file nor a folder"


class FoundFile(NamedTuple):
    """A file below the scanned folder.

    Attributes:
        path: Relative to the folder, with ``/``. Bytes that cannot be decoded in the system's encoding are written as
            ``surrogateescape`` does.
        n_bytes: Its size.
        changed_ns: Its modification time.
        reason: Why it cannot be examined; empty if it can.
    """

    path: str
    n_bytes: int
    changed_ns: int
    reason: str = ""


def walk_files(folder: Path, *, leave_out: Collection[Path] = ()) -> Iterator[FoundFile]:
    """Find every file below a folder, whatever its name, in an order that is always the same.

    Links are followed: those to folders last, and each folder once, so that loops end and a folder reachable by two
    paths counts where it really lies. Only the folders still to be opened are held in memory.

    Args:
        folder: The root of the tree.
        leave_out: Files and folders to omit, such as the catalogue itself.

    Yields:
        Files, and with a reason those that cannot be examined.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "ST1" / "SE2").mkdir(parents=True)
    >>> _ = (folder / "ST1" / "SE2" / "IM3").write_bytes(b"DICM")
    >>> (folder / "ST1" / "round").symlink_to(folder)
    >>> [(found.path, found.n_bytes, found.reason) for found in walk_files(folder)]
    [('ST1/SE2/IM3', 4, ''), ('ST1/round', 0, 'link to a folder that is scanned anyway')]
    """
    left_out = {os.fspath(path) for path in leave_out}
    folders, links = deque([""]), deque[str]()
    opened: set[tuple[int, int]] = set()
    while folders or links:
        is_link = not folders
        below = links.popleft() if is_link else folders.popleft()
        place = os.path.join(folder, below) if below else os.fspath(folder)  # noqa: PTH118 (keeps undecodable names)
        try:
            status = os.stat(place)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in opened:
                yield FoundFile(below, 0, 0, LOOP)
                continue
            opened.add((status.st_dev, status.st_ino))
            with os.scandir(place) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            yield FoundFile(below or ".", 0, 0, UNREADABLE_FOLDER)
            continue
        inner = []
        for entry in entries:
            if entry.path in left_out:
                continue
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                inner.append(path)
            elif entry.is_symlink() and _is_folder(entry):
                links.append(path)
            else:
                yield _as_file(entry, path)
        folders.extendleft(reversed(inner))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _as_file(entry: os.DirEntry[str], path: str) -> FoundFile:
    try:
        status = entry.stat()
    except OSError:
        return FoundFile(path, 0, 0, BROKEN_LINK if entry.is_symlink() else UNREADABLE)
    if not stat.S_ISREG(status.st_mode):
        return FoundFile(path, 0, 0, NO_FILE)
    return FoundFile(path, status.st_size, status.st_mtime_ns)
