"""The synthetic scanner: puts a patient on a grid, and adds blur, noise and the limits of CT numbers.

Spacing, field of view, slice distance and axis order differ between patients, and the patient moves a little between
phases. None of this depends on the severity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.sources.synthetic.anatomy import draw_anatomy, paint_abdomen, paint_back
from nephrograde.sources.synthetic.canvas import Grid, blank
from nephrograde.sources.synthetic.kidney import draw_kidney, paint_kidney, paint_perirenal_fat
from nephrograde.sources.synthetic.lesion import draw_lesion, paint_halo, paint_lesion
from nephrograde.sources.synthetic.tissue import look_of
from nephrograde.volume.phase.evidence import PHASES

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.sources.synthetic.anatomy import Anatomy
    from nephrograde.sources.synthetic.canvas import Canvas, Floats
    from nephrograde.sources.synthetic.kidney import Kidney
    from nephrograde.sources.synthetic.lesion import Lesion
    from nephrograde.sources.synthetic.patients import Patient
    from nephrograde.vocabulary import Triple

HU_RANGE = (-1024, 3071)
SLICE_MM = (3.0, 4.0, 5.0)
NOISE_HU = (8.0, 15.0)


@dataclass(frozen=True, slots=True)
class Body:
    """A patient's body with the scanner settings for all phases.

    Attributes:
        anatomy: Everything but the kidneys.
        kidneys: Right and left.
        lesion: The tumour.
        field_of_view_mm: Width of the image.
        slice_mm: Slice distance in the enhanced phases.
        noise_hu: Standard deviation of the noise.
        blur: Fraction of its value that a voxel passes to each in-plane neighbour.
        table_mm: Scanner position of the patient's origin.
        stored: Sign of the x, y and z axes in the file, relative to LPS.
    """

    anatomy: Anatomy
    kidneys: tuple[Kidney, Kidney]
    lesion: Lesion
    field_of_view_mm: float
    slice_mm: float
    noise_hu: float
    blur: float
    table_mm: Triple
    stored: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class SyntheticScan:
    """One synthetic scan with its delineation.

    Attributes:
        values_hu: CT numbers, ``"z y x"`` in the order of an LPS file.
        mask: The tumour, on the same grid.
        spacing_mm: Voxel distance along x, y and z.
        origin_mm: Position (LPS) of the first voxel.
        stored: Sign of the x, y and z axes in the file, relative to LPS.
    """

    values_hu: npt.NDArray[np.int16]
    mask: npt.NDArray[np.bool_]
    spacing_mm: Triple
    origin_mm: Triple
    stored: tuple[int, int, int]


def draw_body(patient: Patient, *, seed: int) -> Body:
    """Draw a patient's body, tumour position and scanner settings, the same for all phases.

    Args:
        patient: The patient; only the number and the tumour's diameter are used.
        seed: Seed of the cohort.
    """
    rng = np.random.default_rng([seed, patient.number, 0])
    field_of_view = rng.uniform(320.0, 400.0)
    anatomy = draw_anatomy(rng, field_of_view_mm=field_of_view)
    kidneys = (draw_kidney(rng, side=-1.0, anatomy=anatomy), draw_kidney(rng, side=1.0, anatomy=anatomy))
    bearer = kidneys[int(rng.integers(2))]
    slice_mm = float(rng.choice(SLICE_MM, p=(0.2, 0.2, 0.6)))
    noise_hu, blur = rng.uniform(*NOISE_HU), rng.uniform(0.10, 0.20)
    table = (rng.uniform(-8.0, 8.0), rng.uniform(-190.0, -150.0), rng.uniform(-420.0, -180.0))
    stored = ((1, 1, 1), (-1, -1, 1), (1, 1, -1))[int(rng.integers(3))]
    lesion_rng = np.random.default_rng([seed, patient.number, 1])
    lesion = draw_lesion(lesion_rng, diameter_mm=patient.diameter_mm, kidney=bearer, anatomy=anatomy)
    return Body(anatomy, kidneys, lesion, field_of_view, slice_mm, noise_hu, blur, table, stored)


def scan_patient(patient: Patient, body: Body, *, phase: str, matrix_px: int, seed: int) -> SyntheticScan:
    """Scan a patient in one phase.

    Args:
        patient: The patient; the severity that the phase shows affects only the appearance of the tumour.
        body: The body from :func:`draw_body`.
        phase: One of ``PHASES``.
        matrix_px: Pixels along x and y; 512 is the size of a real scan.
        seed: Seed of the cohort.

    Returns:
        The scan.

    >>> from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
    >>> patient = cohort_patients(PhantomSettings(patients=2, seed=1))[0]
    >>> scan = scan_patient(patient, draw_body(patient, seed=1), phase="cmp", matrix_px=48, seed=1)
    >>> scan.values_hu.dtype.name, scan.values_hu.shape[1:], bool(scan.mask.any())
    ('int16', (48, 48), True)
    """
    rng = np.random.default_rng([seed, patient.number, 2 + PHASES.index(phase)])
    canvas = blank(_lay_down(body, rng, matrix_px=matrix_px))
    depth = paint_abdomen(canvas, body.anatomy, phase=phase)
    for kidney in body.kidneys:
        paint_perirenal_fat(canvas, kidney)
    paint_halo(canvas, body.lesion, depth=depth)
    paint_back(canvas, body.anatomy, depth=depth, phase=phase)
    for kidney in body.kidneys:
        paint_kidney(canvas, kidney, anatomy=body.anatomy, phase=phase)
    look = look_of(phase, patient.visible[phase])
    mask = paint_lesion(canvas, body.lesion, look=look, phase=phase, depth=depth)
    values = _expose(canvas, body, depth=depth, rng=rng)
    return SyntheticScan(values, mask, canvas.grid.spacing_mm, canvas.grid.origin_mm, body.stored)


def _lay_down(body: Body, rng: np.random.Generator, *, matrix_px: int) -> Grid:
    """Draw the grid of one phase: the patient breathes and moves by a few mm between phases."""
    pixel = body.field_of_view_mm * rng.uniform(0.985, 1.015) / matrix_px
    slice_mm = body.slice_mm
    reach = 96.0 + rng.uniform(0.0, 10.0)
    slices = round(2.0 * reach / slice_mm)
    shift = (
        body.table_mm[0] + rng.normal(0.0, 1.0),
        body.table_mm[1] + rng.normal(0.0, 1.0),
        body.table_mm[2] + rng.normal(0.0, 2.5),
    )
    first = -pixel * (matrix_px - 1) / 2
    origin = (
        round(first, 3),
        round(body.table_mm[1] + first, 3),
        round(body.table_mm[2] - slice_mm * (slices - 1) / 2 + rng.uniform(-4.0, 4.0), 3),
    )
    turn = math.radians(float(np.clip(rng.normal(0.0, 0.8), -2.0, 2.0)))
    return Grid((matrix_px, matrix_px, slices), (round(pixel, 5), round(pixel, 5), slice_mm), origin, shift, turn)


def _expose(canvas: Canvas, body: Body, *, depth: Floats, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Blur each slice, add noise that the blur correlates slightly, and round to CT numbers in place."""
    share = np.float32(body.blur)
    kept = (1.0 - 2.0 * body.blur) ** 2 + 2.0 * body.blur**2  # of the variance, per axis
    # Noise is highest in the middle of the body and low in the air around it.
    noise = (body.noise_hu / kept * np.interp(depth, (0.0, 2.0, 2.1, 4.0), (1.12, 0.8, 0.5, 0.3))).astype(np.float32)
    result = np.empty(canvas.values.shape, dtype=np.int16)
    grain = np.empty(depth.shape, dtype=np.float32)
    for number, image in enumerate(canvas.values):
        rng.standard_normal(out=grain, dtype=np.float32)
        grain *= noise
        grain += image
        across = grain[:, :-2] + grain[:, 2:]
        across -= 2.0 * grain[:, 1:-1]
        grain[:, 1:-1] += share * across
        along = grain[:-2] + grain[2:]
        along -= 2.0 * grain[1:-1]
        grain[1:-1] += share * along
        np.rint(grain, out=grain)
        np.clip(grain, *HU_RANGE, out=grain)
        result[number] = grain
    return result
