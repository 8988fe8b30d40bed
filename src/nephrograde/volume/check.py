"""What is wrong with a scan: checks of images and masks.

Every check works on the stored type or on a coarse copy, so that checking adds a few milliseconds to the second that
reading takes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.volume.coarse import cell_size, coarsen
from nephrograde.volume.continuity import check_continuity, find_breaks
from nephrograde.volume.contrast_step import check_contrast_steps, find_contrast_steps
from nephrograde.volume.finding import Fault
from nephrograde.volume.grid import FEWEST_SLICES
from nephrograde.volume.hounsfield import Scaling, explain_scaling, find_scaling
from nephrograde.volume.surroundings import check_default, check_surroundings
from nephrograde.volume.volume import slice_axis

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume

TELLING_HU = (-200.0, 300.0)
"""Values that tell slices apart: fat, organs, contrast medium; gas and bone count as the nearest of them."""

LOWEST_POSSIBLE = -1e5
HIGHEST_POSSIBLE = 1e30
"""HU end near -32768, and activities of PET reach millions."""


def check_volume(volume: Volume) -> list[Fault]:
    """Check an image for what makes it unusable (fatal) or suspect (warning).

    :func:`~nephrograde.volume.read.read_volume` itself raises the fatal ones, so that only warnings remain after
    it.

    Args:
        volume: An image as read.

    Returns:
        What was noticed on reading; faults with code "too-few-slices", "not-finite", "constant" (fatal), "not-hu",
        "air-replaced", "body-size", "slices-phase", "voxel-size-default" or "no-orientation" (warning); and those of
        :func:`~nephrograde.volume.continuity.check_continuity`.

    "not-hu" means that no value is negative, or that air, fat and soft tissue do not lie where they do in HU.

    >>> from nephrograde.volume.volume import make_volume
    >>> [fault.code for fault in check_volume(make_volume(np.zeros((8, 8, 2)), spacing_mm=(1, 1, 5)))]
    ['too-few-slices', 'constant']
    """
    faults, (low, high) = find_fatal(volume)
    faults = [*volume.faults, *faults]
    if np.isfinite(low) and np.isfinite(high) and low < high:
        faults += _check_content(volume, low, high)
    faults += check_default(volume)
    if not volume.native.is_oriented:
        faults.append(
            Fault(
                "no-orientation",
                "warning",
                "its header does not say how it lies in the patient; its axes are taken to run to the left, the back "
                "and the head.",
                "Convert the scan from its DICOM series again.",
            )
        )
    return faults


def find_fatal(volume: Volume, extremes: tuple[int, int] | None = None) -> tuple[list[Fault], tuple[float, float]]:
    """Check an image for what makes it unusable only; :func:`check_volume` finds the same and more.

    Args:
        volume: An image as read.
        extremes: Its lowest and highest value, if they are known.

    Returns:
        Faults with code "too-few-slices", "not-finite" or "constant"; and the lowest and highest value.
    """
    faults = []
    if volume.values.shape[2] < FEWEST_SLICES:
        faults.append(
            Fault(
                "too-few-slices",
                "fatal",
                f"has {volume.values.shape[2]} axial slices, at least {FEWEST_SLICES} are needed.",
                "Export the whole series.",
            )
        )
    low, high = _extremes(volume) if extremes is None else extremes
    if not (np.isfinite(low) and np.isfinite(high)):
        faults.append(_not_finite(volume))
    elif low == high:
        faults.append(
            Fault(
                "constant",
                "fatal",
                f"every voxel has the same value ({low:g}).",
                "Export the scan again; the image is empty.",
            )
        )
    return faults, (float(low), float(high))


def _extremes(volume: Volume) -> tuple[float, float]:
    planes = np.moveaxis(volume.values, 2, 0)  # a plane stays in the processor's cache while it is read twice
    lows, highs = np.array([(plane.min(), plane.max()) for plane in planes]).T
    return lows.min(), highs.max()


def without_background(volume: Volume, low: float, high: float) -> Volume:
    """Replace values that no scanner gives, such as -3.4e38 for background, by the lowest of the others.

    Args:
        volume: An image as read.
        low: Its lowest value.
        high: Its highest value.

    Returns:
        The volume itself where every value is possible, else a copy with a warning "background-replaced".

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.full((4, 4, 3), 40.0)
    >>> values[0, 0, 0], values[1, 1, 1] = -3.4e38, -1000
    >>> volume = without_background(make_volume(values, spacing_mm=(1, 1, 1)), -3.4e38, 40)
    >>> float(volume.values[0, 0, 0]), volume.faults[0].code
    (-1000.0, 'background-replaced')
    """
    if low >= LOWEST_POSSIBLE and high <= HIGHEST_POSSIBLE:
        return volume
    is_possible = (volume.values >= LOWEST_POSSIBLE) & (volume.values <= HIGHEST_POSSIBLE)
    if not is_possible.any():
        return volume
    fill = volume.values[is_possible].min()
    values = np.where(is_possible, volume.values, fill)
    values.flags.writeable = False
    count = int(is_possible.size - np.count_nonzero(is_possible))
    odd = low if low < LOWEST_POSSIBLE else high
    message = (
        f"{count} of {is_possible.size} voxels hold numbers that no scanner gives, such as {odd:.3g}; they were taken "
        f"for background and set to {fill:g}."
    )
    fault = Fault("background-replaced", "warning", message, "See that nothing but background was replaced.")
    return replace(volume, values=values, faults=(*volume.faults, fault))


def _check_content(volume: Volume, low: float, high: float) -> list[Fault]:
    """Check on a coarse copy whether the values are HU, and whether the slices are those of one body."""
    axis = slice_axis(volume)
    coarse = coarsen(volume.values, axis)
    scaling = find_scaling(coarse)
    faults = []
    if scaling is not None and scaling != Scaling():
        faults.append(explain_scaling(scaling))
    elif low >= 0 or scaling is None:
        faults.append(
            Fault(
                "not-hu",
                "warning",
                f"values run from {low:g} to {high:g}; HU would be negative in fat and air."
                if low >= 0
                else f"values run from {low:g} to {high:g}, but not as HU do in air, fat and soft tissue.",
                "For CT, restore the rescale intercept; for PET or MR, give the phase its own [window].",
            )
        )
    is_hu = low < 0 and scaling == Scaling()
    if is_hu:
        faults += check_surroundings(coarse, cell_size(volume.values, axis, volume.spacing_mm))
    if scaling is None or (low >= 0 and scaling == Scaling()):
        window = tuple(np.quantile(coarse, (0.01, 0.99)).tolist())
    else:
        window = tuple(scaling.slope * hu + scaling.shift for hu in TELLING_HU)
    found = find_breaks(coarse, step_mm=volume.spacing_mm[axis], window=(window[0], window[1]))
    is_down = volume.native.axes()[1][axis]
    if is_down:
        found = found.counted_down(len(coarse))
    faults += check_continuity(found, len(coarse))
    is_one_stack = not (found.offset or found.copies or found.seams or found.misplaced or found.is_unordered)
    if is_hu and is_one_stack:
        steps, by_hu = find_contrast_steps(coarse)
        if is_down:
            steps, by_hu = tuple(len(coarse) - k for k in reversed(steps)), -by_hu
        faults += check_contrast_steps(steps, by_hu)
    return faults


def _not_finite(volume: Volume) -> Fault:
    count = int(volume.values.size - np.isfinite(volume.values).sum())
    return Fault(
        "not-finite",
        "fatal",
        f"{count} of {volume.values.size} voxels are not numbers (NaN or infinite).",
        "Convert the scan from its DICOM series again, or fill the voxels outside the field of view.",
    )


def check_mask(mask: MaskArray) -> list[Fault]:
    """Look for what makes a tumour mask useless (fatal) or suspect (warning).

    Args:
        mask: On the grid of its image.

    Returns:
        Faults with code "mask-empty" (fatal) or "mask-border" (warning: the tumour may be cut off).

    >>> mask = np.zeros((8, 8, 4), dtype=bool)
    >>> check_mask(mask)[0].code
    'mask-empty'
    >>> mask[3:5, 3:5, 0:2] = True
    >>> print(check_mask(mask)[0].message)
    the tumour touches the first slice of the image.
    """
    if not mask.any():
        return [Fault("mask-empty", "fatal", "no voxel is marked.", "Delineate the tumour, or drop the mask.")]
    sides = {
        "right side": mask[0],
        "left side": mask[-1],
        "front": mask[:, 0],
        "back": mask[:, -1],
        "first slice": mask[:, :, 0],
        "last slice": mask[:, :, -1],
    }
    touched = [side for side, face in sides.items() if face.any()]
    if not touched:
        return []
    return [
        Fault(
            "mask-border",
            "warning",
            f"the tumour touches the {' and the '.join(touched)} of the image.",
            "See that the scan holds the whole tumour.",
        )
    ]
