"""Localization of the kidneys in an abdominal CT scan, by anatomy rather than by a trained network.

The spine is the landmark. On either side of it, pieces of soft tissue are cut out at a series of HU levels, because the
level that separates a kidney from liver, spleen and muscle depends on the phase, which is not known yet. Each piece is
scored by its resemblance to a kidney: volume, length, position, fit of an ellipsoid, amount of surrounding fat, and
whether the scan cuts it off. The best piece on each side is selected if its score is high enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nephrograde.errors import VolumeError, about_file
from nephrograde.organs.landmarks import (
    FAT_HU,
    coarse_grid,
    find_aorta,
    find_body,
    find_spine,
    offsets_mm,
    shrink,
)
from nephrograde.volume.overlay import bring_over
from nephrograde.volume.stored import read_stored

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.organs.landmarks import Coarse, CoarseScan, Heights
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.grid import Grid
    from nephrograde.volume.volume import Volume

Labels: TypeAlias = Annotated[npt.NDArray[np.uint8], "x y z"]

RIGHT, LEFT, AORTA = 1, 2, 3
"""Meaning of the labels in :class:`Organs`."""

TOTALSEGMENTATOR = {"kidney_right": (RIGHT, 2), "kidney_left": (LEFT, 3), "aorta": (AORTA, 52)}
"""File name of the organ, label here, and number in TotalSegmentator's label map (task "total", version 2)."""

BANDS_HU = (
    (190.0, 4000.0),
    (155.0, 4000.0),
    (125.0, 4000.0),
    (100.0, 4000.0),
    (75.0, 4000.0),
    (25.0, 4000.0),
    (10.0, 4000.0),
    (5.0, 47.0),  # unenhanced: liver, spleen and muscle are 50–65 HU, the kidney 30–40
)
"""Levels at which pieces are cut out, HU: from above an enhanced liver down to an unenhanced kidney."""

NECKS_MM = (3.0, 6.0, 9.0)
"""Half the width of the necks that are cut between a kidney and adjacent tissue, mm."""

ENHANCED_HU = 70.0
"""Upper limit of unenhanced soft tissue."""

BONE_HU = 500.0
"""Anything brighter is compact bone, metal, a stone or opacified urine: at most a small part of a kidney."""

LEAST_SCORE = 0.25
"""Lowest score of a piece that is accepted as a kidney."""

LEAST_VOXELS = 10
"""Fewer voxels of the coarse copy have no shape to speak of."""


@dataclass(frozen=True, slots=True, eq=False)
class Organs:
    """The organs on the coarse lattice of :func:`~nephrograde.organs.landmarks.coarse_grid`.

    Attributes:
        labels: ``RIGHT``, ``LEFT`` (kidneys, including the sinus), ``AORTA``; 0 elsewhere.
        grid: The lattice of the labels.
        scores: Resemblance of each kidney that was found to a typical kidney, 0 to 1, by label; 1 for a given mask.
    """

    labels: Labels
    grid: Grid
    scores: dict[int, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A piece of tissue, in a window of the coarse copy."""

    mask: MaskArray
    window: tuple[slice, slice, slice]
    score: float


def find_organs(volume: Volume) -> Organs | None:
    """Find the kidneys and the aorta of an abdominal CT scan.

    Args:
        volume: A CT in HU, of any phase. Images that do not show an abdomen or a kidney, or are not in HU, are
            recognised and give None.

    Returns:
        One kidney or both, and the aorta if it is found; None if no kidney is found.
    """
    scan = shrink(volume)
    body = find_body(scan)
    spine = None if body is None else find_spine(scan, body)
    if spine is None:
        return None
    spacing = np.array(scan.spacing_mm)
    smooth = ndimage.gaussian_filter(scan.values_hu, np.minimum(2.0 / spacing, 1.0), truncate=2.0)
    labels = np.zeros(scan.grid.size, dtype=np.uint8)
    scores: dict[int, float] = {}
    for label, side in ((RIGHT, -1.0), (LEFT, 1.0)):
        piece = _best_piece(scan, smooth, spine=spine, side=side)
        if piece is not None:
            labels[piece.window][piece.mask] = label
            scores[label] = piece.score
    if not scores:
        return None
    aorta = find_aorta(scan, spine, kidneys=labels > 0)
    if aorta is not None:
        labels[aorta & (labels == 0)] = AORTA
    return Organs(labels, scan.grid, scores)


def _best_piece(scan: CoarseScan, smooth: Coarse, *, spine: tuple[Heights, Heights], side: float) -> _Piece | None:
    left_mm, behind_mm = offsets_mm(scan, spine)
    beside_mm = left_mm * side
    region = (beside_mm > 14.0) & (beside_mm < 120.0) & (behind_mm > -95.0) & (behind_mm < 65.0)
    found = ndimage.find_objects(region.astype(np.int8))
    if not found:
        return None
    x, y, z = found[0]
    window = (x, y, z)
    values, region = smooth[window], region[window]
    places = (np.broadcast_to(beside_mm, smooth.shape)[window], np.broadcast_to(behind_mm, smooth.shape)[window])
    best: _Piece | None = None
    for low, high in BANDS_HU:
        if best is not None and best.score >= 1.0:  # no later piece can score higher
            break
        inside = region & (values >= low) & (values < high)
        depth_mm = _depth_mm(inside, scan.spacing_mm)
        for neck_mm in NECKS_MM:
            for piece in _pieces(inside, depth_mm, neck_mm=neck_mm, spacing_mm=scan.spacing_mm):
                least = LEAST_SCORE if best is None else best.score
                score = _score(piece, values, places=places, low_hu=low, spacing_mm=scan.spacing_mm, least=least)
                # Of equal scores the first, cut at the highest level, which contains the least adjacent tissue.
                if score > least:
                    best = _Piece(piece, window, score)
    return None if best is None else _Piece(_with_sinus(best.mask), window, best.score)


def _depth_mm(inside: MaskArray, spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Return the distance of every voxel inside to the nearest one that is not; 0 outside."""
    depth_mm = np.zeros(inside.shape)
    found = ndimage.find_objects(inside.astype(np.int8))
    if found:
        # One layer of voxels around them contains the nearest ones outside.
        x, y, z = (slice(max(part.start - 1, 0), part.stop + 1) for part in found[0])
        depth_mm[x, y, z] = ndimage.distance_transform_edt(inside[x, y, z], sampling=spacing_mm)
    return depth_mm


def _pieces(
    inside: MaskArray, depth_mm: npt.NDArray[np.float64], *, neck_mm: float, spacing_mm: tuple[float, float, float]
) -> list[MaskArray]:
    """Cut at necks of twice the given half width, and restore the outer layer of each piece that is large enough."""
    cores, count = ndimage.label(depth_mm > neck_mm)
    if count == 0:
        return []
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    sizes_ml = np.bincount(cores.ravel())[1:] * voxel_ml
    margin = [int((neck_mm + 0.5) / spacing + 1e-6) for spacing in spacing_mm]
    pieces = []
    for number, box in enumerate(ndimage.find_objects(cores), start=1):
        lengths_mm = [(part.stop - part.start) * spacing for part, spacing in zip(box, spacing_mm, strict=True)]
        if not 8.0 < sizes_ml[number - 1] < 900.0 or max(lengths_mm) > 190.0:
            continue  # whatever its shape, it would score 0
        grown = tuple(
            slice(max(part.start - more, 0), min(part.stop + more, size))
            for part, more, size in zip(box, margin, inside.shape, strict=True)
        )
        away_mm = ndimage.distance_transform_edt(cores[grown] != number, sampling=spacing_mm)
        piece = np.zeros(inside.shape, dtype=bool)
        piece[grown] = (away_mm <= neck_mm + 0.5) & inside[grown]
        pieces.append(piece)
    return pieces


def _score(
    piece: MaskArray,
    values: Coarse,
    *,
    places: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    low_hu: float,
    spacing_mm: tuple[float, float, float],
    least: float,
) -> float:
    """Score the resemblance of a piece of tissue to a kidney: the product of marks from 0 to 1.

    A kidney is 90–130 mm long and has a volume of 100–250 ml. A score that is not above ``least`` is of no interest,
    and 0 is returned as soon as that is known.
    """
    index = np.nonzero(piece)
    if len(index[0]) < LEAST_VOXELS:
        return 0.0
    beside_mm, behind_mm = (float(place[index].mean()) for place in places)
    mark = _within(beside_mm, (25.0, 40.0, 75.0, 95.0)) * _within(behind_mm, (-75.0, -50.0, 10.0, 28.0))
    areas = piece.sum(axis=(0, 1))
    cut_mark = 1.0 - max(areas[0], areas[-1]) / areas.max()
    if min(mark, cut_mark) <= least:
        return 0.0
    window = _around(index, piece.shape, spacing_mm=spacing_mm)
    whole = _with_sinus(piece[window])
    mark *= _shape_mark(whole, spacing_mm)
    mark *= cut_mark
    if mark <= least:
        return 0.0
    away_mm = ndimage.distance_transform_edt(~whole, sampling=spacing_mm)
    layer = values[window][(away_mm > 2.0) & (away_mm <= 7.0)]
    if layer.size == 0:  # voxels of centimetres, or a piece that fills the image
        return 0.0
    apart = (0.4, 0.75) if low_hu < ENHANCED_HU else (0.5, 0.85)  # unenhanced muscle and liver merge with a kidney
    mark *= _within(float((layer < low_hu).mean()), (*apart, 2.0, 3.0))
    mark *= _within(float((values[window][piece[window]] > BONE_HU).mean()), (-1.0, 0.0, 0.08, 0.3))
    fat = (layer < FAT_HU) & (layer > -200.0)
    return float(mark * _within(float(fat.mean()), (0.02, 0.2, 2.0, 3.0)))


def _shape_mark(whole: MaskArray, spacing_mm: tuple[float, float, float]) -> float:
    points_mm = np.argwhere(whole) * spacing_mm
    volume_ml = len(points_mm) * float(np.prod(spacing_mm)) / 1000.0
    # The variances of a solid ellipsoid are a fifth of its squared semi-axes.
    variances, axes = np.linalg.eigh(np.cov(points_mm.T))
    halves_mm = np.sqrt(5.0 * np.maximum(variances, 1.0))
    ellipsoid_ml = 4.0 / 3.0 * np.pi * float(np.prod(halves_mm)) / 1000.0
    return (
        _within(volume_ml, (40.0, 90.0, 350.0, 900.0))
        * _within(volume_ml / ellipsoid_ml, (0.5, 0.8, 2.0, 3.0))
        * _within(2.0 * halves_mm[2], (50.0, 75.0, 145.0, 190.0))
        * _within(2.0 * halves_mm[0], (22.0, 35.0, 80.0, 120.0))
        * _within(abs(float(axes[2, 2])), (0.3, 0.7, 2.0, 3.0))
    )


def _within(value: float, corners: tuple[float, float, float, float]) -> float:
    """Return 1 between the middle corners, falling to 0 at the outer ones."""
    return float(np.interp(value, corners, (0.0, 1.0, 1.0, 0.0)))


def _around(
    index: tuple[npt.NDArray[np.int_], ...], shape: tuple[int, ...], *, spacing_mm: tuple[float, float, float]
) -> tuple[slice, slice, slice]:
    """Return the bounding box of some voxels with a margin of 8 mm, clipped to the array."""
    x, y, z = (
        slice(max(int(i.min()) - round(8.0 / mm), 0), min(int(i.max()) + 1 + round(8.0 / mm), size))
        for i, size, mm in zip(index, shape, spacing_mm, strict=True)
    )
    return x, y, z


def _with_sinus(piece: MaskArray) -> MaskArray:
    """Fill each slice up to its convex hull, to include the medulla and the sinus with its fat and urine."""
    filled = piece.copy()
    for k in np.flatnonzero(piece.any(axis=(0, 1))):
        plane = piece[:, :, k]
        inner = np.argwhere(plane)
        away = inner - inner[0]
        if not (away[:, 0] * away[-1, 1] - away[:, 1] * away[-1, 0]).any():  # a point or a line has no interior
            continue
        rows = np.flatnonzero(plane.any(axis=1))
        first = plane[rows].argmax(axis=1)
        last = plane.shape[1] - 1 - plane[rows, ::-1].argmax(axis=1)
        every = np.arange(rows[0], rows[-1] + 1)
        low, high = _hull_below(every, rows, first), -_hull_below(every, rows, -last)
        y = np.arange(plane.shape[1])
        filled[rows[0] : rows[-1] + 1, :, k] |= (y > low[:, None] - 1e-6) & (y < high[:, None] + 1e-6)
    return filled


def _hull_below(every: npt.NDArray[np.intp], x: npt.NDArray[np.intp], y: npt.NDArray[np.intp]) -> Heights:
    """Return the lower side of the convex hull of some points, whose x ascend, at every x."""
    corners: list[tuple[int, int]] = []
    for right, height in zip(x.tolist(), y.tolist(), strict=True):
        while len(corners) > 1:
            (x0, y0), (x1, y1) = corners[-2:]
            if (x1 - x0) * (height - y0) > (y1 - y0) * (right - x0):
                break
            corners.pop()
        corners.append((right, height))
    points = np.array(corners, dtype=np.float64)
    return np.interp(every, points[:, 0], points[:, 1])


def read_organs(organs_path: Path, volume: Volume) -> Organs:
    """Read kidneys and aorta from the output of TotalSegmentator.

    Args:
        organs_path: Its label map with all organs (task "total", version 2), or the folder with one file per organ.
        volume: The scan; the labels may be on a different grid.

    Returns:
        The organs, on the coarse lattice of the scan.

    Raises:
        VolumeError: If the file cannot be read as an image; with code "organs-missing" if neither kidney is labelled,
            "mask-outside" if the kidneys are completely outside the scan.

    Source: TotalSegmentator's class map, version 2: kidney_right 2, kidney_left 3, aorta 52.

    >>> import pathlib, tempfile
    >>> from nephrograde.volume.volume import make_volume, write_image
    >>> values = np.zeros((40, 40, 20), dtype=np.uint8)
    >>> values[25:35, 15:25, 5:15] = 3
    >>> organs_path = pathlib.Path(tempfile.mkdtemp()) / "organs.nii.gz"
    >>> write_image(values, organs_path, spacing_mm=(2.5, 2.5, 5.0))
    >>> organs = read_organs(organs_path, make_volume(values, spacing_mm=(2.5, 2.5, 5.0)))
    >>> organs.scores, int((organs.labels == LEFT).sum())
    ({2: 1.0}, 1000)
    """
    with about_file(organs_path):
        return _on_lattice(_given_masks(organs_path), volume)


def _on_lattice(marked: list[tuple[int, MaskArray, Grid]], volume: Volume) -> Organs:
    grid, _ = coarse_grid(volume)
    labels = np.zeros(grid.size, dtype=np.uint8)
    scores = {}
    for label, mask, source in marked:
        try:
            brought = bring_over(mask, source, grid)
        except VolumeError:
            if label == AORTA:  # may be outside the scan; the kidneys may not
                continue
            raise
        free = brought & (labels == 0)
        labels[free] = label
        if label != AORTA and free.any():
            scores[label] = 1.0
    if not scores:
        raise VolumeError(
            "organs-missing",
            "no kidney is marked.",
            "Give the label map that TotalSegmentator writes with --ml (task total), or its folder with "
            "kidney_right.nii.gz and kidney_left.nii.gz.",
        )
    return Organs(labels, grid, scores)


def _given_masks(organs_path: Path) -> list[tuple[int, MaskArray, Grid]]:
    """Return the labelled organs with their label here."""
    found = []
    if organs_path.is_dir():
        for name, (label, _) in TOTALSEGMENTATOR.items():
            mask_path = organs_path / f"{name}.nii.gz"
            if mask_path.exists():
                values, grid = read_stored(mask_path)
                found.append((label, values > 0, grid))
    else:
        values, grid = read_stored(organs_path)
        found = [(label, values == number, grid) for label, number in TOTALSEGMENTATOR.values()]
    return [organ for organ in found if organ[1].any()]
