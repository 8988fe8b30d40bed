"""Where the voxels of a NIfTI file lie: sform, qform and pixdim, and what is said where they contradict one another."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nephrograde.volume.finding import Fault
from nephrograde.volume.grid import Grid

if TYPE_CHECKING:
    from nephrograde.volume.grid import Matrix

SAME_SIZE_WITHIN = 0.01
"""Relative difference of two voxel sizes, from rounding; 5 mm over the length of a body."""
_UNIT_WITHIN = 1e-3
_APART_FROM_VOXELS = 0.5
_MM_OF_UNIT = {1: 1000.0, 3: 0.001}
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
_REMEDY = "Convert the scan from its DICOM series again, and see that sizes on it are right."


def grid_of(header: Any, size: tuple[int, int, int]) -> tuple[Grid, list[Fault]]:
    """Place the voxels of a NIfTI file in the patient.

    The sform counts, as in nibabel, otherwise the qform, otherwise the voxel size alone. An sform whose columns are
    directions of length 1 where pixdim gives another size lost its scale, which is then taken from pixdim, as by ITK.

    Args:
        header: The fields of NIfTI-1 or NIfTI-2.
        size: Voxels along each axis.

    Returns:
        The grid, not yet checked, and warnings with code "voxel-size-conflict", "affine-conflict" or
        "spacing-negative".

    Source: NIfTI-1.1, nifti1.h, "3D image (volume) orientation and location in space".
    """
    scale = _MM_OF_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    stated = header["pixdim"][1:4].astype(np.float64)
    pixdim = np.abs(stated)
    faults = []
    if (stated < 0).any():
        message = f"its header gives a negative voxel size (pixdim {_by(stated)}); it was taken as positive."
        remedy = "See that left and right are not exchanged, and convert the scan from its DICOM series again."
        faults.append(Fault("spacing-negative", "warning", message, remedy))
    affine: Matrix | None = _qform(header, pixdim) if header["qform_code"] > 0 else None
    if header["sform_code"] > 0:
        sform, fault = _sform(header, pixdim)
        faults += [fault] if fault else []
        if affine is not None and not fault and _are_apart(sform, affine, size):
            message = "its sform and qform place the voxels differently; the sform was taken."
            faults.append(Fault("affine-conflict", "warning", message, _REMEDY))
        affine = sform
    is_oriented = affine is not None
    if affine is None:
        affine = np.column_stack([_RAS_TO_LPS * pixdim, np.zeros(3)])
    columns, origin = affine[:, :3], affine[:, 3]
    spacing = np.linalg.norm(columns, axis=0)
    x_mm, y_mm, z_mm = (spacing * scale).tolist()
    x, y, z = (_RAS_TO_LPS @ origin * scale + 0.0).tolist()
    direction = _RAS_TO_LPS @ columns / np.where(spacing > 0, spacing, 1.0) + 0.0
    return Grid(size, (x_mm, y_mm, z_mm), (x, y, z), direction, source="file", is_oriented=is_oriented), faults


def _sform(header: Any, pixdim: npt.NDArray[np.float64]) -> tuple[Matrix, Fault | None]:
    """Return the sform, with the scale of pixdim if it has none, and what contradicts it."""
    affine = header["srow"].astype(np.float64)
    spacing = np.linalg.norm(affine[:, :3], axis=0)
    is_stated = np.isfinite(pixdim).all() and (pixdim > 0).all() and np.isfinite(spacing).all()
    if not is_stated or (np.abs(spacing - pixdim) <= SAME_SIZE_WITHIN * pixdim).all():
        return affine, None
    contradiction = f"its sform gives voxels of {_by(spacing)}, its pixdim {_by(pixdim)}"
    if (np.abs(spacing - 1) <= _UNIT_WITHIN).all():
        affine[:, :3] *= pixdim
        message = f"{contradiction}; the sform only gives directions, so pixdim was taken."
    else:
        message = f"{contradiction}; the sform was taken."
    return affine, Fault("voxel-size-conflict", "warning", message, _REMEDY)


def _qform(header: Any, pixdim: npt.NDArray[np.float64]) -> Matrix:
    handedness = -1.0 if header["pixdim"][0] < 0 else 1.0
    columns = _rotation(header["quatern"].astype(np.float64)) * pixdim * [1.0, 1.0, handedness]
    return np.column_stack([columns, header["qoffset"].astype(np.float64)])


def _are_apart(one: Matrix, other: Matrix, size: tuple[int, int, int]) -> bool:
    """Whether two affines place a corner of the image more than half a voxel apart."""
    corners = np.array([(*corner, 1.0) for corner in product(*((0.0, n - 1.0) for n in size))])
    with np.errstate(invalid="ignore"):
        apart = np.linalg.norm(corners @ (one - other).T, axis=1).max()
    return bool(apart > _APART_FROM_VOXELS * np.linalg.norm(one[:, :3], axis=0).min())


def _rotation(quaternion: Any) -> Matrix:
    b, c, d = quaternion
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def _by(sizes: npt.NDArray[np.float64]) -> str:
    return " × ".join(f"{size:.4g}" for size in sizes)
