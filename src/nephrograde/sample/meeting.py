"""Which of the slices that a network sees show the tumour; used to judge its attention, never in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.volume import Volume


def rows_meeting(
    mask: MaskArray, volume: Volume, rows: Iterable[tuple[int, Triple]], *, size_mm: float
) -> tuple[bool, ...]:
    """Return for each slice whether its crop contains a voxel of the tumour.

    Args:
        mask: The tumour on the scan's grid.
        volume: The scan.
        rows: Number and centre (LPS, mm) of each crop.
        size_mm: Edge length of the crops, mm.

    >>> from nephrograde.volume.volume import make_volume
    >>> mask = np.zeros((50, 50, 4), dtype=bool)
    >>> mask[10:14, 10:14, 2] = True
    >>> volume = make_volume(np.zeros(mask.shape), spacing_mm=(1.0, 1.0, 5.0))
    >>> rows = [(2, (12.0, 12.0, 10.0)), (1, (12.0, 12.0, 5.0)), (2, (40.0, 12.0, 10.0))]
    >>> rows_meeting(mask, volume, rows, size_mm=20.0)
    (True, False, False)
    """
    met = []
    for k, center_mm in rows:
        voxels = np.argwhere(mask[:, :, k])
        away_mm = np.abs(voxels - volume.to_index(center_mm)[:2]) * volume.spacing_mm[:2]
        met.append(bool((away_mm <= size_mm / 2).all(axis=1).any()))
    return tuple(met)
