"""A mask with the matrix of its image but another geometry: it lies elsewhere than its voxels would on the image.

Which of the two is right, the header or the order of the voxels, only the image can tell: a tumour differs from what
surrounds it. Where the image does not clearly agree with the header, the difference is reported.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.volume.finding import Fault
from nephrograde.volume.masks.marks import turn, turn_back
from nephrograde.volume.overlay import bounding_box

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.grid import Grid
    from nephrograde.volume.masks.marks import Marks
    from nephrograde.volume.volume import Volume

APART_VOXELS = 0.75
APART_MM = 1.5
"""A mask lies elsewhere if it is further from its voxels than both: half a voxel and rounded spacings pass."""
CLEARER = 1.25
"""Ratio of edge contrasts from which one of two places is clearly that of the tumour."""
_SHOWN_HU = (-200.0, 300.0)  # beyond it, air and bone would hide every other edge


def check_placement(marks: Marks, placed: MaskArray, volume: Volume) -> list[Fault]:
    """Compare where the header of a mask places it with where its voxels lie on the image.

    Args:
        marks: As the file gives them, on its own grid.
        placed: The mask on the grid of the image, as its header places it.
        volume: The image.

    Returns:
        No fault, or a warning "mask-elsewhere".

    >>> from nephrograde.volume.masks.marks import Marks
    >>> from nephrograde.volume.overlay import bring_over
    >>> from nephrograde.volume.volume import make_volume
    >>> mask = np.zeros((20, 20, 10), dtype=bool)
    >>> mask[4:9, 4:9, 3:7] = True
    >>> image = make_volume(np.where(mask, 90, 40), spacing_mm=(1.0, 1.0, 3.0))
    >>> grid = make_volume(mask, spacing_mm=(1.0, 1.0, 3.0), origin_mm=(6.0, 0.0, 0.0)).grid
    >>> shifted = Marks(mask, grid, (), (), native=grid)
    >>> check_placement(shifted, bring_over(mask, grid, image.grid), image)[0].message
    'has as many voxels as the image, but its header places the tumour 6.0 mm from where its voxels lie on the image.'
    """
    if marks.mask is None or marks.native is None:
        return []
    if sorted(marks.grid.size) == sorted(volume.grid.size) and marks.grid.size != volume.grid.size:
        return [_fault("has the matrix of the image with its axes exchanged.")]
    if marks.grid.size != volume.grid.size:
        return []
    by_voxel, apart_mm = _on_image(marks.mask, marks, volume)
    if apart_mm is None or np.array_equal(by_voxel, placed):
        return []
    if _is_clearer(placed, by_voxel, volume):
        return []
    mirrored = _mirrored(marks, volume)
    how = f" and mirrors it {mirrored}" if mirrored else ""
    return [
        _fault(
            f"has as many voxels as the image, but its header places the tumour {apart_mm:.1f} mm from where its "
            f"voxels lie on the image{how}."
        )
    ]


def _fault(message: str) -> Fault:
    remedy = (
        "See on the picture where it lies. If it was drawn on this image, copy the geometry of the image into the mask."
    )
    return Fault("mask-elsewhere", "warning", message, remedy)


def _grids(marks: Marks, volume: Volume) -> tuple[Grid, Grid]:
    """The grids whose voxels belong together by number: as stored, if both files keep the order of their program.

    A DICOM series has no order of its own, and converters turn it in different ways.
    """
    native, image = marks.native, volume.native
    if native is not None and native.source == image.source and native.size == image.size:
        return native, image
    return marks.grid, volume.grid


def _on_image(mask: MaskArray, marks: Marks, volume: Volume) -> tuple[MaskArray, float | None]:
    """The mask as if it had the geometry of the image, and how far from there its header places it.

    The distance is the largest over the corners of the tumour; None if it is too small to matter.
    """
    own, image = _grids(marks, volume)
    stored = mask if own is marks.grid else turn_back(mask, own)
    apart = _away(stored, own, image)
    distances_mm = np.linalg.norm(apart, axis=1)
    voxels = np.abs(apart @ image.direction / image.spacing_mm).max(axis=1)
    is_apart = (voxels > APART_VOXELS) & (distances_mm > APART_MM)
    turned = mask if own is marks.grid else turn(stored, image)[0]
    return turned, float(distances_mm.max()) if is_apart.any() else None


def _away(stored: MaskArray, own: Grid, image: Grid) -> npt.NDArray[np.float64]:
    """Vectors in mm from where the corners of the tumour lie on the image to where its own grid places them."""
    corners = list(product(*zip(*bounding_box(stored), strict=True)))
    return np.array([np.subtract(own.to_mm(corner), image.to_mm(corner)) for corner in corners])


def _mirrored(marks: Marks, volume: Volume) -> str:
    own, image = _grids(marks, volume)
    names = ("left to right", "front to back", "head to feet")
    (order, flips), (image_order, image_flips) = own.axes(), image.axes()
    if order != image_order:
        return ""
    return " and ".join(name for name, a, b in zip(names, flips, image_flips, strict=True) if a != b)


def _is_clearer(placed: MaskArray, other: MaskArray, volume: Volume) -> bool:
    """Whether the first mask clearly follows an edge of the image better, and holds no more different values."""
    edge, spread = _edge_and_spread(placed, volume)
    other_edge, other_spread = _edge_and_spread(other, volume)
    return edge > CLEARER * other_edge and spread <= CLEARER * other_spread


def _edge_and_spread(mask: MaskArray, volume: Volume) -> tuple[float, float]:
    """The mean difference between neighbouring voxels in and around a mask, and the deviation of those in it."""
    low, high = bounding_box(mask)
    box = tuple(
        slice(max(start - 1, 0), min(stop + 2, size)) for start, stop, size in zip(low, high, mask.shape, strict=True)
    )
    inside = mask[box]
    values = np.asarray(volume.values[box], dtype=np.float32)
    if volume.values.min() < 0:
        values = np.clip(values, *_SHOWN_HU)
    total, count = 0.0, 0
    for axis in range(3):
        crosses = np.diff(inside, axis=axis)
        total += float(np.abs(np.diff(values, axis=axis))[crosses].sum())
        count += int(crosses.sum())
    return total / max(count, 1), float(values[inside].std())
