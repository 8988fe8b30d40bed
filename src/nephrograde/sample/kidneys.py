"""Where an arm looks that is given no place: both kidneys, found by the program or marked in the user's own mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError, about_file
from nephrograde.sample.target import Target
from nephrograde.volume.overlay import bring_over

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nephrograde.cohort.case import Scan
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.grid import Grid
    from nephrograde.volume.volume import Volume


def find_kidneys(volume: Volume, scan: Scan) -> tuple[Target, ...]:
    """Find the kidneys of a scan: the right one, then the left one.

    Searching for them takes about a tenth of a second.

    Args:
        volume: The scan.
        scan: Its row of the table, which may name a mask of both kidneys with their tumours.

    Returns:
        One target per kidney: its middle, its slices and the middle of its rectangle on each of them; the
        ``annotated_slice`` is the one with the largest area. Empty if no kidney was found.

    Raises:
        VolumeError: If the mask cannot be read, marks nothing or more than two kidneys, or lies outside the scan.
    """
    if scan.kidneys_path is not None:
        return _targets(*read_kidneys(scan.kidneys_path, volume), volume)
    from nephrograde.organs.kidneys import LEFT, RIGHT, find_organs

    organs = find_organs(volume)
    if organs is None:
        return ()
    kidneys = [organs.labels == label for label in (RIGHT, LEFT) if label in organs.scores]
    return _targets(kidneys, organs.grid, volume)


def require_kidneys(kidneys: tuple[Target, ...], phase: str) -> tuple[Target, ...]:
    """Refuse a scan on which no kidney was found.

    Args:
        kidneys: From :func:`find_kidneys`.
        phase: The phase of the scan.

    Returns:
        The kidneys.

    Raises:
        VolumeError: With code "kidney-not-found".
    """
    if not kidneys:
        raise VolumeError(
            "kidney-not-found",
            "no kidney was found, and an arm is given no other place to look at.",
            f"Give a mask of the kidneys ({phase}_kidneys in the table), or leave the scan to the other arms.",
        )
    return kidneys


def read_kidneys(mask_path: Path, volume: Volume) -> tuple[list[MaskArray], Grid]:
    """Read a mask of both kidneys, of which every label counts, and divide it into the right and the left one.

    Args:
        mask_path: Any file that marks voxels.
        volume: The scan.

    Returns:
        The kidneys, the right one first, and their grid: the coarse lattice on which the program finds kidneys too.

    Raises:
        VolumeError: As in reading a mask, and with code "kidneys-implausible".
    """
    from nephrograde.organs.landmarks import coarse_grid
    from nephrograde.organs.sides import divide_kidneys
    from nephrograde.volume.masks.read import read_marks

    mask = read_marks(mask_path, volume).mask
    with about_file(mask_path):
        if mask is None:
            raise VolumeError("mask-empty", "marks points, and no voxels.", "Give a mask of the kidneys.")
        grid, _ = coarse_grid(volume)
        return list(divide_kidneys(bring_over(mask, volume.grid, grid), grid).values()), grid


def _targets(kidneys: Sequence[MaskArray], grid: Grid, volume: Volume) -> tuple[Target, ...]:
    return tuple(_target(kidney, grid, volume) for kidney in kidneys)


def _target(kidney: MaskArray, grid: Grid, volume: Volume) -> Target:
    """A kidney on the slices of the scan; the lattice of the mask has the axes of the scan."""
    count = volume.values.shape[2]
    bottom, step = (grid.to_index(volume.to_mm((0.0, 0.0, k)))[2] for k in (0, 1))
    planes = np.clip(np.rint(bottom + np.arange(count) * (step - bottom)).astype(int), 0, grid.size[2] - 1)
    areas = kidney.sum(axis=(0, 1))[planes]
    slices = np.flatnonzero(areas)
    middles = {int(k): _middle_on(kidney, int(planes[k]), int(k), grid=grid, volume=volume) for k in slices}
    spans = [np.flatnonzero(kidney.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    x, y, z = (float(span[0] + span[-1]) / 2 for span in spans)
    return Target(
        center_mm=grid.to_mm((x, y, z)),
        first_slice=int(slices[0]),
        last_slice=int(slices[-1]),
        annotated_slice=int(areas.argmax()),
        slice_centers_mm=middles,
    )


def _middle_on(kidney: MaskArray, plane: int, k: int, *, grid: Grid, volume: Volume) -> tuple[float, float, float]:
    """The middle of the kidney's rectangle on slice ``k``, which falls into a plane of the mask."""
    columns, rows = (np.flatnonzero(kidney[:, :, plane].any(axis=axis)) for axis in (1, 0))
    middle_mm = grid.to_mm((float(columns[0] + columns[-1]) / 2, float(rows[0] + rows[-1]) / 2, float(plane)))
    x, y, _ = volume.to_index(middle_mm)
    return volume.to_mm((x, y, float(k)))
