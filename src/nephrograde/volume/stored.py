"""Any of the accepted files, or a DICOM series, to its values and its grid, in stored order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError, about_file
from nephrograde.volume.dicom.archive import is_zip
from nephrograde.volume.dicom.archived import read_archived_series
from nephrograde.volume.dicom.series import Series, read_listed_series, read_multiframe, read_series
from nephrograde.volume.dicom.series_list import is_series_list
from nephrograde.volume.dicom.signature import is_dicom_file
from nephrograde.volume.grid import Grid
from nephrograde.volume.nifti import read_nifti
from nephrograde.volume.silence import silenced
from nephrograde.volume.text_header import TEXT_HEADED, check_text_header, read_text_header

if TYPE_CHECKING:
    from pathlib import Path

    import SimpleITK

    from nephrograde.vocabulary import VolumeArray

_NIFTI = (".nii", ".nii.gz")
ACCEPTED = (
    "NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MHA (.mha, .mhd), a folder or zip archive with one DICOM series, a "
    "list of its files (.series) or one multi-frame DICOM object"
)


def read_stored(image_path: Path) -> tuple[VolumeArray, Grid]:
    """Read an image as it is stored; works for images and masks.

    Args:
        image_path: A file, or the folder or list of one DICOM series.

    Returns:
        The values, three axes in stored order, and the grid they lie on.

    Raises:
        VolumeError: As for :func:`read_stored_series`.
    """
    stored = read_stored_series(image_path)
    return stored.values, stored.grid


def read_stored_series(image_path: Path) -> Series:
    """Read an image as it is stored, with warnings about what was corrected.

    Args:
        image_path: A file, or the folder or list of one DICOM series.

    Returns:
        The values, three axes in stored order, the grid they lie on, and warnings.

    Raises:
        VolumeError: With code "file-missing", "file-empty", "file-kind", "file-unreadable", or one of those of
            :func:`~nephrograde.volume.nifti.read_nifti` and :func:`~nephrograde.volume.dicom.series.read_series`; its
            ``path`` is the image's.
    """
    with about_file(image_path):
        return _read_any(image_path)


def _read_any(image_path: Path) -> Series:
    try:
        if image_path.is_dir():
            return read_series(image_path)
        if is_series_list(image_path):
            return read_listed_series(image_path)
        if image_path.stat().st_size == 0:
            raise VolumeError("file-empty", "is empty (0 bytes).", "Copy or export the file again.")
        name = image_path.name.lower()
        if name.endswith(_NIFTI):
            return Series(*read_nifti(image_path))
        if name.endswith(TEXT_HEADED):
            return _read_other(image_path)
        with image_path.open("rb") as stream:
            is_archive = is_zip(stream.read(4))
        if is_archive:
            return read_archived_series(image_path)
        if is_dicom_file(image_path):
            return read_multiframe(image_path)
    except FileNotFoundError:
        raise VolumeError("file-missing", "no such file or folder.", "Correct the path in the cohort table.") from None
    except OSError as error:
        raise VolumeError(
            "file-unreadable", f"cannot be read ({error.strerror or type(error).__name__}).", "Check its permissions."
        ) from None
    raise VolumeError("file-kind", "is of a kind that is not read.", f"Convert it to {ACCEPTED}.")


def _read_other(image_path: Path) -> Series:
    import SimpleITK  # takes a tenth of a second, and few files need it

    header = read_text_header(image_path)
    faults = check_text_header(image_path, header)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(image_path))
    try:
        with silenced():
            reader.ReadImageInformation()
        _require_scalar_3d(reader)
        with silenced():
            image = reader.Execute()
    except RuntimeError:
        raise VolumeError(
            "file-unreadable",
            "is damaged, cut short or not what its name says.",
            "Check that the table names the right file; copy it again from its source.",
        ) from None
    values = SimpleITK.GetArrayFromImage(image).T
    values = values.reshape(values.shape[:3])
    direction = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)
    grid = Grid(
        values.shape,
        image.GetSpacing()[:3],
        image.GetOrigin()[:3],
        direction[:3, :3],
        source="file",
        is_oriented=header.is_oriented,
    ).scaled(header.unit_mm)
    return Series(values, grid.require_sound(), faults)


def _require_scalar_3d(reader: SimpleITK.ImageFileReader) -> None:
    size = reader.GetSize()
    if len(size) < 3 or any(n > 1 for n in size[3:]):
        raise VolumeError(
            "not-3d",
            f"holds {len(size)} dimensions ({' × '.join(map(str, size))}), not one 3-D image.",
            "Save one phase (one time point) a file, with all its slices.",
        )
    if reader.GetNumberOfComponents() > 1:
        raise VolumeError(
            "not-scalar",
            f"holds colours ({reader.GetNumberOfComponents()} numbers a voxel).",
            "Convert the scan from its DICOM series again; one number a voxel is needed.",
        )
