"""A small copy of a scan: averages over a few pixels of every slice, on which checks of its content are cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nephrograde.vocabulary import Triple, VolumeArray

CoarseArray: TypeAlias = Annotated[npt.NDArray[np.float32], "slice row column"]

CELLS = 64
"""Cells along each side of a slice, up to twice as many if the slice has no multiple of them."""
_ROWS = 2
_COLUMNS = 4
"""Pixels of a cell that are averaged: enough to suppress noise, few enough to leave most of the scan unread."""


def coarsen(values: VolumeArray, axis: int) -> CoarseArray:
    """Average up to eight pixels in each of about 64 × 64 cells of every slice.

    Args:
        values: A scan.
        axis: The axis along which its slices are stacked.

    Returns:
        One small plane per slice; a scan with fewer pixels keeps them all.

    >>> coarsen(np.arange(512.0).reshape(1, 512, 1).repeat(512, 0).repeat(3, 2), 2).shape
    (3, 64, 64)
    """
    planes = values.transpose(axis, *plane_axes(values, axis))
    count, height, width = planes.shape
    row_step, column_step = max(1, height // CELLS), max(1, width // CELLS)
    n_rows, n_columns = height // row_step, width // column_step
    rows = _spread(row_step, _ROWS)
    columns = _spread(column_step, _COLUMNS)
    coarse = np.empty((count, n_rows, n_columns), np.float32)
    for k, plane in enumerate(planes):
        summed = np.zeros((n_rows, n_columns * column_step), np.float32)
        for row in rows:
            summed += plane[row : row + (n_rows - 1) * row_step + 1 : row_step, : n_columns * column_step]
        cells = summed.reshape(n_rows, n_columns, column_step)
        coarse[k] = cells[:, :, columns[0]]
        for column in columns[1:]:
            coarse[k] += cells[:, :, column]
    coarse /= len(rows) * len(columns)
    return coarse


def plane_axes(values: VolumeArray, axis: int) -> tuple[int, int]:
    """Return the axes of a scan that are rows and columns of its coarse planes: rows are contiguous in memory.

    Args:
        values: A scan.
        axis: The axis along which its slices are stacked.
    """
    first, second = (one for one in range(3) if one != axis)
    return (second, first) if abs(values.strides[first]) < abs(values.strides[second]) else (first, second)


def cell_size(values: VolumeArray, axis: int, spacing_mm: Triple) -> tuple[float, float]:
    """Return the height and width of the cells of a coarse copy in mm.

    Args:
        values: The scan.
        axis: The axis along which its slices are stacked.
        spacing_mm: Distance between its voxels along each axis, mm.

    >>> cell_size(np.zeros((512, 256, 20)), 2, (0.7, 1.0, 5.0))
    (5.6, 4.0)
    """
    row, column = (max(1, values.shape[one] // CELLS) * spacing_mm[one] for one in plane_axes(values, axis))
    return row, column


def _spread(step: int, most: int) -> list[int]:
    """Return up to ``most`` offsets, evenly spread over a cell."""
    return sorted({int(offset) for offset in np.linspace(0, step - 1, min(step, most)).round()})
