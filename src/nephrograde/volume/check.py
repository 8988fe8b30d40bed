"""What is wrong with a scan: checks of images and masks.

Every check works on the stored type without copying the image, so that checking adds a few milliseconds to the second
that reading takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.volume.finding import Fault
from nephrograde.volume.grid import FEWEST_SLICES

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume


def check_volume(volume: Volume) -> list[Fault]:
    """Check an image for what makes it unusable (fatal) or suspect (warning).

    :func:`~nephrograde.volume.read.read_volume` itself raises the fatal ones, so that only warnings remain after
    it.

    Args:
        volume: An image as read.

    Returns:
        What was noticed on reading, and faults with code "too-few-slices", "not-finite", "constant" (fatal), "not-hu"
        or "no-orientation" (warning).

    "not-hu" means that no value is negative: HU are negative in fat and air.

    >>> from nephrograde.volume.volume import make_volume
    >>> [fault.code for fault in check_volume(make_volume(np.zeros((8, 8, 2)), spacing_mm=(1, 1, 5)))]
    ['too-few-slices', 'constant']
    """
    faults = list(volume.faults)
    if volume.values.shape[2] < FEWEST_SLICES:
        faults.append(
            Fault(
                "too-few-slices",
                "fatal",
                f"has {volume.values.shape[2]} axial slices, at least {FEWEST_SLICES} are needed.",
                "Export the whole series.",
            )
        )
    planes = np.moveaxis(volume.values, 2, 0)  # a plane stays in the processor's cache while it is read twice
    low, high = np.array([(plane.min(), plane.max()) for plane in planes]).T
    low, high = low.min(), high.max()
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
    elif low >= 0:
        faults.append(
            Fault(
                "not-hu",
                "warning",
                f"values run from {low:g} to {high:g}; HU would be negative in fat and air.",
                "For CT, restore the rescale intercept; for PET or MR, give the phase its own [window].",
            )
        )
    if not volume.native.is_oriented:
        faults.append(
            Fault(
                "no-orientation",
                "warning",
                "does not say how it lies in the patient (sform_code and qform_code are 0); its axes are "
                "taken to run to the left, the back and the head.",
                "Convert the scan from its DICOM series again.",
            )
        )
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
