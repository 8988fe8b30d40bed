"""The synthetic abdomen around the kidneys: how one patient's body is drawn and painted.

Nothing in this module knows the tumour's severity, so nothing outside the tumour can reveal it. Dimensions are those of
an average adult and come from no publication. CT numbers come from :mod:`nephrograde.sources.synthetic.tissue`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.sources.synthetic.canvas import (
    LATTICE,
    Stack,
    clipped,
    column,
    cover,
    edge,
    ellipsoid,
    paint,
    smooth_noise,
)
from nephrograde.sources.synthetic.tissue import PLAIN_HU, TISSUE_HU

if TYPE_CHECKING:
    from nephrograde.sources.synthetic.canvas import Canvas, Floats, Window
    from nephrograde.vocabulary import Triple


@dataclass(frozen=True, slots=True)
class Loop:
    """A bowel loop: an ellipsoid with a wall, filled with fluid, stool or gas."""

    centre_mm: Triple
    half_mm: Triple
    turn_rad: float
    filling: str


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One patient's body, apart from the kidneys.

    Attributes:
        half_width_mm: Half the width of the body.
        half_depth_mm: Half its depth.
        fat_mm: Thickness of the fat under the skin.
        spine_y_mm: Position of the centres of the vertebral bodies (y increases towards the back).
        loops: Bowel, stomach and colon.
        lattice: Random numbers that generate the body's smooth patterns.
        uptake: Factor applied to the contrast enhancement of everything but the tumour.
    """

    half_width_mm: float
    half_depth_mm: float
    fat_mm: float
    spine_y_mm: float
    loops: tuple[Loop, ...]
    lattice: Floats
    uptake: float

    @property
    def scale(self) -> float:
        """Size of the body relative to the one that the organ dimensions are given for."""
        return self.half_width_mm / 165.0

    @property
    def wall_half_mm(self) -> tuple[float, float]:
        """Semi-axes of the inside of the abdominal wall."""
        inner_y = self.half_depth_mm - 0.75 * self.fat_mm - 11.0
        return self.half_width_mm - self.fat_mm - 12.0, inner_y

    def hu(self, tissue: str, phase: str) -> float:
        """CT number of a tissue in a phase, with this patient's uptake of contrast."""
        plain = TISSUE_HU[tissue]["up"]
        return plain + self.uptake * (TISSUE_HU[tissue][phase] - plain)


def draw_anatomy(rng: np.random.Generator, *, field_of_view_mm: float) -> Anatomy:
    """Draw one patient's body.

    Args:
        rng: Random generator; the number of draws is always the same.
        field_of_view_mm: The scanner's field of view, which the body must fit into.

    Returns:
        The body.

    >>> body = draw_anatomy(np.random.default_rng(1), field_of_view_mm=360.0)
    >>> 150 < body.half_width_mm < 170
    True
    """
    half_width = field_of_view_mm / 2 * rng.uniform(0.85, 0.94)
    half_depth = half_width * rng.uniform(0.67, 0.75)
    fat = rng.uniform(9.0, 25.0)
    spine_y = half_depth - 0.75 * fat - 56.0
    return Anatomy(
        half_width_mm=half_width,
        half_depth_mm=half_depth,
        fat_mm=fat,
        spine_y_mm=spine_y,
        loops=_draw_loops(rng, half_width / 165.0),
        lattice=rng.standard_normal((LATTICE, LATTICE, LATTICE)).astype(np.float32),
        uptake=rng.uniform(0.9, 1.1),
    )


def _draw_loops(rng: np.random.Generator, scale: float) -> tuple[Loop, ...]:
    loops = []
    fillings = ["fluid", "gas", "fluid", "stool"] * 2 + ["fluid"] * 14
    for filling in fillings:
        centre = (rng.uniform(-70, 88), rng.uniform(-76, -24), rng.uniform(-120, 32))
        half = (rng.uniform(13, 30), rng.uniform(10, 16), rng.uniform(11, 22))
        loops.append(_scaled(Loop(centre, half, rng.uniform(-0.7, 0.7), filling), scale))
    for side in (-1.0, 1.0):  # ascending and descending colon, then the stomach
        centre = (side * rng.uniform(98, 108), rng.uniform(0, 18), rng.uniform(-85, -60))
        loops.append(_scaled(Loop(centre, (rng.uniform(17, 23), 19.0, 75.0), 0.0, "stool"), scale))
    stomach = (rng.uniform(35, 55), rng.uniform(-62, -48), rng.uniform(65, 80))
    loops.append(_scaled(Loop(stomach, (46.0, 28.0, 48.0), rng.uniform(-0.5, 0.1), "fluid"), scale))
    return tuple(loops)


def _scaled(loop: Loop, scale: float) -> Loop:
    x, y, z = loop.centre_mm
    return Loop((scale * x, scale * y, z), loop.half_mm, loop.turn_rad, loop.filling)


def depth_from_wall(canvas: Canvas, anatomy: Anatomy) -> Floats:
    """Compute the depth of each pixel of a slice: less than 1 inside the abdominal wall, up to 2 beneath the skin.

    Args:
        canvas: The pixels.
        anatomy: The body.

    Returns:
        The depth, ``"y x"``; 0 in the middle of the abdomen, more than 2 in air.

    >>> from nephrograde.sources.synthetic.canvas import Grid, blank
    >>> canvas = blank(Grid((3, 1, 1), (155.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    >>> body = draw_anatomy(np.random.default_rng(1), field_of_view_mm=360.0)
    >>> [round(float(depth), 1) for depth in depth_from_wall(canvas, body)[0]]
    [0.0, 1.8, 2.9]
    """
    inner_x, inner_y = anatomy.wall_half_mm
    wall = _superellipse(canvas.x_mm / inner_x, canvas.y_mm / inner_y, power=2.5)
    skin = _superellipse(canvas.x_mm / anatomy.half_width_mm, canvas.y_mm / anatomy.half_depth_mm, power=2.4)
    outside = np.clip(wall - 1.0, 0.0, None)
    between = outside / np.maximum(outside + np.clip(1.0 - skin, 0.0, None), 1e-6)
    depth = np.where(wall < 1.0, wall, np.where(skin < 1.0, 1.0 + between, 1.0 + skin))
    return depth.astype(np.float32)


def _superellipse(x: Floats, y: Floats, *, power: float) -> Floats:
    return (np.abs(x) ** power + np.abs(y) ** power) ** (1.0 / power)


def paint_abdomen(canvas: Canvas, anatomy: Anatomy, *, phase: str) -> Floats:
    """Paint everything but the kidneys, their vessels and the tumour.

    Args:
        canvas: The canvas; every voxel is set.
        anatomy: The patient's body.
        phase: One of ``PHASES``.

    Returns:
        The depth from :func:`depth_from_wall`, for the functions that paint next.
    """
    depth = depth_from_wall(canvas, anatomy)
    _paint_layers(canvas, anatomy, depth=depth, phase=phase)
    _paint_strands(canvas, anatomy, phase=phase)
    for loop in anatomy.loops:
        _paint_loop(canvas, loop, anatomy=anatomy, phase=phase)
    _paint_organs(canvas, anatomy, depth=depth, phase=phase)
    return depth


def _paint_layers(canvas: Canvas, anatomy: Anatomy, *, depth: Floats, phase: str) -> None:
    """Paint air, skin, fat, abdominal wall and the fat inside it from a lookup table over the depth."""
    muscle = anatomy.hu("muscle", phase)
    fat, air, skin = PLAIN_HU["fat"], PLAIN_HU["air"], PLAIN_HU["skin"]
    skin_at = 2.0 - min(0.12, 2.0 / anatomy.fat_mm)
    knots = (0.0, 0.995, 1.005, 1.30, 1.36, skin_at - 0.02, skin_at, 1.998, 2.006, 4.0)
    table = np.interp(np.arange(4096) / 1024.0, knots, (fat, fat, muscle, muscle, fat, fat, skin, skin, air, air))
    table = table.astype(np.float32)
    numbered = (depth * 1024.0).astype(np.float32)
    for number, z in enumerate(canvas.z_mm):
        bulge = 0.02 * math.sin(float(z) / 70.0) * 1024.0  # the body is not a cylinder
        np.take(table, (numbered + bulge).astype(np.intp), mode="clip", out=canvas.values[number])
    couch_y = anatomy.half_depth_mm + 6.0 - 0.0006 * canvas.x_mm**2
    couch = edge(1.5 - np.abs(canvas.y_mm - couch_y), canvas) * (np.abs(canvas.x_mm) < 0.9 * anatomy.half_width_mm)
    rows = np.flatnonzero(couch.any(axis=1))
    if rows.size:
        band = slice(int(rows[0]), int(rows[-1]) + 1)
        share = (couch * (depth > 2.01))[None, band]
        paint(canvas, (slice(None), band, slice(None)), share=share, hu=PLAIN_HU["couch"])


def _paint_strands(canvas: Canvas, anatomy: Anatomy, *, phase: str) -> None:
    """Paint mesenteric vessels as thin strands in the fat in front of the spine."""
    stack = ellipsoid(canvas, (5.0, -28.0, -40.0), half_mm=(78.0 * anatomy.scale, 45.0 * anatomy.scale, 120.0))
    window, share = cover(canvas, stack)
    pattern = smooth_noise(canvas, window, lattice=anatomy.lattice, cell_mm=13.0)
    strand = clipped(1.0 - np.abs(pattern) / 0.09) * share
    paint(canvas, window, share=0.7 * strand, hu=anatomy.hu("blood_vessel", phase))


def _paint_loop(canvas: Canvas, loop: Loop, *, anatomy: Anatomy, phase: str) -> None:
    wall = ellipsoid(canvas, loop.centre_mm, half_mm=loop.half_mm, turn_rad=loop.turn_rad)
    window, share = cover(canvas, wall)
    paint(canvas, window, share=share, hu=anatomy.hu("bowel_wall", phase))
    inner = (loop.half_mm[0] - 3.0, loop.half_mm[1] - 3.0, loop.half_mm[2] - 3.0)
    window, share = cover(canvas, ellipsoid(canvas, loop.centre_mm, half_mm=inner, turn_rad=loop.turn_rad))
    if loop.filling == "stool":
        pattern = smooth_noise(canvas, window, lattice=anatomy.lattice, cell_mm=9.0, centre_mm=loop.centre_mm)
        paint(canvas, window, share=share, hu=PLAIN_HU["stool"] + 160.0 * pattern - 200.0 * (pattern < -0.5))
        return
    folds = smooth_noise(canvas, window, lattice=anatomy.lattice, cell_mm=5.0, centre_mm=loop.centre_mm)
    wall_hu, content_hu = anatomy.hu("bowel_wall", phase), anatomy.hu("bowel_content", phase)
    paint(canvas, window, share=share, hu=content_hu + clipped(folds) * (wall_hu - content_hu))
    level = loop.centre_mm[1] + (-0.25 if loop.filling == "fluid" else 0.3) * loop.half_mm[1]
    if loop.filling == "gas" or loop.half_mm[0] > 40:  # gas rises to the front of the supine patient
        above = edge(level - canvas.y_mm[None, window[1], window[2]], canvas)
        paint(canvas, window, share=share * above, hu=PLAIN_HU["gas"])


def _paint_organs(canvas: Canvas, anatomy: Anatomy, *, depth: Floats, phase: str) -> None:
    scale = anatomy.scale
    liver = ellipsoid(
        canvas,
        (-72.0 * scale, -14.0, 70.0),
        half_mm=(92.0 * scale, 78.0 * scale, 108.0),
        turn_rad=0.25,
        lean=(0.25, 0.0),
    )
    window, share = cover(canvas, liver)
    share = share * _inside_wall(depth, window)
    paint(canvas, window, share=share, hu=anatomy.hu("liver", phase))
    veins = smooth_noise(canvas, window, lattice=anatomy.lattice, cell_mm=19.0)
    other = smooth_noise(canvas, window, lattice=anatomy.lattice[::-1, ::-1, :], cell_mm=24.0)
    vessel = clipped(1.6 - np.hypot(veins, other) / 0.17) * share
    paint(canvas, window, share=vessel, hu=anatomy.hu("liver_vessel", phase))
    bladder = ellipsoid(canvas, (-58.0 * scale, -52.0 * scale, 8.0), half_mm=(15.0, 19.0, 26.0), turn_rad=-0.4)
    _paint_stack(canvas, bladder, hu=PLAIN_HU["bile"])
    spleen = ellipsoid(
        canvas, (106.0 * scale, 24.0, 72.0), half_mm=(25.0 * scale, 46.0 * scale, 58.0), turn_rad=-0.35, lean=(0.1, 0.0)
    )
    window, share = cover(canvas, spleen)
    paint(canvas, window, share=share * _inside_wall(depth, window), hu=anatomy.hu("spleen", phase))
    for centre, half, turn in (
        ((38.0, -16.0, 34.0), (38.0, 9.0, 13.0), 0.3),
        ((-22.0, -18.0, 18.0), (17.0, 14.0, 24.0), 0.0),
    ):
        _paint_stack(canvas, ellipsoid(canvas, centre, half_mm=half, turn_rad=turn), hu=anatomy.hu("pancreas", phase))


def _inside_wall(depth: Floats, window: Window) -> Floats:
    return clipped((1.0 - depth[None, window[1], window[2]]) * 60.0)


def _paint_stack(canvas: Canvas, stack: Stack, *, hu: float) -> None:
    window, share = cover(canvas, stack)
    paint(canvas, window, share=share, hu=hu)


def paint_back(canvas: Canvas, anatomy: Anatomy, *, depth: Floats, phase: str) -> None:
    """Paint muscles, spine, ribs and the great vessels, which no bowel may cover.

    Args:
        canvas: The canvas, after :func:`paint_abdomen`.
        anatomy: The patient's body.
        depth: As returned by :func:`paint_abdomen`.
        phase: One of ``PHASES``.
    """
    y, scale = anatomy.spine_y_mm, anatomy.scale
    muscle = anatomy.hu("muscle", phase)
    growing = np.clip((70.0 - canvas.z_mm) / 110.0, 0.25, 1.15)
    ones = np.ones_like(canvas.z_mm)
    for side in (-1.0, 1.0):
        psoas = Stack(side * (30.0 + 7.0 * growing), ones * (y + 4.0), 16.0 * growing, 19.0 * growing)
        _paint_stack(canvas, psoas, hu=muscle)
        _paint_stack(canvas, column(canvas, (side * 33.0, y + 38.0), half_mm=(29.0, 17.0)), hu=muscle)
        lumborum = Stack(ones * side * 66.0 * scale, ones * (y + 27.0), ones * 19.0, ones * 8.0, side * 0.35)
        _paint_stack(canvas, lumborum, hu=muscle)
        crus = Stack(ones * side * 11.0, ones * (y - 21.0), 7.0 * (1.2 - growing), 13.0 * (1.2 - growing), side * 0.5)
        _paint_stack(canvas, crus, hu=muscle)
    _paint_ribs(canvas, anatomy, depth=depth)
    _paint_spine(canvas, anatomy)
    calibre = 10.5 + 0.01 * canvas.z_mm
    _paint_stack(canvas, Stack(ones * 7.0, ones * (y - 31.0), calibre, calibre), hu=anatomy.hu("aorta", phase))
    _paint_stack(canvas, column(canvas, (-18.0, y - 30.0), half_mm=(13.5, 9.5)), hu=anatomy.hu("cava", phase))
    _paint_stack(canvas, column(canvas, (5.0, y - 54.0), half_mm=(4.0, 4.0)), hu=anatomy.hu("aorta", phase))
    _paint_stack(canvas, column(canvas, (-9.0, y - 55.0), half_mm=(6.0, 5.5)), hu=anatomy.hu("renal_vein", phase))


def _paint_spine(canvas: Canvas, anatomy: Anatomy) -> None:
    y = anatomy.spine_y_mm
    within = (canvas.z_mm / 36.0) % 1.0  # a vertebra and its disc every 36 mm
    is_disc = within > 0.78
    waist = 1.0 - 0.08 * np.sin(clipped(within / 0.78) * math.pi)
    ones = np.ones_like(canvas.z_mm)
    half_x, half_y = 23.0 * waist, 17.5 * waist
    body = Stack(ones * 0.0, ones * y, np.where(is_disc, 0.0, half_x), np.where(is_disc, 0.0, half_y))
    marrow = Stack(body.x_mm, body.y_mm, body.half_x_mm - 2.0, body.half_y_mm - 2.0)
    disc = Stack(ones * 0.0, ones * y, np.where(is_disc, half_x, 0.0), np.where(is_disc, half_y, 0.0))
    _paint_slices(canvas, body, hu=PLAIN_HU["compact_bone"])
    _paint_slices(canvas, marrow, hu=PLAIN_HU["bone"])
    _paint_slices(canvas, disc, hu=PLAIN_HU["disc"])
    arch = column(canvas, (0.0, y + 25.0), half_mm=(17.0, 13.0))
    _paint_stack(canvas, arch, hu=PLAIN_HU["compact_bone"] - 120.0)
    _paint_stack(canvas, column(canvas, (0.0, y + 24.0), half_mm=(10.5, 8.5)), hu=PLAIN_HU["canal"])
    process = np.where(within < 0.6, 1.0, 0.0)
    spinous = Stack(ones * 0.0, ones * (y + 46.0), 3.6 * process, 12.0 * process)
    _paint_slices(canvas, spinous, hu=PLAIN_HU["compact_bone"] - 100.0)
    across = np.where((within > 0.25) & (within < 0.5), 1.0, 0.0)
    for side in (-1.0, 1.0):
        transverse = Stack(ones * side * 31.0, ones * (y + 21.0), 17.0 * across, 4.0 * across, side * 0.2)
        _paint_slices(canvas, transverse, hu=PLAIN_HU["compact_bone"] - 120.0)


def _paint_slices(canvas: Canvas, stack: Stack, *, hu: float) -> None:
    """Paint a stack that is absent from some slices between its first and its last."""
    window, share = cover(canvas, stack)
    present = (stack.half_x_mm[window[0]] > 0.4) & (stack.half_y_mm[window[0]] > 0.4)
    paint(canvas, window, share=share * present[:, None, None], hu=hu)


def _paint_ribs(canvas: Canvas, anatomy: Anatomy, *, depth: Floats) -> None:
    """Paint the lower ribs as stripes in the abdominal wall that descend towards the front and end above the navel."""
    rows, columns = np.nonzero((depth > 1.03) & (depth < 1.24))
    x, y = canvas.x_mm[rows, columns], canvas.y_mm[rows, columns]
    middle = clipped(1.0 - np.abs(depth[rows, columns] - 1.135) / 0.10)
    around = np.arctan2(-y, np.abs(x))  # −π/2 at the back, π/2 at the front
    height = canvas.z_mm[:, None] + (38.0 * (around + 0.6))[None, :]
    phase_mm = np.abs((height / 30.0) % 1.0 - 0.5) * 30.0
    lowest = 8.0 + 55.0 * np.clip(around + 0.4, 0.0, 2.0)
    share = clipped((6.5 - phase_mm) / 2.5) * (canvas.z_mm[:, None] > lowest[None, :]) * middle[None, :]
    share = share * (np.abs(x) > 30.0 * anatomy.scale)[None, :]
    under = canvas.values[:, rows, columns]
    canvas.values[:, rows, columns] = under + np.minimum(2.0 * share, 1.0) * (PLAIN_HU["compact_bone"] - 150.0 - under)
