"""A mask drawn on one phase, transferred to another scan of the same patient, and how well it fits there.

The scans of one examination share the patient's coordinates, so a mask can be transferred by position alone; only
breathing and rotation of the body interfere. If they do, the region around the tumour is first registered rigidly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.finding import Fault
from nephrograde.volume.masks.registration import Motion, find_height, register_region
from nephrograde.volume.masks.spill import AIR_BELOW_HU, FAT_BELOW_HU
from nephrograde.volume.overlay import bounding_box, bring_over

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray, VolumeArray
    from nephrograde.volume.grid import Grid
    from nephrograde.volume.volume import Volume

How: TypeAlias = Literal["position", "rigid"]

MOST_FAT_GAINED = 0.10
MOST_LOST = 0.05
MOST_HEIGHT_MM = 10.0
MOST_HEIGHT_SHARE = 0.25
"""The mask counts as poorly fitting from these limits on: additional fat or air under the transferred mask compared
with the drawn one, fraction of it cut off by the edge of the image, or shift up or down in mm or relative to the
tumour's own height."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """A mask on the grid of the other scan, with a fault stating how well it fits, and how far it was moved."""

    mask: MaskArray = field(repr=False)
    fault: Fault
    motion: Motion


def carry_mask(mask: MaskArray, source: Volume, target: Volume, *, how: How) -> Carried:
    """Carry a mask from the scan it was drawn on to another scan of the patient.

    Args:
        mask: The tumour, on the grid of ``source``.
        source: The scan it was drawn on.
        target: The other scan.
        how: "position" by the patient's coordinates, "rigid" after registering the region.

    Returns:
        The mask on the grid of ``target``. The fault, a warning, has code "mask-carried", or "mask-carried-poorly" if
        there is much more fat or air under it than under the drawn mask, if the image cuts it off, or if the scans
        agree better at another height.

    Raises:
        VolumeError: With code "mask-carried-outside" if it lies outside the other scan.

    Fat is taken as below −30 HU and air as below −300 HU.

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.full((30, 30, 12), -100, dtype=np.int16)
    >>> values[10:20, 10:20, 3:9] = 60
    >>> scan = make_volume(values, spacing_mm=(1.0, 1.0, 5.0))
    >>> lower = make_volume(values, spacing_mm=(1.0, 1.0, 5.0), origin_mm=(0.0, 0.0, -10.0))
    >>> carry_mask(values > 0, scan, scan, how="position").fault.code
    'mask-carried'
    >>> carry_mask(values > 0, scan, lower, how="position").fault.code
    'mask-carried-poorly'
    """
    brought = _bring(mask, source.grid, target)
    motion = register_region(source, target, mask=mask, near=brought) if how == "rigid" else Motion()
    if motion.is_found:
        brought = _bring(mask, motion.move_grid(source.grid), target)
        notes = []
    else:
        notes = _height_note(find_height(source, target, mask=mask, near=brought), mask, source)
    brought.flags.writeable = False
    drawn_ml = float(mask.sum() * np.prod(source.spacing_mm))
    notes += _cut_note(1.0 - float(brought.sum() * np.prod(target.spacing_mm)) / drawn_ml, brought)
    what = f"was drawn on another phase and carried here {motion}"
    return Carried(brought, _judge(_values(mask, source), _values(brought, target), what, notes), motion)


def _bring(mask: MaskArray, source: Grid, target: Volume) -> MaskArray:
    try:
        return np.array(bring_over(mask, source, target.grid))
    except VolumeError as error:
        raise VolumeError(
            "mask-carried-outside",
            f"carried from another phase, {error.message}",
            "See that both scans are of one examination and hold the tumour, draw the tumour on this phase, or, in a "
            'study, set masks.carry to "off".',
        ) from None


def _height_note(height_mm: float, mask: MaskArray, source: Volume) -> list[str]:
    low, high = bounding_box(mask)
    tumour_mm = (high[2] - low[2] + 1) * source.spacing_mm[2]
    if height_mm == 0 or abs(height_mm) < min(MOST_HEIGHT_MM, MOST_HEIGHT_SHARE * tumour_mm):
        return []
    way = "up" if height_mm < 0 else "down"
    return [f"the two scans agree best when this one is moved {abs(height_mm):.0f} mm {way}"]


def _cut_note(lost: float, brought: MaskArray) -> list[str]:
    low, high = bounding_box(brought)
    at_edge = min(low) == 0 or any(stop == size - 1 for stop, size in zip(high, brought.shape, strict=True))
    return [f"{lost:.0%} of it lies outside the image"] if at_edge and lost > MOST_LOST else []


def _judge(drawn_hu: VolumeArray, carried_hu: VolumeArray, what: str, notes: list[str]) -> Fault:
    """Return the fault stating how well a transferred mask fits; each note is a reason to doubt the fit."""
    fat, fat_drawn = ((values < FAT_BELOW_HU).mean() for values in (carried_hu, drawn_hu))
    air, air_drawn = ((values < AIR_BELOW_HU).mean() for values in (carried_hu, drawn_hu))
    measures = (
        f"fat {fat:.0%} and air {air:.0%} under it, where it was drawn {fat_drawn:.0%} and {air_drawn:.0%}; "
        f"median {np.median(carried_hu):.0f} HU, there {np.median(drawn_hu):.0f} HU"
    )
    if fat - fat_drawn > MOST_FAT_GAINED or notes:
        remedy = 'Look at it, and draw the tumour on this phase or, in a study, set masks.carry to "rigid" (or "off").'
        return Fault("mask-carried-poorly", "warning", f"{what}: {'; '.join([measures, *notes])}.", remedy)
    return Fault("mask-carried", "warning", f"{what}: {measures}.", "Nothing, if these numbers agree.")


def _values(mask: MaskArray, volume: Volume) -> VolumeArray:
    low, high = bounding_box(mask)
    box = tuple(slice(start, stop + 1) for start, stop in zip(low, high, strict=True))
    return np.asarray(volume.values[box][mask[box]])
