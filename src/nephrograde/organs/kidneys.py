"""Localization of the kidneys in an abdominal CT scan, by anatomy rather than by a trained network.

The spine is the landmark. On either side of it, pieces of soft tissue are cut out at a series of HU levels, because the
level that separates a kidney from liver, spleen and muscle depends on the phase, which is not known yet. Each piece is
scored by its resemblance to a kidney: volume, length, position, fit of an ellipsoid, amount of surrounding fat, and
whether the scan cuts it off. The best piece on each side is selected if its score is high enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

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
from nephrograde.organs.nearness import Nearness, steps_within
from nephrograde.organs.pieces import label_pieces
from nephrograde.organs.sinus import with_sinus
from nephrograde.organs.windows import box_between, box_of, gaussian_in, moved, seen_from, widened
from nephrograde.volume.overlay import bring_over
from nephrograde.volume.stored import read_stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nephrograde.organs.landmarks import Coarse, CoarseScan, Heights
    from nephrograde.organs.windows import Window
    from nephrograde.vocabulary import MaskArray, Triple
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

LEAST_ML, MOST_ML, MOST_MM = 8.0, 900.0, 190.0
"""A core of another volume, or of a greater length, has the score 0."""

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
    """A piece of tissue, in a window of the coarse copy or of one side of it."""

    mask: MaskArray
    window: Window
    score: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """What lies on one side of the spine, where a kidney may be: a window of the coarse copy.

    Attributes:
        window: Where it is in the coarse copy.
        region: ``"x y z"``, the voxels at such places that a kidney may contain.
        values: The smoothed values there, HU.
        beside_mm, behind_mm: ``"x z"`` and ``"y z"``, the distances of the voxels from the spine, to the side and back.
        spacing_mm: Distance between voxels along each axis.
    """

    window: Window
    region: MaskArray
    values: Coarse
    beside_mm: npt.NDArray[np.float64]
    behind_mm: npt.NDArray[np.float64]
    spacing_mm: Triple


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
    labels = np.zeros(scan.grid.size, dtype=np.uint8)
    scores: dict[int, float] = {}
    for label, sign in ((RIGHT, -1.0), (LEFT, 1.0)):
        side = _side(scan, spine=spine, sign=sign)
        piece = None if side is None else _best_piece(side)
        if piece is not None:
            labels[piece.window][piece.mask] = label
            scores[label] = piece.score
    if not scores:
        return None
    aorta = find_aorta(scan, spine, kidneys=labels > 0)
    if aorta is not None:
        labels[aorta & (labels == 0)] = AORTA
    return Organs(labels, scan.grid, scores)


def _side(scan: CoarseScan, *, spine: tuple[Heights, Heights], sign: float) -> _Side | None:
    """Cut out one side, and smooth it; None if nothing of it is in view."""
    left_mm, behind_mm = offsets_mm(scan, spine)
    beside_mm, behind_mm = left_mm[:, 0] * sign, behind_mm[0]
    columns, rows = (beside_mm > 14.0) & (beside_mm < 120.0), (behind_mm > -95.0) & (behind_mm < 65.0)
    window = box_between(columns, rows)
    if window is None:
        return None
    x, y, z = window
    widths = np.minimum(2.0 / np.array(scan.spacing_mm), 1.0)
    return _Side(
        window,
        columns[x, None, z] & rows[None, y, z],
        gaussian_in(scan.values_hu, widths, window),
        beside_mm[x, z],
        behind_mm[y, z],
        scan.spacing_mm,
    )


def _best_piece(side: _Side) -> _Piece | None:
    best: _Piece | None = None
    for low, high in BANDS_HU:
        if best is not None and best.score >= 1.0:  # no later piece can score higher
            break
        inside = side.region & (side.values >= low) & (side.values < high)
        for piece in _pieces(inside, spacing_mm=side.spacing_mm):
            least = LEAST_SCORE if best is None else best.score
            score = _score(piece, side, low_hu=low, least=least)
            # Of equal scores the first, cut at the highest level, which contains the least adjacent tissue.
            if score > least:
                best = _Piece(piece.mask, piece.window, score)
    if best is None:
        return None
    return _Piece(with_sinus(best.mask), moved(best.window, side.window), best.score)


def _pieces(inside: MaskArray, *, spacing_mm: Triple) -> Iterator[_Piece]:
    """Cut at necks of each width, and restore the outer layer of each piece that is large enough."""
    found = box_of(inside)
    if found is None:
        return
    # One layer of voxels around them contains the nearest ones outside.
    around = widened(found, (1, 1, 1), inside.shape)
    outside = Nearness(~inside[around], spacing_mm, most_mm=NECKS_MM[-1])
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    for neck_mm in NECKS_MM:
        is_core = ~outside.within(neck_mm)
        window = box_of(is_core) if np.count_nonzero(is_core) * voxel_ml > LEAST_ML else None
        if window is None:  # nor is a piece large enough that is cut at a wider neck
            return
        yield from _grown(is_core[window], moved(window, around), inside, neck_mm=neck_mm, spacing_mm=spacing_mm)


def _grown(
    is_core: MaskArray, window: Window, inside: MaskArray, *, neck_mm: float, spacing_mm: Triple
) -> Iterator[_Piece]:
    """Restore the outer layer of each core that is large enough; the cores are given in a window."""
    cores = label_pieces(is_core)
    sizes_ml = np.bincount(cores.ravel())[1:] * (float(np.prod(spacing_mm)) / 1000.0)
    is_likely = (sizes_ml > LEAST_ML) & (sizes_ml < MOST_ML)
    if not is_likely.any():
        return
    margin = [steps_within(neck_mm + 0.5, spacing) for spacing in spacing_mm]
    for number in (np.flatnonzero(is_likely) + 1).tolist():
        own_core = cores == number
        box = box_of(own_core)
        if box is None or any((one.stop - one.start) * mm > MOST_MM for one, mm in zip(box, spacing_mm, strict=True)):
            continue  # whatever its shape, it would score 0
        own = moved(box, window)
        grown = widened(own, margin, inside.shape)
        core = np.zeros([part.stop - part.start for part in grown], dtype=bool)
        core[seen_from(own, grown)] = own_core[box]
        near = Nearness(core, spacing_mm, most_mm=neck_mm + 0.5).within(neck_mm + 0.5)
        yield _Piece(near & inside[grown], grown)


def _score(piece: _Piece, side: _Side, *, low_hu: float, least: float) -> float:
    """Score the resemblance of a piece of tissue to a kidney: the product of marks from 0 to 1.

    A kidney is 90–130 mm long and has a volume of 100–250 ml. A score that is not above ``least`` is of no interest,
    and 0 is returned as soon as that is known.
    """
    index = np.nonzero(piece.mask)
    if len(index[0]) < LEAST_VOXELS:
        return 0.0
    x, y, z = piece.window
    beside_mm = float(side.beside_mm[x, z][index[0], index[2]].mean())
    behind_mm = float(side.behind_mm[y, z][index[1], index[2]].mean())
    mark = _within(beside_mm, (25.0, 40.0, 75.0, 95.0)) * _within(behind_mm, (-75.0, -50.0, 10.0, 28.0))
    if mark <= least:
        return 0.0
    areas = np.zeros(side.region.shape[2], dtype=np.int64)
    areas[z] = np.bincount(index[2], minlength=z.stop - z.start)
    cut_mark = 1.0 - max(areas[0], areas[-1]) / areas.max()
    if cut_mark <= least:
        return 0.0
    box = _box_around(index)
    own = moved(box, piece.window)
    window = widened(own, [round(8.0 / mm) for mm in side.spacing_mm], side.region.shape)
    tissue = np.zeros([part.stop - part.start for part in window], dtype=bool)
    tissue[seen_from(own, window)] = piece.mask[box]
    whole = with_sinus(tissue)
    mark *= _shape_mark(whole, side.spacing_mm)
    mark *= cut_mark
    if mark <= least:
        return 0.0
    near = Nearness(whole, side.spacing_mm, most_mm=7.0)
    layer = side.values[window][near.within(7.0) & ~near.within(2.0)]
    if layer.size == 0:  # voxels of centimetres, or a piece that fills the image
        return 0.0
    apart = (0.4, 0.75) if low_hu < ENHANCED_HU else (0.5, 0.85)  # unenhanced muscle and liver merge with a kidney
    mark *= _within(float((layer < low_hu).mean()), (*apart, 2.0, 3.0))
    mark *= _within(float((side.values[window][tissue] > BONE_HU).mean()), (-1.0, 0.0, 0.08, 0.3))
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


def _box_around(index: tuple[npt.NDArray[np.int_], ...]) -> Window:
    """Return the bounding box of some voxels."""
    x, y, z = (slice(int(i.min()), int(i.max()) + 1) for i in index)
    return x, y, z


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
