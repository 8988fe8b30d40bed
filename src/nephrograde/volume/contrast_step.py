"""Where the tissue of a CT becomes brighter or darker from one slice to the next, although the anatomy goes on.

Within one acquisition contrast medium comes and goes over many slices. Where the slices of a second phase follow,
liver, spleen, kidneys and vessels change at once, all in one direction, and stay changed. What changes by an organ's
beginning or end does so in both directions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from nephrograde.volume.coarse import CoarseArray

TISSUE_HU = (-20.0, 350.0)
"""Soft tissue and vessels with any contrast medium."""
BODY_ABOVE_HU = -250.0
CHANGED_BY_HU = 20.0
"""More than the noise of an averaged cell; the liver gains 50 HU, muscle 10."""
CHANGED_SHARE = 0.2
"""Fraction of the tissue that changes in one direction, less that which changes in the other. In 27 CTs it is 0.15 at
most where the other limits are met; between an unenhanced scan and another phase of drawn anatomies 0.2 to 0.7."""
SURE_FROM = 10.0
"""Standard deviations by which the cells that get brighter and those that get darker differ in number. Noise of
neighbouring cells is alike, so that a few cells reach half of it by chance."""
OF_BESIDE = 4.0
LEAST_BESIDE = 0.03
"""The share exceeds those between the slices beside, or this, by this factor."""
LASTING = 0.6
"""Fraction of the share that is seen between the slices one further on either side."""
TISSUE_OF_BODY = 0.25
"""Fraction of the body that is tissue on both slices: below it, what is left of an organ decides."""


def find_contrast_steps(coarse: CoarseArray) -> tuple[tuple[int, ...], float]:
    """Find the slices from which on the tissue has another brightness.

    Args:
        coarse: A CT in HU, from :func:`~nephrograde.volume.coarse.coarsen`.

    Returns:
        The first slice after each step, as indices along the stack; and the median change of the tissue in HU at the
        largest of them, 0 if there is none.

    >>> body = np.full((20, 32, 32), -1000.0, np.float32)
    >>> body[:, 8:24, 8:24] = 40
    >>> find_contrast_steps(body)
    ((), 0.0)
    >>> body[12:, 8:24, 8:24] += 30
    >>> find_contrast_steps(body)
    ((12,), 30.0)
    """
    if len(coarse) < 4:
        return (), 0.0
    changed, is_sure, is_tissue = _changed(coarse[:-1], coarse[1:])
    lasting, _, _ = _changed(coarse[:-3], coarse[3:])
    share = np.abs(changed)
    padded = np.pad(share, 1)
    beside = np.maximum(np.maximum(padded[:-2], padded[2:]), LEAST_BESIDE)
    body = np.count_nonzero(coarse > BODY_ABOVE_HU, axis=(1, 2))
    of_body = np.count_nonzero(is_tissue, axis=(1, 2)) / np.maximum(np.maximum(body[:-1], body[1:]), 1)
    is_step = is_sure & (share > CHANGED_SHARE) & (share > OF_BESIDE * beside) & (of_body > TISSUE_OF_BODY)
    is_step[0] = is_step[-1] = False  # nothing further on says whether it lasts
    is_step[1:-1] &= lasting * np.sign(changed[1:-1]) > LASTING * share[1:-1]
    steps = np.flatnonzero(is_step)
    if not steps.size:
        return (), 0.0
    k = int(steps[share[steps].argmax()])
    return tuple(int(step) + 1 for step in steps), float(np.median((coarse[k + 1] - coarse[k])[is_tissue[k]]))


def _changed(
    before: CoarseArray, after: CoarseArray
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which fraction of the tissue gets brighter, less that which gets darker; and whether that is no chance.

    Tissue is what is tissue on both slices; it is returned, too.
    """
    is_tissue = (np.minimum(before, after) > TISSUE_HU[0]) & (np.maximum(before, after) < TISSUE_HU[1])
    by = after - before
    brighter, darker = (
        np.count_nonzero(is_tissue & changed, axis=(1, 2)) for changed in (by > CHANGED_BY_HU, by < -CHANGED_BY_HU)
    )
    is_sure = np.abs(brighter - darker) > SURE_FROM * np.sqrt(brighter + darker)
    share = (brighter - darker) / np.maximum(np.count_nonzero(is_tissue, axis=(1, 2)), 1)
    return share, is_sure, is_tissue


def check_contrast_steps(steps: tuple[int, ...], by_hu: float) -> list[Fault]:
    """Put into words that a second phase begins within the stack.

    Args:
        steps: From :func:`find_contrast_steps`; its slices are counted as in the file.
        by_hu: The median change at the largest step.

    Returns:
        A warning "slices-phase", or nothing.

    >>> print(check_contrast_steps((20,), 30.0)[0].message)
    from slice 20 on, counted from 0, soft tissue is about 30 HU brighter, while the anatomy goes on.
    """
    if not steps:
        return []
    how = "brighter" if by_hu > 0 else "darker"
    numbers = ", ".join(map(str, steps[:5])) + (" …" if len(steps) > 5 else "")
    message = (
        f"from slice {numbers} on, counted from 0, soft tissue is about {abs(by_hu):.0f} HU {how}, while the anatomy "
        "goes on."
    )
    remedy = "See whether slices of two phases were joined in one file; convert the series of each one by itself."
    return [Fault("slices-phase", "warning", message, remedy)]
