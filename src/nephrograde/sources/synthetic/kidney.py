"""The synthetic kidneys: cortex, pyramids, sinus with its fat and collecting system, and the renal vessels.

Dimensions are those of an average adult kidney and come from no publication. CT numbers come from
:mod:`nephrograde.sources.synthetic.tissue`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.sources.synthetic.canvas import clipped, cover, edge, ellipsoid, paint, window_around
from nephrograde.sources.synthetic.tissue import PLAIN_HU

if TYPE_CHECKING:
    from nephrograde.sources.synthetic.anatomy import Anatomy
    from nephrograde.sources.synthetic.canvas import Canvas, Floats, Window
    from nephrograde.vocabulary import Triple

CORTEX_MM = 7.0
"""Thickness of the cortex over the pyramids."""


@dataclass(frozen=True, slots=True)
class Kidney:
    """One kidney.

    Attributes:
        side: 1 for the patient's left, -1 for the right.
        centre_mm: Its centre in the patient's frame.
        half_mm: Semi-axes towards the hilum, across it in the axial plane, and along the kidney.
        hilum_rad: Angle by which the hilum faces forward rather than medially.
        lean: Tilt of the upper pole towards the spine, mm per mm.
        pyramid_rad: Rotation of the pattern of pyramids.
    """

    side: float
    centre_mm: Triple
    half_mm: Triple
    hilum_rad: float
    lean: float
    pyramid_rad: float

    @property
    def hilum(self) -> tuple[float, float]:
        """Direction in the axial plane from the kidney's centre to its hilum."""
        return -self.side * math.cos(self.hilum_rad), -math.sin(self.hilum_rad)


def draw_kidney(rng: np.random.Generator, *, side: float, anatomy: Anatomy) -> Kidney:
    """Draw one kidney beside the spine of a body.

    Args:
        rng: Random generator; the number of draws is always the same.
        side: 1 for the patient's left, -1 for the right.
        anatomy: The body.
    """
    size = rng.uniform(0.93, 1.08)
    centre = (
        side * (max(58.0, 64.0 * anatomy.scale) + rng.uniform(-3, 3)),
        anatomy.spine_y_mm - 2.0 + rng.uniform(-5, 5),
        (4.0 if side > 0 else -8.0) + rng.uniform(-7, 7),
    )
    half = (28.0 * size, 25.0 * size, 54.0 * size)
    return Kidney(side, centre, half, rng.uniform(0.35, 0.85), rng.uniform(0.06, 0.16), rng.uniform(0.0, math.tau))


@dataclass(frozen=True, slots=True)
class _Inside:
    """A kidney's own coordinates in a window: towards the hilum, across it, up, and the relative radius."""

    window: Window
    hilum_mm: Floats
    across_mm: Floats
    up_mm: Floats
    radius: Floats


def _look_inside(canvas: Canvas, kidney: Kidney) -> _Inside:
    reach = max(kidney.half_mm[:2]) + 14.0
    window = window_around(canvas, kidney.centre_mm, half_mm=(reach, reach, kidney.half_mm[2]))
    x, y, z = kidney.centre_mm
    up = (canvas.z_mm[window[0]] - z)[:, None, None]
    right = canvas.x_mm[None, window[1], window[2]] - np.float32(x) + np.float32(kidney.side * kidney.lean) * up
    back = canvas.y_mm[None, window[1], window[2]] - np.float32(y)
    hilum_x, hilum_y = (np.float32(part) for part in kidney.hilum)
    bend = np.float32(9.0) * (up / np.float32(kidney.half_mm[2])) ** 2  # the poles lean towards the hilum
    towards = right * hilum_x + back * hilum_y - bend
    across = back * hilum_x - right * hilum_y
    half = [np.float32(part) for part in kidney.half_mm]
    radius = np.sqrt((towards / half[0]) ** 2 + (across / half[1]) ** 2 + (up / half[2]) ** 2)
    return _Inside(window, towards, across, up, radius)


def paint_perirenal_fat(canvas: Canvas, kidney: Kidney) -> None:
    """Clear the space around a kidney, so that no bowel touches it.

    Args:
        canvas: The canvas, before the kidney is painted.
        kidney: The kidney.
    """
    x, y, z = kidney.centre_mm
    half = (kidney.half_mm[0] + 10.0, kidney.half_mm[1] + 9.0, kidney.half_mm[2] + 9.0)
    stack = ellipsoid(canvas, (x, y + 3.0, z), half_mm=half, lean=(-kidney.side * kidney.lean, 0.0))
    window, share = cover(canvas, stack)
    paint(canvas, window, share=share, hu=PLAIN_HU["fat"])


def paint_kidney(canvas: Canvas, kidney: Kidney, *, anatomy: Anatomy, phase: str) -> None:
    """Paint one kidney with its artery and vein.

    Args:
        canvas: The canvas, after the rest of the abdomen is painted.
        kidney: The kidney.
        anatomy: The patient's body, for the uptake of contrast and the great vessels.
        phase: One of ``PHASES``.
    """
    _paint_vessels(canvas, kidney, anatomy=anatomy, phase=phase)
    inside = _look_inside(canvas, kidney)
    thin = np.float32(min(kidney.half_mm[:2]))
    depth = (1.0 - inside.radius) * thin
    paint(canvas, inside.window, share=edge(depth, canvas), hu=anatomy.hu("cortex", phase))
    around = np.arctan2(inside.across_mm, inside.hilum_mm)
    pattern = np.cos(5.0 * around + kidney.pyramid_rad) + np.cos(inside.up_mm * np.float32(math.tau / 23.0))
    pyramid = clipped(pattern * 1.4 + 1.1) * clipped((depth - CORTEX_MM) / 1.8 + 0.5)
    paint(canvas, inside.window, share=pyramid, hu=anatomy.hu("medulla", phase))
    _paint_sinus(canvas, inside, kidney=kidney, anatomy=anatomy, phase=phase)


def _paint_sinus(canvas: Canvas, inside: _Inside, *, kidney: Kidney, anatomy: Anatomy, phase: str) -> None:
    scale = np.float32(kidney.half_mm[0] / 28.0)

    def lobe(hilum_mm: float, half_mm: Triple) -> Floats:
        parts = (inside.hilum_mm - np.float32(hilum_mm), inside.across_mm, inside.up_mm)
        radius = np.sqrt(sum((part / (half * scale)) ** 2 for part, half in zip(parts, half_mm, strict=True)))
        return edge((1.0 - radius) * (min(half_mm) * scale), canvas)

    calyces = 1.0 + 0.35 * np.cos(3.0 * inside.up_mm / 9.0)
    fat = lobe(17.0, (22.0, 9.5, 30.0))
    paint(canvas, inside.window, share=fat, hu=PLAIN_HU["fat"])
    pelvis = lobe(9.0, (12.0, 4.6, 21.0)) * clipped(calyces)
    paint(canvas, inside.window, share=pelvis, hu=anatomy.hu("collecting", phase))
    vein = lobe(22.0, (14.0, 3.2, 5.0))
    paint(canvas, inside.window, share=vein, hu=anatomy.hu("renal_vein", phase))


def _paint_vessels(canvas: Canvas, kidney: Kidney, *, anatomy: Anatomy, phase: str) -> None:
    hilum_x, hilum_y = kidney.hilum
    x, y, z = kidney.centre_mm
    door = (x + 24.0 * hilum_x, y + 24.0 * hilum_y)
    front = anatomy.spine_y_mm
    vein_from = (-18.0, front - 32.0) if kidney.side < 0 else (-9.0, front - 45.0)
    _paint_tube(canvas, (vein_from, door), level_mm=(z + 2.0, 4.6), hu=anatomy.hu("renal_vein", phase))
    _paint_tube(
        canvas, ((7.0, front - 31.0), (door[0], door[1] + 5.0)), level_mm=(z - 5.0, 2.8), hu=anatomy.hu("aorta", phase)
    )


def _paint_tube(
    canvas: Canvas,
    ends_mm: tuple[tuple[float, float], tuple[float, float]],
    *,
    level_mm: tuple[float, float],
    hu: float,
) -> None:
    """Paint a vessel that runs within the axial plane; ``level_mm`` is its height and its radius."""
    (from_x, from_y), (to_x, to_y) = ends_mm
    height, radius = level_mm
    centre = ((from_x + to_x) / 2, (from_y + to_y) / 2, height)
    half = (abs(to_x - from_x) / 2 + radius, abs(to_y - from_y) / 2 + radius, radius)
    window = window_around(canvas, centre, half_mm=half)
    x, y = canvas.x_mm[None, window[1], window[2]] - from_x, canvas.y_mm[None, window[1], window[2]] - from_y
    along_x, along_y = to_x - from_x, to_y - from_y
    share = clipped((x * along_x + y * along_y) / (along_x**2 + along_y**2))
    sag = 4.0 * np.sin(share * math.pi)  # over the psoas
    aside = np.hypot(x - share * along_x, y - share * along_y + sag)
    away = np.hypot(aside, (canvas.z_mm[window[0]] - height)[:, None, None])
    paint(canvas, window, share=edge(radius - away, canvas), hu=hu)
