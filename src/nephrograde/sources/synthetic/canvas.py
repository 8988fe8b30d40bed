"""The canvas on which synthetic anatomy is painted: one scan's grid, soft-edged shapes and smooth noise.

Arrays here are in file order, ``"z y x"``, so that a slice is contiguous in memory. All lengths are in mm. Shapes are
given in the patient's own frame (x to the left, y to the back, z to the head, origin in the middle of the body);
:class:`Grid` places the patient on the scanner's grid. Everything is elementwise NumPy on one thread, so the result
does not depend on the number of workers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nephrograde.vocabulary import Triple

FloatImage: TypeAlias = Annotated[npt.NDArray[np.float32], "z y x"]
Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Window: TypeAlias = tuple[slice, slice, slice]

LATTICE = 16
"""Cells per axis before smooth noise repeats itself."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The voxels of one scan and the patient's position in the scanner (a small rigid shift and turn).

    Attributes:
        size: Voxels along x, y and z.
        spacing_mm: Distance of voxel centres along x, y and z.
        origin_mm: Scanner position (LPS) of the first voxel's centre.
        shift_mm: Scanner position of the patient's own origin.
        turn_rad: Rotation of the patient about the long axis.
    """

    size: tuple[int, int, int]
    spacing_mm: Triple
    origin_mm: Triple
    shift_mm: Triple = (0.0, 0.0, 0.0)
    turn_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class Canvas:
    """An image in progress, with the patient-frame position of its voxels (x and y per pixel, z per slice)."""

    grid: Grid
    values: FloatImage
    x_mm: Floats
    y_mm: Floats
    z_mm: Floats


def blank(grid: Grid) -> Canvas:
    """Create an empty canvas on a grid.

    Args:
        grid: The scan's voxels and the patient's position among them.

    Returns:
        A canvas of uninitialised values.

    >>> canvas = blank(Grid((4, 3, 2), (2.0, 2.0, 5.0), (-3.0, -2.0, 0.0)))
    >>> canvas.values.shape, canvas.x_mm[0].tolist(), canvas.z_mm.tolist()
    ((2, 3, 4), [-3.0, -1.0, 1.0, 3.0], [0.0, 5.0])
    """
    x, y, z = (
        np.arange(count, dtype=np.float64) * step + first - shift
        for count, step, first, shift in zip(grid.size, grid.spacing_mm, grid.origin_mm, grid.shift_mm, strict=True)
    )
    cosine, sine = math.cos(grid.turn_rad), math.sin(grid.turn_rad)
    x_mm = (cosine * x[None, :] + sine * y[:, None]).astype(np.float32)
    y_mm = (cosine * y[:, None] - sine * x[None, :]).astype(np.float32)
    values = np.empty(grid.size[::-1], dtype=np.float32)
    return Canvas(grid, values, x_mm, y_mm, z.astype(np.float32))


def in_scanner(grid: Grid, place_mm: Triple) -> Triple:
    """Transform a position from the patient's frame to the scanner's (LPS).

    >>> in_scanner(Grid((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), shift_mm=(5.0, 0.0, -300.0)), (1.0, 2.0, 3.0))
    (6.0, 2.0, -297.0)
    """
    cosine, sine = math.cos(grid.turn_rad), math.sin(grid.turn_rad)
    x, y, z = place_mm
    return (
        cosine * x - sine * y + grid.shift_mm[0],
        sine * x + cosine * y + grid.shift_mm[1],
        z + grid.shift_mm[2],
    )


def window_around(canvas: Canvas, centre_mm: Triple, *, half_mm: Triple) -> Window:
    """Find the voxels that may contain a shape, so that the cost of painting depends on its size only.

    Args:
        canvas: The canvas to paint on.
        centre_mm: The shape's centre, in the patient's frame.
        half_mm: Half its extent along x, y and z; two voxels are added for soft edges and the patient's rotation.

    Returns:
        Slices along z, y and x, empty if the shape lies outside the scan.

    >>> canvas = blank(Grid((40, 40, 40), (2.0, 2.0, 5.0), (0.0, 0.0, 0.0)))
    >>> window_around(canvas, (40.0, 40.0, 50.0), half_mm=(4.0, 4.0, 5.0))
    (slice(7, 14, None), slice(16, 25, None), slice(16, 25, None))
    """
    grid = canvas.grid
    lean = abs(math.sin(grid.turn_rad))
    grown = (half_mm[0] + lean * half_mm[1], half_mm[1] + lean * half_mm[0], half_mm[2])
    found = []
    for centre, half, first, step, count in zip(
        in_scanner(grid, centre_mm), grown, grid.origin_mm, grid.spacing_mm, grid.size, strict=True
    ):
        start = math.floor((centre - half - first) / step) - 2
        stop = math.ceil((centre + half - first) / step) + 3
        found.append(slice(min(max(start, 0), count), min(max(stop, 0), count)))
    return found[2], found[1], found[0]


def paint(canvas: Canvas, window: Window, *, share: Floats, hu: float | Floats) -> None:
    """Blend a tissue into the canvas.

    Args:
        canvas: Changed in place.
        window: The voxels.
        share: Fraction of each voxel that the tissue fills; 1 replaces the previous value.
        hu: CT number of the tissue, one for all voxels or one per voxel.

    >>> canvas = blank(Grid((1, 1, 2), (2.0, 2.0, 5.0), (0.0, 0.0, 0.0)))
    >>> canvas.values[:] = -100.0
    >>> paint(canvas, (slice(0, 1), slice(0, 1), slice(0, 1)), share=np.array([[[0.5]]]), hu=60.0)
    >>> canvas.values.ravel().tolist()
    [-20.0, -100.0]
    """
    under = canvas.values[window]
    under += share * (hu - under)


def clipped(values: Floats) -> Floats:
    """Clip values to the range 0 to 1, the range of fractions of a voxel.

    >>> clipped(np.array([-0.5, 0.5, 1.5])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.minimum(np.maximum(values, 0.0), 1.0)


def edge(inside_mm: Floats, canvas: Canvas) -> Floats:
    """Convert a distance to a surface (positive inside) to the fraction of the voxel that lies inside.

    >>> canvas = blank(Grid((2, 2, 2), (2.0, 2.0, 5.0), (0.0, 0.0, 0.0)))
    >>> edge(np.array([-2.0, 0.0, 0.5, 9.0]), canvas).tolist()
    [0.0, 0.5, 0.75, 1.0]
    """
    return clipped(inside_mm / canvas.grid.spacing_mm[0] + 0.5)


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of ellipses, one per slice: vessels, muscles, vertebrae, and, with a profile, ellipsoids.

    Attributes:
        x_mm: Centre of the ellipse along x, per slice of the canvas.
        y_mm: Centre along y, per slice.
        half_x_mm: Semi-axis along x, per slice; 0 where the shape is absent.
        half_y_mm: Semi-axis along y, per slice.
        turn_rad: Rotation of the ellipses in the axial plane.
    """

    x_mm: Floats
    y_mm: Floats
    half_x_mm: Floats
    half_y_mm: Floats
    turn_rad: float = 0.0


def column(canvas: Canvas, place_mm: tuple[float, float], *, half_mm: tuple[float, float]) -> Stack:
    """Describe a straight column through all slices, such as the aorta.

    >>> canvas = blank(Grid((4, 3, 2), (2.0, 2.0, 5.0), (-3.0, -2.0, 0.0)))
    >>> column(canvas, (8.0, 20.0), half_mm=(10.0, 9.0)).half_x_mm.tolist()
    [10.0, 10.0]
    """
    ones = np.ones_like(canvas.z_mm)
    return Stack(ones * place_mm[0], ones * place_mm[1], ones * half_mm[0], ones * half_mm[1])


def ellipsoid(
    canvas: Canvas, centre_mm: Triple, *, half_mm: Triple, turn_rad: float = 0.0, lean: tuple[float, float] = (0, 0)
) -> Stack:
    """Describe an ellipsoid as a stack of ellipses.

    Args:
        canvas: The slices.
        centre_mm: Centre in the patient's frame.
        half_mm: Semi-axes; the first two are rotated by ``turn_rad`` in the axial plane.
        turn_rad: Rotation in the axial plane.
        lean: Shift along x and y per mm along z.

    Returns:
        The ellipse of every slice; semi-axes of 0 above and below the ellipsoid.

    >>> canvas = blank(Grid((4, 3, 3), (2.0, 2.0, 5.0), (-3.0, -2.0, -5.0)))
    >>> ellipsoid(canvas, (0.0, 0.0, 0.0), half_mm=(20.0, 10.0, 5.0)).half_x_mm.tolist()
    [0.0, 20.0, 0.0]
    """
    up = canvas.z_mm - centre_mm[2]
    profile = np.sqrt(np.clip(1.0 - (up / half_mm[2]) ** 2, 0.0, None))
    x, y = centre_mm[0] + lean[0] * up, centre_mm[1] + lean[1] * up
    return Stack(x, y, half_mm[0] * profile, half_mm[1] * profile, turn_rad)


def cover(canvas: Canvas, stack: Stack) -> tuple[Window, Floats]:
    """Compute the fraction of each voxel that a stack of ellipses covers.

    Args:
        canvas: The canvas to paint on.
        stack: The ellipses.

    Returns:
        The window of the shape and the fractions in it, ready for :func:`paint`.

    >>> canvas = blank(Grid((9, 9, 1), (2.0, 2.0, 5.0), (-8.0, -8.0, 0.0)))
    >>> window, share = cover(canvas, column(canvas, (0.0, 0.0), half_mm=(4.0, 4.0)))
    >>> share[0, 4].tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0]
    """
    present = np.flatnonzero((stack.half_x_mm > 0.4) & (stack.half_y_mm > 0.4))
    if present.size == 0:
        return (slice(0, 0), slice(0, 0), slice(0, 0)), np.empty((0, 0, 0), dtype=np.float32)
    slices = slice(int(present[0]), int(present[-1]) + 1)
    x, y = stack.x_mm[slices], stack.y_mm[slices]
    half_x, half_y = np.maximum(stack.half_x_mm[slices], 0.4), np.maximum(stack.half_y_mm[slices], 0.4)
    reach = np.maximum(half_x, half_y)
    low_x, high_x = float((x - reach).min()), float((x + reach).max())
    low_y, high_y = float((y - reach).min()), float((y + reach).max())
    centre = ((low_x + high_x) / 2, (low_y + high_y) / 2, 0.0)
    _, rows, columns = window_around(canvas, centre, half_mm=((high_x - low_x) / 2, (high_y - low_y) / 2, 0.0))
    right = canvas.x_mm[None, rows, columns] - x[:, None, None].astype(np.float32)
    back = canvas.y_mm[None, rows, columns] - y[:, None, None].astype(np.float32)
    if stack.turn_rad:
        cosine, sine = np.float32(math.cos(stack.turn_rad)), np.float32(math.sin(stack.turn_rad))
        right, back = cosine * right + sine * back, cosine * back - sine * right
    right /= half_x[:, None, None].astype(np.float32)
    back /= half_y[:, None, None].astype(np.float32)
    rho = np.sqrt(right * right + back * back)
    thin = np.minimum(half_x, half_y)[:, None, None].astype(np.float32)
    return (slices, rows, columns), edge((1.0 - rho) * thin, canvas)


def smooth_noise(
    canvas: Canvas, window: Window, *, lattice: Floats, cell_mm: float, centre_mm: Triple = (0.0, 0.0, 0.0)
) -> Floats:
    """Compute smooth random values fixed to the patient, so that every phase shows the same pattern.

    The method is value noise with a smoothstep.

    Args:
        canvas: The canvas.
        window: The voxels for which values are needed.
        lattice: Normal random numbers, ``LATTICE`` along each axis; repeated without a seam.
        cell_mm: Distance between lattice points; structures are about this large.
        centre_mm: The position that the pattern moves with.

    Returns:
        Values of the window's shape, with mean near 0 and standard deviation of about 0.6.

    >>> canvas = blank(Grid((4, 4, 4), (2.0, 2.0, 5.0), (0.0, 0.0, 0.0)))
    >>> lattice = np.random.default_rng(1).standard_normal((LATTICE, LATTICE, LATTICE))
    >>> smooth_noise(canvas, (slice(0, 4), slice(1, 4), slice(2, 4)), lattice=lattice, cell_mm=9.0).shape
    (4, 3, 2)
    """
    result: Floats = np.asarray(lattice, dtype=np.float32)
    anchor = in_scanner(canvas.grid, centre_mm)
    grid = canvas.grid
    for axis, picked in enumerate(window):
        numbers = np.arange(picked.start, picked.stop)
        place = numbers * grid.spacing_mm[2 - axis] + grid.origin_mm[2 - axis] - anchor[2 - axis]
        cells = place / cell_mm + LATTICE / 2
        lower = np.floor(cells).astype(np.intp)
        share = cells - lower
        share = (share * share * (3.0 - 2.0 * share)).astype(np.float32)
        share = share.reshape([-1 if other == axis else 1 for other in range(3)])
        first = np.take(result, lower % LATTICE, axis=axis)
        second = np.take(result, (lower + 1) % LATTICE, axis=axis)
        result = first + share * (second - first)
    return result
