"""The headers of the DICOM series that an image was read from, for objects that refer to it."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.errors import VolumeError, about_file
from nephrograde.volume.dicom.archive import is_zip
from nephrograde.volume.dicom.archived import find_archived_slices
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet
from nephrograde.volume.dicom.one_slice import SourceFile
from nephrograde.volume.dicom.series import folder_files, listed_files
from nephrograde.volume.dicom.series_list import SeriesList, is_series_list
from nephrograde.volume.dicom.signature import is_dicom_file
from nephrograde.volume.dicom.slices import find_slices
from nephrograde.volume.dicom.stack import stack_slices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

    from nephrograde.volume.dicom.slices import FoundSlices


@dataclass(frozen=True, slots=True, eq=False)
class SourceHeaders:
    """The headers of a series.

    Attributes:
        datasets: One per file, without pixels, in the order of the stack.
        is_slice_for_slice: Whether each is one slice of the image as read, with nothing interpolated or straightened.
    """

    datasets: list[Dataset]
    is_slice_for_slice: bool


def read_source_headers(image_path: Path) -> SourceHeaders:
    """Read the headers of the series that an image was read from.

    Args:
        image_path: As for :func:`~nephrograde.volume.read.read_volume`.

    Raises:
        VolumeError: With code "not-dicom" if the image is of another kind; those of reading a series.
    """
    with about_file(image_path), _found_in(image_path) as found:
        stack = stack_slices(found.slices, n_lost=len(found.lost) + len(found.empty))
        paths = list(dict.fromkeys(one.file.path for one in stack.slices))
        is_whole = not stack.gaps and not found.lost and stack.shifts_px is None
        return SourceHeaders([_read(path) for path in paths], is_whole and len(paths) == len(stack.slices))


@contextmanager
def _found_in(image_path: Path) -> Iterator[FoundSlices]:
    with tempfile.TemporaryDirectory() as unpacked_dir:
        if image_path.is_dir():
            yield find_slices(folder_files(image_path))
        elif is_series_list(image_path):
            with SeriesList(image_path) as listed:
                yield find_slices(listed_files(listed, Path(unpacked_dir)))
        elif _is_archive(image_path):
            yield find_archived_slices(image_path, Path(unpacked_dir))
        elif image_path.is_file() and is_dicom_file(image_path):
            yield find_slices([SourceFile(image_path, "the file", is_wanted=True)])
        else:
            raise VolumeError(
                "not-dicom",
                "is not a DICOM series, so that no DICOM object can refer to it.",
                "Name the folder or zip archive of the DICOM series.",
            )


def _is_archive(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return is_zip(stream.read(4))


def _read(path: Path) -> Dataset:
    import pydicom

    try:
        with quiet():
            return pydicom.dcmread(path, force=True, stop_before_pixels=True)
    except PYDICOM_ERRORS as error:
        raise VolumeError(
            "file-unreadable",
            f"a header is damaged ({type(error).__name__}).",
            "Copy the series again from its source.",
        ) from None
