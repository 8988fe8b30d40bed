"""What an arm of early fusion sees of a patient: all phases on the grid of one of them, as channels.

The region is placed on one scan of the patient. Every other phase is sampled at the same positions in the patient, by
the coordinates of the scanner, or after a rigid registration of the region.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.sample.channels import ABSENT, DIFFERENCE_HU
from nephrograde.sample.region import Views, fault_of_arm
from nephrograde.sample.scanned import Scanned, read_scan
from nephrograde.sample.slices import slices_of, width_of
from nephrograde.volume.finding import Fault
from nephrograde.volume.grid import Grid
from nephrograde.volume.masks.registration import Motion, register_region
from nephrograde.volume.overlay import bring_over
from nephrograde.volume.pictures import find_pictures
from nephrograde.volume.roi import apply_window, cut_mask, sample_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from nephrograde.cohort.case import Scan
    from nephrograde.sample.human_error import HumanError
    from nephrograde.sample.target import Target
    from nephrograde.study import Arm, ImageSettings, Study
    from nephrograde.vocabulary import Triple
    from nephrograde.volume.volume import Volume

LAYOUT = 1
"""Increase whenever the same scans would give another region of early fusion."""


class OtherPhase(NamedTuple):
    """A further phase of the patient, and whether its values are in HU."""

    phase: str
    volume: Volume
    is_hu: bool


@dataclass(frozen=True, slots=True, eq=False)
class EarlyRegion:
    """What a network of early fusion is shown of a patient.

    Attributes:
        pictures: ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, float16 in [0, 1]; the channels of a phase
            that is missing are ``ABSENT``.
        slices: The slice numbers on the scan that the region is placed on; empty for boxes.
        centers_mm: The middle of the region by phase, in the coordinates of that scan; the first is the one that the
            region is placed on.
        phases: Those that are shown, in the order of the arm.
        faults: By phase, how it was carried to the grid where that is doubtful.
    """

    pictures: npt.NDArray[np.float16] = field(repr=False)
    slices: tuple[int, ...]
    centers_mm: Mapping[str, Triple]
    phases: tuple[str, ...]
    faults: tuple[tuple[str, Fault], ...] = ()

    @property
    def center_mm(self) -> Triple:
        """The middle of the region on the scan that it is placed on."""
        return next(iter(self.centers_mm.values()))


class _Row(NamedTuple):
    """A picture: the target it shows, and the grids of its planes, or of its box."""

    target: int
    grids: tuple[Grid, ...]


class _Sampled(NamedTuple):
    """The values of a picture, ``(channel, …)``, and which of them lie inside the scan."""

    values: npt.NDArray[np.float32]
    inside: npt.NDArray[np.bool_]


def early_settings(arm: Arm) -> dict[str, object]:
    """Return the settings of an arm that shape its region of early fusion, besides those of each phase.

    Args:
        arm: The arm.
    """
    return {
        "layout": LAYOUT,
        "phases": arm.phases,
        "registration": arm.registration,
        "differences": [*map(list, arm.difference_pairs), *([DIFFERENCE_HU] if arm.differences else [])],
    }


def cut_early(views: Views, arm: Arm, others: Iterable[OtherPhase], *, is_hu: bool) -> EarlyRegion:
    """Place the region of an arm on one scan of a patient, and sample all phases there.

    Args:
        views: The scan that the region is placed on, with its annotation.
        arm: An arm of early fusion.
        others: The further phases of the patient; each is needed only once, so they may be read one after the other.
        is_hu: Whether the values of the first scan are in HU; differences need that of both phases.

    Raises:
        VolumeError: If the annotation is missing or outside, or no kidney is found.
    """
    volume, scan, study = views.scanned.volume, views.scanned.scan, views.study
    if volume is None:
        raise no_position()
    targets = views.targets(volume, arm)
    rows = [
        row
        for number, target in enumerate(targets)
        for row in _rows_of(volume, target, arm, study.image, number=number)
    ]
    sampled = {scan.phase: _sample(volume, rows, [Motion()] * len(targets), study.image)}
    centers_mm = {scan.phase: targets[0].center_mm}
    in_hu = {scan.phase} if is_hu else set()
    faults = []
    for other in others:
        motions, doubts = _motions(volume, targets, other.volume, arm=arm, image=study.image)
        faults += [(other.phase, doubt) for doubt in doubts]
        if motions:
            sampled[other.phase] = _sample(other.volume, rows, motions, study.image)
            centers_mm[other.phase] = motions[0].move(targets[0].center_mm)
            in_hu |= {other.phase} if other.is_hu else set()
    pictures = np.stack(
        [
            _picture({phase: own[number] for phase, own in sampled.items()}, arm, study, in_hu=in_hu)
            for number in range(len(rows))
        ]
    )
    if arm.has_mask and views.scanned.mask is not None:
        size_mm, voxels = study.image.box_mm, study.image.box_voxels
        masks = [
            cut_mask(volume, views.scanned.mask, center_mm=target.center_mm, size_mm=size_mm, voxels=voxels)
            for target in targets
        ]
        pictures = np.concatenate([pictures, np.stack(masks)[:, None]], axis=1)
    slices = tuple(k for target in targets for k in slices_of(target, arm)) if arm.slices else ()
    phases = tuple(phase for phase in arm.phases if phase in sampled)
    return EarlyRegion(pictures.astype(np.float16), slices, centers_mm, phases, tuple(faults))


@dataclass(frozen=True, slots=True)
class Placed:
    """The scan that the region of a patient is placed on, and the further ones.

    Attributes:
        views: The first scan in the order of the arm on which the arm finds its target; None if there is none.
        others: The further phases, each read when it is asked for.
        is_hu: Whether the values of the first scan are in HU.
        faults: By phase, what kept scans from the arm.
    """

    views: Views | None
    others: Iterable[OtherPhase] = ()
    is_hu: bool = False
    faults: tuple[tuple[str, Fault], ...] = ()


def place_region(
    scans: Sequence[Scan],
    lenders: Mapping[str, Scan | None],
    arm: Arm,
    study: Study,
    *,
    errors: Mapping[str, HumanError],
) -> Placed:
    """Find the scan of a patient that the region of an arm of early fusion is placed on.

    What is wrong with a scan by itself is not repeated here, but how a mask was carried to it is reported. A phase
    without the annotation that the arm needs is shown all the same, if another phase has one.

    Args:
        scans: The scans of the patient in the order of the arm.
        lenders: By phase, the scan whose mask it borrows.
        arm: The arm.
        study: How masks are read.
        errors: By phase, by how much derived places are off.
    """
    flat = [scan for scan in scans if find_pictures(scan.image_paths)]
    faults = [(scan.phase, fault) for scan in flat for fault in fault_of_arm(no_position(), Scanned(None, scan), arm)]
    before: list[OtherPhase] = []
    missed: list[tuple[str, Fault]] = []
    remaining = iter([scan for scan in scans if scan not in flat])
    for scan in remaining:
        lender = lenders[scan.phase]
        scanned, found = read_scan(scan, lender, study)
        faults += [(scan.phase, one) for one in found if lender is not None and one.column == f"{lender.phase}_mask"]
        if scanned is None or scanned.volume is None:
            continue
        views = Views(scanned, study, error=errors[scan.phase])
        is_hu = _is_hu(found)
        try:
            views.targets(scanned.volume, arm)
        except VolumeError as caught:
            missed += [(scan.phase, fault) for fault in fault_of_arm(caught, scanned, arm)]
            before.append(OtherPhase(scan.phase, scanned.volume, is_hu))
            continue
        wrong = [(phase, one._replace(severity="warning")) for phase, one in missed if one.code != "annotation-missing"]
        others = itertools.chain(before, _read_others(remaining, study))
        return Placed(views, others, is_hu, (*faults, *wrong))
    return Placed(None, faults=(*faults, *missed))


def _read_others(scans: Iterable[Scan], study: Study) -> Iterator[OtherPhase]:
    for scan in scans:
        scanned, found = read_scan(scan, None, study)
        if scanned is not None and scanned.volume is not None:
            yield OtherPhase(scan.phase, scanned.volume, _is_hu(found))


def _is_hu(faults: Iterable[Fault]) -> bool:
    return all(fault.code != "not-hu" for fault in faults)


def no_position() -> VolumeError:
    """Return the error that early fusion of exported pictures is refused with."""
    return VolumeError(
        "picture-not-volume",
        "is an exported picture, which has no position in the patient, so no other phase can be laid over it.",
        'Name the scan\'s series in the table, or use fusion = "intermediate" or "late".',
    )


def _rows_of(volume: Volume, target: Target, arm: Arm, image: ImageSettings, *, number: int) -> list[_Row]:
    """The pictures of a target, on the grid of the scan that it was found on."""
    if not arm.slices:
        center = np.array(volume.to_index(target.center_mm))
        step_mm = np.array(image.box_mm) / image.box_voxels
        return [_Row(number, (_grid(volume, center, step_mm, image.box_voxels),))]
    step_mm = np.array([width_of(arm, image) / image.slice_px] * 2 + [volume.spacing_mm[2]])
    top = volume.values.shape[2] - 1
    found = []
    for k in slices_of(target, arm):
        x, y, _ = volume.to_index(target.center_on(k))
        beside = [min(max(one, 0), top) for one in range(k - arm.neighbours, k + arm.neighbours + 1)]
        size = (image.slice_px, image.slice_px, 1)
        found.append(_Row(number, tuple(_grid(volume, np.array([x, y, one]), step_mm, size) for one in beside)))
    return found


def _grid(
    volume: Volume, center: npt.NDArray[np.float64], step_mm: npt.NDArray[np.float64], size: tuple[int, int, int]
) -> Grid:
    """A grid along the axes of a scan around a place in its voxels."""
    start = center - (np.array(size) - 1) / 2 * step_mm / volume.spacing_mm
    x, y, z = step_mm.tolist()
    return Grid(size, (x, y, z), volume.to_mm(start), volume.direction, source="memory")


def _sample(volume: Volume, rows: Sequence[_Row], motions: Sequence[Motion], image: ImageSettings) -> list[_Sampled]:
    """Sample a scan for every picture; each target may have moved by its own motion."""
    found = []
    for row in rows:
        planes = [
            sample_on(volume, motions[row.target].move_grid(grid), antialias=image.antialias) for grid in row.grids
        ]
        is_slice = row.grids[0].size[2] == 1
        values, inside = (
            np.stack([one[:, :, 0].T if is_slice else one for one in arrays]) for arrays in zip(*planes, strict=True)
        )
        found.append(_Sampled(values, inside))
    return found


def _picture(sampled: Mapping[str, _Sampled], arm: Arm, study: Study, *, in_hu: set[str]) -> npt.NDArray[np.float32]:
    """The channels of one picture: the phases in their windows, then the differences."""
    nothing = np.full_like(next(iter(sampled.values())).values, ABSENT)
    channels = [
        apply_window(sampled[phase].values, study.window_of(phase)) if phase in sampled else nothing
        for phase in arm.phases
    ]
    for one, other in arm.difference_pairs:
        both = {one, other} <= set(sampled) and {one, other} <= in_hu
        channels.append(_difference(sampled[one], sampled[other]) if both else nothing)
    return np.concatenate(channels)


def _difference(one: _Sampled, other: _Sampled) -> npt.NDArray[np.float32]:
    """The difference of two phases from 0 to 1; no difference where one of the scans has ended."""
    difference_hu = np.where(one.inside & other.inside, one.values - other.values, np.float32(0))
    return np.clip(difference_hu / np.float32(2 * DIFFERENCE_HU) + np.float32(0.5), 0, 1).astype(np.float32)


def _motions(
    volume: Volume, targets: Sequence[Target], other: Volume, *, arm: Arm, image: ImageSettings
) -> tuple[list[Motion], list[Fault]]:
    """How the surroundings of each target moved; none, with the reason, if the other scan does not hold them all."""
    motions = []
    faults = []
    for target in targets:
        motion = _register(volume, target, other, image) if arm.registration == "rigid" else Motion()
        faults += [_not_registered(motion)] if motion.failure else []
        place = other.to_index(motion.move(target.center_mm))
        if not all(-0.5 <= i <= n - 0.5 for i, n in zip(place, other.values.shape, strict=True)):
            return [], [_outside(target.center_mm)]
        motions.append(motion)
    return motions, faults


def _register(volume: Volume, target: Target, other: Volume, image: ImageSettings) -> Motion:
    """Register the surroundings of a target."""
    mask = np.zeros(volume.values.shape, dtype=bool)
    center = np.array(volume.to_index(target.center_mm))[:2]
    half = image.assumed_tumour_mm / 2 / np.array(volume.spacing_mm[:2])
    last = np.array(mask.shape[:2]) - 1
    x, y = np.clip(np.rint(center - half).astype(int), 0, last)
    u, v = np.clip(np.rint(center + half).astype(int), 0, last)
    mask[x : u + 1, y : v + 1, target.first_slice : target.last_slice + 1] = True
    try:
        near = bring_over(mask, volume.grid, other.grid)
    except VolumeError:
        return Motion()
    return register_region(volume, other, mask=mask, near=near)


def _not_registered(motion: Motion) -> Fault:
    why = "the scans share too little of it"
    if motion.failure == "too-far":
        why = f"the best motion ({motion.moved_mm:.0f} mm, {motion.turn_deg:.0f}°) exceeds what breathing can cause"
    return Fault(
        "phase-not-registered",
        "warning",
        f"the region could not be registered with the other phase, so it is taken by position: {why}.",
        'Look at both scans; if they do not lie alike, leave this phase out or use fusion = "intermediate".',
    )


def _outside(center_mm: Triple) -> Fault:
    place = ",".join(f"{value:.1f}" for value in center_mm)
    return Fault(
        "phase-outside",
        "warning",
        f"the region around {place} mm of another phase lies outside this scan, which counts as missing there.",
        "See that both scans are of one examination and hold the tumour; otherwise use fusion = "
        '"intermediate", which needs no common position.',
    )
