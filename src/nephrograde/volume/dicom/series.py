"""One DICOM series to its values and its grid: a folder of files, a list of files, or one multi-frame object."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nephrograde.errors import VolumeError, about_temporary_files
from nephrograde.volume.dicom.one_slice import SourceFile
from nephrograde.volume.dicom.pixels import UnreadSliceError, decode
from nephrograde.volume.dicom.rescale import AIR_HU
from nephrograde.volume.dicom.series_list import SeriesList
from nephrograde.volume.dicom.slices import SLICES_PER_LOST, find_slices
from nephrograde.volume.dicom.stack import stack_slices
from nephrograde.volume.dicom.tilt import straighten
from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.vocabulary import VolumeArray
    from nephrograde.volume.dicom.pixels import Decoded
    from nephrograde.volume.dicom.slices import FoundSlices
    from nephrograde.volume.dicom.stack import Stack
    from nephrograde.volume.grid import Grid


class Series(NamedTuple):
    """A series as read: the values after slope and intercept (``columns rows slices``), their grid, and warnings.

    ``bridged`` are slices that are missing or could not be read, and were interpolated between their neighbours.
    ``extremes`` are the lowest and highest value, if they are known.
    """

    values: VolumeArray
    grid: Grid
    faults: list[Fault]
    bridged: tuple[int, ...] = ()
    extremes: tuple[int, int] | None = None


class MiddleSlice(NamedTuple):
    """One slice of a series: ``"y x"`` after slope and intercept, and the distances between rows and columns in mm.

    ``is_ct`` tells whether the values are HU.
    """

    values: npt.NDArray[Any]
    pixel_mm: tuple[float, float]
    is_ct: bool


def read_series(series_dir: Path) -> Series:
    """Read the single DICOM series in a folder, whatever its files are called.

    Files that are not DICOM, and DICOM objects that are not slices (segmentations, reports, dose screens), are skipped.
    Slices are ordered along the stack: axial from feet to head, coronal towards the back, sagittal towards the left.

    Args:
        series_dir: The folder; subfolders are not searched.

    Returns:
        The series; messages name its files by their number in the order of their names, and by their InstanceNumber.
        Its warnings are "dicom-copies", "dicom-acquisition", "dicom-tilt" (straightened), "dicom-persons",
        "dicom-frames", "dicom-rescale", "dicom-slice-lost", "dicom-inverted" and "dicom-lossy".

    Raises:
        VolumeError: With code "dicom-none", "dicom-several-series", "dicom-multiframe", "dicom-header", "dicom-mixed",
            "dicom-duplicate", "dicom-gap", "dicom-tilt", "file-truncated", "not-scalar", "too-few-slices" or
            "file-unreadable".

    Source: DICOM PS3.3 C.7.6.2 (image plane), C.7.6.16 (functional groups of enhanced CT).
    """
    try:
        return assemble(find_slices(folder_files(series_dir)))
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
        return assemble(find_slices(listed_files(listed, Path(unpacked_dir))))


def folder_files(series_dir: Path) -> list[SourceFile]:
    """List the files of a folder, in the order of their names.

    Args:
        series_dir: The folder; subfolders are not searched.
    """
    with os.scandir(series_dir) as entries:  # which tells files from folders without a look at each
        names = sorted((entry.name for entry in entries if _is_file(entry)), key=os.path.normcase)
    return [SourceFile(series_dir / name, f"file {number}") for number, name in enumerate(names, start=1)]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # such as a link to itself
        return False


def listed_files(listed: SeriesList, unpacked_dir: Path) -> list[SourceFile]:
    """List the files of a series list.

    Args:
        listed: The list, opened.
        unpacked_dir: An empty folder for those that are in archives.

    Raises:
        VolumeError: With code "file-missing" and those of reading an archive.
    """
    files = (_listed_file(listed, k, unpacked_dir) for k in range(len(listed)))
    return [file for file in files if file is not None]


def read_middle_slice(list_path: Path) -> MiddleSlice:
    """Read the middle one of the slices that a series list names, without reading the others.

    Args:
        list_path: The list, ``*.series``, in the order of the slices. Of an object with several frames, it is the
            middle frame of the middle object.

    Raises:
        VolumeError: As for :func:`read_listed_series`, if this slice cannot be read.
    """
    with about_temporary_files(), SeriesList(list_path) as listed, tempfile.TemporaryDirectory() as unpacked_dir:
        file = _listed_file(listed, max(listed.n_sure, 1) // 2, Path(unpacked_dir))
        found = find_slices([] if file is None else [file])
        one = found.slices[len(found.slices) // 2]
        values = decode([one]).values
    return MiddleSlice(values[:, :, 0].T, one.pixel_mm, one.form.is_ct)


def _listed_file(listed: SeriesList, k: int, unpacked_dir: Path) -> SourceFile | None:
    """Return a file of a list, unpacked if it is in an archive; None for a doubtful one that is no longer there."""
    path, fault, is_sure = unpacked_dir / str(k), None, k < listed.n_sure
    try:
        held = listed.path(k)
        if held is None:
            with listed.open(k) as stream, path.open("wb") as unpacked:
                shutil.copyfileobj(stream, unpacked)
    except VolumeError as error:
        if is_sure and error.code != "archive-damaged":
            raise
        if error.code == "file-missing":
            return None
        held, fault = None, error
    return SourceFile(held or path, listed.name(k), is_wanted=is_sure, is_doubtful=not is_sure, fault=fault)


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
    found = find_slices([SourceFile(dicom_path, "the file", is_wanted=True)])
    if len(found.slices) == 1:
        raise VolumeError("dicom-single-file", "is one DICOM slice.", "Name the folder that holds its whole series.")
    return assemble(found)


def assemble(found: FoundSlices) -> Series:
    """Decode the slices of one series and stack them, straightening those of a tilted gantry.

    Args:
        found: The slices, in any order.

    Raises:
        VolumeError: As for :func:`read_series`.
    """
    stack, decoded, lost = _decoded(found)
    grid, values, faults = stack.grid, decoded.values, decoded.faults
    if lost or stack.gaps:
        bridged = tuple(k + 1 + n for n, k in enumerate(stack.gaps))
        for k in bridged:
            between = (values[:, :, k - 1].astype(np.float64) + values[:, :, k]) / 2
            whole = np.rint(between) if values.dtype.kind in "iu" else between
            values = np.insert(values, k, whole.astype(values.dtype), axis=2)
        return Series(values, grid, [*stack.faults, *faults, _lost(lost, bridged)], bridged)
    if stack.shifts_px is not None:
        fill = float(AIR_HU if stack.slices[0].form.is_ct else values.min())
        values, grid = straighten(values, grid, stack.shifts_px, fill=fill)
        return Series(values, grid, [*stack.faults, *faults])
    return Series(values, grid, [*stack.faults, *faults], extremes=decoded.extremes)


def _decoded(found: FoundSlices) -> tuple[Stack, Decoded, list[VolumeError]]:
    """Stack and decode slices; without those that cannot be decoded, if each leaves a gap that can be bridged."""
    slices, lost = found.slices, list(found.lost)
    while True:
        try:
            stack = stack_slices(slices, n_lost=len(lost) + len(found.empty))
        except VolumeError as error:
            unread = [*lost, *found.empty]
            if unread and error.code == "dicom-gap":  # the file is at fault, and the gap cannot be bridged
                raise unread[0] from None
            raise
        if lost and stack.shifts_px is not None:
            raise lost[0]
        try:
            decoded = decode(stack.slices)
        except UnreadSliceError as error:
            others = [one for one in slices if one.file is not error.file]
            if len(others) < SLICES_PER_LOST * (len(lost) + 1):
                raise VolumeError(error.code, error.message, error.remedy) from None
            slices, lost = others, [*lost, VolumeError(error.code, error.message, error.remedy)]
        else:
            return stack, decoded, [*lost, *(found.empty if len(stack.gaps) > len(lost) else [])]


def _lost(lost: Sequence[VolumeError], bridged: tuple[int, ...]) -> Fault:
    """Say which slices are missing or could not be read, and what stands in for them."""
    parts = []
    if lost:
        parts.append(" ".join(error.message for error in lost[:3]) + (" …" if len(lost) > 3 else ""))
        parts.append("It was left out." if len(lost) == 1 else "They were left out.")
    missing = len(bridged) - len(lost)
    if missing > 0:
        parts.append(f"{missing} slice{'s are' if missing > 1 else ' is'} missing from the series.")
    if bridged:
        numbers = ", ".join(map(str, bridged))
        parts.append(
            f"slice {numbers}, counted from 0, was interpolated between its neighbours."
            if len(bridged) == 1
            else f"slices {numbers}, counted from 0, were interpolated between their neighbours."
        )
    else:
        parts.append("No slice is missing between the others.")
    remedy = lost[0].remedy if lost else "Export the series again with all its slices."
    return Fault("dicom-slice-lost", "warning", " ".join(parts), remedy)
