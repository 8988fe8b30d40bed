"""A grading as DICOM objects of the patient's study: a structured report, a Secondary Capture and segmentations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nephrograde.arguments import BY_COLUMN, NUMBER, PATH, PATHS, TEXT, Kind, checked, either
from nephrograde.cohort.place import Box, Point, SlicePlace
from nephrograde.errors import InputError, Problem, about_file
from nephrograde.export.dicom.capture import make_capture
from nephrograde.export.dicom.report import make_report
from nephrograde.export.dicom.stamp import Stamp
from nephrograde.export.dicom.words import series_title
from nephrograde.predict.given import given_scans
from nephrograde.predict.grader import Grader
from nephrograde.replacement import replaced_folder
from nephrograde.volume.dicom.references import copying, read_references, require_highdicom, save_object
from nephrograde.volume.masks.written_segmentation import Origin, make_segmentation
from nephrograde.volume.pictures import find_pictures

if TYPE_CHECKING:
    from pydicom import Dataset

    from nephrograde.cohort.case import Scan
    from nephrograde.cohort.clinical import Value
    from nephrograde.predict.examined import Examined
    from nephrograde.predict.grading import Grading
    from nephrograde.predict.together import Images
    from nephrograde.volume.dicom.source_headers import SourceHeaders

REPORT_NAME: Final = "report.dcm"
CAPTURE_NAME: Final = "capture.dcm"
_SEGMENTATION: Final = re.compile(r"segmentation-[0-9]+\.dcm")
_SERIES_NUMBER: Final = 9203


@dataclass(frozen=True, slots=True)
class DicomGrading:
    """A grading, and the DICOM objects that say it.

    Attributes:
        grading: The answer.
        report_path: The structured report.
        capture_path: The Secondary Capture.
        segmentation_paths: The masks that were given, one object for each phase.
        left_out: Phases whose mask is not written, because their series names no frame of reference.
    """

    grading: Grading
    report_path: Path
    capture_path: Path
    segmentation_paths: tuple[Path, ...]
    left_out: tuple[str, ...]


@checked(
    grader=Kind(lambda value: isinstance(value, Grader), "Give what load_grader returns."),
    image=either(PATHS, Mapping, remedy="Give the folder or zip archive of a DICOM series, or one by phase."),
    out_dir=PATH,
    mask=either(PATH, Mapping, remedy="Give the path of a mask, or one by phase."),
    box=either(TEXT, Box, Mapping, remedy='Give two opposite corners, such as "i,j,k;i,j,k vox", or them by phase.'),
    point=either(TEXT, Point, Mapping, remedy='Give a place, such as "i,j,k vox", or one by phase.'),
    slice=either(TEXT, SlicePlace, Mapping, remedy='Give a place, such as "41 vox", or one by phase.'),
    pixel_mm=either(NUMBER, Mapping, remedy="Give a number, or one by phase."),
    kidneys=either(PATH, Mapping, remedy="Give the path of a mask, or one by phase."),
    clinical=BY_COLUMN,
    picture=PATH,
)
def grade_to_dicom(
    grader: Grader,
    image: Images | Mapping[str, Images],
    out_dir: str | Path,
    *,
    mask: str | Path | Mapping[str, str | Path] | None = None,
    box: str | Box | Mapping[str, str | Box] | None = None,
    point: str | Point | Mapping[str, str | Point] | None = None,
    slice: str | SlicePlace | Mapping[str, str | SlicePlace] | None = None,  # noqa: A002
    pixel_mm: float | Mapping[str, float] | None = None,
    kidneys: str | Path | Mapping[str, str | Path] | None = None,
    clinical: Mapping[str, str | float] | None = None,
    picture: str | Path | None = None,
    stamp: Stamp | None = None,
) -> DicomGrading:
    """Grade a patient, and write the answer as DICOM objects that a PACS files under the patient's study.

    ``report.dcm`` is a Comprehensive 3D SR (TID 1500), ``capture.dcm`` a Secondary Capture, and
    ``segmentation-1.dcm`` … are the masks that were given. They copy patient and study from the source and hold the
    name of no file. Research use only, as each of them says.

    Args:
        grader: From :func:`~nephrograde.load_grader`.
        image: A DICOM series: a folder, a zip archive, a multi-frame file or a list; for a model of several phases, one
            by phase.
        out_dir: A new or empty folder, or one that holds the objects of an earlier grading, which are replaced.
        mask: The delineated tumour; for a model of several phases, this and what follows are given by phase.
        box: Two opposite corners, written as for ``Grader.grade``.
        point: A place in the tumour.
        slice: The axial slice to grade.
        pixel_mm: Of exported pictures, which are refused.
        kidneys: A mask of both kidneys.
        clinical: Values by column, for a model that joins them.
        picture: A PNG file to write as well, of one scan.
        stamp: The moment and the UIDs; those of this call when None, which no other objects have.

    Returns:
        The answer, and where the objects are.

    Raises:
        InputError: highdicom is not installed, an image is an exported picture, the folder holds other files, or the
            series are of different patients.
        VolumeError: With code "not-dicom" if an image is no DICOM series, "dicom-reference" if a series lacks the UIDs
            that the objects must refer to, "dicom-source" if its headers cannot be copied; those of ``Grader.grade``.
        PlaceError: A box, point or slice is not written with its unit.
        RunError: The networks cannot be read.
        WriteError: The folder cannot be written.
    """
    require_highdicom("--dicom")
    places = {"mask": mask, "box": box, "point": point, "slice": slice, "pixel_mm": pixel_mm, "kidneys": kidneys}
    scans = given_scans(grader, {"image": image, **places})
    values = grader.values_of(clinical)
    picture_path = None if picture is None else Path(picture)
    return _grade(grader, scans, values, Path(out_dir), picture=picture_path, stamp=stamp or Stamp.now())


def _grade(
    grader: Grader,
    scans: Mapping[str, Scan],
    values: Mapping[str, Value],
    folder: Path,
    *,
    picture: Path | None,
    stamp: Stamp,
) -> DicomGrading:
    """Check everything that can be checked before a network is asked; then grade, and write the objects."""
    _check_folder(folder)
    _check_kinds(scans)
    sources = {phase: read_references(scan.image_path) for phase, scan in scans.items()}
    _check_patient(sources)
    with replaced_folder(folder, is_ours=_is_ours) as temporary_dir:
        examined = grader.examine(scans, values, picture=picture)
        names, left_out = _write(grader, examined, sources, temporary_dir, stamp=stamp)
    paths = tuple(folder / name for name in names)
    return DicomGrading(examined.grading, folder / REPORT_NAME, folder / CAPTURE_NAME, paths, left_out)


def write_objects(grader: Grader, examined: Examined, out_dir: Path, *, stamp: Stamp) -> tuple[str, ...]:
    """Write the DICOM objects of a patient who has been graded.

    Args:
        grader: Who graded the patient.
        examined: The answer, with the scans.
        out_dir: An empty folder.
        stamp: The moment and the UIDs.

    Returns:
        The names of the segmentations, beside those of the report and the Secondary Capture.

    Raises:
        InputError: highdicom is not installed, or the series are of different patients.
        VolumeError: As for :func:`grade_to_dicom`.
        WriteError: The folder cannot be written.
    """
    require_highdicom("--dicom")
    sources = {phase: read_references(scan.image_path) for phase, scan in examined.scans.items()}
    _check_patient(sources)
    names, _ = _write(grader, examined, sources, out_dir, stamp=stamp)
    return tuple(names)


def _write(
    grader: Grader, examined: Examined, sources: Mapping[str, SourceHeaders], out_dir: Path, *, stamp: Stamp
) -> tuple[list[str], tuple[str, ...]]:
    """Write the objects; returns the names of the segmentations, and the phases without one."""
    first = examined.first
    segmentations, left_out = _segmentations(examined, sources, stamp=stamp)
    with about_file(examined.scans[first].image_path):
        with copying():
            report = make_report(grader, examined, sources, stamp=stamp, segmentations=segmentations)
            capture = make_capture(grader, examined, sources[first], stamp=stamp)
        save_object(report, out_dir / REPORT_NAME)
        save_object(capture, out_dir / CAPTURE_NAME)
    names: list[str] = []
    for phase, made in segmentations.items():
        with about_file(examined.scans[phase].image_path):
            names.append(f"segmentation-{len(names) + 1}.dcm")
            save_object(made, out_dir / names[-1])
    return names, left_out


def _segmentations(
    examined: Examined, sources: Mapping[str, SourceHeaders], *, stamp: Stamp
) -> tuple[dict[str, Dataset], tuple[str, ...]]:
    """The masks that were given, by phase; and the phases whose series names no frame of reference."""
    found: dict[str, Dataset] = {}
    left_out = []
    for phase, seen in examined.seen.items():
        scan, scanned = examined.scans[phase], seen.scanned
        if scan.mask_path is None or scanned is None or scanned.volume is None or scanned.mask is None:
            continue
        if not all(one.get("FrameOfReferenceUID") for one in sources[phase].datasets):
            left_out.append(phase)
            continue
        origin = Origin(
            "",
            "nephrograde predict",
            series_title("tumour mask as graded", synthetic=examined.grading.synthetic),
            (stamp.seed, phase),
            _SERIES_NUMBER + len(found),
        )
        with about_file(scan.image_path):
            found[phase] = make_segmentation(scanned.mask, scanned.volume, sources[phase], origin=origin)
            stamp.put_on(found[phase])
    return found, tuple(left_out)


def _is_ours(name: str) -> bool:
    return name in {REPORT_NAME, CAPTURE_NAME} or _SEGMENTATION.fullmatch(name) is not None


def _check_folder(folder: Path) -> None:
    """Refuse a folder with other files: what lies beside a patient's objects is sent along with them."""
    if folder.is_dir() and (others := sorted(path.name for path in folder.iterdir() if not _is_ours(path.name))):
        what = f"holds other files ({', '.join(others[:3])}{', …' if len(others) > 3 else ''})"
        raise InputError([Problem(str(folder), what, "Name a new or an empty folder for the DICOM objects.")])


def _check_kinds(scans: Mapping[str, Scan]) -> None:
    """Refuse exported pictures, which have no place in the patient."""
    problems = [
        Problem(
            str(scan.image_path),
            "is an exported picture, and DICOM objects refer to the series that it was exported from",
            "Give the folder or zip archive of the DICOM series, or leave out --dicom.",
        )
        for scan in scans.values()
        if find_pictures(scan.image_paths)
    ]
    if problems:
        raise InputError(problems)


def _check_patient(sources: Mapping[str, SourceHeaders]) -> None:
    """Refuse series of different patients: the report would give one of them the tumour of the other."""
    owners = {phase: str(one.datasets[0].PatientID or "") for phase, one in sources.items()}
    if len({owner for owner in owners.values() if owner}) > 1:
        what = f"the series of {', '.join(owners)} are of different patients by their PatientID"
        raise InputError([Problem("--dicom", what, "Check which series belong to the patient.")])
