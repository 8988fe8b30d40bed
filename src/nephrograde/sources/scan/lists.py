"""The list of the files of a series, and links to masks: what a cohort table names instead of paths that identify."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.errors import VolumeError, about_writing
from nephrograde.files import fingerprint
from nephrograde.replacement import discard, make_folder, replaced, temporary_beside
from nephrograde.volume.dicom.series_list import DAMAGED_HEADING, SERIES_LIST_HEADING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nephrograde.sources.scan.paths import ScanPaths


def write_list(list_path: Path, files: Iterable[str]) -> None:
    """Write a series list, which selects the files of one series among others; readable by its owner only.

    Args:
        list_path: Ends in ``.series``. Files below the folder of the table are written relative to the list, so that
            both can be moved together; other files as absolute paths.
        files: Absolute paths with ``/``; a member of an archive as ``archive.zip//member``. Those after
            ``DAMAGED_HEADING`` cannot be read, and may be slices of the series.

    Raises:
        VolumeError: With code "path-encoding" if a file name cannot be written as text.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_list(folder / "cohort.series" / "P0001-np.series", [f"{folder.as_posix()}/IM/1", "/else/a.zip//IM 2"])
    >>> print((folder / "cohort.series" / "P0001-np.series").read_text(encoding="utf-8"), end="")
    # nephrograde series 1
    ../IM/1
    /else/a.zip//IM 2
    """
    home_dir = list_path.absolute().parent.parent
    text = "\n".join([SERIES_LIST_HEADING, *(_as_listed(line, list_path.parent, home_dir) for line in files), ""])
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError:
        raise VolumeError(
            "path-encoding",
            "the name of one of the files of this series is not text in any known encoding.",
            "Rename the folders and files of the export, and scan again.",
            path=list_path,
        ) from None
    if list_path.exists() and list_path.read_bytes() == content:
        with about_writing(list_path):
            list_path.chmod(0o600)
        return
    with replaced(list_path, is_private=True) as temporary_path:
        temporary_path.write_bytes(content)


def _as_listed(line: str, list_dir: Path, home_dir: Path) -> str:
    if line == DAMAGED_HEADING:
        return line
    start = 2 if line.startswith("//") else 0  # a Windows share begins with two slashes
    file, *members = line[start:].split("//")
    path = Path(line[:start] + file)
    if path.is_relative_to(home_dir):
        path = Path(os.path.relpath(path, list_dir.absolute()))
    return "//".join([path.as_posix(), *members])


_LINKABLE = re.compile(r"\.(?:nii\.gz|nii|mha|nrrd|dcm|tiff?|png)$", re.IGNORECASE)
_IN_TWO_FILES = (".mhd", ".nhdr", ".hdr", ".img")


def link_mask(paths: ScanPaths, stem: str, cell: str) -> str | None:
    """Link a mask whose path identifies a patient under a name that does not, in the folder of the series lists.

    That folder may be opened by its owner only, as the link names its target.

    Args:
        paths: Where the scan writes.
        stem: The name of the link without the ending of the file, such as "P0001-cmp-mask".
        cell: The mask in the joined table: an absolute path, or one relative to the cohort table. It need not exist.

    Returns:
        The cell for the cohort table; None if the mask cannot be linked, because it consists of two files, or because
        the file system has no links.

    >>> import tempfile
    >>> from nephrograde.sources.scan.paths import ScanPaths
    >>> paths = ScanPaths(Path(tempfile.mkdtemp()) / "cohort.csv")
    >>> link_mask(paths, "P0001-cmp-mask", "masks/Kowalska.nii.gz")
    'cohort.series/P0001-cmp-mask.nii.gz'
    >>> (paths.table_path.parent / "cohort.series/P0001-cmp-mask.nii.gz").readlink().as_posix()
    '../masks/Kowalska.nii.gz'
    """
    mask = Path(cell.strip("\"' ").replace("\\", "/"))
    if mask.name.lower().endswith(_IN_TWO_FILES):
        return None
    ending = _LINKABLE.search(mask.name)
    link_path = paths.beside("series") / f"{stem}{ending[0].lower() if ending else ''}"
    make_folder(link_path.parent, is_private=True)
    temporary_path = temporary_beside(link_path)
    try:
        link_path.parent.chmod(0o700)
        temporary_path.symlink_to(mask if mask.is_absolute() else ".." / mask)
        temporary_path.replace(link_path)
    except OSError:
        discard(temporary_path)
        return None
    return f"{link_path.parent.name}/{link_path.name}"


def list_key(files: Sequence[str]) -> str:
    """Return a key for the contents of a series list (its files with sizes and times) that names no patient.

    Args:
        files: As for :func:`write_list`.

    >>> list_key(["/nowhere/1"]) == list_key(["/nowhere/1"]) != list_key(["/nowhere/2"])
    True
    """
    outer_of = {line: line[:2] + line[2:].partition("//")[0] for line in files}
    stamps: dict[str, tuple[int, int]] = {}
    for outer in dict.fromkeys(outer_of.values()):
        try:
            status = Path(outer).stat()
            stamps[outer] = (status.st_size, status.st_mtime_ns)
        except OSError:
            stamps[outer] = (-1, -1)
    return fingerprint([[os.fsencode(line).hex(), stamps[outer_of[line]]] for line in files])
