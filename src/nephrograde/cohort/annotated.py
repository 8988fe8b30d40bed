"""The labels of a reader of a folder of annotations, joined to the scans of a cohort: ``[cohort] annotations``."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from nephrograde.cohort.case import AnnotationRemark
from nephrograde.cohort.ids import similar_pairs
from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.errors import InputError, PlaceError, Problem
from nephrograde.sheet import is_blank, is_nothing, open_sheet
from nephrograde.study import NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from nephrograde.cohort.case import Cohort, Scan, ScanState

UNKNOWN_PATIENT: Final = "annotation-unknown-patient"
UNKNOWN_PHASE: Final = "annotation-unknown-phase"
WITHOUT_IMAGE: Final = "annotation-without-image"

_KEY: Final = "cohort.annotations"
_PARSERS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "point": ("point", parse_point),
    "box": ("box", parse_box),
    "slice": ("slice_place", parse_slice),
}
_STATE_RULE: Final = 'Write "none" (no tumour), "unusable" (cannot be judged), or nothing.'
_KINDS: Final = ("point", "box", "slice", "mask", "state")
_STATES: Final = ("none", "unusable")
_REFUSED: Final = "none"
"""What the cell of a mask says if the reader has refused that of the cohort table."""
CONSENSUS: Final = "consensus"
"""The journal of what readers have decided together, which is never compared."""
_LISTED = 10  # problems of one kind, and patients in a message


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a reader has drawn, by patient and phase.

    Attributes:
        name: The name of the file.
        labels: For each patient and phase the fields of a :class:`~nephrograde.cohort.case.Scan` that are given; None
            as the path of a mask if the reader has refused that of the cohort table.
        patients: All patients of the file, also those without a label.
    """

    name: str
    labels: Mapping[tuple[str, str], Mapping[str, object]] = field(default_factory=dict)
    patients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Labelled:
    """Scans with the labels of a reader.

    Attributes:
        scans: By patient and phase.
        note: How many labels there are, and how many of them replace others.
        remarks: Labels that no scan is given for.
    """

    scans: Mapping[str, Mapping[str, Scan]]
    note: str = ""
    remarks: tuple[AnnotationRemark, ...] = ()


def find_annotations(path: Path) -> Path:
    """Find the table of labels that a study names.

    Args:
        path: The table ``<reader>.csv``, or a folder with that of one reader.

    Returns:
        The table.

    Raises:
        InputError: The folder holds no table, or those of several readers.

    >>> from pathlib import Path
    >>> find_annotations(Path("annotations/li.csv")).name
    'li.csv'
    """
    if not path.is_dir():
        return path
    readers = annotated_by(path)
    if not readers:
        raise InputError([Problem(_KEY, f"{path} holds no <reader>.csv", "Name the folder of the annotations.")])
    if len(readers) > 1:
        remedy = f"Name the file of one reader, such as {path.name}/{readers[0]}.csv."
        raise InputError([Problem(_KEY, f"{path} holds the labels of {', '.join(readers)}", remedy)])
    return path / f"{readers[0]}.csv"


def annotated_by(folder: Path) -> list[str]:
    """List whose labels are in a folder, decisions of a consensus among them, in alphabetical order.

    Args:
        folder: The folder of annotations; may be missing.
    """
    return sorted(one.stem for one in folder.glob("*.csv") if re.fullmatch(NAME_PATTERN, one.stem))


def readers_of(folder: Path) -> list[str]:
    """List the readers whose labels are in a folder and can be compared, in alphabetical order.

    Args:
        folder: The folder of annotations; may be missing.
    """
    return [reader for reader in annotated_by(folder) if not is_consensus(reader)]


def is_consensus(reader: str) -> bool:
    """Whether a name is that of a journal of decisions, and not of a reader.

    Args:
        reader: The name of a journal.

    >>> is_consensus("consensus"), is_consensus("consensus-2026"), is_consensus("li")
    (True, True, False)
    """
    return reader == CONSENSUS or reader.startswith(f"{CONSENSUS}-")


def read_annotations(path: Path) -> tuple[Annotations, list[Problem]]:
    """Read a table of labels, and report everything that is wrong with it by itself.

    Args:
        path: The table ``<reader>.csv``, or a folder with that of one reader.

    Returns:
        The labels that can be read, and the problems: a patient twice, and cells that cannot be read.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = ["patient_id,np_point,np_state", 'P1,"1,2 mm",', "P2,,none"]
    ...     _ = Path(folder, "li.csv").write_text(chr(10).join(rows), encoding="utf-8")
    ...     annotations, (problem,) = read_annotations(Path(folder))
    >>> annotations.labels["P2", "np"]
    {'state': 'none'}
    >>> problem.place, problem.what
    ('li.csv row 2, column np_point', "patient P1: '1,2 mm' has 2 numbers where 3 should be")
    """
    try:
        table_path = find_annotations(path)
    except InputError as error:
        return Annotations(path.name), error.problems
    sheet, problems = open_sheet(table_path)
    if sheet is None:
        return Annotations(table_path.name), problems
    if "patient_id" not in sheet.headings:
        remedy = "Name the <reader>.csv that `nephrograde annotate` wrote."
        return Annotations(sheet.name), [*problems, Problem(sheet.name, "has no column patient_id", remedy)]
    first_row: dict[str, int] = {}
    labels: dict[tuple[str, str], dict[str, object]] = {}
    found: dict[str, list[Problem]] = {}
    for number, cells in sheet.rows:
        patient = cells["patient_id"]
        if not patient or patient in first_row:
            what = f"patient {patient} is already in row {first_row[patient]}" if patient else "there is no patient_id"
            problem = Problem(f"{sheet.name} row {number}, column patient_id", what, "Keep one row per patient.")
            found.setdefault("patient_id", []).append(problem)
            continue
        first_row[patient] = number
        for (heading, phase, kind), text in _given(cells):
            try:
                name, value = _read_cell(kind, text, base_dir=table_path.parent)
            except PlaceError as error:
                what = f"patient {patient}: {error.what}"
                problem = Problem(f"{sheet.name} row {number}, column {heading}", what, error.remedy)
                found.setdefault(heading, []).append(problem)
            else:
                labels.setdefault((patient, phase), {})[name] = value
    return Annotations(sheet.name, labels, tuple(first_row)), [*problems, *_counted(found, sheet.name)]


def annotate_cohort(cohort: Cohort, annotations: Annotations) -> tuple[Cohort, list[Problem]]:
    """Give the scans of a cohort the labels of a reader; each replaces what the table has of the same kind.

    A scan on which the reader sees no tumour, or which cannot be judged, keeps no label; preparing it gives a finding.

    Args:
        cohort: As read from the table.
        annotations: From :func:`read_annotations`.

    Returns:
        The cohort with the labels, a note on how many they are, and remarks on labels that it has no scan for; and a
        problem if no patient of the labels is in the cohort.
    """
    scans = {case.patient_id: case.scans for case in cohort.cases}
    labelled, problems = label_scans(scans, annotations, phases=cohort.phases, without_scan=cohort.without_scan)
    if problems:
        return cohort, problems
    return dataclasses.replace(
        cohort,
        cases=tuple(dataclasses.replace(case, scans=labelled.scans[case.patient_id]) for case in cohort.cases),
        notes=(*cohort.notes, labelled.note),
        annotation_remarks=labelled.remarks,
    ), []


def label_scans(
    scans: Mapping[str, Mapping[str, Scan]],
    annotations: Annotations,
    *,
    phases: Collection[str],
    without_scan: Collection[str] = (),
) -> tuple[Labelled, list[Problem]]:
    """Give scans the labels of a reader; each replaces what the scan has of the same kind.

    A scan on which the reader sees no tumour, or which cannot be judged, keeps no label but has a ``state``.

    Args:
        scans: By patient and phase.
        annotations: From :func:`read_annotations`.
        phases: Those whose labels are wanted.
        without_scan: Further patients who are known, but have no scan.

    Returns:
        The scans with the labels, a note on how many they are, and remarks on labels that there is no scan for; and a
        problem if no patient of the labels is known.
    """
    known = {*scans, *without_scan}
    if annotations.patients and known.isdisjoint(annotations.patients):
        what = f"none of its {len(annotations.patients)} patients is in the cohort table"
        problem = Problem(annotations.name, what, "Name the annotations of this cohort in cohort.annotations.")
        return Labelled(scans), [problem]
    n_labels = n_replaced = n_scans = 0
    joined = {patient: dict(given) for patient, given in scans.items()}
    for (patient, phase), given in annotations.labels.items():
        scan = scans[patient].get(phase) if patient in scans and phase in phases else None
        if scan is None:
            continue
        state = cast("ScanState", given.get("state", ""))
        places = {name: value for name, value in given.items() if name != "state"}
        n_scans += 1
        if state:
            joined[patient][phase] = dataclasses.replace(
                scan, state=state, point=None, box=None, slice_place=None, mask_path=None
            )
            continue
        n_labels += sum(value is not None for value in places.values())
        n_replaced += sum(getattr(scan, name) not in {None, value} for name, value in places.items())
        joined[patient][phase] = dataclasses.replace(scan, **places)  # type: ignore[arg-type]
    note = f"{annotations.name}: {n_labels} labels on {n_scans} scans; {n_replaced} replace others of the table."
    return Labelled(joined, note, tuple(_remarks(scans, annotations, phases, known))), []


def _given(cells: Mapping[str, str]) -> Iterator[tuple[tuple[str, str, str], str]]:
    """The cells of a row that say something about a phase: heading, phase and kind, and the text."""
    for heading, cell in cells.items():
        phase, _, kind = heading.rpartition("_")
        text = cell.strip()
        is_said = kind == "state" or not is_nothing(text) or (kind == "mask" and text.casefold() == _REFUSED)
        if phase and kind in _KINDS and not is_blank(text) and is_said:
            yield (heading, phase, kind), text


def _counted(found: Mapping[str, list[Problem]], table_name: str) -> Iterator[Problem]:
    """The problems by column, the first ten of each, and how many more there are."""
    for heading, same in found.items():
        yield from same[:_LISTED]
        if len(same) > _LISTED:
            what = f"the same in {len(same) - _LISTED} more rows, {len(same)} in total"
            yield Problem(f"{table_name}, column {heading}", what, same[0].remedy)


def _read_cell(kind: str, text: str, *, base_dir: Path) -> tuple[str, object]:
    if kind == "mask":
        return "mask_path", None if text.casefold() == _REFUSED else base_dir / text.replace("\\", "/")
    if kind == "state":
        if text.casefold() not in _STATES:
            raise PlaceError(f"{text!r} is not a state", _STATE_RULE)
        return "state", text.casefold()
    name, parse = _PARSERS[kind]
    return name, parse(text)


def _remarks(
    scans: Mapping[str, Mapping[str, Scan]], annotations: Annotations, phases: Collection[str], known: Collection[str]
) -> Iterable[AnnotationRemark]:
    unknown = [patient for patient in annotations.patients if patient not in known]
    if unknown:
        pairs = [f"{one} for {other}" for one, other in similar_pairs(unknown, known)]
        remedy = f"Correct the ids: {_listed(pairs)}." if pairs else "Correct the ids, if they belong to the cohort."
        message = f"annotated patients who are not in the table: {len(unknown)} ({_listed(unknown)})."
        yield AnnotationRemark(UNKNOWN_PATIENT, message, remedy)
    others = list(dict.fromkeys(phase for _, phase in annotations.labels if phase not in phases))
    if others:
        message = f"annotated phases that are not in cohort.phases: {len(others)} ({_listed(others)})."
        yield AnnotationRemark(UNKNOWN_PHASE, message, "Add them to cohort.phases, if the study needs them.")
    without = [
        f"{patient} {phase}"
        for patient, phase in annotations.labels
        if patient in known and phase in phases and phase not in scans.get(patient, ())
    ]
    if without:
        message = f"annotated scans that the table does not name: {len(without)} ({_listed(without)})."
        yield AnnotationRemark(WITHOUT_IMAGE, message, "Fill in the images, if they belong to the cohort.")


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
