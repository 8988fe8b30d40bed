"""Filling closed contours on the grid of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.masks.outlines import fill_exclusive, fill_outlines, fill_polygon

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.grid import Grid
    from nephrograde.volume.masks.outlines import Polygon

    Fill: TypeAlias = Callable[[Sequence[Polygon], tuple[int, int]], MaskArray]

BRIDGED_MM = 10.0
"""Contours this far apart, the thickest slices of a CT of the abdomen, may outline one tumour; others do not."""
_FLAT_WITHIN = 0.5  # voxels by which a contour may deviate from its plane
_SAME_PLANE = 0.05  # slices
_STEP_FROM = 0.5  # slices; contours closer than this are on one slice, or finer than the image
_LEFT_OUT = 2.0  # times the usual step: one plane between two contours was left out


@dataclass(frozen=True, slots=True, eq=False)
class _Contour:
    """A contour in the plane it is flat on, in pixels, and its height in slices."""

    polygon: Polygon
    height: float

    @property
    def low(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.polygon.min(axis=0))

    @property
    def high(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.polygon.max(axis=0))


def fill_contours(
    contours_mm: Sequence[npt.NDArray[np.float64]], grid: Grid, *, is_exclusive: bool = False
) -> MaskArray:
    """Fill the closed planar contours of one structure.

    A voxel is marked if its centre lies inside. On one plane, a contour inside another one cuts a hole; see
    :func:`~nephrograde.volume.masks.outlines.fill_outlines`. Contours that cover each other on neighbouring planes are
    one tumour. Its contours represent slabs as thick as the smallest distance between them, so that an image with
    thinner or thicker slices, or a tumour that was outlined on every second slice, is filled without gaps. Larger
    distances, except for a single plane that was left out, stay empty, and a tumour on a single slice stays there.

    Args:
        contours_mm: Each ``"point x-y-z"``, LPS, mm; the last point is joined to the first.
        grid: The image's.
        is_exclusive: Whether the contours of a plane are combined by exclusive or (type CLOSEDPLANAR_XOR).

    Returns:
        True inside, with the shape of the grid; empty if everything lies outside the image.

    Raises:
        VolumeError: With code "contours-oblique" if they are not parallel to the slices of the image.

    Source: DICOM PS3.3 C.8.8.6 (closed contours); the slab is ours.

    >>> from nephrograde.volume.grid import Grid
    >>> grid = Grid((8, 8, 9), (1.0, 1.0, 5.0), (0.0, 0.0, 0.0), np.eye(3), source="memory")
    >>> square = np.array([[1.5, 1.5, 5.0], [4.5, 1.5, 5.0], [4.5, 4.5, 5.0], [1.5, 4.5, 5.0]])
    >>> filled = fill_contours([square, square + [0.0, 0.0, 30.0]], grid)
    >>> filled[2:5, 2:5, 1].all(), int(filled.sum()), np.flatnonzero(filled.any(axis=(0, 1))).tolist()
    (np.True_, 18, [1, 7])
    """
    unskewed = np.linalg.inv(grid.direction)
    placed = [(points - grid.origin_mm) @ unskewed.T / grid.spacing_mm for points in contours_mm]
    axis = _flat_axis(placed)
    across = [other for other in range(3) if other != axis]
    contours = [_Contour(points[:, across], float(points[:, axis].mean())) for points in placed]
    filled = np.zeros(grid.size, dtype=bool, order="F")
    by_slice = np.moveaxis(filled, axis, 0)
    groups = _group(contours, BRIDGED_MM / grid.spacing_mm[axis], by_slice.shape[1:])
    steps = [step for group in groups if (step := _step(group)) is not None]
    for group in groups:
        own = _step(group) or min(steps, default=1.0)
        _fill_group(group, by_slice, step=own, fill=fill_exclusive if is_exclusive else fill_outlines)
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


def _group(contours: Sequence[_Contour], reach: float, shape: tuple[int, ...]) -> list[list[_Contour]]:
    """Separate contours into those that cover each other, directly or through others, within ``reach`` slices."""
    ordered = sorted(contours, key=lambda contour: contour.height)
    group = list(range(len(ordered)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for _, i, j in sorted(_near_pairs(ordered, reach)):
        a, b = root(i), root(j)
        if a != b and _cover_each_other(ordered[i], ordered[j], shape):
            group[max(a, b)] = min(a, b)
    members: dict[int, list[_Contour]] = {}
    for i, contour in enumerate(ordered):
        members.setdefault(root(i), []).append(contour)
    return list(members.values())


def _near_pairs(ordered: Sequence[_Contour], reach: float) -> list[tuple[float, int, int]]:
    """Return the pairs of contours within ``reach`` slices whose bounding boxes overlap, with their distance."""
    heights = np.array([contour.height for contour in ordered])
    low = np.array([contour.low for contour in ordered])
    high = np.array([contour.high for contour in ordered])
    stops = np.searchsorted(heights, heights + reach + _SAME_PLANE, side="right")
    pairs = []
    for i, stop in enumerate(stops):
        meets = (low[i + 1 : stop] <= high[i]).all(axis=1) & (high[i + 1 : stop] >= low[i]).all(axis=1)
        pairs += [(float(heights[j] - heights[i]), i, int(j)) for j in np.flatnonzero(meets) + i + 1]
    return pairs


def _cover_each_other(one: _Contour, other: _Contour, shape: tuple[int, ...]) -> bool:
    """Whether two outlines have a pixel in common, seen along the slices; where one holds no pixel, their boxes do."""
    corner = np.clip(np.floor(np.maximum(one.low, other.low)), 0, shape)
    size = np.clip(np.ceil(np.minimum(one.high, other.high)) + 1, corner, shape) - corner
    first, second = (fill_polygon(contour.polygon - corner, (int(size[0]), int(size[1]))) for contour in (one, other))
    return bool((first & second).any()) or not (first.any() and second.any())


def _step(group: Sequence[_Contour]) -> float | None:
    """Return the usual distance between the planes of a tumour in slices; None if it does not show one."""
    gaps = np.diff(_planes(group))
    return float(gaps[gaps >= _STEP_FROM].min()) if (gaps >= _STEP_FROM).any() else None


def _planes(group: Sequence[_Contour]) -> npt.NDArray[np.float64]:
    """Return the heights at which contours lie, without duplicates, ascending."""
    ordered = np.sort([contour.height for contour in group])
    return np.asarray(ordered[np.diff(ordered, prepend=-np.inf) > _SAME_PLANE])


def _fill_group(group: Sequence[_Contour], by_slice: MaskArray, *, step: float, fill: Fill) -> None:
    """Mark the contours of one tumour on every slice that they represent."""
    corner = np.maximum(np.floor(np.min([contour.low for contour in group], axis=0)), 0).astype(int)
    end = np.minimum(np.ceil(np.max([contour.high for contour in group], axis=0)) + 1, by_slice.shape[1:]).astype(int)
    if (end <= corner).any():
        return
    box = (slice(corner[0], end[0]), slice(corner[1], end[1]))
    shape = (int(end[0] - corner[0]), int(end[1] - corner[1]))
    planes = _planes(group)
    plane_of = np.searchsorted(planes, [contour.height for contour in group], side="right") - 1
    marked: dict[int, MaskArray] = {}
    reach = max(0.5, step / 2)
    first, last = max(0, int(np.floor(planes[0] - reach))), min(len(by_slice) - 1, int(np.ceil(planes[-1] + reach)))
    for k in range(first, last + 1):
        plane = _nearest_plane(k, planes, step=step, reach=reach)
        if plane is None:
            continue
        if plane not in marked:
            on_plane = [one.polygon - corner for one, own in zip(group, plane_of, strict=True) if own == plane]
            marked[plane] = fill(on_plane, shape)
        by_slice[k][box] |= marked[plane]


def _nearest_plane(k: int, planes: npt.NDArray[np.float64], *, step: float, reach: float) -> int | None:
    """Return which plane represents a slice; half-open, so that of two planes as near only the upper one does."""
    at = int(np.searchsorted(planes, k, side="right"))
    below = k - planes[at - 1] if at > 0 else np.inf
    above = planes[at] - k if at < len(planes) else np.inf
    if below + above <= max(1.0, _LEFT_OUT * step) + _SAME_PLANE:
        return at - 1 if below < above else at
    if below < reach:
        return at - 1
    return at if above <= reach else None
