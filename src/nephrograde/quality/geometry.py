"""Suspect geometry of a scan: voxel size, slices, height, and orientation in the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.volume.finding import Fault
from nephrograde.volume.volume import slice_axis

if TYPE_CHECKING:
    from nephrograde.volume.volume import Volume

PIXEL_MM = (0.3, 2.0)
"""A field of view of 150 mm gives 0.3 mm at 512 pixels; the widest of any CT, 780 mm, gives 1.5 mm."""
SQUARE_WITHIN = 0.02
THICK_FROM_MM = 7.5
"""A tumour of 20 mm then lies on two slices."""
ANISOTROPIC_FROM = 15.0
FEW_SLICES = 10
SHORT_FROM_MM = 100.0
"""An adult's kidney is about 110 mm long."""
OBLIQUE_FROM_DEG = 5.0


def check_geometry(volume: Volume) -> list[Fault]:
    """Check for a geometry in which sizes, slices or crops would not mean what they should.

    Gaps, duplicated slices, shear and impossible spacings already stop a scan from being read and are not checked here.
    If a series is not axial, its voxels are not judged.

    Args:
        volume: A scan as read.

    Returns:
        Warnings with code "pixel-size", "pixel-not-square", "thick-slices", "anisotropic", "few-slices",
        "short-coverage", "oblique" or "not-axial".

    >>> from nephrograde.volume.volume import make_volume
    >>> volume = make_volume(np.zeros((512, 512, 9)), spacing_mm=(0.7, 0.7, 5.0))
    >>> [fault.code for fault in check_geometry(volume)]
    ['few-slices', 'short-coverage']
    """
    is_axial = slice_axis(volume) == 2 or not volume.native.is_oriented
    return [*(_check_voxels(volume) if is_axial else []), *_check_stack(volume), *_check_position(volume)]


def _check_voxels(volume: Volume) -> list[Fault]:
    x_mm, y_mm, z_mm = volume.spacing_mm
    faults = []
    if not PIXEL_MM[0] <= min(x_mm, y_mm) <= max(x_mm, y_mm) <= PIXEL_MM[1]:
        faults.append(
            _warning(
                "pixel-size",
                f"its pixels measure {x_mm:.2f} × {y_mm:.2f} mm; those of a CT of the abdomen measure "
                f"{PIXEL_MM[0]:g} to {PIXEL_MM[1]:g} mm.",
                "See that the file keeps the pixel size of the scanner, and that it was not resampled.",
            )
        )
    if abs(x_mm / y_mm - 1) > SQUARE_WITHIN:
        faults.append(
            _warning(
                "pixel-not-square",
                f"its pixels are not square ({x_mm:.2f} × {y_mm:.2f} mm).",
                "See that the file keeps the pixel size of the scanner; a picture that was stretched cannot be used.",
            )
        )
    if z_mm > THICK_FROM_MM:
        faults.append(
            _warning(
                "thick-slices",
                f"its slices lie {z_mm:.1f} mm apart, so that a small tumour is on one or two of them.",
                "Ask for a thinner reconstruction, or use this scan for arms on single slices only.",
            )
        )
    if max(volume.spacing_mm) > ANISOTROPIC_FROM * min(volume.spacing_mm):
        faults.append(
            _warning(
                "anisotropic",
                f"its voxels measure {x_mm:.2f} × {y_mm:.2f} × {z_mm:.2f} mm, more than "
                f"{ANISOTROPIC_FROM:g} times as long one way as another.",
                "Ask for a thinner reconstruction, or see that the voxel size in the file is right.",
            )
        )
    return faults


def _check_stack(volume: Volume) -> list[Fault]:
    count, height_mm = volume.values.shape[2], volume.values.shape[2] * volume.spacing_mm[2]
    faults = []
    if count < FEW_SLICES:
        faults.append(_warning("few-slices", f"has {count} axial slices only.", "Export the whole series."))
    if height_mm < SHORT_FROM_MM:
        faults.append(
            _warning(
                "short-coverage",
                f"covers {height_mm:.0f} mm from feet to head; a kidney is about 110 mm long.",
                "See that the whole tumour is in it; export the whole series if slices are missing.",
            )
        )
    return faults


def _check_position(volume: Volume) -> list[Fault]:
    if not volume.native.is_oriented:
        return []
    faults = []
    axis = slice_axis(volume)
    if axis != 2:
        plane = ("sagittal", "coronal")[axis]
        faults.append(
            _warning(
                "not-axial",
                f"is a {plane} series; its axial slices are {volume.spacing_mm[axis]:.1f} mm coarse.",
                "Name the axial series of this phase.",
            )
        )
    cosines = np.clip(np.abs(np.diag(volume.direction)), 0, 1)
    angle_deg = float(np.degrees(np.arccos(cosines.min())))
    if angle_deg > OBLIQUE_FROM_DEG:
        faults.append(
            _warning(
                "oblique",
                f"lies {angle_deg:.0f}° askew in the patient, so its slices are not axial.",
                "Name the axial reconstruction of this phase; a tilted one shows the tumour in another section.",
            )
        )
    return faults


def _warning(code: str, message: str, remedy: str) -> Fault:
    return Fault(code, "warning", message, remedy)
