"""The synthetic tumour: its position, and how it is painted with a given appearance.

The position is drawn without the severity; the size is correlated with it (see
:mod:`nephrograde.sources.synthetic.patients`). Otherwise the severity enters only through
:class:`nephrograde.sources.synthetic.tissue.Look`, and only inside the tumour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.sources.synthetic.canvas import (
    LATTICE,
    clipped,
    cover,
    edge,
    ellipsoid,
    paint,
    smooth_noise,
    window_around,
)
from nephrograde.sources.synthetic.tissue import PLAIN_HU, TISSUE_HU

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.sources.synthetic.anatomy import Anatomy
    from nephrograde.sources.synthetic.canvas import Canvas, Floats
    from nephrograde.sources.synthetic.kidney import Kidney
    from nephrograde.sources.synthetic.tissue import Look
    from nephrograde.vocabulary import Triple

CAPSULE_MM = 2.0
"""Thickness of the capsule."""

REACH_MM = 85.0
"""Largest extent of a tumour above and below the middle of the scan."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One tumour.

    Attributes:
        centre_mm: Its centre in the patient's frame.
        half_mm: Semi-axes; the first is half the tumour's diameter, in the axial plane.
        turn_rad: Angle between the first axis and the x axis.
        lattices: Random numbers that generate contour, necrosis and texture, the same in every phase.
    """

    centre_mm: Triple
    half_mm: Triple
    turn_rad: float
    lattices: tuple[Floats, Floats]


def draw_lesion(rng: np.random.Generator, *, diameter_mm: float, kidney: Kidney, anatomy: Anatomy) -> Lesion:
    """Place a tumour on a kidney: any pole, more or less exophytic, away from the hilum, within the body.

    Args:
        rng: Random generator; the number of draws is always the same.
        diameter_mm: Largest axial diameter.
        kidney: The affected kidney.
        anatomy: The body that it must stay in.

    Returns:
        The tumour.
    """
    radius = diameter_mm / 2
    angle = rng.uniform(0.40 * math.pi, 1.60 * math.pi)
    pole = rng.uniform(-0.75, 0.75)
    outwards = radius * rng.uniform(-0.4, 0.35)
    hilum_x, hilum_y = kidney.hilum
    waist = math.sqrt(1.0 - pole**2)
    towards = math.cos(angle) * (kidney.half_mm[0] * waist + outwards) + 9.0 * pole**2
    across = math.sin(angle) * (kidney.half_mm[1] * waist + outwards)
    up = pole * kidney.half_mm[2] + 0.4 * pole * outwards
    x = kidney.centre_mm[0] + towards * hilum_x - across * hilum_y - kidney.side * kidney.lean * up
    y = kidney.centre_mm[1] + towards * hilum_y + across * hilum_x
    half = (radius, radius * rng.uniform(0.78, 0.94), radius * rng.uniform(0.8, 1.0))
    # A large tumour has room along the front-to-back axis only.
    free_turn = rng.uniform(0.0, math.pi)
    turn = math.pi / 2 + 0.25 * math.sin(free_turn) if radius > 28.0 else free_turn
    wall_x, wall_y = anatomy.wall_half_mm
    x = kidney.side * _between(kidney.side * x, 25.0 + half[1], wall_x - half[1] - 3.0)
    y = _between(y, -wall_y + radius, anatomy.spine_y_mm + 26.0 - 0.9 * radius)
    z = _between(kidney.centre_mm[2] + up, half[2] - REACH_MM, REACH_MM - half[2])
    lattices = rng.standard_normal((2, LATTICE, LATTICE, LATTICE)).astype(np.float32)
    return Lesion((x, y, z), half, turn, (lattices[0], lattices[1]))


def _between(value: float, low: float, high: float) -> float:
    return (low + high) / 2 if low > high else min(max(value, low), high)


def paint_halo(canvas: Canvas, lesion: Lesion, *, depth: Floats) -> None:
    """Paint a thin layer of fat around a tumour where it displaces bowel or liver.

    Args:
        canvas: The canvas, before the kidney is painted.
        lesion: The tumour.
        depth: Depth of each pixel, from :func:`nephrograde.sources.synthetic.anatomy.paint_abdomen`.
    """
    grown = (lesion.half_mm[0] + 5.0, lesion.half_mm[1] + 5.0, lesion.half_mm[2] + 5.0)
    window, share = cover(canvas, ellipsoid(canvas, lesion.centre_mm, half_mm=grown, turn_rad=lesion.turn_rad))
    share = share * (depth[None, window[1], window[2]] < 1.0)
    paint(canvas, window, share=share, hu=PLAIN_HU["fat"])


def paint_lesion(canvas: Canvas, lesion: Lesion, *, look: Look, phase: str, depth: Floats) -> npt.NDArray[np.bool_]:
    """Paint a tumour, last of all.

    Args:
        canvas: The canvas.
        lesion: The tumour's position and shape.
        look: The appearance that its severity gives it in this phase.
        phase: One of ``PHASES``.
        depth: Depth of each pixel; a tumour does not grow through the abdominal wall.

    Returns:
        The delineation, ``"z y x"``: the voxels of which at least half is tumour.
    """
    mask = np.zeros(canvas.values.shape, dtype=np.bool_)
    x, y, z = lesion.centre_mm
    reach = lesion.half_mm[0] * 1.3
    window = window_around(canvas, lesion.centre_mm, half_mm=(reach, reach, lesion.half_mm[2] * 1.3))
    cosine, sine = np.float32(math.cos(lesion.turn_rad)), np.float32(math.sin(lesion.turn_rad))
    right = canvas.x_mm[None, window[1], window[2]] - np.float32(x)
    back = canvas.y_mm[None, window[1], window[2]] - np.float32(y)
    up = (canvas.z_mm[window[0]] - np.float32(z))[:, None, None]
    half = [np.float32(part) for part in lesion.half_mm]
    first, second = (cosine * right + sine * back) / half[0], (cosine * back - sine * right) / half[1]
    radius = np.sqrt(first**2 + second**2 + (up / half[2]) ** 2)

    contour, texture = lesion.lattices
    patterns = (
        (contour, 0.5 * lesion.half_mm[0]),
        (contour[::-1], 0.35 * lesion.half_mm[0]),
        (texture, 8.0),
        (texture[:, ::-1], 4.0),
    )
    bumps, dead_pattern, coarse, fine = (
        smooth_noise(canvas, window, lattice=lattice, cell_mm=cell_mm, centre_mm=lesion.centre_mm)
        for lattice, cell_mm in patterns
    )
    within = 1.0 - radius + np.float32(look.roughness) * bumps
    inside_mm = within * half[1]
    share = edge(inside_mm, canvas) * (depth[None, window[1], window[2]] < 1.02)
    inside = share >= 0.5
    if not inside.any():
        return mask
    hu = look.solid_hu + look.texture_hu * _centred(coarse + 0.6 * fine, inside)
    dead = _most(np.minimum(within, 0.55) + 0.3 * dead_pattern, inside, fraction=look.necrosis)
    hu += dead * (TISSUE_HU["necrosis"][phase] - hu)
    rim = clipped(CAPSULE_MM - inside_mm) * np.float32(look.capsule)
    hu += rim * (TISSUE_HU["capsule"][phase] - hu)
    paint(canvas, window, share=share, hu=hu)
    mask[window] = inside
    return mask


def _centred(pattern: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Scale a pattern to mean 0 and about unit spread, so that texture does not shift the tumour's mean."""
    mean = np.float32(pattern[inside].mean(dtype=np.float64))
    centred: Floats = (pattern - mean) / np.float32(0.7)
    return centred


def _most(score: Floats, inside: npt.NDArray[np.bool_], *, fraction: float) -> Floats:
    """Select the given fraction of the inside with the highest scores, with a soft border."""
    values = score[inside]
    wanted = round(fraction * values.size)
    if fraction < 0.03 or wanted == 0:
        return np.zeros_like(score)
    threshold = np.partition(values, values.size - wanted)[values.size - wanted]
    return clipped((score - threshold) / np.float32(0.08) + np.float32(0.5))
