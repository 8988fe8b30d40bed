"""From the cells of a map to the voxels of the scan: the inverse of how a region is cut; and where a map peaks.

The centre of cell ``i`` of a map lies at pixel ``step · i`` of its picture, pixels counted by their centres from 0: a
convolution of odd size ``n`` with padding ``(n - 1) / 2`` and stride 2 is centred on every second pixel, beginning with
the first. A ResNet halves a picture five times, so that ``step`` is 32, and the first cell is centred on the first
pixel, not on the middle of the first 32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.sample.frames import Frame
    from nephrograde.vocabulary import Triple
    from nephrograde.volume.volume import Volume

    Values = npt.NDArray[np.float64]

OF_RESNET = 32
"""Pixels from one cell of the last feature map of a ResNet-18 to the next."""
_TIED = 1e-9
"""Cells whose values differ by a smaller part are equally strong: a plateau, whose middle is its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The map of one picture.

    Attributes:
        values: ``"x y"`` or ``"x y z"``, along the axes of the scan.
        frame: Where the picture lies on the scan.
        pixels: Of the picture, along the same axes.
        step: Pixels from the centre of a cell to that of the next.
        agree: How many networks have the sign of the map in each cell; None where that is not known.
    """

    values: Values = field(repr=False)
    frame: Frame
    pixels: tuple[int, ...]
    step: int
    agree: npt.NDArray[np.int64] | None = field(default=None, repr=False)

    @property
    def resolution_mm(self) -> tuple[float, ...]:
        """The distance of two cells along each axis; the edge of the picture where there is one cell only."""
        return tuple(
            edge if count == 1 else edge / pixels * self.step
            for edge, pixels, count in zip(self.frame.size_mm, self.pixels, self.values.shape, strict=True)
        )

    def place_of(self, cell: Sequence[float]) -> Triple:
        """Return where a place on the map is, in voxels of the scan; the middle of an axis with one cell only.

        Args:
            cell: Along each axis; the centres of cells are whole numbers.
        """
        low, high = self.frame.low, self.frame.high
        found = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        for axis, (at, count) in enumerate(zip(cell, self.values.shape, strict=True)):
            if count > 1:
                share = (at * self.step + 0.5) / self.pixels[axis]
                found[axis] = low[axis] + share * (high[axis] - low[axis])
        if self.frame.k is not None:
            found[2] = float(self.frame.k)
        return found[0], found[1], found[2]


@dataclass(frozen=True, slots=True)
class Peak:
    """Where a map is strongest.

    Attributes:
        value: What the map says there.
        position_mm: LPS.
        vox: The voxel of the image as stored, as places are written: columns, rows, slices of a DICOM series.
        phase: The scan.
        slice: The slice of the scan, counted from 0 from the feet; None of a box.
        agree: How many networks have the same sign there; None where that is not known.
    """

    value: float
    position_mm: Triple
    vox: tuple[int, int, int]
    phase: str
    slice: int | None
    agree: int | None = None


def on_grid(rows: Sequence[Cells], size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Sample maps at the voxels of their scan, linearly between cells.

    Args:
        rows: One map per picture; where pictures overlap, their maps are added.
        size: Of the scan, ``"x y z"``.

    Returns:
        0 outside the pictures.
    """
    found = np.zeros(size, np.float32)
    for row in rows:
        sampled: Values = row.values
        spans: list[slice | int] = []
        for axis in range(row.values.ndim):
            span, weights = _weights(row, axis, size[axis])
            spans.append(span)
            sampled = np.moveaxis(np.tensordot(weights, sampled, axes=(1, axis)), 0, axis)
        if row.frame.k is not None:
            spans.append(row.frame.k)
        place: tuple[Any, ...] = tuple(spans)
        found[place] += sampled.astype(np.float32)
    return found


def find_peak(rows: Sequence[Cells], volume: Volume, phase: str, *, sign: int) -> Peak | None:
    """Find where the maps of a scan are strongest.

    Args:
        rows: One map per picture.
        volume: The scan.
        phase: Of the scan.
        sign: 1 for the strongest place towards high grade, -1 towards low grade.

    Returns:
        None if no place inside the scan has this sign.
    """
    best: tuple[float, Triple, int | None, int | None] | None = None
    for row in rows:
        values = np.where(_inside(row, volume.values.shape), sign * row.values, -np.inf)
        most = float(values.max())
        if most > 0 and (best is None or most > best[0]):
            tied = np.argwhere(values >= most * (1 - _TIED))
            agree = None if row.agree is None else int(row.agree[tuple(tied[0])])
            best = (most, row.place_of(tied.mean(axis=0).tolist()), row.frame.k, agree)
    if best is None:
        return None
    value, place, number, agree = best
    position_mm = volume.to_mm(place)
    last = np.array(volume.native.size) - 1
    x, y, z = np.clip(np.rint(volume.native.to_index(position_mm)), 0, last).astype(int).tolist()
    return Peak(sign * value, position_mm, (x, y, z), phase, number, agree)


def _inside(row: Cells, size: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which cells are centred inside the scan."""
    inside = np.ones(row.values.shape, dtype=bool)
    for axis, count in enumerate(row.values.shape):
        cell = [0.0] * row.values.ndim
        for number in range(count):
            cell[axis] = number
            if not -0.5 <= row.place_of(cell)[axis] <= size[axis] - 0.5:
                inside[(slice(None),) * axis + (number,)] = False
    return inside


def _weights(row: Cells, axis: int, size: int) -> tuple[slice, Values]:
    """The voxels of the scan along an axis whose centres lie in the picture, and the weights of the cells in each."""
    low, high, count = row.frame.low[axis], row.frame.high[axis], row.values.shape[axis]
    first, stop = max(math.ceil(low), 0), min(math.floor(high) + 1, size)
    voxels = np.arange(first, max(stop, first))
    cells = ((voxels - low) / (high - low) * row.pixels[axis] - 0.5) / row.step
    cells = np.clip(cells, 0, count - 1)
    lower = np.minimum(cells.astype(int), max(count - 2, 0))
    weights = np.zeros((len(voxels), count))
    weights[np.arange(len(voxels)), lower] = 1.0 - (cells - lower)
    if count > 1:
        weights[np.arange(len(voxels)), lower + 1] = cells - lower
    return slice(first, first + len(voxels)), weights
