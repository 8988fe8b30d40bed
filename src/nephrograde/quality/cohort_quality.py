"""What only the whole cohort shows: images and patients that appear twice, and what each arm of the study can use."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.quality.marks import MARK_DIGITS, PersonMarks, each_mark, repeated_marks, shared_slices
from nephrograde.sample.scanned import find_lender
from nephrograde.sample.target import places_given
from nephrograde.vocabulary import Supervision
from nephrograde.volume.finding import Finding, as_finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nephrograde.cohort.case import Case, Cohort, Scan
    from nephrograde.quality.scan_quality import ScanQuality
    from nephrograde.study import Arm, Study

ScanKey: TypeAlias = tuple[str, str]
"""Patient id and phase."""

SHARED_SLICES = 3
"""Number of equal slices from which two scans count as copies of each other, in whole or in part."""
PLACEHOLDER_FROM = 6
"""A UID, or a name with birth date, shared by this many patients is a placeholder from de-identification."""
MIXED_THICKNESS_FROM = 2.0
APART_MM = 60.0
"""A tumour moves by up to 40 mm with the breath, and readers choose slices 20 mm apart."""
_GRADES = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Count:
    """Number of patients for whom something holds; a row of ``counts.csv``.

    Attributes:
        what: "patients", "images" (in the table), "readable", "every phase" or "usable" (by a model).
        name: The phase or the model; empty if all are meant.
        n: Number of patients.
        low: Of these, low grade.
        high: Of these, high grade.
        grades: Of these, with grade 1, 2, 3 and 4; None if the outcome is 0/1.
    """

    what: str
    name: str
    n: int
    low: int
    high: int
    grades: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class CohortQuality:
    """All findings, of the table, then scans and then patients, in table order; counts; the scans by key.

    ``obstacles`` say why models could not be fitted, if that was checked.
    """

    findings: tuple[Finding, ...]
    counts: tuple[Count, ...]
    scans: Mapping[ScanKey, ScanQuality]
    obstacles: tuple[str, ...] = ()


def examine_cohort(
    cohort: Cohort,
    study: Study,
    qualities: Mapping[ScanKey, ScanQuality],
    *,
    marks: Mapping[ScanKey, PersonMarks] | None = None,
    table_findings: Iterable[Finding] = (),
) -> CohortQuality:
    """Check a cohort for duplicate and inconsistent scans, and count what each arm can use.

    Args:
        cohort: As read from the table.
        study: Its arms and phases.
        qualities: Results of :func:`~nephrograde.quality.scan_quality.examine_scan`, by patient and phase.
        marks: Whom the headers name; without them, only pixels are compared.
        table_findings: What is suspect about the table itself, and who has no scan; they come first.

    Returns:
        The scans' faults as findings, and those of the cohort: "kidney-not-found" (a warning, if an arm of the study is
        given no place), "duplicate-image" (fatal: it would leak from training
        to test) and "duplicate-phase" (fatal), "patient-twice", "patient-mixed", "uid-placeholder", "mixed-kernel",
        "mixed-thickness" and "places-apart" (warnings).
    """
    order = [(case.patient_id, phase) for case in cohort.cases for phase in cohort.phases if phase in case.scans]
    keys = [key for key in order if key in qualities]
    findings = [*table_findings]
    findings += [as_finding(fault, *key) for key in keys for fault in qualities[key].faults]
    findings += _without_kidneys(cohort, study, qualities)
    findings += _duplicated_images(keys, qualities)
    findings += _patients_twice(keys, marks or {})
    findings += _patients_mixed(keys, marks or {})
    known = set(keys)
    for case in cohort.cases:
        own = {phase: qualities[case.patient_id, phase] for phase in cohort.phases if (case.patient_id, phase) in known}
        findings += _mixed_scans(case.patient_id, own)
    return CohortQuality(
        tuple(findings), tuple(_counts(cohort, study, qualities)), {key: qualities[key] for key in keys}
    )


def _without_kidneys(cohort: Cohort, study: Study, qualities: Mapping[ScanKey, ScanQuality]) -> Iterator[Finding]:
    """Report the scans that drop out of the arms that are given no place; masks that are at fault have been named."""
    if all(arm.supervision is not Supervision.NONE for arm in study.arm):
        return
    for case in cohort.cases:
        for phase in (one for one in cohort.phases if (case.patient_id, one) in qualities):
            quality = qualities[case.patient_id, phase]
            is_asked = quality.is_readable and quality.is_volume and case.scans[phase].kidneys_path is None
            if is_asked and not quality.has_kidneys:
                message = "no kidney was found, and an arm is given no other place to look at."
                remedy = (
                    f"Give a mask of the kidneys ({phase}_kidneys in the table), or leave the scan to the other arms."
                )
                yield Finding(case.patient_id, phase, f"{phase}_image", "kidney-not-found", "warning", message, remedy)


def quality_lines(quality: CohortQuality) -> list[str]:
    """Summarize the findings about scans and patients in a few lines, for a terminal.

    Args:
        quality: From :func:`examine_cohort`.

    Returns:
        Lines with patients and grades, phases, what each model can use, and the findings by code with an example of
        each, fatal ones first.
    """
    lines = [_count_line(count) for count in quality.counts]
    of_scans = [one for one in quality.findings if not one.is_of_table and not one.leaves_patient_out]
    for severity, title in (("fatal", "Must be fixed"), ("warning", "Check")):
        found = [finding for finding in of_scans if finding.severity == severity]
        for code, number in Counter(finding.code for finding in found).most_common():
            first = next(finding for finding in found if finding.code == code)
            place = f"{first.patient_id} {first.phase}".strip()
            lines.append(f"{title}: {code}, {number} ×, first {place}: {first.text} {first.remedy}")
    return lines if quality.findings else [*lines, "Nothing odd was found."]


def _count_line(count: Count) -> str:
    of_grade = "" if count.grades is None else f"; grade 1 to 4: {', '.join(map(str, count.grades))}"
    subject = {
        "patients": "Patients",
        "images": f"Phase {count.name}, images in the table",
        "readable": f"Phase {count.name}, images that can be read",
        "every phase": "Patients with every phase",
        "usable": f"Model {count.name} can use",
    }[count.what]
    return f"{subject}: {count.n} ({count.low} low, {count.high} high{of_grade})"


def _duplicated_images(keys: Sequence[ScanKey], qualities: Mapping[ScanKey, ScanQuality]) -> Iterator[Finding]:
    """Report each scan that shares slices with an earlier one once, with the scan it shares most slices with."""
    repeated = repeated_marks(qualities[key].marks for key in keys)
    holders: dict[str, ScanKey] = {}
    for key in keys if repeated else ():
        marks = qualities[key].marks
        own = [mark for mark in dict.fromkeys(each_mark(marks)) if mark in repeated]
        earlier = Counter(holders[mark] for mark in own if mark in holders)
        for mark in own:
            holders.setdefault(mark, key)
        if not earlier:
            continue
        other = earlier.most_common(1)[0][0]
        shared, n_slices = shared_slices(marks, qualities[other].marks), len(marks) // MARK_DIGITS
        if shared < min(SHARED_SLICES, n_slices):
            continue
        is_same_patient = other[0] == key[0]
        whose = f"this patient's phase {other[1]}" if is_same_patient else f"patient {other[0]}, phase {other[1]}"
        yield Finding(
            *key,
            f"{key[1]}_image",
            "duplicate-phase" if is_same_patient else "duplicate-image",
            "fatal",
            f"{shared} of {n_slices} slices hold the same pixels as {whose}.",
            "Name the right series for this phase."
            if is_same_patient
            else "Find out whose image it is; one person under two ids would leak from training to test.",
        )


def _patients_twice(keys: Sequence[ScanKey], marks: Mapping[ScanKey, PersonMarks]) -> Iterator[Finding]:
    """Report ids that share a study, a frame of reference or a person."""
    kinds = {"study": "StudyInstanceUID", "frame": "FrameOfReferenceUID", "person": "name, birth date and sex"}
    named: set[tuple[str, str]] = set()
    for kind, words in kinds.items():
        patients_of: dict[str, list[str]] = defaultdict(list)
        for patient, mark in dict.fromkeys((key[0], getattr(marks[key], kind)) for key in keys if key in marks):
            if mark:
                patients_of[mark].append(patient)
        for patients in patients_of.values():
            first, *others = patients
            if len(patients) >= PLACEHOLDER_FROM:
                message = f"{len(patients)} patients share one {words}, so it tells nobody apart."
                remedy = "See how the export was de-identified."
                yield Finding(
                    first, "", "", "uid-placeholder", "warning", message, "See how the export was de-identified."
                )
                continue
            for patient in others:
                if (first, patient) not in named:
                    named.add((first, patient))
                    message = f"the DICOM headers give the same {words} as those of patient {first}."
                    remedy = "If they are one person, keep one row; else the two leak from training to test."
                    yield Finding(patient, "", "", "patient-twice", "warning", message, remedy)


def _patients_mixed(keys: Sequence[ScanKey], marks: Mapping[ScanKey, PersonMarks]) -> Iterator[Finding]:
    """Report rows that combine two persons."""
    born_of: dict[str, set[str]] = {key[0]: set() for key in keys}
    for key in keys:
        if key in marks:
            born_of[key[0]].add(marks[key].born)
    for patient, born in born_of.items():
        if len(born - {""}) > 1:
            message = "the DICOM headers of this row's phases give different birth dates or sexes."
            remedy = "See that all phases of the row are of one person."
            yield Finding(patient, "", "", "patient-mixed", "warning", message, remedy)


def _mixed_scans(patient_id: str, own: Mapping[str, ScanQuality]) -> Iterator[Finding]:
    """Report phases of one patient that were reconstructed or annotated in different ways."""
    kernels = {phase: "/".join(quality.kernels) for phase, quality in own.items() if quality.kernels}
    if len(set(kernels.values())) > 1:
        listed = ", ".join(f"{phase} {kernel}" for phase, kernel in kernels.items())
        message = f"the phases were reconstructed with different kernels ({listed})."
        remedy = "Choose series of one kernel, the soft one, if there are such."
        yield Finding(patient_id, "", "", "mixed-kernel", "warning", message, remedy)
    heights_mm = {phase: quality.place_z_mm for phase, quality in own.items() if quality.place_z_mm is not None}
    if heights_mm and max(heights_mm.values()) - min(heights_mm.values()) > APART_MM:
        listed = ", ".join(f"{phase} {height:.0f} mm" for phase, height in heights_mm.items())
        message = f"the annotations of the phases lie at very different heights ({listed})."
        remedy = "See that each was made on its own series: slices are numbered differently in each phase."
        yield Finding(patient_id, "", "", "places-apart", "warning", message, remedy)
    steps_mm = {p: quality.spacing_mm[2] for p, quality in own.items() if quality.is_readable and quality.is_volume}
    if steps_mm and max(steps_mm.values()) >= MIXED_THICKNESS_FROM * min(steps_mm.values()):
        listed = ", ".join(f"{phase} {step:g} mm" for phase, step in steps_mm.items())
        message = f"the slices of the phases lie differently far apart ({listed})."
        remedy = "Choose series of like slice distance, if there are such."
        yield Finding(patient_id, "", "", "mixed-thickness", "warning", message, remedy)


def _counts(cohort: Cohort, study: Study, qualities: Mapping[ScanKey, ScanQuality]) -> Iterator[Count]:
    cases, phases = cohort.cases, cohort.phases
    readable = {key for key, quality in qualities.items() if quality.is_readable}
    yield _count("patients", "", cases)
    for phase in phases:
        yield _count("images", phase, [case for case in cases if phase in case.scans])
        yield _count("readable", phase, [case for case in cases if (case.patient_id, phase) in readable])
    yield _count("every phase", "", [case for case in cases if all((case.patient_id, p) in readable for p in phases)])
    for model in study.models():
        usable = [
            case
            for case in cases
            if any(_is_usable_on(case, phase, model.arm, study, qualities=qualities) for phase in model.phases)
        ]
        yield _count("usable", model.id, usable)


def _is_usable_on(case: Case, phase: str, arm: Arm, study: Study, *, qualities: Mapping[ScanKey, ScanQuality]) -> bool:
    """Whether an arm can use a patient's scan of one phase."""
    quality = qualities.get((case.patient_id, phase))
    if quality is None:
        return False
    lender = find_lender(case.scans, case.scans[phase], study, study.arms_on(phase))
    lent = qualities.get((case.patient_id, lender.phase)) if lender else None
    is_carried = lent is not None and Supervision.MASK in lent.supervision
    return _is_usable(quality, case.scans[phase], arm, is_carried=is_carried)


def _is_usable(quality: ScanQuality, scan: Scan, arm: Arm, *, is_carried: bool) -> bool:
    """Whether the annotation that an arm is given of this scan can be used.

    A mask of another phase counts if the study transfers masks; whether it fits is determined when that is done.
    Exported pictures can be used by arms on slices, with or without a position, unless the arm requires a mask, kidneys
    or neighbouring slices. An arm that is given no place needs kidneys.
    """
    if not quality.is_readable:
        return False
    if not quality.is_volume:
        needs_scan = arm.supervision in {Supervision.NONE, Supervision.MASK} or arm.neighbours > 0
        return arm.slices is not None and not needs_scan
    if arm.supervision is Supervision.NONE:
        return quality.has_kidneys
    sound = {*map(Supervision, quality.supervision), *([Supervision.MASK] if is_carried else [])}
    return arm.supervision.choose(sound | places_given(scan)) in sound


def _count(what: str, name: str, cases: Iterable[Case]) -> Count:
    found = list(cases)
    high = sum(case.is_high for case in found)
    grades = None
    if any(case.grade is not None for case in found):
        grades = tuple(sum(case.grade == grade for case in found) for grade in _GRADES)
    return Count(what, name, len(found), len(found) - high, high, grades)
