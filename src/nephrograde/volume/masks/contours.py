"""Filling closed contours on the grid of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.grid import Grid

_FLAT_WITHIN = 0.5  # voxels by which a contour may deviate from its plane
_SAME_PLANE = 0.05  # slices


def fill_contours(contours_mm: Sequence[npt.NDArray[np.float64]], grid: Grid) -> MaskArray:
    """Fill the closed planar contours of one structure.

    A voxel is marked if its centre lies inside; a contour inside another one cuts a hole, and one inside that marks
    again (even-odd rule). A contour represents a slab as thick as the distance between contours: each slice of the
    image takes the nearest contours, so that an image with thinner or thicker slices is filled without gaps.

    Args:
        contours_mm: Each ``"point x-y-z"``, LPS, mm; the last point is joined to the first.
        grid: The image's.

    Returns:
        True inside, with the shape of the grid; empty if everything lies outside the image.

    Raises:
        VolumeError: With code "contours-oblique" if they are not parallel to the slices of the image.

    Source: DICOM PS3.3 C.8.8.6 (closed contours; holes by exclusive or); the slab is ours.

    >>> from nephrograde.volume.grid import Grid
    >>> grid = Grid((8, 8, 3), (1.0, 1.0, 5.0), (0.0, 0.0, 0.0), np.eye(3), source="memory")
    >>> square = np.array([[1.5, 1.5, 5.0], [4.5, 1.5, 5.0], [4.5, 4.5, 5.0], [1.5, 4.5, 5.0]])
    >>> filled = fill_contours([square], grid)
    >>> filled[2:5, 2:5, 1].all(), int(filled.sum())
    (np.True_, 9)
    """
    unskewed = np.linalg.inv(grid.direction)
    placed = [(points - grid.origin_mm) @ unskewed.T / grid.spacing_mm for points in contours_mm]
    axis = _flat_axis(placed)
    across = [other for other in range(3) if other != axis]
    heights = np.array([points[:, axis].mean() for points in placed])
    planes = _planes(heights)
    reach = max(0.5, float(np.median(np.diff(planes))) / 2) if len(planes) > 1 else 0.5
    filled = np.zeros(grid.size, dtype=bool, order="F")
    by_slice = np.moveaxis(filled, axis, 0)
    first, last = max(0, int(np.floor(planes[0] - reach))), min(len(by_slice) - 1, int(np.ceil(planes[-1] + reach)))
    for k in range(first, last + 1):
        covering = planes[(k - planes >= -reach) & (k - planes < reach)]  # half-open: between two planes, one marks
        if covering.size:
            plane = covering[np.abs(covering - k).argmin()]
            on_plane = [
                points for points, height in zip(placed, heights, strict=True) if abs(height - plane) <= _SAME_PLANE
            ]
            by_slice[k] = _inside([points[:, across] for points in on_plane], by_slice[k].shape)
    return filled


def _flat_axis(placed: Sequence[npt.NDArray[np.float64]]) -> int:
    """The axis that every contour is flat along; the slices' own where contours are flat along several."""
    spread = np.max([np.ptp(points, axis=0) for points in placed], axis=0)
    axis = next((axis for axis in (2, 1, 0) if spread[axis] <= _FLAT_WITHIN), None)
    if axis is None:
        raise VolumeError(
            "contours-oblique",
            "its contours do not lie on slices of the image.",
            "Name the series that they were drawn on as the image, or save the contours as a label map.",
        )
    return axis


def _planes(heights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the heights at which contours lie, without duplicates, ascending."""
    ordered = np.sort(heights)
    return np.asarray(ordered[np.diff(ordered, prepend=-np.inf) > _SAME_PLANE])


def _inside(polygons: Sequence[npt.NDArray[np.float64]], shape: tuple[int, ...]) -> MaskArray:
    """Return the pixels ``"u v"`` whose centre lies inside an odd number of polygons.

    Every edge flips all pixels beyond it in its rows; pixels flipped an odd number of times lie inside.
    """
    once = {points.tobytes(): points for points in polygons}  # a duplicated contour would cancel itself
    start = np.concatenate(list(once.values()))
    stop = np.concatenate([np.roll(points, -1, axis=0) for points in once.values()])
    lower = np.clip(np.ceil(np.minimum(start[:, 1], stop[:, 1])), 0, shape[1]).astype(int)
    upper = np.clip(np.ceil(np.maximum(start[:, 1], stop[:, 1])), 0, shape[1]).astype(int)
    counts = upper - lower
    edge = np.repeat(np.arange(len(start)), counts)
    row = lower[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    along = (row - start[edge, 1]) / (stop[edge, 1] - start[edge, 1])
    crossing = start[edge, 0] + along * (stop[edge, 0] - start[edge, 0])
    flips = np.zeros((shape[0] + 1, shape[1]), dtype=np.int32)
    np.add.at(flips, (np.clip(np.ceil(crossing), 0, shape[0]).astype(int), row), 1)
    return np.asarray(np.cumsum(flips, axis=0)[:-1] % 2 == 1)
