"""A mask of both kidneys, as any program or person gives it, divided into the right and the left one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from nephrograde.errors import VolumeError
from nephrograde.organs.kidneys import LEFT, RIGHT

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.grid import Grid

APART_MM: Final = 40.0
"""Least distance of the middles of two kidneys from right to left; the spine lies between them."""
LEAST_SHARE: Final = 0.05
"""A piece smaller than this part of the largest one is a crumb of a segmentation, not a kidney."""
MOST_ML: Final = 8000.0
"""More than the largest polycystic kidneys; a mask of the whole body or of all organs has more."""


def divide_kidneys(mask: MaskArray, grid: Grid) -> dict[int, MaskArray]:
    """Divide a mask of one or both kidneys by side.

    Connected pieces are assigned to the largest piece on either side, by the distance from right to left. A mask in one
    piece is one kidney, also if it is a horseshoe kidney.

    Args:
        mask: Both kidneys or one, with their tumours; at least one voxel.
        grid: Its grid, with axes in patient order.

    Returns:
        The kidneys by label, :data:`~nephrograde.organs.kidneys.RIGHT` first. A single kidney lies on the side of the
        image on which its middle is.

    Raises:
        VolumeError: With code "kidneys-implausible" if the mask is too large for two kidneys.

    >>> mask = np.zeros((40, 20, 9), dtype=bool)
    >>> mask[4:12, 5:15, 2:7] = mask[26:34, 5:15, 3:9] = True
    >>> from nephrograde.volume.grid import Grid
    >>> found = divide_kidneys(mask, Grid(mask.shape, (5.0, 5.0, 5.0), (0.0, 0.0, 0.0), np.eye(3), source="memory"))
    >>> [(label, int(kidney.sum())) for label, kidney in found.items()]
    [(1, 400), (2, 480)]
    """
    volume_ml = float(mask.sum()) * float(np.prod(grid.spacing_mm)) / 1000.0
    if volume_ml > MOST_ML:
        raise VolumeError(
            "kidneys-implausible",
            f"marks {volume_ml / 1000.0:.1f} litres, more than two kidneys have.",
            "Name a mask that marks the kidneys (with their tumours) and nothing else.",
        )
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    numbers = np.arange(1, count + 1)
    sizes = ndimage.sum_labels(mask, pieces, numbers)
    middles = np.array(ndimage.center_of_mass(mask, pieces, numbers)).reshape(-1, 3)
    middles_mm = middles[:, 0] * grid.spacing_mm[0]
    largest = int(sizes.argmax())
    others = (np.abs(middles_mm - middles_mm[largest]) >= APART_MM) & (sizes >= LEAST_SHARE * sizes[largest])
    if not others.any():
        is_right = middles_mm[largest] < (grid.size[0] - 1) / 2 * grid.spacing_mm[0]
        return {RIGHT if is_right else LEFT: mask}
    other = int(np.where(others, sizes, 0).argmax())
    right_mm, left_mm = sorted((middles_mm[largest], middles_mm[other]))
    on_right = np.concatenate([[False], np.abs(middles_mm - right_mm) <= np.abs(middles_mm - left_mm)])
    is_right_piece = on_right[pieces] & mask
    return {RIGHT: is_right_piece, LEFT: mask & ~is_right_piece}
