"""The geometry of a series: which slices form one stack, in which order, and how far apart.

The slice distance is taken from the slice positions, never from ``SliceThickness``, which differs from it wherever
slices overlap or leave gaps.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.slices import SLICES_PER_LOST
from nephrograde.volume.finding import Fault
from nephrograde.volume.grid import FEWEST_SLICES, ORTHONORMAL_WITHIN, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.volume.dicom.one_slice import Slice

UNEVEN_FROM = 0.1
"""A slice distance that differs from the usual one by more than this fraction is a gap or an overlap; positions
rounded to 0.1 mm pass."""
TILT_FROM_PIXELS = 0.5
"""Sideways shift of slices over the whole stack from which it counts as sheared."""
MOST_TILT_DEGREES = 45.0
"""Gantries tilt by 30° at most; beyond this limit, the positions are not those of a stack."""
_SAME_PLACE_MM = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Slices in order, the grid defined by the first, and how far each is shifted on that grid.

    Attributes:
        shifts_px: Columns and rows for each slice; None if the stack is straight.
        faults: What was omitted or corrected.
        gaps: Slices after which one is missing and can be interpolated; the grid counts it.
    """

    slices: list[Slice]
    grid: Grid
    shifts_px: npt.NDArray[np.float64] | None
    faults: list[Fault]
    gaps: tuple[int, ...] = ()


def stack_slices(slices: Sequence[Slice], *, n_lost: int = 0) -> Stack:
    """Order slices along their stack: from feet to head, of a coronal series towards the back, of a sagittal one left.

    Args:
        slices: Of one series, in any order. Copies of a slice are left out; so are the images of a further acquisition
            that covers no volume, as those that wait for the contrast agent.
        n_lost: Number of files that could not be read. As many gaps of a single slice are bridged, and one in
            ``SLICES_PER_LOST`` slices if no file is known of them; none in a sheared stack.

    Returns:
        The stack; for a sheared one (gantry tilt), with its shifts.

    Raises:
        VolumeError: With code "dicom-several-series", "dicom-mixed", "dicom-duplicate", "dicom-gap", "dicom-tilt",
            "not-scalar", "too-few-slices", "affine-sheared" or "spacing-invalid".

    Source: DICOM PS3.3 C.7.6.2 (image plane).
    """
    _require_one_series(slices)
    kept, faults = _without_copies(slices)
    _require_uniform(kept)
    faults += _mixtures(kept)
    kept, filled = _with_rescale(kept)
    faults += filled
    _require_orthonormal(kept[0].orientation)
    rows, columns = kept[0].orientation[:3], kept[0].orientation[3:]
    normal = np.cross(rows, columns)
    normal *= np.sign(normal[np.abs(normal).argmax()]) or 1.0
    kept, left_out = _one_acquisition(kept, normal)
    kept = sorted(kept, key=lambda one: float(one.position_mm @ normal))
    along_mm, sideways_mm = _places(kept, normal)
    _require_distinct(kept, along_mm)
    form, pixel_mm = kept[0].form, kept[0].pixel_mm
    # PixelSpacing gives the distance between rows first, which is the step along a column.
    shifts_px = sideways_mm @ np.stack([rows, columns], axis=1) / (pixel_mm[1], pixel_mm[0])
    is_sheared = np.linalg.norm(sideways_mm, axis=1).max() > TILT_FROM_PIXELS * min(pixel_mm)
    if is_sheared:
        faults.append(_tilt(along_mm, sideways_mm, np.ptp(shifts_px, axis=0) > (form.columns, form.rows)))
    origin = kept[0].position_mm
    gaps = () if is_sheared else _single_gaps(along_mm, n_lost)
    grid = Grid(
        (form.columns, form.rows, len(kept) + len(gaps)),
        (pixel_mm[1], pixel_mm[0], _slice_distance(kept, along_mm, gaps)),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        np.stack([rows, columns, normal], axis=1) + 0.0,
        source="dicom",
    ).require_sound()
    return Stack(kept, grid, shifts_px if is_sheared else None, faults + left_out, gaps)


def _require_orthonormal(orientation: npt.NDArray[np.float64]) -> None:
    """Refuse an orientation whose two directions are not of length 1 and at right angles: no scanner writes one."""
    directions = orientation.reshape(2, 3)
    excess = np.abs(directions @ directions.T - np.eye(2)).max()
    if not excess <= ORTHONORMAL_WITHIN:
        raise VolumeError(
            "affine-sheared",
            "the directions of ImageOrientationPatient are not of length 1 and at right angles (they deviate from "
            f"orthonormal by {excess:.3g}).",
            "The header was altered or damaged: export the series again.",
        )


def _mixtures(slices: Sequence[Slice]) -> list[Fault]:
    """Warn of slices of several patients, or in several coordinate systems, under one SeriesInstanceUID."""
    faults = []
    patients = Counter(one.patient_id for one in slices if one.patient_id)
    if len(patients) > 1:
        message = f"its slices name {len(patients)} patients (PatientID; {_shares(patients)} images)."
        remedy = (
            "See whether the slices of two people were stored under one SeriesInstanceUID; leave the scan out then."
        )
        faults.append(Fault("dicom-persons", "warning", message, remedy))
    frames = Counter(one.frame_uid for one in slices if one.frame_uid)
    if len(frames) > 1:
        message = f"its slices have {len(frames)} coordinate systems (FrameOfReferenceUID; {_shares(frames)} images)."
        remedy = "See whether the patient lay still between them: positions of one say nothing about the other."
        faults.append(Fault("dicom-frames", "warning", message, remedy))
    return faults


def _shares(counts: Counter[str]) -> str:
    shares = [str(n) for _, n in counts.most_common(4)]
    return ", ".join(shares) + (" …" if len(counts) > 4 else "")


def _with_rescale(slices: list[Slice]) -> tuple[list[Slice], list[Fault]]:
    """Give CT slices that lack slope and intercept those of the others, if these all have the same."""
    given = {one.rescale for one in slices if one.has_rescale}
    lacking = [one for one in slices if not one.has_rescale]
    if len(given) != 1 or not lacking or not slices[0].form.is_ct or len({one.form for one in slices}) > 1:
        return slices, []
    (rescale,) = given
    message = (
        f"{len(lacking)} of {len(slices)} images lack RescaleSlope and RescaleIntercept "
        f"({_some([one.name for one in lacking])}); those of the others, {rescale[0]:g} and {rescale[1]:g}, were taken."
    )
    fault = Fault("dicom-rescale", "warning", message, "Export the series again, with all entries of its headers.")
    return [one if one.has_rescale else replace(one, rescale=rescale) for one in slices], [fault]


def _single_gaps(along_mm: npt.NDArray[np.float64], n_lost: int) -> tuple[int, ...]:
    """Return the slices after which exactly one is missing, if the stack is even otherwise and few are missing."""
    steps = np.diff(along_mm)
    usual = float(np.median(steps))
    within = max(0.1, UNEVEN_FROM * usual)
    uneven = np.flatnonzero(np.abs(steps - usual) > within)
    is_double = np.abs(steps[uneven] - 2 * usual) <= within
    most = max(n_lost, len(along_mm) // SLICES_PER_LOST)
    return tuple(int(k) for k in uneven) if is_double.all() and len(uneven) <= most else ()


def _require_one_series(slices: Sequence[Slice]) -> None:
    counts = Counter(one.series_uid for one in slices)
    if len(counts) > 1:
        numbers = {one.series_uid: one.series_number for one in slices}
        listed = ", ".join(f"number {numbers[uid] or '(none)'}: {n} images" for uid, n in counts.most_common(8))
        raise VolumeError(
            "dicom-several-series",
            f"the folder holds {len(counts)} series ({listed}).",
            "Put each series into a folder of its own and name that folder in the table, or let `nephrograde scan` "
            "find them.",
        )
    if len(slices) < 2:
        raise VolumeError("too-few-slices", "holds one DICOM slice only.", "Export the whole series.")


def _without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], list[Fault]]:
    """One of each: the same object at the same place is a copy, and of copies the longest file is whole."""
    largest: dict[object, Slice] = {}
    for one in slices:
        key = (one.sop_uid, one.frame, one.position_mm.tobytes()) if one.sop_uid else id(one)
        other = largest.get(key)
        if other is None or other.file.path.stat().st_size < one.file.path.stat().st_size:
            largest[key] = one
    copies = len(slices) - len(largest)
    if not copies:
        return list(slices), []
    message = f"{copies} of {len(slices)} images are copies of others by their SOPInstanceUID and left out."
    return list(largest.values()), [Fault("dicom-copies", "warning", message, "Nothing, or remove the copies.")]


def _require_uniform(slices: list[Slice]) -> None:
    """All slices of one size, one pixel size and one orientation; a scout image among them differs."""
    kinds = {
        "size": [(one.form.rows, one.form.columns) for one in slices],
        "pixel size": [one.pixel_mm for one in slices],
        "orientation": [one.orientation for one in slices],
    }
    for what, per_slice in kinds.items():
        numbers = np.array(per_slice, dtype=np.float64)
        apart = np.abs(numbers - np.median(numbers, axis=0)).max(axis=1)
        odd = [one.name for one, distance in zip(slices, apart, strict=True) if distance > ORTHONORMAL_WITHIN]
        if odd:
            raise VolumeError(
                "dicom-mixed",
                f"{len(odd)} of {len(slices)} images have another {what} than the rest ({_some(odd)}).",
                "Move images that are not slices of the stack (scouts, reformats) out of the folder.",
            )
    if slices[0].form.is_colour:
        raise VolumeError(
            "not-scalar",
            "the images are in colour.",
            "Export the original series, one number a pixel, not screen captures.",
        )


def _one_acquisition(slices: list[Slice], normal: npt.NDArray[np.float64]) -> tuple[list[Slice], list[Fault]]:
    """Where images share a place: those of the one acquisition that covers a volume, if just one does."""
    heights = {id(one): round(float(one.position_mm @ normal) / _SAME_PLACE_MM) for one in slices}
    if len(set(heights.values())) == len(slices):
        return slices, []
    groups: dict[str, list[Slice]] = defaultdict(list)
    for one in slices:
        groups[one.acquisition].append(one)
    volumes = [group for group in groups.values() if len({heights[id(one)] for one in group}) >= FEWEST_SLICES]
    if len(volumes) != 1 or 2 * len({heights[id(one)] for one in volumes[0]}) < len(set(heights.values())):
        return slices, []
    out = len(slices) - len(volumes[0])
    message = (
        f"{out} of {len(slices)} images belong to other acquisitions, which cover no volume, and are left out "
        f"({_counted(groups)})."
    )
    remedy = "Nothing, if these are the images that wait for the contrast agent."
    return volumes[0], [Fault("dicom-acquisition", "warning", message, remedy)] if out else []


def _places(
    slices: list[Slice], normal: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return how far each slice lies from the first in mm: along the normal, and sideways as vectors."""
    away = np.array([one.position_mm - slices[0].position_mm for one in slices])
    along = away @ normal
    return along, away - along[:, None] * normal


def _require_distinct(slices: list[Slice], along_mm: npt.NDArray[np.float64]) -> None:
    twice = np.flatnonzero(np.diff(along_mm) < _SAME_PLACE_MM)
    if not twice.size:
        return
    groups: dict[str, list[Slice]] = defaultdict(list)
    for one in slices:
        groups[one.acquisition].append(one)
    remedy = "Remove the copies, or re-export the series."
    if len(groups) > 1:
        remedy = (
            f"It holds several acquisitions ({_counted(groups)}); keep one of them in the folder, or let "
            "`nephrograde scan` write a list for each."
        )
    raise VolumeError(
        "dicom-duplicate",
        f"{twice.size} slices lie where another one lies; the first are {slices[twice[0]].name} and "
        f"{slices[twice[0] + 1].name}.",
        remedy,
    )


def _slice_distance(slices: list[Slice], along_mm: npt.NDArray[np.float64], gaps: tuple[int, ...]) -> float:
    """The one distance between neighbouring slices in mm, if there is one; gaps of one slice count as two distances."""
    bridges = [(along_mm[k] + along_mm[k + 1]) / 2 for k in gaps]
    along_mm = np.insert(along_mm, [k + 1 for k in gaps], bridges)
    steps = np.diff(along_mm)
    usual = float(np.median(steps))
    uneven = np.flatnonzero(np.abs(steps - usual) > max(0.1, UNEVEN_FROM * usual))
    if uneven.size:
        k = int(uneven[0])
        further = f" ({uneven.size} such places)" if uneven.size > 1 else ""
        raise VolumeError(
            "dicom-gap",
            f"slices {k} and {k + 1} are {steps[k]:.1f} mm apart, the others {usual:.1f} mm{further}. "
            f"They are {slices[k].name} and {slices[k + 1].name}.",
            "Re-export the series with all its slices, or drop the phase.",
        )
    mean = float(along_mm[-1] / (len(along_mm) - 1))
    drift = float(np.abs(along_mm - mean * np.arange(len(along_mm))).max())
    if drift > mean / 2:
        raise VolumeError(
            "dicom-gap",
            f"the distance between slices changes along the stack, from {steps.min():.2f} to {steps.max():.2f} mm.",
            "Export the series in one slice distance, or drop the phase.",
        )
    return mean


def _tilt(
    along_mm: npt.NDArray[np.float64],
    sideways_mm: npt.NDArray[np.float64],
    is_beyond: npt.NDArray[np.bool_],
) -> Fault:
    """Return the warning for a sheared stack; refuse a tilt that is impossible or exceeds the stack's own width."""
    shifts_mm = np.linalg.norm(sideways_mm, axis=1)
    angle = float(np.degrees(np.arctan2(shifts_mm[1:], along_mm[1:]).max()))
    what = (
        f"the slices are shifted sideways against each other by up to {shifts_mm.max():.1f} mm (as with a "
        f"gantry tilt of {angle:.1f}°), so the stack is sheared"
    )
    if angle > MOST_TILT_DEGREES or is_beyond.any():
        raise VolumeError("dicom-tilt", f"{what}, by more than a gantry tilts.", "Export the series again.")
    return Fault(
        "dicom-tilt",
        "warning",
        f"{what}. It was straightened: each slice was moved back in its plane by linear interpolation.",
        "Nothing; places in voxels (vox) count on the straightened image, places in mm stay as they are.",
    )


def _counted(groups: dict[str, list[Slice]]) -> str:
    """Acquisitions with their numbers of images; one that goes by anything but digits is not named."""
    return ", ".join(
        f"number {name if name.replace('/', '').isdecimal() else '(none)'}: {len(group)} images"
        for name, group in sorted(groups.items())
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
