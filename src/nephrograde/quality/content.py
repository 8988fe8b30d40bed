"""Suspect values in a CT: metal, and tissue cut off at the edge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume

METAL_ABOVE_HU = 3000.0
"""Dense cortical bone stays below 2000 HU; 3071 HU is the highest 12-bit value, at which metal saturates."""
METAL_FROM_ML = 0.1

_BODY_ABOVE_HU = -250.0
_LOOKED_AT_PX = 128
_LOOKED_AT_SLICES = 40
_CIRCLE_RADIUS = (0.95, 1.06)
"""The reconstruction circle touches the middles of the array's sides; its radius in units of half a side."""
_CIRCLE_SHARE = 0.6
"""Fraction of the circle's rim that must contain image values for it to count as a circle."""
TOUCHING_MM = 20.0
TRUNCATED_SHARE = 0.1
"""Fraction of slices on which the body may touch the edge over ``TOUCHING_MM`` before it is reported."""
CROPPED_SHARE = 0.8
"""Fraction of all four edges of the image, and of its slices, that tissue fills in a crop."""


class Edge(NamedTuple):
    """Where the body meets the edge of the image.

    Attributes:
        share: Fraction of the examined slices on which it does so over ``TOUCHING_MM`` or more.
        sides: Where: "right", "left", "front", "back".
        is_crop: Whether the image is a piece cut out of a scan, with tissue on all sides.
    """

    share: float
    sides: tuple[str, ...]
    is_crop: bool


def check_metal(volume: Volume, mask: MaskArray | None = None) -> list[Fault]:
    """Check for metal, whose streaks spoil the slices it lies on.

    Args:
        volume: A CT in HU.
        mask: The tumour; the message then gives the number of its slices with metal.

    Returns:
        A warning "metal", or nothing.

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.full((50, 50, 20), -50)
    >>> values[20:30, 20:30, 4:6] = 3071
    >>> print(check_metal(make_volume(values, spacing_mm=(1.0, 1.0, 1.0)))[0].message)
    holds 0.2 ml above 3000 HU (metal) on 2 of 20 slices.
    """
    counts = np.array([np.count_nonzero(plane > METAL_ABOVE_HU) for plane in np.moveaxis(volume.values, 2, 0)])
    voxel_ml = math.prod(volume.spacing_mm) / 1000
    if counts.sum() * voxel_ml < METAL_FROM_ML:
        return []
    on_tumour = ""
    if mask is not None:
        of_tumour = mask.any(axis=(0, 1))
        shared = int((of_tumour & (counts > 0)).sum())
        on_tumour = f", and on {shared} of the tumour's {int(of_tumour.sum())}"
    return [
        Fault(
            "metal",
            "warning",
            f"holds {counts.sum() * voxel_ml:.1f} ml above {METAL_ABOVE_HU:.0f} HU "
            f"(metal) on {int((counts > 0).sum())} of {len(counts)} slices{on_tumour}.",
            "See whether streaks cross the tumour; leave the scan out if they do.",
        )
    ]


def find_edge(volume: Volume) -> Edge:
    """Find where the body meets the edge of what was reconstructed.

    The body is the largest piece of tissue on a slice after thin objects such as the table have been eroded. The edge
    is that of the array, and the reconstruction circle if everything outside it is filled with one value.

    Args:
        volume: A CT in HU.
    """
    size = volume.values.shape
    # From the first pixel to the last, inclusive: what touches the edge does so on those.
    looked_at = [
        np.linspace(0, n - 1, min(n, most)).round().astype(int)
        for n, most in zip(size, (_LOOKED_AT_PX, _LOOKED_AT_PX, _LOOKED_AT_SLICES), strict=True)
    ]
    planes = np.moveaxis(volume.values[np.ix_(*looked_at)], 2, 0)
    edge = _edge_pixels(planes)
    touched = np.stack([_body(plane > _BODY_ABOVE_HU) & edge for plane in planes])
    x, y = touched.shape[1:]
    pixel_mm = float(np.mean([volume.spacing_mm[axis] * size[axis] / (x, y)[axis] for axis in (0, 1)]))
    is_touching = touched.sum(axis=(1, 2)) * pixel_mm >= TOUCHING_MM
    border = np.stack(
        [t.mean(axis=1) for t in (touched[:, 0], touched[:, -1], touched[:, :, 0], touched[:, :, -1])], axis=1
    )
    is_crop = float((border.min(axis=1) >= CROPPED_SHARE).mean()) >= CROPPED_SHARE
    parts = {
        "right": touched[:, : x // 4],
        "left": touched[:, -(x // 4) :],
        "front": touched[:, x // 4 : -(x // 4), : y // 4],
        "back": touched[:, x // 4 : -(x // 4), -(y // 4) :],
    }
    sides = tuple(side for side, part in parts.items() if part[is_touching].any())
    return Edge(float(is_touching.mean()), sides, is_crop)


def check_field_of_view(edge: Edge) -> list[Fault]:
    """Say where the image cuts the body off.

    Args:
        edge: From :func:`find_edge`.

    Returns:
        A warning "truncated", or "cropped" for an image with tissue on all sides, or nothing.

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.full((100, 100, 20), -1000)
    >>> values[:80, 20:80] = 40
    >>> volume = make_volume(values, spacing_mm=(3.0, 3.0, 5.0))
    >>> print(check_field_of_view(find_edge(volume))[0].message)
    the body touches the edge of the image (right) on 100 % of the slices; what lies beyond is missing.
    """
    if edge.is_crop:
        message = "tissue reaches the edge of the image on all sides, so it is a piece cut out of a scan."
        return [Fault("cropped", "warning", message, "If it was cut out on purpose, see that the tumour is whole.")]
    if edge.share < TRUNCATED_SHARE:
        return []
    return [
        Fault(
            "truncated",
            "warning",
            f"the body touches the edge of the image ({', '.join(edge.sides)}) on {100 * edge.share:.0f} % of the "
            "slices; what lies beyond is missing.",
            "See that the tumour and what surrounds it are inside; ask for a larger field of view.",
        )
    ]


def _body(is_tissue: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the largest piece thicker than two pixels; erosion does not start at the edge of the image."""
    from scipy import ndimage

    thick = ndimage.binary_erosion(is_tissue, border_value=1)
    labels, count = ndimage.label(thick)
    if count == 0:
        return np.zeros_like(is_tissue)
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    return np.asarray(ndimage.binary_dilation(largest), dtype=bool) & is_tissue


def _edge_pixels(planes: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Return the border of the array and, if there is one, the inside of the reconstruction circle."""
    _, x, y = planes.shape
    edge = np.ones((x, y), dtype=bool)
    edge[1:-1, 1:-1] = False
    distance = np.hypot(np.arange(x)[:, None] - (x - 1) / 2, np.arange(y)[None, :] - (y - 1) / 2)
    fill = planes[:, 0, 0]
    is_filled = planes == fill[:, None, None]
    radius = float(distance[~is_filled.all(axis=0)].max(initial=0.0))
    circle = (distance <= radius) & (distance > radius - 2)
    low, high = (share * min(x, y) / 2 for share in _CIRCLE_RADIUS)
    # Otherwise the corners contain image, or the air around the body was filled as well, up to the skin.
    if low <= radius <= high and (~is_filled[:, circle]).mean() >= _CIRCLE_SHARE:
        edge |= circle
    return edge
