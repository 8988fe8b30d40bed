"""The contours of one plane: which of them are holes, which are drawn twice, and the pixels that they mark together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.vocabulary import MaskArray

Polygon: TypeAlias = Annotated[npt.NDArray[np.float64], "point u-v"]
"""Corners in pixels; the last one is joined to the first, and a pixel is its centre at whole numbers."""

SAME_EDGE_PX = 0.75
"""Two outlines closer than this are the same edge, rounded or redrawn; a wall this thin is none."""
_MOST_AT_ONCE = 1_000_000  # distances held in memory
_MOST_PER_EDGE = 1000  # an edge longer than any plane is damage


def fill_outlines(polygons: Sequence[Polygon], shape: tuple[int, int]) -> MaskArray:
    """Fill the outlines of one structure on one plane.

    An outline inside another one cuts a hole, and one inside that marks again. Outlines that overlap only in part mark
    everything that any of them marks. An outline that mostly follows the edge of the one around it is that outline
    drawn again and cuts nothing.

    Args:
        polygons: At least one. A polygon that touches itself, such as a keyhole, is filled by the even-odd rule.
        shape: Number of pixels along u and v.

    Returns:
        True inside, ``"u v"``.

    Source: DICOM PS3.3 C.8.8.6.3 leaves several CLOSED_PLANAR contours on one plane open; nested contours as holes are
    what annotation programs write.

    >>> outer = np.array([(0.5, 0.5), (8.5, 0.5), (8.5, 8.5), (0.5, 8.5)])
    >>> inner = np.array([(3.5, 3.5), (5.5, 3.5), (5.5, 5.5), (3.5, 5.5)])
    >>> int(fill_outlines([outer, inner], (10, 10)).sum()), int(fill_outlines([outer, outer[::-1]], (10, 10)).sum())
    (60, 64)
    >>> int(fill_outlines([outer, outer + 1.0], (10, 10)).sum())
    79
    """
    ordered = sorted(polygons, key=area_of, reverse=True)
    drawn = [fill_polygon(polygon, shape) for polygon in ordered]
    if len(ordered) == 1:
        return drawn[0]
    around: list[list[int]] = [
        [i for i in range(j) if _is_hole(ordered[j], ordered[i], drawn[j], drawn[i])] for j in range(len(ordered))
    ]
    level: list[int] = []
    for outer in around:
        level.append(1 + max((level[i] for i in outer), default=-1))
    marked = [region.copy() for region in drawn]
    for j in reversed(range(len(ordered))):  # the innermost first
        for i in around[j]:
            if level[i] == level[j] - 1:
                marked[i] &= ~marked[j]
    whole = np.zeros(shape, dtype=bool)
    for region, depth in zip(marked, level, strict=True):
        if depth == 0:
            whole |= region
    return whole


def fill_exclusive(polygons: Sequence[Polygon], shape: tuple[int, int]) -> MaskArray:
    """Fill outlines that are combined by exclusive or, as those of type CLOSEDPLANAR_XOR are.

    An outline that is there twice counts once: nobody draws an outline to cancel another one.

    Args:
        polygons: At least one.
        shape: Number of pixels along u and v.

    Returns:
        True inside an odd number of different outlines, ``"u v"``.

    Source: DICOM PS3.3 C.8.8.6.3.

    >>> square = np.array([(0.5, 0.5), (4.5, 0.5), (4.5, 4.5), (0.5, 4.5)])
    >>> int(fill_exclusive([square, square + 1.0, square], (10, 10)).sum())
    14
    """
    different: list[Polygon] = []
    for polygon in polygons:
        if not any(_is_same(polygon, other) for other in different):
            different.append(polygon)
    odd = np.zeros(shape, dtype=bool)
    for polygon in different:
        odd ^= fill_polygon(polygon, shape)
    return odd


def fill_polygon(polygon: Polygon, shape: tuple[int, int]) -> MaskArray:
    """Mark the pixels whose centre lies inside a polygon, by the even-odd rule.

    Every edge flips all pixels beyond it in its rows; pixels flipped an odd number of times lie inside.

    Args:
        polygon: It may reach beyond the plane.
        shape: Number of pixels along u and v.

    >>> int(fill_polygon(np.array([(0.5, 0.5), (4.5, 0.5), (0.5, 4.5)]), (6, 6)).sum())
    6
    """
    start, stop = polygon, np.roll(polygon, -1, axis=0)
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


def area_of(polygon: Polygon) -> float:
    """Return the area that a polygon encloses, in pixels.

    Args:
        polygon: The last corner may be the first one again.

    >>> area_of(np.array([(0.5, 0.5), (4.5, 0.5), (4.5, 3.5), (0.5, 3.5)]))
    12.0
    """
    u, v = (polygon - polygon[0]).T
    return float(abs(np.sum(u * np.roll(v, -1) - np.roll(u, -1) * v)) / 2)


def _is_hole(inner: Polygon, outer: Polygon, inner_mask: MaskArray, outer_mask: MaskArray) -> bool:
    """Whether an outline lies inside a larger one, and for the most part away from its edge."""
    low, high = outer.min(axis=0) - SAME_EDGE_PX, outer.max(axis=0) + SAME_EDGE_PX
    if (inner.min(axis=0) < low).any() or (inner.max(axis=0) > high).any():
        return False
    beyond = np.argwhere(inner_mask & ~outer_mask).astype(np.float64)
    if len(beyond) == int(inner_mask.sum()):
        return False
    if len(beyond) and _distances(beyond, outer).max() > SAME_EDGE_PX:
        return False
    return float(np.median(_distances(_with_middles(inner), outer))) > SAME_EDGE_PX


def _is_same(one: Polygon, other: Polygon) -> bool:
    return all(_distances(_with_middles(a), b).max() <= SAME_EDGE_PX for a, b in ((one, other), (other, one)))


def _with_middles(polygon: Polygon) -> Polygon:
    """Return points along the outline at most about a pixel apart, so that long edges count by their length."""
    start, stop = polygon, np.roll(polygon, -1, axis=0)
    counts = np.clip(np.ceil(np.linalg.norm(stop - start, axis=1)), 1, _MOST_PER_EDGE).astype(int)
    edge = np.repeat(np.arange(len(start)), counts)
    share = (np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[edge]
    return np.asarray(start[edge] + share[:, None] * (stop - start)[edge])


def _distances(points: Polygon, polygon: Polygon) -> npt.NDArray[np.float64]:
    """Return how far each point lies from the outline of a polygon."""
    start = polygon
    along = np.roll(polygon, -1, axis=0) - start
    squared = np.maximum((along**2).sum(axis=1), 1e-12)
    found = []
    for part in np.array_split(points, 1 + len(points) * len(polygon) // _MOST_AT_ONCE):
        away = part[:, None] - start
        share = np.clip((away * along).sum(axis=2) / squared, 0.0, 1.0)
        found.append(np.linalg.norm(away - share[:, :, None] * along, axis=2).min(axis=1))
    return np.concatenate(found)
