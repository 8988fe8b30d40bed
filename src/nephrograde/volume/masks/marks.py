"""What one mask file marks, before the tumour is selected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.finding import Fault
    from nephrograde.volume.grid import Grid
    from nephrograde.volume.masks.labels import Label


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """The marked voxels ``"x y z"`` on a grid, and the marked points.

    ``mask`` is None if there are only points. ``present`` are all labels in the file, ``used`` those that count;
    ``seeds_mm`` (LPS) contains the points of the labels that count. ``native`` is the grid of a label map in stored
    order, None if the file places its marks in the patient. ``faults`` are suspicions about where the mask lies.
    """

    mask: MaskArray | None = field(repr=False)
    grid: Grid
    present: tuple[Label, ...]
    used: tuple[Label, ...]
    seeds_mm: tuple[Triple, ...] = ()
    native: Grid | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether some labels in the file do not count."""
        return self.used != self.present


def nothing_marked(label: str = "") -> VolumeError:
    """What to raise where a mask holds no voxel, or none with the label that was asked for.

    Args:
        label: The number or name that was asked for.

    >>> nothing_marked().message
    'no voxel is marked.'
    """
    of_label = f" with label '{label}'" if label else ""
    return VolumeError(
        "mask-empty",
        f"no voxel is marked{of_label}.",
        "Delineate the tumour, or take the mask out of the table.",
    )


def turn(mask: MaskArray, native: Grid) -> tuple[MaskArray, Grid]:
    """Reorder the axes of a stored mask to ascending x, y, z, without copying.

    Args:
        mask: In stored order.
        native: Its grid.

    >>> from nephrograde.volume.grid import Grid
    >>> stored = np.zeros((4, 5, 6), dtype=bool)
    >>> downwards = Grid((4, 5, 6), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), np.diag([1.0, 1.0, -1.0]), source="file")
    >>> turn(stored, downwards)[1].origin_mm
    (0.0, 0.0, -10.0)
    """
    order, flips = native.axes()
    flipped = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return mask.transpose(order)[flipped], native.reoriented()


def turn_back(mask: MaskArray, native: Grid) -> MaskArray:
    """Undo what :func:`turn` did: reorder the axes of a mask to the stored order of its image.

    Args:
        mask: ``"x y z"``.
        native: The grid of the image in stored order.
    """
    order, flips = native.axes()
    flipped = mask[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    return flipped.transpose(np.argsort(order))
