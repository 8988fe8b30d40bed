"""What a network is shown of a new scan: read and cut exactly as in the study."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nephrograde.errors import VolumeError, about_file
from nephrograde.predict.plausibility import Plausibility, Tumour, judge_scan
from nephrograde.predict.refusals import check_ends, check_greys, check_modality, check_tissue
from nephrograde.sample.frames import draw_frames, find_frames
from nephrograde.sample.region import Views
from nephrograde.sample.scanned import Scanned, annotated, borrow, lost_in_tumour
from nephrograde.sample.target import Target
from nephrograde.vocabulary import Supervision
from nephrograde.volume.check import check_volume
from nephrograde.volume.dicom.series_words import read_series_words
from nephrograde.volume.pictures import find_pictures, read_picture
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import resolve_box

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from nephrograde.cohort.case import Scan
    from nephrograde.sample.early import EarlyRegion
    from nephrograde.sample.frames import Frame
    from nephrograde.study import Arm, Study
    from nephrograde.vocabulary import Triple
    from nephrograde.volume.dicom.header import SeriesHeader
    from nephrograde.volume.finding import Fault
    from nephrograde.volume.volume import Volume

_GREYS = (
    "The grey values of exported pictures are not HU: use only a model that was fitted on pictures exported in the "
    "same way."
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network is shown of one scan, and what the answer says of it.

    ``region`` is ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, float16 in [0, 1], and ``region_mm`` the
    edges of one row of it; empty for exported pictures of unknown pixel size. ``judge`` searches for the kidneys, which
    takes about a tenth of a second, and says whether the scan is what the model was fitted on. ``draw`` draws the
    region on the scan, as PNG. ``scanned`` is the scan with its tumour and ``frames`` are the rows of the region on it;
    of exported pictures there is neither. ``doubts`` are reasons why an answer would mean nothing, ``width_mm`` the
    width of the tumour in the axial plane if it was drawn, and ``is_hu`` whether the values of the scan are HU.
    """

    region: npt.NDArray[np.float16] = field(repr=False)
    slices: tuple[int, ...]
    center_mm: Triple
    size: tuple[int, int, int]
    spacing_mm: Triple | None
    warnings: tuple[str, ...]
    draw: Callable[[], bytes] = field(repr=False)
    region_mm: tuple[float, ...] = ()
    judge: Callable[[], Plausibility] = field(default=Plausibility, repr=False)
    scanned: Scanned | None = field(default=None, repr=False)
    frames: tuple[Frame, ...] = field(default=(), repr=False)
    doubts: tuple[Fault, ...] = ()
    width_mm: float | None = None
    is_hu: bool = False


def see(scan: Scan, arm: Arm, study: Study, *, lender: Scan | None = None) -> Seen:
    """Read a scan and cut what the arm's network is shown, exactly as in the study; needs no torch.

    Args:
        scan: The image with the mask, box, point or slice that the arm needs, if any; its phase is that of the model.
            A place that is derived from a more expensive annotation has no simulated error here.
        arm: The arm of the model.
        study: The study that the run resolved.
        lender: A scan of the same patient on another phase, whose mask is carried over as in the study.

    Raises:
        VolumeError: Where the scan cannot be read, the annotation is missing or outside, or the tumour lies on a slice
            that could not be read.
    """
    return _see_pictures(scan, arm, study) if find_pictures(scan.image_paths) else _see_scan(scan, arm, study, lender)


def see_early(scans: Mapping[str, Scan], lenders: Mapping[str, Scan | None], arm: Arm, study: Study) -> dict[str, Seen]:
    """Read the scans of a patient and cut what a network of early fusion is shown: one region of all phases.

    Args:
        scans: By phase, in the order of the arm.
        lenders: By phase, a scan of the patient whose mask is carried over as in the study.
        arm: The arm of the model.
        study: The study that the run resolved.

    Returns:
        By phase. The scan that the region is placed on holds the rows of the region, and the others none. A phase that
        lies elsewhere is left out, which is a warning of that scan.

    Raises:
        VolumeError: Where a scan cannot be read, or none has the annotation.
    """
    from nephrograde.sample.early import OtherPhase, cut_early, no_position

    if flat := [scan for scan in scans.values() if find_pictures(scan.image_paths)]:
        with about_file(flat[0].image_path):
            raise no_position()
    read = {phase: _read(scan, study, lenders[phase]) for phase, scan in scans.items()}
    first = _first_with_target(read, arm)
    others = [OtherPhase(phase, one.volume, one.is_hu) for phase, one in read.items() if phase != first]
    region = cut_early(read[first].views, arm, others, is_hu=read[first].is_hu)
    doubts = [(one, f"{scans[one].image_path}: {fault.message} {fault.remedy}") for one, fault in region.faults]
    found = {}
    for phase in region.phases:
        own, center_mm = read[phase], region.centers_mm[phase]
        said = [text for one, text in doubts if one == phase or (phase == first and one not in region.phases)]
        if phase == first:
            shown = _Shown(region.pictures, region.slices, center_mm)
            targets = own.views.targets(own.volume, arm)
        else:
            slices = _nearest_slices(own.volume, read[first].volume, region, phase)
            around = slices or (round(own.volume.to_index(center_mm)[2]),)
            shown = _Shown(region.pictures[:0], slices, center_mm)
            targets = [Target(center_mm, around[0], around[-1], around[len(around) // 2])]
        seen = _seen(own, arm, study, shown=shown, targets=targets)
        found[phase] = replace(seen, warnings=(*seen.warnings, *said))
    return found


class _Read(NamedTuple):
    """A scan with its annotation, what it says of itself, and what is doubtful about it."""

    volume: Volume
    views: Views
    is_hu: bool
    warnings: tuple[str, ...]
    header: SeriesHeader | None


class _Shown(NamedTuple):
    """A region, its slices and its middle."""

    region: npt.NDArray[np.float16]
    slices: tuple[int, ...]
    center_mm: Triple


def _first_with_target(read: Mapping[str, _Read], arm: Arm) -> str:
    """The first phase on which the arm finds what it looks at."""
    errors = []
    for phase, one in read.items():
        try:
            one.views.targets(one.volume, arm)
        except VolumeError as error:
            errors.append(error)
        else:
            return phase
    raise errors[0]


def _nearest_slices(volume: Volume, first: Volume, region: EarlyRegion, phase: str) -> tuple[int, ...]:
    """The slices of a further phase that lie nearest to those of the region."""
    shift_mm = np.subtract(region.centers_mm[phase], region.center_mm)
    x, y, _ = first.to_index(region.center_mm)
    top = volume.values.shape[2] - 1
    places = [volume.to_index(np.add(first.to_mm((x, y, k)), shift_mm))[2] for k in region.slices]
    return tuple(sorted({int(np.clip(round(place), 0, top)) for place in places}))


def _see_scan(scan: Scan, arm: Arm, study: Study, lender: Scan | None) -> Seen:
    read = _read(scan, study, lender)
    shown = _Shown(*read.views.cut(read.volume, arm))
    return _seen(read, arm, study, shown=shown, targets=read.views.targets(read.volume, arm))


def _read(scan: Scan, study: Study, lender: Scan | None) -> _Read:
    volume = read_volume(scan.image_path)
    scanned = Scanned(volume, scan)
    faults = check_volume(volume)
    is_hu = all(fault.code != "not-hu" for fault in faults)
    warnings = [f"{scan.image_path}: {fault.message} {fault.remedy}" for fault in faults]
    if scan.mask_path is not None:
        from nephrograde.volume.masks.delineation import delineate
        from nephrograde.volume.masks.spill import check_mask_spill

        delineation = delineate(scan.mask_path, volume, study.masks)
        scanned = annotated(volume, scan, delineation)
        mask = delineation.mask
        spill = check_mask_spill(volume, mask) if is_hu and mask is not None else []
        warnings += [f"{scan.mask_path}: {fault.message} {fault.remedy}" for fault in (*delineation.faults, *spill)]
    elif lender is not None:
        with about_file(scan.image_path):
            scanned, borrowed = borrow(volume, scan, lender, study.masks)
        warnings += [f"{lender.mask_path}: {fault.message} {fault.remedy}" for fault in borrowed]
    if lost := lost_in_tumour(scanned):
        raise VolumeError(lost.code, lost.message, lost.remedy, path=scan.image_path)
    return _Read(volume, Views(scanned, study), is_hu, tuple(warnings), read_series_words(scan.image_path))


def _seen(read: _Read, arm: Arm, study: Study, *, shown: _Shown, targets: Sequence[Target]) -> Seen:
    volume, scanned = read.volume, read.views.scanned
    frames = find_frames(volume, targets, arm, study.image)
    seen = Seen(
        shown.region,
        shown.slices,
        shown.center_mm,
        volume.values.shape,
        volume.spacing_mm,
        read.warnings,
        draw=partial(draw_frames, volume, frames, scan=scanned.scan, mask=scanned.mask, is_hu=read.is_hu),
        region_mm=frames[0].size_mm,
        scanned=scanned,
        frames=frames,
        doubts=_doubts(read, arm, study),
        width_mm=None if scanned.mask is None and scanned.scan.box is None else 2 * _radius_mm(volume, scanned, study),
        is_hu=read.is_hu,
    )
    if not read.is_hu:
        return seen
    has_place = arm.supervision not in {Supervision.NONE, Supervision.SLICE}
    tumour = Tumour(shown.center_mm, _radius_mm(volume, scanned, study)) if has_place else None
    return replace(seen, judge=partial(judge_scan, volume, tumour, phase=scanned.scan.phase, header=read.header))


def _doubts(read: _Read, arm: Arm, study: Study) -> tuple[Fault, ...]:
    """Why an answer would mean nothing."""
    volume, scanned = read.volume, read.views.scanned
    window = study.window_of(scanned.scan.phase)
    faults = check_modality(read.header, window) or check_greys(is_hu=read.is_hu, window=window)
    tissue = check_tissue(volume, scanned, arm) if read.is_hu else []
    return (*faults, *tissue, *check_ends(volume, scanned))


def _radius_mm(volume: Volume, scanned: Scanned, study: Study) -> float:
    """Half the width of the tumour in the axial plane, by the most that is known about it."""
    if scanned.mask is not None:
        widths = [np.ptp(np.flatnonzero(scanned.mask.any(axis=other))) + 1 for other in ((1, 2), (0, 2))]
        return float(max(np.array(widths) * volume.spacing_mm[:2])) / 2
    if scanned.scan.box is not None:
        low, high = (volume.to_index(corner) for corner in resolve_box(scanned.scan.box, volume))
        return float((np.abs(np.subtract(high, low)) * volume.spacing_mm)[:2].max()) / 2
    return study.image.assumed_tumour_mm / 2


def _see_pictures(scan: Scan, arm: Arm, study: Study) -> Seen:
    from nephrograde.sample.pictures import cut_pictures, draw_pictures

    region, numbers, center = cut_pictures(scan, arm=arm, study=study)
    paths = find_pictures(scan.image_paths)
    first = read_picture(paths[numbers[0]])
    width, height = first.values.shape
    warnings = () if first.is_hu else (_GREYS,)
    draw = partial(draw_pictures, scan, numbers, arm=arm, study=study)
    return Seen(region, numbers, center, (width, height, len(paths)), None, warnings, draw=draw)
