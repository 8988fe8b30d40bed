"""Who is to be graded: the patients of a table, of folders, or of several scans, with the annotations of a reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nephrograde.cohort.annotated import label_scans, read_annotations
from nephrograde.cohort.case import Scan
from nephrograde.cohort.ids import compared_id, similar_pairs
from nephrograde.cohort.ungraded import read_ungraded
from nephrograde.errors import InputError, Problem, VolumeError
from nephrograde.predict.many.folder import (
    TABLES,
    is_folder_of_patients,
    is_picture_file,
    is_table,
    name_of,
    patient_of,
    patients_in,
)
from nephrograde.predict.many.patient import NewPatient
from nephrograde.sample.scanned import fault_of_state
from nephrograde.sample.target import places_given
from nephrograde.vocabulary import Supervision
from nephrograde.volume.pictures import find_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.cohort.annotated import Annotations
    from nephrograde.predict.grader import Grader

_LISTED: Final = 10


@dataclass(frozen=True, slots=True)
class Patients:
    """Whom to grade.

    Attributes:
        patients: In the order of the table, or of the names in a folder.
        notes: How they were found, where that was a choice, and what was left out.
    """

    patients: tuple[NewPatient, ...]
    notes: tuple[str, ...] = ()


def gather(
    grader: Grader, images: Sequence[Path], *, annotations: Path | None = None, encoding: str | None = None
) -> Patients:
    """Find the patients to grade, and refuse what can be refused before a scan is read.

    Args:
        grader: Its model says which phases, annotations and clinical columns are needed.
        images: One table; or, for a model of one phase, one folder of patients, or the scans of several: image files,
            archives, or folders that hold one scan each.
        annotations: The table ``<reader>.csv``, or the folder with that of one reader; its labels replace those of the
            table.
        encoding: The encoding of a table in text; None detects it.

    Raises:
        InputError: A table has mistakes, or is given with other paths; folders hold no patient, or two patients are
            called alike; a model of several phases is given no table; the annotations cannot be used; or no patient has
            an annotation that the model needs.
    """
    notes: tuple[str, ...] = ()
    if any(map(is_table, images)):
        if len(images) > 1:
            endings = ", ".join(TABLES)
            what = f"is a table (its name ends in one of {endings}), and {len(images)} paths are given"
            table_path = next(path for path in images if is_table(path))
            raise InputError([Problem(str(table_path), what, "Give one table alone, or scans and folders.")])
        patients, notes = _of_table(grader, images[0], encoding)
    else:
        patients = _of_paths(grader, images)
    return labelled(grader, Patients(tuple(patients), notes), annotations, place=str(images[0]))


def labelled(grader: Grader, found: Patients, annotations: Path | None, *, place: str) -> Patients:
    """Add the labels of a reader, and refuse patients none of whom has what the model needs.

    Args:
        grader: The grader.
        found: The patients.
        annotations: As for :func:`gather`.
        place: Where the patients come from, for messages.

    Raises:
        InputError: The annotations cannot be used, or no patient has an annotation that the model needs.
    """
    patients, notes = list(found.patients), list(found.notes)
    if annotations is not None:
        patients, remarks = _with_labels(grader, patients, annotations)
        notes += remarks
    checked = [_checked(grader, one) for one in patients]
    missing = [one for one in checked if one.refusal is not None and one.refusal.code == "annotation-missing"]
    if missing and not any(one.refusal is None for one in checked):
        level, phase = grader.arm.supervision, grader.phases[0]
        what = f"none of the {len(missing)} patients has a {level} or a more expensive annotation, as the model needs"
        remedy = (
            f"Give a table with the column {phase}_{level}, or --annotations with the folder that `nephrograde "
            "annotate` wrote."
        )
        raise InputError([Problem(place, what, remedy)])
    return Patients(tuple(checked), tuple(notes))


def _of_table(grader: Grader, table_path: Path, encoding: str | None) -> tuple[list[NewPatient], tuple[str, ...]]:
    columns = grader.arm.clinical if grader.is_joined else ()
    found, problems = read_ungraded(table_path, grader.phases, columns, encoding=encoding)
    patients = [NewPatient(one, scans, found.clinical.get(one, {})) for one, scans in found.scans.items()]
    for patient in patients:
        try:
            grader.values_of(patient.clinical)
        except InputError as error:
            place = f"{table_path.name}, patient {patient.patient_id}"
            problems += [
                replace(one, place=f"{place}, column {one.place.rpartition('.')[2]}") for one in error.problems
            ]
    if problems:
        raise InputError(problems)
    notes = list(found.notes)
    if found.without_scan:
        n, names = len(found.without_scan), _listed(found.without_scan)
        notes.append(f"{table_path.name}: {n} patients have no image, and are not graded ({names}).")
    return patients, tuple(notes)


def _of_paths(grader: Grader, images: Sequence[Path]) -> list[NewPatient]:
    if grader.is_joined:
        what = f"names no phases, but {grader.model} joins {', '.join(grader.phases)}"
        remedy = f"Give many patients in a table, with columns such as {grader.phases[0]}_image."
        raise InputError([Problem(str(images[0]), what, remedy)])
    if any(is_picture_file(path) for path in images):  # of one patient
        scan = Scan(grader.phase, images[0], None, None, None, None, further_paths=tuple(images[1:]))
        return [NewPatient(name_of(images[0]), {grader.phase: scan})]
    if len(images) > 1 or not is_folder_of_patients(images[0]):
        patients = [patient_of(path, grader.phase) for path in images]
    else:
        patients = list(patients_in(images[0], grader.phase))
    if not patients:
        what = "holds neither a DICOM series nor folders or files of patients"
        remedy = "Name a folder with one subfolder or image file for each patient, or a table."
        raise InputError([Problem(str(images[0]), what, remedy)])
    if problems := list(_alike(patients)):
        raise InputError(problems)
    return patients


def _alike(patients: Sequence[NewPatient]) -> Iterator[Problem]:
    """Patients whose names do not differ, or only in their case."""
    first: dict[str, NewPatient] = {}
    for patient in patients:
        other = first.setdefault(compared_id(patient.patient_id), patient)
        if other is not patient:
            what = f"is called {patient.patient_id}, as the patient of {other.image or other.patient_id} is"
            remedy = "Give folders or files of different names, or a table with an id for each."
            yield Problem(patient.image or patient.patient_id, what, remedy)


def _with_labels(
    grader: Grader, patients: Sequence[NewPatient], annotations: Path
) -> tuple[list[NewPatient], tuple[str, ...]]:
    read, problems = read_annotations(annotations)
    known = [one.patient_id for one in patients]
    if not problems and known and set(known).isdisjoint(read.patients):
        problems.append(_of_others(read, known))
    if problems:
        named = [replace(one, place="--annotations") if one.place == "cohort.annotations" else one for one in problems]
        raise InputError(named)
    scans: Mapping[str, Mapping[str, Scan]] = {one.patient_id: one.scans for one in patients}
    found, _ = label_scans(scans, read, phases=grader.phases)
    unknown = [one for one in read.patients if one not in set(known)]
    notes = [found.note]
    if unknown:
        notes.append(f"{read.name}: {len(unknown)} annotated patients are not graded ({_listed(unknown)}).")
    return [replace(one, scans=found.scans[one.patient_id]) for one in patients], tuple(notes)


def _of_others(read: Annotations, known: Sequence[str]) -> Problem:
    pairs = [f"{one} for {other}" for one, other in similar_pairs(read.patients, known)]
    remedy = "Name the annotations of these patients; ids must be the same, and of a folder they are its names."
    if pairs:
        remedy = f"Write ids in one way: {_listed(pairs)}."
    return Problem(read.name, f"none of its {len(read.patients)} patients is to be graded", remedy)


def _checked(grader: Grader, patient: NewPatient) -> NewPatient:
    """Refuse a patient by what is known before a scan is read."""
    level, scans = grader.arm.supervision, patient.scans
    if patient.refusal is not None or not scans:
        return patient
    said = [fault for scan in scans.values() if (fault := fault_of_state(scan)) is not None]
    usable = {phase: scan for phase, scan in scans.items() if not scan.state}
    if not usable:
        return replace(patient, refusal=VolumeError(said[0].code, said[0].message, said[0].remedy))
    refusal = None
    if level is not Supervision.NONE and not any(_is_placed(scan, level) for scan in usable.values()):
        message = f"there is no {level}, nor a more expensive annotation from which it could be derived."
        remedy = f"Give one in the column {grader.phases[0]}_{level} of a table, or with --annotations."
        refusal = VolumeError("annotation-missing", message, remedy)
    return replace(patient, scans=usable, refusal=refusal)


def _is_placed(scan: Scan, level: Supervision) -> bool:
    """Whether a scan has an annotation from which that of the level follows, or consists of pictures."""
    given = places_given(scan) | (set() if scan.mask_path is None else {Supervision.MASK})
    return level.choose(given) is not None or _are_pictures(scan)


def _are_pictures(scan: Scan) -> bool:
    try:
        return bool(find_pictures(scan.image_paths))
    except OSError:  # reading it says what is wrong
        return False


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
