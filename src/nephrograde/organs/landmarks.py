"""A coarse copy of a CT scan, and the landmarks found on it without recognising organs: body, spine and aorta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.organs.pieces import label_pieces
from nephrograde.organs.smoothing import gaussian, median_along
from nephrograde.organs.windows import box_between, box_of, gaussian_in, span_of
from nephrograde.volume.grid import Grid

if TYPE_CHECKING:
    from nephrograde.organs.windows import Window
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.volume import Volume

Heights: TypeAlias = Annotated[npt.NDArray[np.float64], "z"]
Coarse: TypeAlias = Annotated[npt.NDArray[np.float32], "x y z"]

COARSE_MM = 2.5
"""Block size to which voxels are averaged: a kidney is still 20 blocks wide, and noise falls to a few HU."""

LEAST_MM = (120.0, 100.0, 40.0)
"""Smallest extent of a scan that can show a spine with a kidney beside it."""

AIR_HU, FAT_HU = -300.0, -20.0
"""Air and lung are below the first level; fat is between the two (−120 to −80 HU, widened by smoothing)."""


HU_RANGE = (-1024, 3071)
"""Values are clipped to these, HU."""

ASIDE_MM, LEAST_BONE = 35.0, 0.08
"""The weight of bone falls with its distance from the middle; the share of bone that a column has at least."""

_MOST_SUMMED = 10
"""As many clipped values fit into a 16-bit integer."""


@dataclass(frozen=True, slots=True, eq=False)
class CoarseScan:
    """Averages over blocks of voxels, and the lattice of the block centres.

    Attributes:
        values_hu: ``"x y z"``, HU.
        grid: The lattice of the block centres.
        stride: Number of voxels per block along each axis.
    """

    values_hu: Coarse
    grid: Grid
    stride: tuple[int, int, int]

    @property
    def spacing_mm(self) -> Triple:
        """Distance between block centres along each axis, mm."""
        return self.grid.spacing_mm


def coarse_grid(volume: Volume, *, coarse_mm: float = COARSE_MM) -> tuple[Grid, tuple[int, int, int]]:
    """Compute the lattice of a coarse copy without reading voxels.

    Args:
        volume: Any scan.
        coarse_mm: Target size of a block, mm; larger voxels are not merged.

    Returns:
        The lattice of the block centres, and the number of voxels per block along x, y and z.

    >>> from nephrograde.volume.volume import make_volume
    >>> grid, stride = coarse_grid(make_volume(np.zeros((9, 9, 4)), spacing_mm=(0.8, 0.8, 5.0)))
    >>> grid.size, stride, [round(mm, 1) for mm in grid.origin_mm]
    ((3, 3, 4), (3, 3, 1), [0.8, 0.8, 0.0])
    """
    x, y, z = (
        max(1, min(round(coarse_mm / spacing), size))
        for spacing, size in zip(volume.spacing_mm, volume.values.shape, strict=True)
    )
    shape = volume.values.shape
    grid = Grid(
        (shape[0] // x, shape[1] // y, shape[2] // z),
        (volume.spacing_mm[0] * x, volume.spacing_mm[1] * y, volume.spacing_mm[2] * z),
        volume.to_mm(((x - 1) / 2, (y - 1) / 2, (z - 1) / 2)),
        volume.direction,
        source="memory",
    )
    return grid, (x, y, z)


def shrink(volume: Volume, *, coarse_mm: float = COARSE_MM) -> CoarseScan:
    """Average blocks of voxels, plane by plane to avoid a second copy of the scan.

    Args:
        volume: A CT in HU. Values are clipped to −1024 to 3071.
        coarse_mm: As in :func:`coarse_grid`.

    Returns:
        The coarse copy.

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.repeat(np.arange(4.0), 2)[:, None, None] * np.ones((8, 4, 3))
    >>> shrink(make_volume(values, spacing_mm=(1.0, 1.0, 3.0)), coarse_mm=2.0).values_hu[:, 0, 0].tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    grid, (x, y, z) = coarse_grid(volume, coarse_mm=coarse_mm)
    columns, rows, slices = grid.size
    values = np.empty(grid.size, dtype=np.float32)
    # Sums of few integers are the same in any order, also as float32.
    few = volume.values.dtype == np.int16 and x * y * z <= _MOST_SUMMED
    for k in range(slices):
        planes = np.moveaxis(volume.values[: columns * x, : rows * y, k * z : (k + 1) * z], 2, 0)
        total = _sum_of_integers(planes, x, y) if few else _sum(planes, x, y)
        values[:, :, k] = total.T / (x * y * z)
    return CoarseScan(values, grid, (x, y, z))


def _sum(planes: npt.NDArray[Any], x: int, y: int) -> npt.NDArray[np.float32]:
    """Sum over blocks of whole planes, ``"z x y"``; the sums are ``"y x"``."""
    _, columns, rows = planes.shape
    total = np.zeros((rows // y, columns), dtype=np.float32)
    for plane in planes:
        clipped = np.clip(plane.T, *HU_RANGE).astype(np.float32)
        total += clipped.reshape(rows // y, y, columns).sum(axis=1)
    return np.asarray(total.reshape(rows // y, columns // x, x).sum(axis=2))


def _sum_of_integers(planes: npt.NDArray[np.int16], x: int, y: int) -> npt.NDArray[np.float32]:
    """The same of 16-bit integers, several times as fast, as at most ten of them are added."""
    total: Any = 0
    for plane in planes:
        clipped = np.clip(plane.T, *HU_RANGE)
        of_rows = sum((clipped[i::y] for i in range(1, y)), start=clipped[::y])
        total = total + of_rows
    return np.asarray(sum((total[:, i::x] for i in range(1, x)), start=total[:, ::x]).astype(np.float32))


def find_body(scan: CoarseScan) -> MaskArray | None:
    """Find the patient: the largest connected region that is not air, without the couch.

    Args:
        scan: The coarse copy.

    Returns:
        The body without lungs and bowel gas; None if the soft tissue is not surrounded by air and fat, as in an image
        that is not in HU, or if too little is in view.
    """
    extent = np.array(scan.grid.size) * scan.spacing_mm
    if (extent < LEAST_MM).any():
        return None
    solid = scan.values_hu > AIR_HU
    # The couch touches the back only in a thin layer.
    opened = ~_spread_in_plane(~solid, outside=True)
    opened = _spread_in_plane(opened, outside=False)
    window = box_of(opened)
    if window is None:
        return None
    pieces = label_pieces(opened[window])
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = np.zeros_like(solid)
    largest[window] = pieces == int(sizes.argmax())
    body = _spread_in_plane(largest, outside=False) & solid
    fat = np.count_nonzero(body & (scan.values_hu < FAT_HU)) / np.count_nonzero(body)
    return body if 0.01 < fat < 0.9 and (extent * _widest(body) > 100.0)[:2].all() else None


def _spread_in_plane(marked: MaskArray, *, outside: bool) -> MaskArray:
    """Spread marked voxels by two in every direction of their slice.

    Args:
        marked: ``"x y z"``.
        outside: Whether what lies outside the image is marked.
    """
    for axis in (0, 1):
        line = np.moveaxis(marked, axis, 0)
        spread = line.copy()
        for step in (1, 2):
            spread[step:] |= line[:-step]
            spread[:-step] |= line[step:]
        if outside:
            spread[:2] = spread[-2:] = True
        marked = np.moveaxis(spread, 0, axis)
    return marked


def _widest(body: MaskArray) -> npt.NDArray[np.float64]:
    """Return the fraction of each axis that the body spans."""
    return np.array([body.any(axis=tuple({0, 1, 2} - {axis})).mean() for axis in range(3)])


def find_spine(scan: CoarseScan, body: MaskArray) -> tuple[Heights, Heights] | None:
    """Find the spinal column: where most bone is stacked near the middle of the body.

    Bone is smoothed at the scale of a vertebra with its arch, so that ribs, an enhanced aorta and bowel contrast have
    little weight; the median over a height of 60 mm bridges slices that mislead.

    Args:
        scan: The coarse copy.
        body: The body from :func:`find_body`.

    Returns:
        For each slice, x and y of the column's centre (near the back of the vertebral body), mm from the first voxel;
        None if no column of bone is in view.
    """
    spacing = np.array(scan.spacing_mm)
    bone = np.clip((scan.values_hu - 100.0) / 200.0, 0.0, 1.0, dtype=np.float32) * body
    columns = np.arange(body.shape[0])[:, None]
    met = body.any(axis=1)
    middle = (met * columns).sum(axis=0) / np.maximum(met.sum(axis=0), 1)
    aside_mm = (columns - middle) * spacing[0]
    window = _middle_window(bone, aside_mm)
    stacked = gaussian_in(bone, np.array([18.0, 18.0, 15.0]) / spacing, window)
    weighted = stacked * np.exp(-0.5 * (aside_mm[window[0]] / ASIDE_MM) ** 2)[:, None, :]
    flat = weighted.reshape(-1, body.shape[2])
    x, y = np.unravel_index(flat.argmax(axis=0), stacked.shape[:2])
    x, y = x + window[0].start, y + window[1].start
    y = _middle_of_column(bone, x, y, spacing_mm=scan.spacing_mm)
    is_column = flat.max(axis=0) > LEAST_BONE
    if is_column.sum() * spacing[2] < LEAST_MM[2]:
        return None
    slices = np.arange(body.shape[2])
    window = 1 + 2 * round(30.0 / spacing[2])
    line = [np.interp(slices, slices[is_column], place[is_column].astype(np.float64)) for place in (x, y)]
    x_line, y_line = (median_along(place, window) for place in line)
    return x_line * spacing[0], y_line * spacing[1]


def _middle_window(bone: Coarse, aside_mm: npt.NDArray[np.float64]) -> Window:
    """Return where a column of bone may be: no farther aside than even solid bone has too little weight."""
    most_mm = 1.01 * ASIDE_MM * np.sqrt(-2.0 * np.log(LEAST_BONE))
    near = (np.abs(aside_mm) <= max(most_mm, np.abs(aside_mm).min())).any(axis=1)
    return span_of(near), slice(0, bone.shape[1]), slice(0, bone.shape[2])


def _middle_of_column(
    bone: Coarse, x: npt.NDArray[np.intp], y: npt.NDArray[np.intp], *, spacing_mm: Triple
) -> npt.NDArray[np.intp]:
    """Find the middle of the bone within 25 mm to either side and 55 mm to the front and back, slice by slice.

    An opacified aorta, as bright as bone, pulls the densest position forward, but hardly moves the middle.
    """
    aside, along = round(25.0 / spacing_mm[0]), round(55.0 / spacing_mm[1])
    middle = y.copy()
    for k, (i, j) in enumerate(zip(x, y, strict=True)):
        first = max(j - along, 0)
        profile = bone[max(i - aside, 0) : i + aside + 1, first : j + along + 1, k].sum(axis=0)
        if profile.sum() > 0:
            middle[k] = first + round(float(np.average(np.arange(profile.size), weights=profile)))
    return middle


def offsets_mm(scan: CoarseScan, spine: tuple[Heights, Heights]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Compute each voxel's distance to the left of the spine and behind it.

    Args:
        scan: The coarse copy.
        spine: The spine from :func:`find_spine`.

    Returns:
        ``"x 1 z"`` and ``"1 y z"``, mm.
    """
    x = np.arange(scan.grid.size[0])[:, None, None] * scan.spacing_mm[0]
    y = np.arange(scan.grid.size[1])[None, :, None] * scan.spacing_mm[1]
    return x - spine[0][None, None, :], y - spine[1][None, None, :]


def find_aorta(scan: CoarseScan, spine: tuple[Heights, Heights], *, kidneys: MaskArray) -> MaskArray | None:
    """Find the aorta: the brightest structure in front of the spine that is uniform over 10 mm across, 30 mm along z.

    A vertebra is as bright but varies along its height (marrow, end plates, discs); opacified bowel bends away. The
    position may move by one voxel between slices; the best line of positions is found by dynamic programming. The vena
    cava is to the right of the aorta, which costs it 2 HU per mm. In an unenhanced scan, the vena cava or a crus may be
    mistaken for the aorta, but their HU are nearly the same.

    Args:
        scan: The coarse copy.
        spine: The spine from :func:`find_spine`.
        kidneys: The kidneys: they give the heights to search, and show whether the scan is unenhanced, so that nothing
            brighter than 80 HU can be blood.

    Returns:
        The core of the aorta, 10 mm wide (the adult abdominal aorta is 15–25 mm wide); None if nothing is uniform
        enough.
    """
    slices = span_of(kidneys.any(axis=(0, 1)))
    left_mm, behind_mm = offsets_mm(scan, spine)
    left_mm, behind_mm = left_mm[:, 0, slices], behind_mm[0, :, slices]
    columns, rows = np.abs(left_mm) < 40.0, (behind_mm > -90.0) & (behind_mm < -22.0)
    box = box_between(columns, rows)
    if box is None:
        return None
    near = columns[box[0], None] & rows[None, box[1]]
    window = (box[0], box[1], slices)
    values = scan.values_hu[window].astype(np.float64)
    spacing = np.array(scan.spacing_mm)
    widths = np.array([3.0, 3.0, 10.0]) / spacing
    mean = gaussian(values, widths, truncate=1.6)
    spread = np.sqrt(np.maximum(gaussian(values**2, widths, truncate=1.6) - mean**2, 0.0))
    to_the_right_mm = np.maximum(-left_mm, 0.0)[box[0], None]
    is_blood = near if np.median(scan.values_hu[kidneys]) > 70.0 else near & (mean < 80.0)
    merit = np.where(is_blood, np.minimum(mean, 500.0) - 3.0 * spread - 2.0 * to_the_right_mm, -1e4)
    line = _best_line(merit)
    on_line = merit[line[:, 0], line[:, 1], np.arange(merit.shape[2])]
    if np.median(on_line) < -60.0:
        return None
    core = np.zeros(scan.grid.size, dtype=bool)
    x, y = np.arange(values.shape[0])[:, None] * spacing[0], np.arange(values.shape[1])[None, :] * spacing[1]
    for k, (i, j) in enumerate(line):
        if on_line[k] > np.median(on_line) - 60.0:
            core[window][:, :, k] = np.hypot(x - i * spacing[0], y - j * spacing[1]) <= 5.0
    return core


def _best_line(merit: npt.NDArray[np.float64]) -> npt.NDArray[np.int_]:
    """Find the chain of positions, one per slice, with the largest total merit and steps of at most one voxel."""
    columns, rows, slices = merit.shape
    best = merit[:, :, 0].copy()
    came_from = np.zeros((columns, rows, slices), dtype=np.int8)
    moves = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    for k in range(1, slices):
        padded = np.pad(best, 1, constant_values=-np.inf)
        options = np.stack(
            [padded[1 + i : 1 + i + columns, 1 + j : 1 + j + rows] - 2.0 * (abs(i) + abs(j)) for i, j in moves]
        )
        came_from[:, :, k] = options.argmax(axis=0)
        best = options.max(axis=0) + merit[:, :, k]
    line = np.empty((slices, 2), dtype=np.int_)
    line[-1] = np.unravel_index(best.argmax(), best.shape)
    for k in range(slices - 1, 0, -1):
        line[k - 1] = line[k] + moves[came_from[line[k][0], line[k][1], k]]
    return line
