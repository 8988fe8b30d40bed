"""Fat and air inside a tumour mask of a CT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume

FAT_BELOW_HU = -30.0
"""Fat lies between −120 and −60 HU; −30 leaves room for noise."""
AIR_BELOW_HU = -300.0
FAT_SHARE = 0.15
AIR_SHARE = 0.01


def check_mask_spill(volume: Volume, mask: MaskArray) -> list[Fault]:
    """Check for fat and air inside a tumour mask: it is then shifted, drawn too wide, or made for another scan.

    Args:
        volume: A CT in HU.
        mask: The tumour on the same grid; at least one voxel.

    Returns:
        Warnings with code "mask-fat" or "mask-air".

    >>> from nephrograde.volume.volume import make_volume
    >>> import numpy as np
    >>> values = np.full((10, 10, 10), 40.0)
    >>> values[:, :, :5] = -90.0
    >>> mask = np.zeros((10, 10, 10), dtype=bool)
    >>> mask[3:6, 3:6, 3:7] = True
    >>> print(check_mask_spill(make_volume(values, spacing_mm=(1.0, 1.0, 1.0)), mask)[0].message)
    50 % of the tumour mask is fat (below -30 HU).
    """
    inside = volume.values[mask]
    air, fat = float((inside < AIR_BELOW_HU).mean()), float((inside < FAT_BELOW_HU).mean())
    faults = []
    if air > AIR_SHARE:
        message = f"{100 * air:.0f} % of the tumour mask is air (below {AIR_BELOW_HU:.0f} HU)."
        remedy = "See that the mask was drawn on this scan; it reaches into bowel, lung or out of the body."
        faults.append(Fault("mask-air", "warning", message, remedy))
    if fat - air > FAT_SHARE:
        message = f"{100 * (fat - air):.0f} % of the tumour mask is fat (below {FAT_BELOW_HU:.0f} HU)."
        remedy = "See that the mask was drawn on this scan and follows the tumour; it reaches into the fat around."
        faults.append(Fault("mask-fat", "warning", message, remedy))
    return faults
