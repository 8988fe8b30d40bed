"""Whether a place of the table lies on its image: a point, a box or a slice, each made on that very series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from nephrograde.cohort.place import Box, Point
from nephrograde.volume.finding import Fault
from nephrograde.volume.volume import resolve_box, resolve_point, resolve_slice

if TYPE_CHECKING:
    from nephrograde.cohort.place import SlicePlace
    from nephrograde.vocabulary import Triple
    from nephrograde.volume.volume import Volume

OUTSIDE: Final = "annotation-outside"
_LEAST_VOXELS: Final = 1e-6
_REMEDY: Final = "Check its unit (mm or vox) and that it was made on this series."


def check_place(place: Point | Box | SlicePlace, volume: Volume) -> Fault | None:
    """Check that a place lies on an image.

    Args:
        place: From the table, a reader, or the command line.
        volume: The image it is said to be on.

    Returns:
        A fatal fault "annotation-outside" if a point, the middle of a box, or a slice is not in the image, and
        "annotation-empty" if a box has no area; else None.

    >>> from nephrograde.cohort.place import parse_point, parse_slice
    >>> from nephrograde.volume.volume import make_volume
    >>> volume = make_volume(np.zeros((9, 9, 9)), spacing_mm=(1.0, 1.0, 2.0), origin_mm=(0.0, 0.0, 100.0))
    >>> print(check_place(parse_point("4,5,12 mm"), volume).message)
    the annotation at 4.0,5.0,12.0 mm lies outside the image, which reaches from -0.5,-0.5,99.0 to 8.5,8.5,117.0 mm.
    >>> print(check_place(parse_slice("9 vox"), volume).message)
    the annotated slice is number 9 of an image of 9 slices, counted from 0.
    """
    if isinstance(place, Point):
        return _outside(resolve_point(place, volume), volume)
    if isinstance(place, Box):
        low, high = (np.array(volume.to_index(corner)) for corner in resolve_box(place, volume))
        if (high - low > _LEAST_VOXELS).sum() < 2:
            message = "the box has no area: it has an extent along fewer than two axes."
            return Fault("annotation-empty", "fatal", message, "Draw it again, or give a point instead.")
        return _outside(volume.to_mm((low + high) / 2), volume)
    k, count = round(resolve_slice(place, volume)), volume.values.shape[2]
    if 0 <= k < count:
        return None
    message = f"the annotated slice is number {k} of an image of {count} slices, counted from 0."
    remedy = "Check its unit (mm or vox) and that it was chosen on this series, not on that of another phase."
    return Fault(OUTSIDE, "fatal", message, remedy)


def _outside(place_mm: Triple, volume: Volume) -> Fault | None:
    size = volume.values.shape
    if all(-0.5 <= i <= n - 0.5 for i, n in zip(volume.to_index(place_mm), size, strict=True)):
        return None
    low, high = (_text(volume.to_mm(corner)) for corner in ((-0.5, -0.5, -0.5), [n - 0.5 for n in size]))
    message = f"the annotation at {_text(place_mm)} mm lies outside the image, which reaches from {low} to {high} mm."
    return Fault(OUTSIDE, "fatal", message, _REMEDY)


def _text(place_mm: Triple) -> str:
    return ",".join(f"{value:.1f}" for value in place_mm)
