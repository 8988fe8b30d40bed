"""The weak arm's view: axial slices, each cropped at a fixed size in mm around the tumour or a kidney."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.vocabulary import Supervision
from nephrograde.volume.roi import apply_window, cut_slice

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.sample.target import Target
    from nephrograde.study import Arm, ImageSettings, Window
    from nephrograde.vocabulary import Triple
    from nephrograde.volume.volume import Volume


def choose_slices(first: int, last: int, annotated: int, count: int) -> tuple[int, ...]:
    """Choose the annotated slice and further ones distributed over the tumour's extent.

    The extent is divided into ``count`` equal parts; the part that contains the annotated slice contributes that slice,
    every other part its middle one. A tumour on fewer slices gives fewer.

    Args:
        first: Lowest slice with tumour.
        last: Highest slice with tumour.
        annotated: The slice chosen by a reader, or the one with the largest tumour area.
        count: How many slices the arm asks for.

    Source:
        The paper prints "one slice" and "≥ 3 slices" without a rule; this one is ours.

    >>> choose_slices(10, 27, annotated=15, count=1)
    (15,)
    >>> choose_slices(10, 27, annotated=15, count=3)
    (15, 19, 25)
    >>> choose_slices(4, 5, annotated=4, count=3)
    (4, 5)
    """
    if count == 1:
        return (annotated,)
    edges = np.linspace(first, last + 1, count + 1)
    middles = np.minimum((edges[:-1] + edges[1:]) // 2, last).astype(int)
    own = int(np.clip(np.searchsorted(edges, annotated, side="right") - 1, 0, count - 1))
    middles[own] = annotated
    return tuple(sorted(set(middles.tolist())))


def slices_of(target: Target, arm: Arm) -> tuple[int, ...]:
    """Return the slices that an arm sees of a tumour or a kidney.

    Args:
        target: Where it is.
        arm: How many slices it asks for.
    """
    return choose_slices(target.first_slice, target.last_slice, target.annotated_slice, arm.slices or 1)


def width_of(arm: Arm, image: ImageSettings) -> float:
    """Return the edge length of an arm's slices, in mm.

    Args:
        arm: Its level of supervision says whether a place in the plane is known.
        image: The sizes.
    """
    return image.whole_mm if arm.supervision is Supervision.SLICE else image.slice_mm


def cut_slices(
    volume: Volume, target: Target, arm: Arm, *, image: ImageSettings, window: Window
) -> tuple[npt.NDArray[np.float16], tuple[int, ...]]:
    """Cut a weak arm's slices out of a scan.

    Args:
        volume: The scan.
        target: Where the tumour or the kidney is, as far as the supervision level allows.
        arm: How many slices it asks for, and how many neighbours of each.
        image: Size of the crop in mm and pixels.
        window: The values mapped to 0 and 1.

    Returns:
        Float16 in [0, 1], ``(slice, channel, y, x)``, and the slice numbers. The channels are the slice with its
        neighbours of the scan, from feet to head; where the scan ends, its last slice is repeated.
    """
    slices = slices_of(target, arm)
    size_mm = width_of(arm, image)
    top = volume.values.shape[2] - 1

    def cut(k: int, center_mm: Triple) -> npt.NDArray[np.float32]:
        return cut_slice(
            volume, k, center_mm=center_mm, size_mm=size_mm, pixels=image.slice_px, antialias=image.antialias
        )

    pictures = []
    for k in slices:
        beside = range(k - arm.neighbours, k + arm.neighbours + 1)
        planes = [cut(min(max(one, 0), top), target.center_on(k)) for one in beside]
        pictures.append(apply_window(np.stack(planes), window))
    return np.stack(pictures).astype(np.float16), slices
