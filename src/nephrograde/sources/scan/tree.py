"""Every file below a folder: which there are, and which cannot be looked at."""

from __future__ import annotations

import os
import stat
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

UNREADABLE_FOLDER = "folder that cannot be opened (ask for the right to read it)"
UNREADABLE = "cannot be read (damaged disk, or no right to read it)"
LOOP = "link to a folder that is scanned anyway"
BROKEN_LINK = "link that leads nowhere"
NO_FILE = "neither a file nor a folder"


class FoundFile(NamedTuple):
    """A file below the scanned folder.

    Attributes:
        path: Below the folder, with ``/``. Bytes that are no text in the system's encoding stand in it as
            ``surrogateescape`` writes them.
        n_bytes: Its size.
        changed_ns: When it was last changed.
        reason: Why it cannot be looked at; empty where it can.
    """

    path: str
    n_bytes: int
    changed_ns: int
    reason: str = ""


def walk_files(folder: Path, *, leave_out: Collection[Path] = ()) -> Iterator[FoundFile]:
    """Find every file below a folder, whatever it is called, in an order that is always the same.

    Links are followed, those to folders last and each folder once, so that a loop ends and a folder that is
    reached by two ways counts where it really lies. Of the tree, only the folders still to be opened are held.

    Args:
        folder: The top of the tree.
        leave_out: Files not to be listed, such as the catalogue itself.

    Yields:
        Files, and with a reason what cannot be looked at.

    Source: Our choice.

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
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                inner.append(path)
            elif entry.is_symlink() and _is_folder(entry):
                links.append(path)
            elif entry.path not in left_out:
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
