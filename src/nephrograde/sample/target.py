"""Where the tumour is, as far as a supervision level tells; a cheaper level is derived from a more expensive one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.vocabulary import Supervision, Triple
from nephrograde.volume.volume import resolve_box, resolve_point, resolve_slice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.cohort.case import Scan
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume


@dataclass(frozen=True, slots=True)
class Target:
    """The middle of the tumour in mm (LPS) and its extent over the slices of its scan.

    ``slice_centers_mm`` holds the middle of the rectangle on single slices if the annotation has one per slice.
    """

    center_mm: Triple
    first_slice: int
    last_slice: int
    annotated_slice: int
    slice_centers_mm: Mapping[int, Triple] = field(default_factory=dict)

    def center_on(self, k: int) -> Triple:
        """Return the centre of the crop of slice ``k``."""
        return self.slice_centers_mm.get(k, self.center_mm)


def uses_mask(scan: Scan, supervision: Supervision) -> bool:
    """Whether a supervision level reads the tumour's mask on this scan, because nothing cheaper is given.

    Args:
        scan: The scan's row of the table, with its annotations.
        supervision: The arm's level: point, box or mask.
    """
    return supervision.choose({*places_given(scan), Supervision.MASK}) is Supervision.MASK


def places_given(scan: Scan) -> set[Supervision]:
    """The kinds of annotation that the table gives for a scan as places.

    Args:
        scan: The scan's row of the table.
    """
    places = {
        Supervision.SLICE: scan.slice_place,
        Supervision.POINT: scan.point,
        Supervision.BOX: scan.box,
    }
    return {level for level, place in places.items() if place is not None}


def find_target(
    volume: Volume, scan: Scan, mask: MaskArray | None, *, supervision: Supervision, assumed_tumour_mm: float
) -> Target:
    """Locate the tumour with what the supervision level allows and no more.

    The annotation of the level itself is used where the table has it; else it is derived from a more expensive one. A
    slice named in the table replaces the derived one.

    Args:
        volume: The scan's image.
        scan: The scan's row of the table, with its annotations.
        mask: The delineated tumour on the image's grid, if there is one.
        supervision: The arm's level: point, box or mask.
        assumed_tumour_mm: The tumour's assumed extent if only a point is given.

    Raises:
        VolumeError: Where no annotation of this level or a more expensive one exists, or it lies outside the image.
    """
    used = supervision.choose(places_given(scan) | (set() if mask is None else {Supervision.MASK}))
    if used is Supervision.POINT and scan.point is not None:
        target = _around(volume, resolve_point(scan.point, volume), assumed_tumour_mm)
    elif used is Supervision.BOX and scan.box is not None:
        low_mm, high_mm = resolve_box(scan.box, volume)
        if supervision is Supervision.POINT:
            target = _around(volume, _middle(low_mm, high_mm), assumed_tumour_mm)
        else:
            target = _in_box(volume, low_mm, high_mm)
    elif used is Supervision.MASK and mask is not None:
        target = _in_mask(volume, mask)
        if supervision is Supervision.POINT:
            target = _around(volume, _click_in(volume, mask, target.annotated_slice), assumed_tumour_mm)
    else:
        raise VolumeError(
            "annotation-missing",
            f"there is no {supervision}, nor a more expensive annotation from which it could be derived.",
            f"Give one ({scan.phase}_{supervision} in the table, --{supervision} for a new patient), or drop the scan.",
        )
    return _with_slice(volume, scan, target)


def _around(volume: Volume, center_mm: Triple, extent_mm: float) -> Target:
    half = extent_mm / 2 / volume.spacing_mm[2]
    return _spanning(volume, center_mm, half)


def _in_box(volume: Volume, low_mm: Triple, high_mm: Triple) -> Target:
    corners = np.array([volume.to_index(low_mm), volume.to_index(high_mm)])
    extent_voxels = np.abs(corners[1] - corners[0])
    half = extent_voxels[2] / 2
    if half < 0.5:  # a rectangle on one slice: the tumour is assumed to be as high as it is wide
        half = float(np.mean(extent_voxels[:2] * volume.spacing_mm[:2])) / 2 / volume.spacing_mm[2]
    return _spanning(volume, _middle(low_mm, high_mm), half)


def _spanning(volume: Volume, center_mm: Triple, half_slices: float) -> Target:
    size = volume.values.shape
    index = volume.to_index(center_mm)
    if not all(-0.5 <= i <= n - 0.5 for i, n in zip(index, size, strict=True)):
        raise VolumeError(
            "annotation-outside",
            f"the annotation at {_text(center_mm)} mm lies outside the image.",
            "Check its unit (mm or vox) and that it was made on this series.",
        )
    k, top = index[2], size[2] - 1
    return Target(
        center_mm=center_mm,
        first_slice=int(np.clip(round(k - half_slices), 0, top)),
        last_slice=int(np.clip(round(k + half_slices), 0, top)),
        annotated_slice=int(np.clip(round(k), 0, top)),
    )


def _in_mask(volume: Volume, mask: MaskArray) -> Target:
    areas = mask.sum(axis=(0, 1))
    slices = np.flatnonzero(areas)
    centers = {int(k): volume.to_mm(_rectangle_middle(mask, int(k))) for k in slices}
    spans = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    middle = tuple(float(span[0] + span[-1]) / 2 for span in spans)
    return Target(
        center_mm=volume.to_mm((middle[0], middle[1], middle[2])),
        first_slice=int(slices[0]),
        last_slice=int(slices[-1]),
        annotated_slice=int(areas.argmax()),
        slice_centers_mm=centers,
    )


def _rectangle_middle(mask: MaskArray, k: int) -> Triple:
    columns, rows = (np.flatnonzero(mask[:, :, k].any(axis=axis)) for axis in (1, 0))
    return (float(columns[0] + columns[-1]) / 2, float(rows[0] + rows[-1]) / 2, float(k))


def _click_in(volume: Volume, mask: MaskArray, k: int) -> Triple:
    """Return the tumour voxel nearest to the middle of its area on a slice, where a reader would click."""
    voxels = np.argwhere(mask[:, :, k])
    distances = ((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1)
    i, j = voxels[distances.argmin()]
    return volume.to_mm((float(i), float(j), float(k)))


def _with_slice(volume: Volume, scan: Scan, target: Target) -> Target:
    if scan.slice_place is None:
        return target
    k = round(resolve_slice(scan.slice_place, volume))
    if not 0 <= k < volume.values.shape[2]:
        raise VolumeError(
            "annotation-outside",
            f"the annotated slice lies at slice {k} of an image of {volume.values.shape[2]} slices.",
            "Check its unit (mm or vox) and that it was chosen on this series.",
        )
    return Target(
        center_mm=target.center_mm,
        first_slice=min(target.first_slice, k),
        last_slice=max(target.last_slice, k),
        annotated_slice=k,
        slice_centers_mm=target.slice_centers_mm,
    )


def _middle(low_mm: Triple, high_mm: Triple) -> Triple:
    return (
        (low_mm[0] + high_mm[0]) / 2,
        (low_mm[1] + high_mm[1]) / 2,
        (low_mm[2] + high_mm[2]) / 2,
    )


def _text(place_mm: Triple) -> str:
    return ",".join(f"{value:.1f}" for value in place_mm)
