"""When an answer would mean nothing: what is no CT of the model's phase, and regions without a tumour.

Such a scan is refused, unless its grader was told to warn only. Whatever is merely unusual is a warning: see
``cohort_range`` and ``plausibility``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.predict.plausibility import CERTAIN
from nephrograde.vocabulary import Supervision, phase_name
from nephrograde.volume.finding import Fault
from nephrograde.volume.volume import resolve_box, resolve_point

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nephrograde.cohort.case import Scan
    from nephrograde.predict.plausibility import Plausibility
    from nephrograde.sample.scanned import Scanned
    from nephrograde.study import Arm, Window
    from nephrograde.vocabulary import FloatVector
    from nephrograde.volume.dicom.header import SeriesHeader
    from nephrograde.volume.volume import Volume

Outside: TypeAlias = Literal["refuse", "warn"]
"""What is done with a scan on which an answer would mean nothing."""

OVERRIDE: Final = 'With --outside warn (outside="warn" in Python), it is graded all the same.'
"""How a person at a command or in Python may insist; nobody can where scans come in over a network."""

SOFT_HU = (-20.0, 400.0)
"""Tumours, enhanced or not, with cysts and fresh blood; fat is below and bone above."""
LEAST_SOFT_SHARE = 0.1
"""Part of an annotation that must be soft tissue. Half of a box round a sphere is the sphere; noise moves some voxels
below."""
LEAST_VOXELS = 8
"""An annotation with fewer voxels says nothing about its tissue."""
POINT_MM = 5.0
"""Half the edge of the cube round a point."""
FAR_FROM_KIDNEY_MM = 40.0
"""A region whose edge is farther from both kidneys is of another organ, if both were found."""
_WARNED = frozenset({"picture", "not-hu", "mask-border", "region-off-kidney"})
"""Codes that are a warning of their own already."""


def refuse(scan: Scan, faults: Sequence[Fault], outside: Outside) -> tuple[str, ...]:
    """Refuse a scan for the first of some faults, or return them as warnings.

    Args:
        scan: The scan.
        faults: Each is a reason why an answer would mean nothing.
        outside: Whether such a scan is refused.

    Raises:
        VolumeError: There is a fault, and such scans are refused.
    """
    for fault in faults if outside == "refuse" else ():
        raise VolumeError(fault.code, fault.message, f"{fault.remedy} {OVERRIDE}", path=scan.image_path)
    return tuple(f"{scan.image_path}: {one.message} {one.remedy}" for one in faults if one.code not in _WARNED)


def reason_without_override(error: VolumeError) -> str:
    """Return what is wrong and what to do, for those who can give no option.

    Args:
        error: What was raised.

    >>> reason_without_override(VolumeError("not-ct", "is not CT.", f"Give the CT series. {OVERRIDE}"))
    'is not CT. Give the CT series.'
    """
    return f"{error.message} {error.remedy.removesuffix(OVERRIDE)}".rstrip()


def check_modality(header: SeriesHeader | None, window: Window) -> list[Fault]:
    """Check by the header of a series that it is a CT.

    Args:
        header: What the series says; None if it is no DICOM series.
        window: Of the phase; with percentiles, the model was fitted on grey values that are not HU.
    """
    if header is None or header.modality in {"", "CT"} or window.percentiles:
        return []
    message = f"is not CT: its DICOM header says {header.modality[:16]}, and the model was fitted on CT."
    return [Fault("not-ct", "fatal", message, "Give the CT series.")]


def check_kind(*, is_picture: bool, known: Collection[str]) -> list[Fault]:
    """Check that the model learnt from exported pictures, if it is shown one: tumours of pictures have no size.

    Args:
        is_picture: Whether it is.
        known: The quantities of the patients that the model learnt from.
    """
    if not is_picture or "tumour_diameter_mm" not in known:
        return []
    message = "is an exported picture, whose grey values are not HU, and the model learnt from scans."
    return [Fault("picture", "fatal", message, "Give the CT series.")]


def check_greys(*, is_hu: bool, window: Window) -> list[Fault]:
    """Check that the grey values of a scan are HU, if the model was fitted on HU.

    Args:
        is_hu: Whether they are.
        window: Of the phase.
    """
    if is_hu or window.percentiles:
        return []
    message = "its values are not HU, and the model was fitted on HU."
    return [Fault("not-hu", "fatal", message, "Give the CT as it was exported, with its rescale intercept.")]


def check_tissue(volume: Volume, scanned: Scanned, arm: Arm) -> list[Fault]:
    """Check that there is soft tissue where the tumour is said to be.

    Args:
        volume: The scan, in HU.
        scanned: The scan with its annotation.
        arm: The arm of the model.
    """
    values = _annotated_values(volume, scanned, arm)
    if values.size < LEAST_VOXELS:
        return []
    share = float(((values >= SOFT_HU[0]) & (values <= SOFT_HU[1])).mean())
    if share >= LEAST_SOFT_SHARE:
        return []
    message = (
        f"there is no tumour in the region: {100 * share:.0f} % of what was annotated is soft tissue, and its median "
        f"is {float(np.median(values)):.0f} HU."
    )
    return [Fault("no-tumour", "fatal", message, "Check the place, its unit (mm or vox), and that it is of this scan.")]


def _annotated_values(volume: Volume, scanned: Scanned, arm: Arm) -> FloatVector:
    """The voxels of the annotation that the arm is given."""
    scan, nothing = scanned.scan, np.zeros(0)
    if arm.supervision in {Supervision.NONE, Supervision.SLICE}:
        return nothing
    if scanned.mask is not None:
        return np.asarray(volume.values[scanned.mask], np.float64)
    if scan.box is not None:
        corners = [volume.to_index(corner) for corner in resolve_box(scan.box, volume)]
    elif scan.point is not None:
        middle = np.array(volume.to_index(resolve_point(scan.point, volume)))
        reach = POINT_MM / np.array(volume.spacing_mm)
        corners = [tuple(middle - reach), tuple(middle + reach)]
    else:
        return nothing
    low, high = (np.rint(corner).astype(int) for corner in corners)
    window = tuple(slice(max(a, 0), max(b + 1, 0)) for a, b in zip(low, high, strict=True))
    return np.asarray(volume.values[window], np.float64).ravel()


def check_ends(volume: Volume, scanned: Scanned) -> list[Fault]:
    """Check that the scan does not end within the tumour, as half of a series does.

    Args:
        volume: The scan.
        scanned: The scan with its mask or box; a flat box says nothing about where the tumour ends.
    """
    last, box = volume.values.shape[2] - 1, scanned.scan.box
    if scanned.mask is not None:
        at = np.flatnonzero(scanned.mask.any(axis=(0, 1)))
        first_k, last_k = (at[0], at[-1]) if at.size else (1, 1)
    elif box is not None:
        first_k, last_k = (round(volume.to_index(corner)[2]) for corner in resolve_box(box, volume))
    else:
        return []
    ends = [end for end, meets in (("first", first_k <= 0), ("last", last_k >= last)) if meets]
    if not ends or first_k == last_k:
        return []
    message = f"the tumour reaches the {' and the '.join(ends)} slice, so a part of it was not scanned."
    return [Fault("mask-border", "fatal", message, "Give the whole series.")]


def check_place_and_phase(plausibility: Plausibility, *, phase: str) -> list[Fault]:
    """Check that the region lies on a kidney, and that words and image do not both name another phase.

    Args:
        plausibility: What the kidneys say.
        phase: That of the model.
    """
    faults = []
    gap_mm, seen, named = plausibility.kidney_gap_mm, plausibility.phase_seen, plausibility.phase_named
    if gap_mm is not None and plausibility.n_kidneys == 2 and gap_mm > FAR_FROM_KIDNEY_MM:
        message = f"the region is off any kidney: both were found, the nearest one {gap_mm:.0f} mm away."
        remedy = "Check the place, its unit (mm or vox), and that it was made on this scan."
        faults.append(Fault("region-off-kidney", "fatal", message, remedy))
    if named is not None and named == seen != phase and (plausibility.phase_probability or 0.0) >= CERTAIN:
        message = (
            f"is another phase: both its words and its image are {phase_name(named)} ({named}), and the model was "
            f"fitted on {phase_name(phase)} scans ({phase})."
        )
        faults.append(Fault("phase-other", "fatal", message, "Give the scan of this phase, or a model of that one."))
    return faults
