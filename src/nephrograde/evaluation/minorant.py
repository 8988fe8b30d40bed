"""The greatest convex minorant of cumulative sums: isotonic regression with one more patient at every score.

Cumulative sums of patients and high-grade patients are points of the plane, one per distinct score. The slopes of their
lower hull are the isotonic regression. One more high-grade patient at a score moves the points before it to the left
and down by one, and only the tangent of both parts is needed. Along the scores it moves rarely, so that long stretches
are compared at once. All numbers are integers below 2⁵³ until the final division, so nothing is rounded before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nephrograde.vocabulary import FloatVector

_ONE_BY_ONE = 8
"""Scores that are compared one by one before many are compared at once."""
_AT_ONCE = 64
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
        Vovk, Petej & Fedorova 2015, NIPS 28:892, algorithms 1 and 2.

    >>> isotonic_with_one_more(np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0])).round(2).tolist()
    [0.5, 0.75, 0.75]
    """
    x, y = np.concatenate([[0.0], np.cumsum(counts)]), np.concatenate([[0.0], np.cumsum(highs)])
    right = _lower_hull(np.concatenate([[-1.0], x]), np.concatenate([[-1.0], y]))[1:]
    x_left, y_left, at = -1.0, -1.0, 0
    x_right, y_right = right[at]
    found = np.empty(counts.size)
    k = 0
    while k < counts.size:
        after = _first_below((x_left, y_left), (x_right, y_right), (x, y), k + 1)
        found[k:after] = (y_right - y_left) / (x_right - x_left)
        if after == counts.size:
            break
        k, x_left, y_left = after, float(x[after]) - 1.0, float(y[after]) - 1.0
        while at + 1 < len(right) and _turn((x_left, y_left), right[at], right[at + 1]) <= 0.0:
            at += 1
        x_right, y_right = right[at]
    return found


def _first_below(
    left: tuple[float, float], right: tuple[float, float], points: tuple[FloatVector, FloatVector], start: int
) -> int:
    """The first point from ``start`` below the line when moved left and down by one; the number of scores if none."""
    x, y = points
    scores = x.size - 1
    x_ahead, y_ahead = right[0] - left[0], right[1] - left[1]
    for k in range(start, min(start + _ONE_BY_ONE, scores)):
        if x_ahead * (y[k] - 1.0 - left[1]) < y_ahead * (x[k] - 1.0 - left[0]):
            return k
    begin, many = start + _ONE_BY_ONE, _AT_ONCE
    while begin < scores:
        part = slice(begin, min(begin + many, scores))
        below = x_ahead * (y[part] - 1.0 - left[1]) < y_ahead * (x[part] - 1.0 - left[0])
        where = int(below.argmax())
        if below[where]:
            return begin + where
        begin, many = begin + many, 2 * many
    return scores


def _lower_hull(x: FloatVector, y: FloatVector) -> list[tuple[float, float]]:
    """The corners of the lower hull of points from left to right.

    A point that does not lie below the line between its neighbours is no corner, whichever of them are corners, so all
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
