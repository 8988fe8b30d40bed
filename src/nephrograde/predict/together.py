"""One patient's scans of several phases, each read and cut exactly as in the study."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.cohort.case import Scan
from nephrograde.cohort.place import Box, Point, SlicePlace, parse_box, parse_point, parse_slice
from nephrograde.errors import InputError, Problem, VolumeError
from nephrograde.predict.grading import ScanRead
from nephrograde.predict.seeing import see, see_early
from nephrograde.replacement import check_replaceable
from nephrograde.sample.scanned import find_lender

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nephrograde.predict.plausibility import Plausibility
    from nephrograde.predict.seeing import Seen
    from nephrograde.study import Arm, Study

Images: TypeAlias = "str | Path | Sequence[str | Path]"
"""An image file, a folder or zip archive with one DICOM series, or several exported pictures."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """An image with what a model may be given besides, as its caller writes it."""

    image: Images
    mask: str | Path | None = None
    box: str | Box | None = None
    point: str | Point | None = None
    slice: str | SlicePlace | None = None
    pixel_mm: float | None = None
    kidneys: str | Path | None = None

    def as_scan(self, phase: str) -> Scan:
        """Read the places, and make a scan of it.

        Args:
            phase: Such as "cmp".

        Raises:
            PlaceError: Where a box, point or slice is not written with its unit.
        """
        image = self.image
        paths = [Path(image)] if isinstance(image, str | Path) else [Path(one) for one in image]
        box, point, place = self.box, self.point, self.slice
        return Scan(
            phase=phase,
            image_path=paths[0],
            mask_path=None if self.mask is None else Path(self.mask),
            point=parse_point(point) if isinstance(point, str) else point,
            box=parse_box(box) if isinstance(box, str) else box,
            slice_place=parse_slice(place) if isinstance(place, str) else place,
            further_paths=tuple(paths[1:]),
            pixel_mm=self.pixel_mm,
            kidneys_path=None if self.kidneys is None else Path(self.kidneys),
        )


def scans_of(given: Mapping[str, Mapping[str, object]], phases: Sequence[str], model: str) -> dict[str, Scan]:
    """Make the scans of a patient from what is given by argument and phase.

    Args:
        given: Such as ``{"image": {"cmp": "a.nii.gz"}, "mask": {"cmp": "b.nii.gz"}}``.
        phases: Those of the model.
        model: Its id, for messages.

    Returns:
        By phase, in the order of the model; those without an image are missing.

    Raises:
        InputError: A phase is not one of the model, something is given for a phase without an image, or no phase has
            one.
        PlaceError: Where a box, point or slice is not written with its unit.
    """
    problems = []
    for name, of_phases in given.items():
        for phase in of_phases:
            if phase not in phases:
                problems.append(
                    Problem(f"{name}.{phase}", "is not a phase of the model", f"{model} sees {', '.join(phases)}.")
                )
            elif phase not in given["image"]:
                problems.append(Problem(f"{name}.{phase}", "is given without an image", f"Give an image of {phase}."))
    if not problems and not given["image"]:
        problems = [Problem("image", "is missing", f"Give an image of at least one phase: {', '.join(phases)}.")]
    if problems:
        raise InputError(problems)
    scans = {}
    for phase in phases:
        if phase in given["image"]:
            own = {name: of_phases[phase] for name, of_phases in given.items() if phase in of_phases}
            scans[phase] = Annotated(**own).as_scan(phase)  # type: ignore[arg-type]
    return scans


def check_picture(picture_path: Path, scans: Iterable[Scan]) -> None:
    """Refuse a picture that is no PNG file, or that would take the place of what is read or of what is no file.

    Args:
        picture_path: The file to write.
        scans: The scans of the patient.

    Raises:
        InputError: It is refused.
        WriteError: What has its name is no file.
    """
    read = {path.resolve() for scan in scans for path in (*scan.image_paths, scan.mask_path, scan.kidneys_path) if path}
    what = ""
    if picture_path.suffix.lower() != ".png":
        what = "does not end in .png"
    elif picture_path.resolve() in read:
        what = "is one of the files that are read"
    if what:
        raise InputError([Problem("picture", what, "Name a PNG file of its own.")])
    check_replaceable(picture_path)


@contextmanager
def of_no_table() -> Iterator[None]:
    """Let a missing file of the block be looked for by its path: no cohort table names the scan of a new patient."""
    try:
        yield
    except VolumeError as error:
        if error.code == "file-missing":
            error.remedy = "Check the path."
        raise


def see_together(scans: Mapping[str, Scan], arm: Arm, study: Study) -> dict[str, Seen]:
    """Read the scans of a patient and cut what the arm is shown of each; a mask is carried over as in the study.

    Args:
        scans: By phase.
        arm: The arm of the model.
        study: The study that the run resolved.

    Raises:
        VolumeError: Where a scan cannot be read, or an annotation is missing or outside.
    """
    lenders = {phase: find_lender(scans, scan, study, [arm]) for phase, scan in scans.items()}
    if arm.fusion == "early":
        return see_early(scans, lenders, arm, study)
    return {phase: see(scan, arm, study, lender=lenders[phase]) for phase, scan in scans.items()}


def warnings_of(scan: Scan, seen: Seen, plausibility: Plausibility) -> tuple[str, ...]:
    """Return what is doubtful about a scan.

    Args:
        scan: The scan.
        seen: What was read.
        plausibility: What its kidneys say.
    """
    return (*seen.warnings, *(f"{scan.image_path}: {fault.message} {fault.remedy}" for fault in plausibility.faults))


def read_of(scan: Scan, seen: Seen, plausibility: Plausibility) -> ScanRead:
    """Return what the answer says of one scan of several.

    Args:
        scan: The scan.
        seen: What was read.
        plausibility: What its kidneys say.
    """
    return ScanRead(
        phase=scan.phase,
        image=str(scan.image_path),
        size=seen.size,
        spacing_mm=seen.spacing_mm,
        center_mm=seen.center_mm,
        slices=seen.slices,
        region_mm=seen.region_mm,
        phase_seen=plausibility.phase_seen,
        phase_probability=plausibility.phase_probability,
        kidney_gap_mm=plausibility.kidney_gap_mm,
        is_on_kidney=plausibility.is_on_kidney,
        phase_named=plausibility.phase_named,
        kidney_side=plausibility.kidney_side,
    )
