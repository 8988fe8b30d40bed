"""The sinus of a kidney: what its convex outline encloses on each axial slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray


def with_sinus(piece: MaskArray) -> MaskArray:
    """Fill each slice up to its convex hull, to include the medulla and the sinus with its fat and urine.

    A slice with a single point or line has no interior, and is left as it is.

    Args:
        piece: A kidney without its sinus, ``"x y z"``.

    >>> ring = np.ones((5, 5, 1), dtype=bool)
    >>> ring[1:4, 1:] = False
    >>> ring[:, :, 0].sum(), with_sinus(ring)[:, :, 0].sum()
    (np.int64(13), np.int64(25))
    """
    columns, rows, _ = piece.shape
    is_met = np.asarray(piece.any(axis=1))
    first = piece.argmax(axis=1)
    last = rows - 1 - piece[:, ::-1].argmax(axis=1)
    corners: tuple[list[float], list[float], list[float], list[float]] = ([], [], [], [])
    low_x, low_y, high_x, high_y = corners
    places, inside = [], []
    for k in np.flatnonzero(is_met.any(axis=0)).tolist():
        x = np.flatnonzero(is_met[:, k])
        low = _hull_below(x.tolist(), first[x, k].tolist())
        high = _hull_below(x.tolist(), (-last[x, k]).tolist())
        if len(x) == 1 or (
            len(low) == len(high) == 2 and all(a + b == 0 for (_, a), (_, b) in zip(low, high, strict=True))
        ):
            continue  # a point or a line
        for found, at, height in ((low, low_x, low_y), (high, high_x, high_y)):
            at.extend(corner + k * columns for corner, _ in found)
            height.extend(y for _, y in found)
        places.append(np.arange(x[0], x[-1] + 1))
        inside.append(k)
    filled = piece.copy()
    if not inside:
        return filled
    column, plane = np.concatenate(places), np.repeat(inside, [len(one) for one in places])
    at = column + plane * columns
    below, above = np.interp(at, low_x, low_y), -np.interp(at, high_x, high_y)
    y = np.arange(rows)
    filled[column, :, plane] |= (y > below[:, None] - 1e-6) & (y < above[:, None] + 1e-6)
    return filled


def _hull_below(x: list[int], y: list[int]) -> list[tuple[int, int]]:
    """Return the corners of the lower side of the convex hull of some points, whose x ascend."""
    corners: list[tuple[int, int]] = []
    for right, height in zip(x, y, strict=True):
        while len(corners) > 1:
            (x0, y0), (x1, y1) = corners[-2:]
            if (x1 - x0) * (height - y0) > (y1 - y0) * (right - x0):
                break
            corners.pop()
        corners.append((right, height))
    return corners
