"""Which voxels lie within a few millimetres of marked ones: a distance transform that is only compared with a limit.

Between two limits nobody asks for the distance itself. A voxel is within a limit if one of the marked voxels lies in
the ball around it, and a ball of a few voxels is a few dozen shifts of the whole mask, several times as fast as the
transform.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.vocabulary import MaskArray, Triple

_CLOSE = 1e-9
"""Two distances that differ by less, relatively, may be one distance computed in two ways."""


_Ball: TypeAlias = "Mapping[int, tuple[tuple[int, int], ...]]"
"""The steps along x and y within a distance, by the number of steps along z that are within it, too."""


class Nearness:
    """Answers which voxels are near marked ones, for several limits.

    Args:
        marked: ``"x y z"``.
        spacing_mm: Distance between voxels along each axis, mm.
        most_mm: The largest limit that will be asked for, mm.

    >>> marked = np.zeros((7, 7, 3), dtype=bool)
    >>> marked[3, 3, 1] = True
    >>> near = Nearness(marked, (1.0, 1.0, 2.0), most_mm=2.0)
    >>> [int(near.within(mm).sum()) for mm in (0.5, 1.0, 2.0)]
    [1, 5, 15]
    """

    def __init__(self, marked: MaskArray, spacing_mm: Triple, *, most_mm: float) -> None:
        self._marked, self._spacing_mm = marked, spacing_mm
        _, rows, slices = marked.shape
        _, y, z = (steps_within(most_mm, mm) for mm in spacing_mm)
        # Gaps after each line and plane, so that a step that leaves the image ends in one of them and not in the image.
        self._line, self._plane = slices + z, (rows + y) * (slices + z)
        self._layers: dict[int, npt.NDArray[np.uint8]] = {}

    def within(self, limit_mm: float) -> MaskArray:
        """Return the voxels whose nearest marked voxel is at most so far away.

        The answer is that of ``distance_transform_edt(~marked, sampling=spacing_mm) <= limit_mm``, voxel for voxel.

        Args:
            limit_mm: mm, at most ``most_mm``.
        """
        return self._found(limit_mm, np.less_equal)

    def closer(self, limit_mm: float) -> MaskArray:
        """Return the voxels whose nearest marked voxel is less far away, exactly as with ``<`` in place of ``<=``.

        Args:
            limit_mm: mm, at most ``most_mm``.
        """
        return self._found(limit_mm, np.less)

    def _found(self, limit_mm: float, compare: np.ufunc) -> MaskArray:
        marked = self._marked
        ball = _ball(limit_mm, self._spacing_mm, compare)
        if ball is None or not marked.any():
            from scipy import ndimage  # slow to import, and hardly ever needed

            return np.asarray(compare(ndimage.distance_transform_edt(~marked, sampling=self._spacing_mm), limit_mm))
        size = marked.shape[0] * self._plane
        found = np.zeros(size, dtype=np.uint8)
        for steps_z, columns in ball.items():
            layer = self._layer(steps_z)
            for x, y in columns:
                step = x * self._plane + y * self._line
                if 0 <= step < size:
                    np.bitwise_or(found[: size - step], layer[step:], out=found[: size - step])
                elif 0 < -step < size:
                    np.bitwise_or(found[-step:], layer[:step], out=found[-step:])
        lines = found.reshape(marked.shape[0], -1, self._line)
        return lines[:, : marked.shape[1], : marked.shape[2]].view(np.bool_)

    def _layer(self, steps_z: int) -> npt.NDArray[np.uint8]:
        """The marked voxels, spread by some steps along z; flat, with the gaps."""
        if steps_z not in self._layers:
            if steps_z == 0:
                columns, rows, slices = self._marked.shape
                layer = np.zeros((columns, self._plane // self._line, self._line), dtype=np.uint8)
                layer[:, :rows, :slices] = self._marked
                self._layers[0] = layer.ravel()
            else:
                spread, marked = self._layer(steps_z - 1).copy(), self._layer(0)
                spread[steps_z:] |= marked[:-steps_z]
                spread[:-steps_z] |= marked[steps_z:]
                self._layers[steps_z] = spread
        return self._layers[steps_z]


def steps_within(limit_mm: float, spacing_mm: float) -> int:
    """Return how many steps along an axis are within a distance.

    Args:
        limit_mm: The distance, mm.
        spacing_mm: The length of a step, mm.
    """
    return int(limit_mm / spacing_mm + 1e-6)


@lru_cache(maxsize=64)
def _ball(limit_mm: float, spacing_mm: Triple, compare: np.ufunc) -> _Ball | None:
    """Return the steps within a distance; None if rounding decides whether some are.

    A transform then compares one of several voxels that are equally far away, and does not say which.
    """
    x, y, z = (np.arange(-n, n + 1) for n in (steps_within(limit_mm, mm) + 1 for mm in spacing_mm))
    squares = [(steps * mm) ** 2 for steps, mm in zip((x, y, z), spacing_mm, strict=True)]
    away_mm = np.sqrt((squares[0][:, None, None] + squares[1][:, None]) + squares[2])
    is_within = compare(away_mm, limit_mm)
    doubtful = is_within[np.abs(away_mm - limit_mm) < _CLOSE * limit_mm]
    if doubtful.any() and not doubtful.all():
        return None
    columns: dict[int, list[tuple[int, int]]] = {}
    reach_z = is_within.sum(axis=2) // 2
    for i, j in zip(*np.nonzero(is_within.any(axis=2)), strict=True):
        columns.setdefault(int(reach_z[i, j]), []).append((int(x[i]), int(y[j])))
    return {steps_z: tuple(of) for steps_z, of in columns.items()}
