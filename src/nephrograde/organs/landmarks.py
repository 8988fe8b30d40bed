"""A coarse copy of a CT scan and what can be told on it without knowing organs: the body, the spine, the aorta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nephrograde.volume.grid import Grid

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.volume import Volume

Heights: TypeAlias = Annotated[npt.NDArray[np.float64], "z"]
Coarse: TypeAlias = Annotated[npt.NDArray[np.float32], "x y z"]

COARSE_MM = 2.5
"""Voxels are averaged up to this size: a kidney is still 20 voxels wide, and noise falls to a few HU (our choice)."""

LEAST_MM = (120.0, 100.0, 40.0)
"""A scan that covers less has no spine with a kidney beside it in view (our choice)."""

AIR_HU, FAT_HU = -300.0, -20.0
"""Below the first is air or lung; between the two is fat (which is −120 to −80 HU; smoothing widens it)."""


@dataclass(frozen=True, slots=True, eq=False)
class CoarseScan:
    """Averages over blocks of voxels, and the lattice of the blocks' centres.

    Attributes:
        values_hu: ``"x y z"``, HU.
        grid: Where the averages lie.
        stride: How many voxels of the scan went into one along each axis.
    """

    values_hu: Coarse
    grid: Grid
    stride: tuple[int, int, int]

    @property
    def spacing_mm(self) -> Triple:
        """Distance of the blocks' centres along each axis, mm."""
        return self.grid.spacing_mm


def coarse_grid(volume: Volume, *, coarse_mm: float = COARSE_MM) -> tuple[Grid, tuple[int, int, int]]:
    """Say where the blocks of voxels lie that a coarse copy averages, without reading a voxel.

    Args:
        volume: Any scan.
        coarse_mm: The size of a block that is aimed at, mm; voxels that are larger stay as they are.

    Returns:
        The lattice of the blocks' centres, and the voxels in a block along x, y and z.

    Source: Our choice.

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
    """Average blocks of voxels, plane by plane so that no second copy of the scan is made.

    Args:
        volume: A CT in HU. What is stored as less than air or more than metal is cut to −1024 and 3071.
        coarse_mm: As in :func:`coarse_grid`.

    Returns:
        The coarse copy.

    Source: Our choice.

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.repeat(np.arange(4.0), 2)[:, None, None] * np.ones((8, 4, 3))
    >>> shrink(make_volume(values, spacing_mm=(1.0, 1.0, 3.0)), coarse_mm=2.0).values_hu[:, 0, 0].tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    grid, (x, y, z) = coarse_grid(volume, coarse_mm=coarse_mm)
    columns, rows, slices = grid.size
    values = np.empty(grid.size, dtype=np.float32)
    for k in range(slices):
        total = np.zeros((rows, columns * x), dtype=np.float32)
        for plane in np.moveaxis(volume.values[: columns * x, : rows * y, k * z : (k + 1) * z], 2, 0):
            clipped = np.clip(plane.T, -1024, 3071).astype(np.float32)
            total += clipped.reshape(rows, y, columns * x).sum(axis=1)
        values[:, :, k] = total.reshape(rows, columns, x).sum(axis=2).T / (x * y * z)
    return CoarseScan(values, grid, (x, y, z))


def find_body(scan: CoarseScan) -> MaskArray | None:
    """Find the patient: the largest piece that is not air, without the couch.

    Args:
        scan: The coarse copy.

    Returns:
        The body without lungs and bowel gas; None where there is no air and fat around soft tissue, as in an image
        that is not in HU, or where too little is in view.

    Source: Our choice.
    """
    extent = np.array(scan.grid.size) * scan.spacing_mm
    if (extent < LEAST_MM).any():
        return None
    solid = scan.values_hu > AIR_HU
    # The couch touches the back over a thin layer only.
    disc = np.ones((3, 3, 1), dtype=bool)
    pieces, count = ndimage.label(ndimage.binary_opening(solid, disc, iterations=2))
    if count == 0:
        return None
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    body = ndimage.binary_dilation(pieces == int(sizes.argmax()), disc, iterations=2) & solid
    fat = (scan.values_hu[body] < FAT_HU).mean()
    return body if 0.01 < fat < 0.9 and (extent * _widest(body) > 100.0)[:2].all() else None


def _widest(body: MaskArray) -> npt.NDArray[np.float64]:
    """The share of each axis that the body spans."""
    return np.array([body.any(axis=tuple({0, 1, 2} - {axis})).mean() for axis in range(3)])


def find_spine(scan: CoarseScan, body: MaskArray) -> tuple[Heights, Heights] | None:
    """Find the spinal column: where most bone is stacked near the middle of the body.

    Bone is smoothed by the size of a vertebra with its arch, so that ribs, an enhanced aorta and bowel contrast weigh
    little; the
    median over 60 mm of height bridges what misleads single slices.

    Args:
        scan: The coarse copy.
        body: As found by :func:`find_body`.

    Returns:
        For each slice the x and the y of the column's middle (about the back of the vertebral body), mm from the
        first voxel; None where no column of bone is in view.

    Source: Our choice.
    """
    spacing = np.array(scan.spacing_mm)
    bone = np.clip((scan.values_hu - 100.0) / 200.0, 0.0, 1.0, dtype=np.float32) * body
    stacked = ndimage.gaussian_filter(bone, np.array([18.0, 18.0, 15.0]) / spacing, truncate=2.0)
    columns = np.arange(body.shape[0])[:, None]
    middle = (body.any(axis=1) * columns).sum(axis=0) / np.maximum(body.any(axis=1).sum(axis=0), 1)
    aside_mm = (columns - middle) * spacing[0]
    weighted = stacked * np.exp(-0.5 * (aside_mm / 35.0) ** 2)[:, None, :]
    flat = weighted.reshape(-1, body.shape[2])
    x, y = np.unravel_index(flat.argmax(axis=0), body.shape[:2])
    y = _middle_of_column(bone, x, y, spacing_mm=scan.spacing_mm)
    is_column = flat.max(axis=0) > 0.08
    if is_column.sum() * spacing[2] < LEAST_MM[2]:
        return None
    slices = np.arange(body.shape[2])
    window = 1 + 2 * round(30.0 / spacing[2])
    line = [np.interp(slices, slices[is_column], place[is_column].astype(np.float64)) for place in (x, y)]
    x_line, y_line = (ndimage.median_filter(place, window, mode="nearest") for place in line)
    return x_line * spacing[0], y_line * spacing[1]


def _middle_of_column(
    bone: Coarse, x: npt.NDArray[np.intp], y: npt.NDArray[np.intp], *, spacing_mm: Triple
) -> npt.NDArray[np.intp]:
    """Where the middle of the bone within 25 mm aside and 55 mm to the front and back lies, slice by slice.

    An aorta full of contrast medium, as bright as bone, draws the densest place to the front, but hardly the middle.
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
    """Say for every voxel how far it lies to the left of the spine, and how far behind it.

    Args:
        scan: The coarse copy.
        spine: As found by :func:`find_spine`.

    Returns:
        ``"x 1 z"`` and ``"1 y z"``, mm.

    Source: Our choice.
    """
    x = np.arange(scan.grid.size[0])[:, None, None] * scan.spacing_mm[0]
    y = np.arange(scan.grid.size[1])[None, :, None] * scan.spacing_mm[1]
    return x - spine[0][None, None, :], y - spine[1][None, None, :]


def find_aorta(scan: CoarseScan, spine: tuple[Heights, Heights], *, kidneys: MaskArray) -> MaskArray | None:
    """Find the aorta: the brightest thing in front of the spine that is even over 10 mm across and 30 mm of height.

    A vertebra is as bright but uneven along its height (marrow, end plates, discs); bowel that holds contrast medium
    bends away. The place may move by one voxel from slice to slice; the best line of places is found by dynamic
    programming. The vena cava lies to the right, which counts 2 HU a mm against it. In an unenhanced scan the vena
    cava or a crus may be taken for the aorta, whose HU are nearly the same.

    Args:
        scan: The coarse copy.
        spine: As found by :func:`find_spine`.
        kidneys: Where they lie: gives the heights to look at, and tells an unenhanced scan, in which nothing that is
            brighter than 80 HU can be blood.

    Returns:
        The core of the aorta, 10 mm across; None where nothing is even enough.

    Source: Our choice; the adult abdominal aorta is 15–25 mm wide.
    """
    heights = np.flatnonzero(kidneys.any(axis=(0, 1)))
    slices = slice(int(heights[0]), int(heights[-1]) + 1)
    left_mm, behind_mm = offsets_mm(scan, spine)
    near = (np.abs(left_mm) < 40.0) & (behind_mm > -90.0) & (behind_mm < -22.0)
    box = ndimage.find_objects(near[:, :, slices].astype(np.int8))
    if not box or box[0] is None:
        return None
    window = (box[0][0], box[0][1], slices)
    values = scan.values_hu[window].astype(np.float64)
    spacing = np.array(scan.spacing_mm)
    widths = np.array([3.0, 3.0, 10.0]) / spacing
    mean = ndimage.gaussian_filter(values, widths, truncate=1.6)
    spread = np.sqrt(np.maximum(ndimage.gaussian_filter(values**2, widths, truncate=1.6) - mean**2, 0.0))
    to_the_right_mm = np.broadcast_to(np.maximum(-left_mm, 0.0), near.shape)[window]
    is_blood = near[window] if np.median(scan.values_hu[kidneys]) > 70.0 else near[window] & (mean < 80.0)
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
    """The chain of places, one a slice, with the largest sum of merit, moving by at most one voxel a slice."""
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
