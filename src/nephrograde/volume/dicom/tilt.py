"""Straightens a stack sheared by a tilted gantry: each slice moves back within its own plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.volume.grid import Grid

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.vocabulary import VolumeArray


def straighten(
    values: VolumeArray, grid: Grid, shifts_px: npt.NDArray[np.float64], *, fill: float
) -> tuple[VolumeArray, Grid]:
    """Shift every slice within its plane so that the stack becomes rectangular.

    The grid grows so that no part of any slice is lost. Values between two pixels are interpolated linearly, which is
    exact where the image is linear; whole-pixel shifts change no value.

    Args:
        values: ``columns rows slices``.
        grid: The lattice on which the first slice is placed correctly and the others are not.
        shifts_px: Where each slice really begins on it: columns and rows for each slice.
        fill: The value where no slice was measured.

    Returns:
        The values in their type (rounded for integer types) and their grid.

    Source: The shear correction of dcm2niix (Li et al., J Neurosci Methods 2016;264:47-56); ours also grows the grid.

    >>> values = np.arange(6, dtype=np.int16).reshape(3, 1, 2)
    >>> grid = Grid((3, 1, 2), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), np.eye(3), source="dicom")
    >>> straight, grid = straighten(values, grid, np.array([[0.0, 0.0], [-1.0, 0.0]]), fill=-9)
    >>> straight[:, 0, 0].tolist(), straight[:, 0, 1].tolist(), grid.origin_mm
    ([-9, 0, 2, 4], [1, 3, 5, -9], (-1.0, 0.0, 0.0))
    """
    columns, rows, n_slices = values.shape
    first = np.floor(shifts_px.min(axis=0) + 1e-6).astype(int)
    more = np.ceil(shifts_px.max(axis=0) - 1e-6).astype(int) - first
    straight = np.full((n_slices, rows + more[1], columns + more[0]), fill, values.dtype)
    for k in range(n_slices):
        moved, start = _moved(values[:, :, k].T, shifts_px[k] - first, fill)
        straight[k, start[1] : start[1] + moved.shape[0], start[0] : start[0] + moved.shape[1]] = (
            np.rint(moved) if straight.dtype.kind in "iu" else moved
        )
    origin_mm = grid.to_mm((float(first[0]), float(first[1]), 0.0))
    size = (int(columns + more[0]), int(rows + more[1]), n_slices)
    return straight.T, Grid(size, grid.spacing_mm, origin_mm, grid.direction, source=grid.source)


def _moved(
    plane: npt.NDArray[np.generic], shift_px: npt.NDArray[np.float64], fill: float
) -> tuple[npt.NDArray[np.float64], tuple[int, int]]:
    """Return a plane (rows, columns) moved by a fraction of a pixel, and the whole column and row where it begins."""
    moved = plane.astype(np.float64)
    whole = np.floor(shift_px + 1e-6).astype(int)
    for axis, fraction in ((1, shift_px[0] - whole[0]), (0, shift_px[1] - whole[1])):
        if abs(fraction) > 1e-6:
            ends = [(0, 0), (0, 0)]
            ends[axis] = (1, 1)
            wide = np.pad(moved, ends, constant_values=fill)
            n = wide.shape[axis]
            before, after = wide.take(range(n - 1), axis), wide.take(range(1, n), axis)
            moved = fraction * before + (1 - fraction) * after
    return moved, (int(whole[0]), int(whole[1]))
