"""Where the tumour is, as far as a supervision level tells; a cheaper level is derived from a more expensive one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.sample.human_error import EXACT
from nephrograde.sample.places import check_place
from nephrograde.vocabulary import Supervision, Triple
from nephrograde.volume.volume import resolve_box, resolve_point, resolve_slice

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from nephrograde.cohort.case import Scan
    from nephrograde.cohort.place import Box, Point, SlicePlace
    from nephrograde.sample.human_error import HumanError
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
        supervision: The arm's level.
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
    volume: Volume,
    scan: Scan,
    mask: MaskArray | None,
    *,
    supervision: Supervision,
    assumed_tumour_mm: float,
    error: HumanError = EXACT,
) -> Target:
    """Locate the tumour with what the supervision level allows and no more.

    The annotation of the level itself is used where the table has it; else it is derived from a more expensive one. A
    slice named in the table replaces the derived one.

    Args:
        volume: The scan's image.
        scan: The scan's row of the table, with its annotations.
        mask: The delineated tumour on the image's grid, if there is one.
        supervision: The arm's level: slice, point, box or mask. The target of a slice is the middle of the image.
        assumed_tumour_mm: The tumour's assumed extent if only a point or a slice is given.
        error: By how much a place is off that is derived.

    Raises:
        VolumeError: Where no annotation of this level or a more expensive one exists, or it lies outside the image.
    """
    used = supervision.choose(places_given(scan) | (set() if mask is None else {Supervision.MASK}))
    if used is None:
        raise VolumeError(
            "annotation-missing",
            f"there is no {supervision}, nor a more expensive annotation from which it could be derived.",
            f"Give one ({scan.phase}_{supervision} in the table, --{supervision} for a new patient), or drop the scan.",
        )
    derived = None if used is supervision else error.draw_mm(supervision, 2 if supervision is Supervision.BOX else 1)
    if supervision is Supervision.SLICE:
        k = _slice_of(volume, scan, mask, used)
        if derived is not None:
            k += float(derived[0, 2]) / volume.spacing_mm[2]
        return _on_slice(volume, k, assumed_tumour_mm)
    if supervision is Supervision.POINT:
        center_mm = _point_of(volume, scan, mask, used)
        if derived is not None:
            center_mm = _moved_inside(volume, center_mm, derived[0])
        return _with_slice(volume, scan, _around(volume, center_mm, assumed_tumour_mm))
    if used is Supervision.BOX and scan.box is not None:
        _require_inside(scan.box, volume)
        target = _in_box(volume, *resolve_box(scan.box, volume))
    else:
        target = _in_mask(volume, _given(mask))
        if derived is not None:
            target = _in_moved_corners(volume, target, derived)
    return _with_slice(volume, scan, target)


def _given(mask: MaskArray | None) -> MaskArray:
    if mask is None:
        raise ValueError("a mask is needed where no place is given")
    return mask


def _point_of(volume: Volume, scan: Scan, mask: MaskArray | None, used: Supervision) -> Triple:
    """The point that is given, or the one in the middle of the box, or where a reader would click in the mask."""
    if used is Supervision.POINT and scan.point is not None:
        _require_inside(scan.point, volume)
        return resolve_point(scan.point, volume)
    if used is Supervision.BOX and scan.box is not None:
        _require_inside(scan.box, volume)
        return _middle(*resolve_box(scan.box, volume))
    drawn = _given(mask)
    return _click_in(volume, drawn, int(drawn.sum(axis=(0, 1)).argmax()))


def _slice_of(volume: Volume, scan: Scan, mask: MaskArray | None, used: Supervision) -> float:
    """The slice that is given, or that of the point or the middle of the box, or the one with most tumour."""
    if used is Supervision.SLICE and scan.slice_place is not None:
        _require_inside(scan.slice_place, volume)
        return resolve_slice(scan.slice_place, volume)
    if used is Supervision.MASK:
        return float(_given(mask).sum(axis=(0, 1)).argmax())
    return volume.to_index(_point_of(volume, scan, mask, used))[2]


def _on_slice(volume: Volume, k: float, extent_mm: float) -> Target:
    x, y, count = volume.values.shape
    own = float(np.clip(round(k), 0, count - 1))
    return _spanning(volume, volume.to_mm(((x - 1) / 2, (y - 1) / 2, own)), extent_mm / 2 / volume.spacing_mm[2])


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
    k, top = volume.to_index(center_mm)[2], volume.values.shape[2] - 1
    return Target(
        center_mm=center_mm,
        first_slice=int(np.clip(round(k - half_slices), 0, top)),
        last_slice=int(np.clip(round(k + half_slices), 0, top)),
        annotated_slice=int(np.clip(round(k), 0, top)),
    )


def _require_inside(place: Point | Box | SlicePlace, volume: Volume) -> None:
    fault = check_place(place, volume)
    if fault is not None:
        raise VolumeError(fault.code, fault.message, fault.remedy)


def _moved_inside(volume: Volume, place_mm: Triple, error_mm: npt.NDArray[np.float64]) -> Triple:
    """Move a place along the axes of the scan, at most to the outermost voxels."""
    index = np.array(volume.to_index(place_mm)) + error_mm / volume.spacing_mm
    return volume.to_mm(np.clip(index, 0, np.array(volume.values.shape) - 1))


def _in_moved_corners(volume: Volume, target: Target, errors_mm: npt.NDArray[np.float64]) -> Target:
    """Move both corners of a box around a mask: its rectangles follow its middle, and its slices end elsewhere."""
    top = volume.values.shape[2] - 1
    middle_mm = errors_mm.mean(axis=0)
    step_mm = volume.spacing_mm[2]
    ends = (target.first_slice + errors_mm[0, 2] / step_mm, target.last_slice + errors_mm[1, 2] / step_mm)
    first, last = (int(np.clip(round(end), 0, top)) for end in sorted(ends))
    known = np.array(sorted(target.slice_centers_mm))
    nearest = {k: int(known[np.abs(known - k).argmin()]) for k in range(first, last + 1)}
    return Target(
        center_mm=_moved_inside(volume, target.center_mm, middle_mm),
        first_slice=first,
        last_slice=last,
        annotated_slice=int(np.clip(round(target.annotated_slice + middle_mm[2] / step_mm), first, last)),
        slice_centers_mm={
            k: _moved_inside(volume, target.slice_centers_mm[own], middle_mm * (1.0, 1.0, 0.0))
            for k, own in nearest.items()
        },
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
    _require_inside(scan.slice_place, volume)
    k = round(resolve_slice(scan.slice_place, volume))
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
