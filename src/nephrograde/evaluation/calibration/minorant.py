"""Isotonic regression with one more patient at every score.

Cumulative sums of patients and high-grade patients are points of the plane, one per distinct score. The slopes of their
lower hull are the isotonic regression. One more high-grade patient at a score moves the points before it to the left
and down by one. The regression at that score is then the greatest slope, over all points before it, of the least slope
from there to a point behind it (the max–min formula). Two facts save most of the work. Only corners of the lower hull
of the unmoved points can be the points behind: a point above an edge of this hull also lies above the line sought. And
so the least slope from a point does not depend on the score, as long as the score is not before the point: the greatest
one is a running maximum.

All numbers are integers below 2⁵³ until the division, and of integers below 2²⁶ two quotients that differ are also
different as floating-point numbers, so nothing is lost by rounding.

Source: max–min formula: Robertson, Wright & Dykstra 1988, Order Restricted Statistical Inference, section 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.vocabulary import FloatVector

_FEW = 200
"""Points that are no longer removed at once."""


def isotonic_with_one_more(counts: FloatVector, highs: FloatVector) -> FloatVector:
    """Compute the isotonic regression at each score, after one more high-grade patient with that score.

    Args:
        counts: Patients with each distinct score, from the lowest score to the highest.
        highs: High-grade patients among them.

    Returns:
        The share of high grade at each score.

    Source:
        Vovk, Petej & Fedorova 2015, NIPS 28:892, algorithms 1 and 2, which give the same numbers score by score.

    >>> isotonic_with_one_more(np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0])).round(2).tolist()
    [0.5, 0.75, 0.75]
    """
    x, y = np.concatenate([[0.0], np.cumsum(counts)]), np.concatenate([[0.0], np.cumsum(highs)])
    hull = np.array(_lower_hull(np.concatenate([[-1.0], x]), np.concatenate([[-1.0], y]))[1:])
    corners = np.searchsorted(x, hull[:, 0])
    behind = np.repeat(np.arange(corners.size), np.diff(corners, prepend=0))
    lines = _Lines(x[:-1] - 1.0, y[:-1] - 1.0, hull[:, 0], hull[:, 1], behind)
    # First from the corners, which give most of the greatest slopes; then from those points only that may exceed them.
    found = np.full(counts.size, -np.inf)
    before = np.concatenate([[0], corners[:-1]])
    found[before] = lines.least(before)
    np.maximum.accumulate(found, out=found)
    higher = np.flatnonzero(lines.slopes(np.arange(counts.size), behind) > found)
    found[higher] = np.maximum(found[higher], lines.least(higher))
    return np.asarray(np.maximum.accumulate(found), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Lines from moved points (``left``) to corners of the hull (``right``), the first of which is ``behind`` it."""

    left_x: FloatVector
    left_y: FloatVector
    right_x: FloatVector
    right_y: FloatVector
    behind: npt.NDArray[np.int64]

    def slopes(self, points: npt.NDArray[np.int64], corners: npt.NDArray[np.int64]) -> FloatVector:
        """The slope from each point to its corner."""
        up, across = self.right_y[corners] - self.left_y[points], self.right_x[corners] - self.left_x[points]
        return np.asarray(up / across, dtype=np.float64)

    def least(self, points: npt.NDArray[np.int64]) -> FloatVector:
        """The least slope from each point to a corner behind it: along a hull, slopes fall and then rise."""
        corners = self.behind[points]
        found = self.slopes(points, corners)
        falling = np.flatnonzero(corners + 1 < self.right_x.size)
        while falling.size:
            next_slopes = self.slopes(points[falling], corners[falling] + 1)
            falls = next_slopes < found[falling]
            falling, next_slopes = falling[falls], next_slopes[falls]
            corners[falling] += 1
            found[falling] = next_slopes
            falling = falling[corners[falling] + 1 < self.right_x.size]
        return found


def _lower_hull(x: FloatVector, y: FloatVector) -> list[tuple[float, float]]:
    """The corners of the lower hull of points from left to right.

    A point that does not lie below the line between its neighbours is not a corner, whether or not they are, so all
    such points are removed at once, again and again, until few are left or few are removed.
    """
    while x.size > _FEW:
        keeps = np.ones(x.size, dtype=np.bool_)
        across, up = np.diff(x), np.diff(y)
        keeps[1:-1] = across[:-1] * up[1:] > up[:-1] * across[1:]
        removed = x.size - int(keeps.sum())
        x, y = x[keeps], y[keeps]
        if removed < x.size // 20:
            break
    corners: list[tuple[float, float]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        while len(corners) > 1 and _turn(corners[-2], corners[-1], point) <= 0.0:
            corners.pop()
        corners.append(point)
    return corners


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Above 0 if the way from a over b to c turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
