"""The plan of a public cohort: its patients, scans, masks and grades, and the files to download."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nephrograde.cohort.ids import similar_pairs
from nephrograde.errors import InputError, Problem
from nephrograde.sources.public.cohorts import (
    CITATIONS,
    COHORTS,
    GRADE_COLUMNS,
    KITS_CASE_BYTES,
    KITS_CASES,
    KITS_DOI,
    KITS_FIRST_NEPHROGRAPHIC,
    KITS_LICENCE,
    Part,
)
from nephrograde.sources.public.grades import find_grade, kits_patient
from nephrograde.sources.public.idc import choose_collection, part_of_series, read_collection
from nephrograde.sources.scan.joined import first_of
from nephrograde.sources.scan.tables import series_entry
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.series_table import SeriesEntry
from nephrograde.volume.statement import Statement, wording_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.sources.public.cohorts import PublicCohort
    from nephrograde.sources.public.grades import PublicGrade, PublicGrades
    from nephrograde.sources.public.idc import Collection
    from nephrograde.sources.scan.choose import Choice

CLINICAL = ("age_years", "sex", "size_cm")
_SEXES = {"F": "female", "M": "male"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortPlan:
    """A cohort that can be downloaded.

    Attributes:
        names: Names of its cohorts.
        rows: Rows of ``cohort.csv``; paths are relative to its folder.
        series: The series in ``series.csv``.
        parts: What to download, each path once.
        index_version: Version of idc-index-data; empty if it was not needed.
        grade_sources: Where the grades come from.
        notes: What the user should know, in sentences.
    """

    names: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    series: tuple[SeriesEntry, ...]
    parts: tuple[Part, ...]
    index_version: str
    grade_sources: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Size of the complete download in bytes."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def is_estimate(self) -> bool:
        """Whether the size is an estimate, because hosts outside the index give no sizes in advance."""
        return any(part.host != "idc" for part in self.parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of ``cohort.csv`` between ``patient_id`` and the images."""
        masks = tuple(f"{phase}_mask" for phase in PHASES)
        placed = {"patient_id", *GRADE_COLUMNS, *CLINICAL, *masks, *(f"{phase}_image" for phase in PHASES)}
        known = dict.fromkeys(name for row in self.rows for name in row)
        carried = tuple(name for name in known if name not in placed)
        return tuple(name for name in (*GRADE_COLUMNS, *CLINICAL, *carried, *masks) if name in known)


def plan_cohort(name: str, *, grades: PublicGrades | None = None) -> CohortPlan:
    """Choose the scans of a public cohort and join its grades, without using the network.

    Args:
        name: One of ``COHORTS``.
        grades: Grades from :func:`~nephrograde.sources.public.grades.fetch_grades`. With them, patients without clear
            cell carcinoma or without a single grade are excluded, and nothing is downloaded for them. Without them, all
            patients are planned, and the grades stay empty.

    Returns:
        The plan.

    Raises:
        InputError: If the name is unknown, or the extra ``public`` is not installed.

    >>> plan = plan_cohort("kits23")
    >>> len(plan.rows), plan.rows[0]["patient_id"], plan.rows[0]["cmp_image"]
    (489, 'KiTS-00000', 'images/case_00000.nii.gz')
    """
    if name not in COHORTS:
        raise InputError([Problem("cohort", f"'{name}' is not known", f"Give one of {', '.join(COHORTS)}.")])
    cohort = COHORTS[name]
    return _plan_collection(cohort, grades) if cohort.collection_id else _plan_kits(cohort, grades)


def fold_plans(plans: Sequence[CohortPlan]) -> CohortPlan:
    """Merge several cohorts into one; a patient who is in two of them appears once.

    All scans of a patient come from the plan that has the most phases of that patient, because the same scan may have
    different coordinates in two formats: the NIfTI files of KiTS do not contain the patient's position, so a mask could
    not be transferred from one phase to another. C4KC-KiTS and KiTS share 210 patients, whose arterial scans are the
    same.

    Args:
        plans: One or more plans; for patients with equally many phases, earlier plans are preferred.

    Returns:
        The merged cohort. Only files that its rows name are downloaded.

    >>> first = plan_cohort("kits23")
    >>> len(fold_plans([first, first]).rows)
    489
    """
    if len(plans) == 1:
        return plans[0]
    found: dict[str, list[Mapping[str, str]]] = {}
    for plan in plans:
        for row in plan.rows:
            found.setdefault(row["patient_id"], []).append(row)
    rows = {patient: _fold_rows(same) for patient, same in found.items()}
    shared = sum(len(same) > 1 for same in found.values())
    used = {cell for row in rows.values() for cell in row.values()}
    parts = {part.path: part for plan in reversed(plans) for part in plan.parts if part.path in used}
    return CohortPlan(
        names=tuple(dict.fromkeys(name for plan in plans for name in plan.names)),
        rows=tuple(rows[patient] for patient in sorted(rows)),
        series=_fold_series(plans, used),
        parts=tuple(parts.values()),
        index_version=next((plan.index_version for plan in plans if plan.index_version), ""),
        grade_sources=tuple(dict.fromkeys(source for plan in plans for source in plan.grade_sources)),
        notes=(
            *dict.fromkeys(note for plan in plans for note in plan.notes),
            f"{shared} patients are in more than one of the cohorts; each appears in the table once.",
        ),
    )


def plan_lines(plan: CohortPlan) -> list[str]:
    """Describe the content, size and licences of a plan before anything is downloaded.

    >>> for line in plan_lines(plan_cohort("kits23"))[:3]:
    ...     print(line)
    kits23: 489 patients, research use only
    cmp 400, np 89; masks cmp 400, np 89
    To download: about 48.9 GB in 978 files
    """
    images = Counter({phase: sum(bool(row.get(f"{phase}_image")) for row in plan.rows) for phase in PHASES})
    masks = Counter({phase: sum(bool(row.get(f"{phase}_mask")) for row in plan.rows) for phase in PHASES})
    counts = [", ".join(f"{phase} {n}" for phase, n in tally.items() if n) or "none" for tally in (images, masks)]
    about = "about " if plan.is_estimate else ""
    n_files = sum(part.n_files for part in plan.parts)
    lines = [
        f"{' + '.join(plan.names)}: {len(plan.rows)} patients, research use only",
        f"{counts[0]}; masks {counts[1]}",
        f"To download: {about}{plan.size_bytes / 1e9:.1f} GB in {n_files} files",
    ]
    for (licence, doi), n_parts in sorted(Counter((part.licence, part.doi) for part in plan.parts).items()):
        terms = ", no commercial use, share alike" if "NC" in licence else ""
        lines.append(f"Licence of {n_parts} of them (images, masks): {licence}{terms}. Cite {cite(doi)}")
    return [*lines, *plan.notes]


def cite(doi: str) -> str:
    """Return the citation of a source.

    >>> cite("10.1/x")
    'https://doi.org/10.1/x'
    """
    known = CITATIONS.get(doi)
    return f"{known}. https://doi.org/{doi}" if known else f"https://doi.org/{doi}"


def _plan_collection(cohort: PublicCohort, grades: PublicGrades | None) -> CohortPlan:
    collection = read_collection(cohort.collection_id)
    choices = choose_collection(collection)
    by_patient: dict[str, list[Choice]] = {}
    for choice in choices:
        by_patient.setdefault(choice.header.patient_id, []).append(choice)
    rows: list[dict[str, str]] = []
    series: list[SeriesEntry] = []
    parts: dict[str, Part] = {}
    left_out: Counter[str] = Counter()
    for patient, own in sorted(by_patient.items()):
        grade = find_grade(grades, patient) if grades else None
        why_not = grade.why_not if grade else None
        chosen = [choice for choice in own if choice.chosen]
        if why_not or not chosen:
            left_out[why_not.code if why_not else "no-known-series"] += 1
        else:
            column = grades.column if grades else cohort.grade_column
            row = _first_cells(patient, column, grade, collection.rows[chosen[0].header.series_uid])
            rows.append(row | _scan_cells(collection, chosen, parts))
        entries = [series_entry(patient, choice) for choice in own]
        series += [_left_out(entry, why_not) for entry in entries] if why_not else entries
    return CohortPlan(
        names=(cohort.name,),
        rows=tuple(rows),
        series=tuple(series),
        parts=tuple(parts.values()),
        index_version=collection.version,
        grade_sources=(grades.source,) if grades else (),
        notes=_notes(cohort, left_out, grades, by_patient),
    )


def _left_out(entry: SeriesEntry, why_not: Statement) -> SeriesEntry:
    return replace(entry, is_chosen=False, reason=Statement.of("patient-left-out"), grounds=(why_not,))


def _first_cells(
    patient: str, column: str, grade: PublicGrade | None, index_row: Mapping[str, object]
) -> dict[str, str]:
    """Return id, grade and clinical cells; age and sex come from the scan's header if the grade table has none."""
    age = str(index_row.get("PatientAge") or "").removesuffix("Y").lstrip("0")
    cells = {
        "patient_id": patient,
        column: grade.grade if grade else "",
        "age_years": age if age.isdigit() else "",
        "sex": _SEXES.get(str(index_row.get("PatientSex")), ""),
    }
    return cells | {name: cell for name, cell in (grade.clinical if grade else {}).items() if cell}


def _scan_cells(collection: Collection, chosen: Iterable[Choice], parts: dict[str, Part]) -> dict[str, str]:
    """Images and masks of a patient's chosen series; what has to be downloaded for them is added to ``parts``."""
    cells = {}
    for choice in chosen:
        uid, phase = choice.header.series_uid, choice.answer.phase
        wanted = {"image": part_of_series(collection.rows[uid], "images")}
        if marks := collection.marks.get(uid):
            wanted["mask"] = part_of_series(collection.rows[marks[0].series_uid], "masks")
        for kind, part in wanted.items():
            cells[f"{phase}_{kind}"] = part.path
            parts[part.path] = part
    return cells


def _plan_kits(cohort: PublicCohort, grades: PublicGrades | None) -> CohortPlan:
    rows: list[dict[str, str]] = []
    series: list[SeriesEntry] = []
    parts: list[Part] = []
    left_out: Counter[str] = Counter()
    for case in KITS_CASES:
        patient, name = kits_patient(case), f"case_{case:05d}"
        is_late = case >= KITS_FIRST_NEPHROGRAPHIC
        phase = "np" if is_late else "cmp"
        grade = find_grade(grades, patient) if grades else None
        why_not = grade.why_not if grade else None
        told = "words.cases-from" if is_late else "words.cases-below"
        entry = SeriesEntry(
            patient_id=patient,
            study_uid="",
            series_uid=name,
            description=f"{name}.nii.gz",
            phase=phase,
            probability=1.0,
            evidence=(Statement.of(told, case=KITS_FIRST_NEPHROGRAPHIC, phase=phase),),
            is_chosen=True,
            reason=Statement.of("only-series"),
        )
        series.append(_left_out(entry, why_not) if why_not else entry)
        if why_not:
            left_out[why_not.code] += 1
            continue
        own = _kits_parts(name)
        column = grades.column if grades else cohort.grade_column
        cells = {"patient_id": patient, column: grade.grade if grade else ""}
        cells |= {column: cell for column, cell in (grade.clinical if grade else {}).items() if cell}
        rows.append(cells | {f"{phase}_image": own[0].path, f"{phase}_mask": own[1].path})
        parts += own
    return CohortPlan(
        names=(cohort.name,),
        rows=tuple(rows),
        series=tuple(series),
        parts=tuple(parts),
        index_version="",
        grade_sources=(grades.source,) if grades else (),
        notes=_notes(cohort, left_out, grades, map(kits_patient, KITS_CASES)),
    )


def _kits_parts(name: str) -> tuple[Part, Part]:
    image = Part(
        host="hugging_face",
        source=f"images/{name}.nii.gz",
        path=f"images/{name}.nii.gz",
        n_files=1,
        size_bytes=KITS_CASE_BYTES,
        licence=KITS_LICENCE,
        doi=KITS_DOI,
    )
    mask = replace(
        image,
        host="github",
        source=f"{name}/segmentation.nii.gz",
        path=f"masks/{name}.nii.gz",
        size_bytes=0,
    )
    return image, mask


def _notes(
    cohort: PublicCohort, left_out: Counter[str], grades: PublicGrades | None, patients: Iterable[str]
) -> tuple[str, ...]:
    notes = [f"{cohort.title}: {n} patients left out, {wording_of(code)[0]}." for code, n in left_out.most_common()]
    if grades is not None:
        notes += grades.notes
        if near := similar_pairs(patients, grades.rows):
            differ = f"{len(near)} ids of {cohort.title} differ from those of {grades.source} only in zeros or letters"
            pairs = first_of([f"{one} / {other}" for one, other in near])
            notes.append(f"{differ} that look alike, and do not match: {pairs}.")
    if grades is None:
        notes.append(f"{cohort.title}: no grades were joined; patients without clear cell carcinoma are among them.")
    if (grades.column if grades else cohort.grade_column) == "fuhrman_grade":
        notes.append(f"{cohort.title} uses Fuhrman grades, not WHO/ISUP: set cohort.outcome = 'fuhrman_grade'.")
    if (grades.column if grades else cohort.grade_column) == "tumor_grade":
        notes.append(f"{cohort.title} does not state its grading system: set cohort.outcome = 'tumor_grade'.")
    if cohort.mask_label:
        what = (
            "labels the tumour 2"
            if cohort.mask_label == "2"
            else "contains kidney and tumour: `check` lists its labels"
        )
        notes.append(f"{cohort.title}: a mask {what}; set masks.label to {cohort.mask_label}.")
    return tuple(notes)


def _fold_rows(same: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Merge a patient's rows: scans from the row with the most phases, other cells from any row that has them."""
    best = max(same, key=lambda row: sum(bool(row.get(f"{phase}_image")) for phase in PHASES))
    folded = dict(best)
    for row in same:
        for column, cell in row.items():
            if not column.endswith(("_image", "_mask")) and not folded.get(column):
                folded[column] = cell
    return folded


def _fold_series(plans: Sequence[CohortPlan], used: set[str]) -> tuple[SeriesEntry, ...]:
    """Merge the series of all plans; a series is no longer chosen if another plan's scans of the patient are used."""
    lost = Statement.of("another-cohort")
    folded: dict[tuple[str, str], SeriesEntry] = {}
    for plan in plans:
        for entry in plan.series:
            uid = entry.series_uid
            is_used = not used.isdisjoint({f"images/{uid}", f"images/{uid}.dcm", f"images/{uid}.nii.gz"})
            is_lost = entry.is_chosen and not is_used
            told = replace(entry, is_chosen=False, reason=lost, grounds=()) if is_lost else entry
            folded.setdefault((entry.patient_id, uid), told)
    return tuple(folded[key] for key in sorted(folded))
