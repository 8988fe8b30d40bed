"""One scan as read: the image with its tumour, drawn on this phase or transferred from another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.cohort.place import Point
from nephrograde.errors import VolumeError
from nephrograde.sample.target import uses_mask
from nephrograde.volume.check import check_mask, check_volume
from nephrograde.volume.finding import Fault, as_fault, in_column
from nephrograde.volume.pictures import find_pictures
from nephrograde.volume.read import read_volume
from nephrograde.volume.roi import measure_tumour
from nephrograde.volume.volume import resolve_box, resolve_point, resolve_slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nephrograde.cohort.case import Scan
    from nephrograde.study import Arm, MaskSettings, Study
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.masks.delineation import Delineation
    from nephrograde.volume.masks.tumours import Piece
    from nephrograde.volume.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """An image, the tumour's mask on its grid, and the scan's row with the seed point that its mask file may contain.

    ``volume`` is None if the image is exported pictures, which are read when they are cut.
    ``size`` is the tumour's volume (ml) and largest axial diameter (mm), and ``pieces`` are all tumours, if the mask
    was drawn on this scan. ``choice`` says how ``mask`` differs from everything the scan's own mask file marks.
    ``lacks_mask`` is true if a mask was expected but could not be obtained.
    """

    volume: Volume | None
    scan: Scan
    mask: MaskArray | None = field(default=None, repr=False)
    size: tuple[float, float] | None = None
    pieces: tuple[Piece, ...] = ()
    choice: str = ""
    lacks_mask: bool = False


def find_lender(scans: Mapping[str, Scan], scan: Scan, study: Study, arms: Iterable[Arm]) -> Scan | None:
    """Find the scan of the same patient whose mask this scan borrows.

    Args:
        scans: Those of the patient, by phase.
        scan: A scan with or without a mask of its own; exported pictures neither borrow nor lend.
        study: Its ``[masks]`` may forbid transferring masks.
        arms: Those that see the scan; they determine whether a mask is needed.

    Returns:
        The first phase of the study that has a mask; None if the scan has its own, no arm reads one, or no phase
        has one.
    """
    if study.masks.carry == "off" or scan.mask_path is not None or find_pictures(scan.image_paths):
        return None
    if not any(uses_mask(scan, arm.supervision) for arm in arms):
        return None
    others = (scans[phase] for phase in study.cohort.phases if phase in scans and phase != scan.phase)
    drawn = (other for other in others if other.mask_path is not None and not find_pictures(other.image_paths))
    return next(drawn, None)


def read_scan(scan: Scan, lender: Scan | None, study: Study) -> tuple[Scanned | None, list[Fault]]:
    """Read a scan and its tumour, and report what is wrong with them.

    Args:
        scan: The scan's row of the table.
        lender: The scan whose mask it borrows, from :func:`find_lender`.
        study: Its ``[masks]`` select the tumour that counts.

    Returns:
        The scan, None where the image cannot be used; and the faults, the fatal ones of the mask among them, each with
        the column of the table whose file it is about.
    """
    if (left_out := fault_of_state(scan)) is not None:
        return None, [left_out]
    if find_pictures(scan.image_paths):
        return Scanned(None, scan), []
    try:
        volume = read_volume(scan.image_path)
    except VolumeError as error:
        return None, in_column([as_fault(error)], f"{scan.phase}_image")
    faults = in_column(check_volume(volume), f"{scan.phase}_image")
    drawn = scan if scan.mask_path is not None else lender
    scanned = Scanned(volume, scan)
    if drawn is not None:
        column = f"{drawn.phase}_mask"
        try:
            scanned, mask_faults = _with_mask(volume, scan, drawn, study.masks)
        except VolumeError as error:
            scanned, mask_faults = Scanned(volume, scan, lacks_mask=True), [as_fault(error)]
        faults += in_column(mask_faults, column)
    lost = lost_in_tumour(scanned)
    return (None, [*faults, *in_column([lost], f"{scan.phase}_image")]) if lost else (scanned, faults)


def fault_of_state(scan: Scan) -> Fault | None:
    """Refuse a scan on which a reader has seen no tumour, or which a reader could not judge.

    Args:
        scan: The scan's row of the table, with what a reader said.

    Returns:
        The fatal fault "no-tumour" or "unusable"; None if nothing was said.
    """
    if scan.state == "none":
        remedy = "Give the patient another scan of this phase, or correct the annotation."
        return Fault("no-tumour", "fatal", "the annotation says that there is no tumour on this scan.", remedy)
    if scan.state == "unusable":
        remedy = "Export the series again, give another one, or correct the annotation."
        return Fault("unusable", "fatal", "the annotation says that this scan cannot be judged.", remedy)
    return None


def lost_in_tumour(scanned: Scanned) -> Fault | None:
    """Refuse a scan whose tumour lies on a slice that is missing or could not be read, and was interpolated.

    Args:
        scanned: The scan with its tumour, by mask, box, point or slice.

    Returns:
        The fatal fault "dicom-slice-in-tumour"; None if the tumour touches no such slice.
    """
    volume, scan = scanned.volume, scanned.scan
    if volume is None or not volume.bridged:
        return None
    order, flips = volume.native.axes()
    axis = order.index(2)
    count = volume.values.shape[axis]
    bridged = {count - 1 - k if flips[axis] else k for k in volume.bridged}
    touched: set[int] = set()
    if scanned.mask is not None:
        others = tuple(one for one in range(3) if one != axis)
        touched = set(np.flatnonzero(scanned.mask.any(axis=others)).tolist())
    elif scan.box is not None:
        first, last = sorted(volume.to_index(corner)[axis] for corner in resolve_box(scan.box, volume))
        touched = set(range(round(first), round(last) + 1))
    elif scan.point is not None:
        touched = {round(volume.to_index(resolve_point(scan.point, volume))[axis])}
    elif scan.slice_place is not None and axis == 2:
        touched = {round(resolve_slice(scan.slice_place, volume))}
    if not touched & bridged:
        return None
    why = next((fault.message for fault in volume.faults if fault.code == "dicom-slice-lost"), "")
    message = f"the tumour lies on a slice that is missing or cannot be read. {why}"
    return Fault("dicom-slice-in-tumour", "fatal", message, "Copy the series again from its source, or drop the phase.")


def _with_mask(volume: Volume, scan: Scan, drawn: Scan, settings: MaskSettings) -> tuple[Scanned, list[Fault]]:
    """The scan with its own mask, or with that of the scan that lends one."""
    if scan.mask_path is None:
        return borrow(volume, scan, drawn, settings)
    from nephrograde.volume.masks.delineation import delineate

    delineation = delineate(scan.mask_path, volume, settings)
    return annotated(volume, scan, delineation), list(delineation.faults)


def annotated(volume: Volume, scan: Scan, delineation: Delineation) -> Scanned:
    """Combine an image with what its scan's own mask file says.

    Args:
        volume: The image.
        scan: The scan's row of the table; a point given there takes precedence over a seed point in the file.
        delineation: As returned by :func:`~nephrograde.volume.masks.delineation.delineate`.
    """
    mask, pieces = delineation.mask, delineation.pieces
    if mask is None:
        return Scanned(volume, _with_seed(scan, delineation.seed_mm), choice=delineation.choice)
    used = [piece for piece in pieces if piece.used]
    whole = used[0] if len(used) == 1 else measure_tumour(mask, volume)
    return Scanned(volume, scan, mask, (whole.volume_ml, whole.diameter_mm), pieces, delineation.choice)


def borrow(volume: Volume, scan: Scan, lender: Scan, settings: MaskSettings) -> tuple[Scanned, list[Fault]]:
    """Borrow the mask, or the seed point, of another phase. What is wrong with it there is a finding there.

    Args:
        volume: The image of the scan.
        scan: The scan without a mask.
        lender: A scan of the same patient with a mask.
        settings: How masks are carried over.

    Returns:
        The scan, and the faults.
    """
    if lender.mask_path is None or settings.carry == "off":
        return Scanned(volume, scan), []
    from nephrograde.volume.masks.carry import carry_mask
    from nephrograde.volume.masks.delineation import delineate

    try:
        source = read_volume(lender.image_path)
    except VolumeError as error:
        return _not_carried(volume, scan, error, f"{lender.phase}_image")
    try:
        drawn = delineate(lender.mask_path, source, settings)
    except VolumeError as error:
        return _not_carried(volume, scan, error, f"{lender.phase}_mask")
    choice = f"{settings.carry} from {lender.phase}; {drawn.choice}"
    if drawn.mask is None:
        return Scanned(volume, _with_seed(scan, drawn.seed_mm), choice=choice), []
    carried = carry_mask(drawn.mask, source, volume, how=settings.carry)
    faults = [carried.fault, *check_mask(carried.mask)]
    return Scanned(volume, scan, carried.mask, choice=choice), faults


def _not_carried(volume: Volume, scan: Scan, error: VolumeError, column: str) -> tuple[Scanned, list[Fault]]:
    message = f"phase {scan.phase} has no mask, and this one cannot be carried over: {error.message}"
    return Scanned(volume, scan, lacks_mask=True), [Fault("mask-not-carried", "fatal", message, error.remedy, column)]


def _with_seed(scan: Scan, seed_mm: Triple | None) -> Scan:
    return scan if seed_mm is None or scan.point is not None else replace(scan, point=Point(seed_mm, "mm"))
