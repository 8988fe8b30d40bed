"""Masks that a joined table names: where they are, and how the cohort table names them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DRIVE: Final = re.compile(r"[A-Za-z]:/|//")


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask of the joined table.

    Attributes:
        cell: The mask in the cohort table: an absolute path, or one relative to that table.
        exists: Whether there is such a file or folder.
    """

    cell: str
    exists: bool


def find_mask(cell: str, *, joined_dir: Path, table_dir: Path) -> MaskFile:
    """Find a mask that a joined table names, from the folder of that table.

    Args:
        cell: The cell of the joined table, not blank. A relative path starts from ``joined_dir``; if there is nothing,
            and something starting from ``table_dir``, from there.
        joined_dir: The folder of the joined table.
        table_dir: The folder of the cohort table.

    Returns:
        The mask, relative to the cohort table if the cell is relative, and as it is if both tables are in one folder.

    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp()).resolve()
    >>> (home / "tables").mkdir(), (home / "work").mkdir(), (home / "tables" / "c1.nii.gz").touch()
    (None, None, None)
    >>> find_mask("c1.nii.gz", joined_dir=home / "tables", table_dir=home / "work")
    MaskFile(cell='../tables/c1.nii.gz', exists=True)
    >>> find_mask("c2.nii.gz", joined_dir=home / "tables", table_dir=home / "work").exists
    False
    """
    written = cell.strip("\"' ").replace("\\", "/")
    origin, target = joined_dir.resolve(), table_dir.resolve()
    mask = origin / written
    if Path(written).is_absolute() or _DRIVE.match(written) or origin == target:
        return MaskFile(cell, _exists(mask))
    if not _exists(mask) and _exists(target / written):
        return MaskFile(cell, exists=True)
    try:
        moved = Path(os.path.relpath(mask, target)).as_posix()
    except ValueError:  # on another drive
        return MaskFile(mask.as_posix(), _exists(mask))
    # ".." behind a symbolic link leads elsewhere
    return MaskFile(moved if _exists(target / moved) == _exists(mask) else mask.as_posix(), _exists(mask))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
