"""Whether what a mask marks can be a tumour by its extent, or is the background, the body, or both kidneys.

A tumour is compact and lies in the image: it fills no corner of it, and of its own bounding box an ellipsoid fills 52 %
(π/6). So the limits below are out of reach for any tumour, even in an image that was cropped to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.finding import Fault
from nephrograde.volume.masks.spill import AIR_BELOW_HU
from nephrograde.volume.overlay import bounding_box

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume

BODY_SHARE = 0.6
"""Fraction of the image that is not air, or of an image without air, above which a mask marks the body. 0.2 at most in
274 masks of images that were cropped to 25 or 30 mm around the tumour."""
_SAMPLES = 64
"""Voxels along each axis on which shares are measured."""
KIDNEY_ML = (60.0, 600.0)
"""An adult's kidney has 100 to 250 ml; a shrunken one and one with its cysts are included."""
KIDNEY_TALL_MM = 75.0
"""It is 90 to 130 mm long."""
KIDNEYS_APART_MM = 60.0
"""Between their middles lie the spine and both psoas muscles."""
KIDNEYS_LIKE = 0.4
"""Ratio of the smaller kidney's volume to the larger one's, and of the height that they share to the shorter one's."""
KIDNEYS_SHARE = 0.95
"""Fraction of what is marked that belongs to the two largest pieces."""


def require_foreground(mask: MaskArray) -> None:
    """Refuse a mask in which background and tumour are exchanged, or that marks the whole image.

    Args:
        mask: On the grid of the image.

    Raises:
        VolumeError: With code "mask-full" if every voxel is marked, "mask-inverted" if all corners of the image are.

    >>> mask = np.ones((8, 8, 4), dtype=bool)
    >>> mask[3:5, 3:5, 1:3] = False
    >>> require_foreground(mask)
    Traceback (most recent call last):
    nephrograde.errors.VolumeError: marks 97 % of the image and all its corners. Store 1 for the tumour and 0 for ...
    """
    if not mask[:: mask.shape[0] - 1 or 1, :: mask.shape[1] - 1 or 1, :: mask.shape[2] - 1 or 1].all():
        return
    if mask.all():
        remedy = "Delineate the tumour, or name its label in masks.label if the background has a number of its own."
        raise VolumeError("mask-full", "marks every voxel of the image.", remedy)
    raise VolumeError(
        "mask-inverted",
        f"marks {100 * mask.mean():.0f} % of the image and all its corners.",
        "Store 1 for the tumour and 0 for everything else: they seem to be exchanged.",
    )


def check_extent(mask: MaskArray, volume: Volume) -> list[Fault]:
    """Check whether a mask marks the body or both kidneys in place of a tumour.

    Args:
        mask: On the grid of the image; at least one voxel.
        volume: The image.

    Returns:
        No fault, or a warning "mask-body" or "mask-kidneys".

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.full((60, 60, 30), -1000)
    >>> values[10:50, 15:45] = 40
    >>> volume = make_volume(values, spacing_mm=(6.0, 6.0, 5.0))
    >>> [fault.code for fault in check_extent(values > 0, volume)]
    ['mask-body']
    """
    share = _share_of_body(mask, volume)
    if share > BODY_SHARE:
        message = f"marks {100 * share:.0f} % of the body that is in the image, so it is not a tumour's."
        return [Fault("mask-body", "warning", message, "See which structure it marks, and name the tumour's mask.")]
    volumes_ml = _two_kidneys(mask, volume)
    if volumes_ml is None:
        return []
    message = (
        f"marks a piece of {volumes_ml[0]:.0f} ml on one side and one of {volumes_ml[1]:.0f} ml on the other, as long "
        "as kidneys are."
    )
    remedy = "See whether it marks the kidneys, and name the tumour's label in masks.label, or its own mask."
    return [Fault("mask-kidneys", "warning", message, remedy)]


def _share_of_body(mask: MaskArray, volume: Volume) -> float:
    """Return which fraction is marked of all voxels that are not air."""
    every = tuple(slice(None, None, max(1, n // _SAMPLES)) for n in mask.shape)
    marked, values = mask[every], volume.values[every]
    if marked.mean() < BODY_SHARE / 20:  # air is never 19 of 20 voxels
        return 0.0
    is_body = values > AIR_BELOW_HU
    return float((marked & is_body).sum() / max(int(is_body.sum()), 1))


def _two_kidneys(mask: MaskArray, volume: Volume) -> tuple[float, float] | None:
    """Return the volumes (ml) of two pieces that have the size and the place of kidneys; None if there are none."""
    low, high = bounding_box(mask)
    extent_mm = (np.array(high) - low + 1) * volume.spacing_mm
    if extent_mm[0] < KIDNEYS_APART_MM or extent_mm[2] < KIDNEY_TALL_MM:
        return None
    box = mask[tuple(slice(start, stop + 1) for start, stop in zip(low, high, strict=True))]
    voxel_ml = float(np.prod(volume.spacing_mm)) / 1000
    if box.sum() * voxel_ml < 2 * KIDNEY_ML[0]:
        return None
    import SimpleITK  # takes a tenth of a second, and few scans need it

    pieces = SimpleITK.ConnectedComponent(SimpleITK.GetImageFromArray(box.T.astype(np.uint8)), True)
    labels = SimpleITK.GetArrayFromImage(pieces).T
    counts = np.bincount(labels.ravel())[1:]
    if len(counts) < 2:
        return None
    first, second = np.argsort(-counts, kind="stable")[:2] + 1
    sizes_ml = [float(counts[label - 1] * voxel_ml) for label in (first, second)]
    if sum(sizes_ml) < KIDNEYS_SHARE * counts.sum() * voxel_ml or sizes_ml[1] < KIDNEYS_LIKE * sizes_ml[0]:
        return None
    if not KIDNEY_ML[0] <= sizes_ml[1] <= sizes_ml[0] <= KIDNEY_ML[1]:
        return None
    middles, spans = [], []
    for label in (first, second):
        along_x, _, along_z = np.nonzero(labels == label)
        middles.append(float(along_x.mean()) * volume.spacing_mm[0])
        spans.append((along_z.min() * volume.spacing_mm[2], (along_z.max() + 1) * volume.spacing_mm[2]))
    shorter_mm = min(top - bottom for bottom, top in spans)
    shared_mm = min(top for _, top in spans) - max(bottom for bottom, _ in spans)
    is_apart = abs(middles[0] - middles[1]) >= KIDNEYS_APART_MM
    is_tall = shorter_mm >= KIDNEY_TALL_MM and shared_mm >= KIDNEYS_LIKE * shorter_mm
    return (sizes_ml[0], sizes_ml[1]) if is_apart and is_tall else None
