"""One DICOM series to its values and its grid: a folder of files, a list of files, or one multi-frame object."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.errors import VolumeError, about_temporary_files
from nephrograde.volume.dicom.pixels import AIR_HU, decode
from nephrograde.volume.dicom.series_list import SeriesList
from nephrograde.volume.dicom.slices import SourceFile, find_slices
from nephrograde.volume.dicom.stack import stack_slices
from nephrograde.volume.dicom.tilt import straighten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.vocabulary import VolumeArray
    from nephrograde.volume.dicom.slices import Slice
    from nephrograde.volume.finding import Fault
    from nephrograde.volume.grid import Grid


class Series(NamedTuple):
    """A series as read: the values after slope and intercept (``columns rows slices``), their grid, and warnings."""

    values: VolumeArray
    grid: Grid
    faults: list[Fault]


def read_series(series_dir: Path) -> Series:
    """Read the single DICOM series in a folder, whatever its files are called.

    Files that are not DICOM, and DICOM objects that are not slices (segmentations, reports, dose screens), are skipped.
    Slices are ordered along the stack: axial from feet to head, coronal towards the back, sagittal towards the left.

    Args:
        series_dir: The folder; subfolders are not searched.

    Returns:
        The series; messages name its files by their number in the order of their names, and by their InstanceNumber.
        Its warnings are "dicom-copies", "dicom-acquisition", "dicom-tilt" (straightened),
        "dicom-inverted" and "dicom-lossy".

    Raises:
        VolumeError: With code "dicom-none", "dicom-several-series", "dicom-multiframe", "dicom-header", "dicom-mixed",
            "dicom-duplicate", "dicom-gap", "dicom-tilt", "file-truncated", "not-scalar", "too-few-slices" or
            "file-unreadable".

    Source: DICOM PS3.3 C.7.6.2 (image plane), C.7.6.16 (functional groups of enhanced CT).
    """
    paths = sorted(path for path in series_dir.iterdir() if path.is_file())
    files = [SourceFile(path, f"file {number}") for number, path in enumerate(paths, start=1)]
    try:
        return assemble(find_slices(files))
    except VolumeError as error:
        folders = sum(path.is_dir() for path in series_dir.iterdir())
        if error.code != "dicom-none" or not folders:
            raise
        remedy = "Name the folder in it." if folders == 1 else f"Name one of the {folders} folders in it."
        raise VolumeError(error.code, error.message, remedy) from None


def read_listed_series(list_path: Path) -> Series:
    """Read the DICOM series whose files a list names (:class:`~nephrograde.volume.dicom.series_list.SeriesList`).

    Files in archives are unpacked to a temporary folder during reading.

    Args:
        list_path: The list, ``*.series``.

    Returns:
        As for :func:`read_series`; messages refer to files by their number in the list.

    Raises:
        VolumeError: As for :func:`read_series`, and with code "series-list", "file-missing", "archive-damaged" or
            "archive-too-large".
    """
    with about_temporary_files(), SeriesList(list_path) as listed, tempfile.TemporaryDirectory() as unpacked_dir:
        files = []
        for k in range(len(listed)):
            path = listed.path(k)
            if path is None:
                path = Path(unpacked_dir) / str(k)
                with listed.open(k) as stream, path.open("wb") as unpacked:
                    shutil.copyfileobj(stream, unpacked)
            files.append(SourceFile(path, listed.name(k), is_wanted=True))
        return assemble(find_slices(files))


def read_multiframe(dicom_path: Path) -> Series:
    """Read one multi-frame object that contains a whole series (enhanced CT).

    Args:
        dicom_path: The file.

    Returns:
        As for :func:`read_series`.

    Raises:
        VolumeError: As for :func:`read_series`, and with code "dicom-single-file" if it is one slice.

    Source: DICOM PS3.3 A.38 (enhanced CT), C.7.6.16.
    """
    slices = find_slices([SourceFile(dicom_path, "the file", is_wanted=True)])
    if len(slices) == 1:
        raise VolumeError("dicom-single-file", "is one DICOM slice.", "Name the folder that holds its whole series.")
    return assemble(slices)


def assemble(slices: Sequence[Slice]) -> Series:
    """Decode the slices of one series and stack them, straightening those of a tilted gantry.

    Args:
        slices: In any order.

    Raises:
        VolumeError: As for :func:`read_series`.
    """
    stack = stack_slices(slices)
    values, faults = decode(stack.slices)
    grid = stack.grid
    if stack.shifts_px is not None:
        fill = float(AIR_HU if stack.slices[0].form.is_ct else values.min())
        values, grid = straighten(values, grid, stack.shifts_px, fill=fill)
    return Series(values, grid, [*stack.faults, *faults])
