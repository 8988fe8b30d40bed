"""The one DICOM series in a zip archive, whatever else the archive holds."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.archive import BROKEN_MEMBER, ArchiveRefused, walk_members
from nephrograde.volume.dicom.one_slice import SourceFile
from nephrograde.volume.dicom.series import Series, assemble
from nephrograde.volume.dicom.slices import find_slices
from nephrograde.volume.grid import FEWEST_SLICES

if TYPE_CHECKING:
    from nephrograde.volume.dicom.slices import FoundSlices


def read_archived_series(archive_path: Path) -> Series:
    """Read the single DICOM series in a zip archive, nested archives included.

    The rules are those of a scan of an export: members that are encrypted, unpack to many times their size or have
    names that lead out of the archive are refused, files that are not DICOM are skipped. Localisers of fewer than three
    slices beside the series are left out.

    Args:
        archive_path: The archive. It is unpacked to a temporary folder during reading.

    Returns:
        As for :func:`~nephrograde.volume.dicom.series.read_series`; messages refer to files by their number in the
        archive.

    Raises:
        VolumeError: As for :func:`~nephrograde.volume.dicom.series.read_series`, and with code "archive-damaged".
    """
    with tempfile.TemporaryDirectory() as unpacked_dir:
        return assemble(find_archived_slices(archive_path, Path(unpacked_dir)))


def find_archived_slices(archive_path: Path, unpacked_dir: Path) -> FoundSlices:
    """Unpack an archive, and list the slices of its series.

    Args:
        archive_path: The archive.
        unpacked_dir: An empty folder.

    Raises:
        VolumeError: As for :func:`read_archived_series`.
    """
    try:
        files = _unpacked(archive_path, unpacked_dir)
    except ArchiveRefused as refused:
        raise VolumeError(
            "archive-damaged",
            f"is an archive that cannot be read: {refused}.",
            "Unpack it, and name the folder with the series.",
        ) from None
    return _without_localisers(find_slices(files))


def _unpacked(archive_path: Path, unpacked_dir: Path) -> list[SourceFile]:
    files = []
    for number, member in enumerate(walk_members(archive_path), start=1):
        path, name, fault = unpacked_dir / str(number), f"file {number} of the archive", None
        try:
            path.write_bytes(member.read())
        except ArchiveRefused as refused:
            if str(refused) != BROKEN_MEMBER:
                raise
            remedy = "Copy the archive again from its source."
            fault = VolumeError("archive-damaged", f"{name} is damaged in its zip archive.", remedy)
        files.append(SourceFile(path, name, fault=fault))
    return files


def _without_localisers(found: FoundSlices) -> FoundSlices:
    counts = Counter(one.series_uid for one in found.slices)
    kept = {uid for uid, count in counts.items() if count >= FEWEST_SLICES} or set(counts)
    return found._replace(slices=[one for one in found.slices if one.series_uid in kept])
