"""Grades of the public cohorts, from the tables that their authors publish or from the user's own table."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from nephrograde.cohort.grade import read_grade
from nephrograde.cohort.ids import compared_id
from nephrograde.errors import InputError, Problem
from nephrograde.replacement import replaced
from nephrograde.sources.identity.identity import Identity
from nephrograde.sources.public.cohorts import KITS_REPOSITORY
from nephrograde.sources.public.fetch import read_url
from nephrograde.sources.scan.carried import is_revealing
from nephrograde.sources.scan.grades import read_grades
from nephrograde.sources.scan.joined import cell_notes, column_notes
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.sources.public.cohorts import Hosts, PublicCohort

_GDC_FIELDS = ("submitter_id", "tumor_grade", "primary_diagnosis", "classification_of_tumor")
_GDC_MOST = 5000
_NOT_CLEAR_CELL = re.compile(
    "papillary|chromophobe|oncocyt|urothel|transitional|collecting duct|sarcoma|angiomyolip|medullary|cystic|wilms"
    "|nephroblastoma|translocation|squamous|neuroendocrine"
)


@dataclass(frozen=True, slots=True)
class PublicGrade:
    """A patient's entry in a grade table.

    Attributes:
        grade: "1" to "4"; empty if none is given.
        why_not: Why the patient is excluded: no clear cell carcinoma, or not exactly one grade. None if included.
        clinical: Further cells: ``age_years``, ``sex``, ``size_cm``.
    """

    grade: str
    why_not: Statement | None
    clinical: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PublicGrades:
    """The grades of one cohort.

    Attributes:
        column: The heading of the grades, which states the grading system.
        rows: The entries by patient.
        source: Where the grades come from, for display.
        notes: How your own table was read, and what was not carried over from it.
    """

    column: str
    rows: Mapping[str, PublicGrade]
    source: str
    notes: tuple[str, ...] = ()


def grades_url(cohort: PublicCohort, hosts: Hosts) -> str:
    """Return the address of a cohort's grades.

    Args:
        cohort: One of ``COHORTS``.
        hosts: The hosts.

    **Source:** KiTS: https://github.com/neheller/kits23; TCGA and CPTAC: https://docs.gdc.cancer.gov/API.

    >>> from nephrograde.sources.public.cohorts import COHORTS, Hosts
    >>> grades_url(COHORTS["c4kc-kits"], Hosts())
    'https://raw.githubusercontent.com/neheller/kits23/main/dataset/kits23.json'
    """
    if not cohort.gdc_project:
        return f"{hosts.github}/{KITS_REPOSITORY}/kits23.json"
    wanted = (("project.project_id", cohort.gdc_project), *cohort.gdc_filters)
    content = [{"op": "in", "content": {"field": field, "value": [value]}} for field, value in wanted]
    fields = ",".join(field if field == "submitter_id" else f"diagnoses.{field}" for field in _GDC_FIELDS)
    query = {"filters": json.dumps({"op": "and", "content": content}), "fields": fields, "format": "JSON"}
    return f"{hosts.gdc}/cases?{urlencode(query | {'size': str(_GDC_MOST)})}"


def fetch_grades(cohort: PublicCohort, out_dir: Path, hosts: Hosts) -> PublicGrades:
    """Fetch the grades of a cohort once, and keep the table as it was published.

    Args:
        cohort: One of ``COHORTS``.
        out_dir: The cohort's folder; the table is saved in ``grades/`` and read from there the next time.
        hosts: The hosts.

    Raises:
        InputError: If the server cannot be reached, or its answer is not the table.
    """
    name = f"gdc-{cohort.gdc_project.lower()}.json" if cohort.gdc_project else "kits23.json"
    kept_path = out_dir / "grades" / name
    if not kept_path.exists():
        content = read_url(grades_url(cohort, hosts), hosts)
        _parse_json(content, cohort, name)
        with replaced(kept_path) as temporary_path:
            temporary_path.write_bytes(content)
    return read_public_grades(kept_path, cohort)


def read_public_grades(
    grades_path: Path,
    cohort: PublicCohort,
    encoding: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
) -> PublicGrades:
    """Read the grades of a cohort.

    Args:
        grades_path: ``kits23.json`` as its authors publish it; an answer of the Genomic Data Commons; or your own table
            (CSV or XLSX) with ``patient_id`` and ``isup_grade``, whose patients all count as clear cell. The same
            columns of it are carried over as by a scan.
        cohort: One of ``COHORTS``.
        encoding: The encoding of your own table, if it is a text file; None detects it.
        columns: Headings of your own table by standard name, and further columns to carry over, as for
            :func:`~nephrograde.sources.scan.grades.read_grades`.

    Raises:
        InputError: If the file is none of these.
    """
    if grades_path.suffix.lower() == ".json":
        if columns:
            what = "is a published table, whose columns are known"
            raise InputError([Problem(str(grades_path), what, "Leave out --columns and --keep.")])
        try:
            content = grades_path.read_bytes()
        except OSError as error:
            raise InputError([Problem(str(grades_path), f"cannot be read ({error.strerror})", "Check it.")]) from None
        return _parse_json(content, cohort, str(grades_path))
    table = read_grades(grades_path, encoding=encoding, columns=columns)
    rows = {}
    emptied: dict[str, set[int]] = {}
    for patient_id, (number, cells) in table.rows.items():
        grade = read_grade(cells.get("isup_grade", ""))
        clinical = {heading: cell for heading, cell in cells.items() if heading != "isup_grade"}
        for heading, cell in clinical.items():
            if is_revealing(heading, cell, Identity()):
                clinical[heading] = ""
                emptied.setdefault(heading, set()).add(number)
        why_not = None if grade else Statement.of("no-grade")
        rows[patient_id] = PublicGrade(str(grade or ""), why_not, clinical)
    notes = (*table.notes, *column_notes(table), *cell_notes(table.name, emptied))
    return PublicGrades("isup_grade", rows, grades_path.name, notes)


def find_grade(grades: PublicGrades, patient_id: str) -> PublicGrade:
    """Find a patient's entry; ids are compared without case, blanks and invisible characters.

    >>> find_grade(PublicGrades("isup_grade", {}, ""), "KiTS-00000").why_not.code
    'not-in-grade-table'
    """
    return grades.rows.get(compared_id(patient_id)) or PublicGrade("", Statement.of("not-in-grade-table"), {})


def kits_patient(case: int) -> str:
    """Name a patient of KiTS19, 21 and 23 as C4KC-KiTS does, so that no patient appears twice in a table.

    **Source:** a check of 96 patients who are in both: all ages agree within two years, and the sex of 95 agrees.

    >>> kits_patient(7)
    'KiTS-00007'
    """
    return f"KiTS-{case:05d}"


def _parse_json(content: bytes, cohort: PublicCohort, place: str) -> PublicGrades:
    try:
        found = json.loads(content)
        rows = _read_gdc(found) if cohort.gdc_project else _read_kits(found)
    except (ValueError, KeyError, TypeError, AttributeError):
        rows = {}
    if not rows:
        what = f"is not the grade table of {cohort.title}"
        raise InputError([Problem(place, what, "Fetch it again, or give your own table with --grades.")])
    kits, gdc = "kits23.json, https://github.com/neheller/kits23", f"Genomic Data Commons, {cohort.gdc_project}"
    return PublicGrades(cohort.grade_column, rows, gdc if cohort.gdc_project else kits)


def _read_kits(cases: Sequence[Mapping[str, Any]]) -> dict[str, PublicGrade]:
    rows = {}
    for case in cases:
        number = int(str(case["case_id"]).removeprefix("case_"))
        histology = str(case["tumor_histologic_subtype"] or "unknown")
        grade = read_grade(_text(case["tumor_isup_grade"]))
        clinical = {
            "age_years": _text(case.get("age_at_nephrectomy")),
            "sex": _text(case.get("gender")),
            "size_cm": _text(case.get("radiographic_size")),
        }
        why_not = None if grade else Statement.of("no-grade")
        if histology != "clear_cell_rcc":
            why_not = Statement.of("not-clear-cell", histology=histology)
        rows[compared_id(kits_patient(number))] = PublicGrade(str(grade or ""), why_not, clinical)
    return rows


def _read_gdc(answer: Mapping[str, Any]) -> dict[str, PublicGrade]:
    """Read the cases of a project; those without another histology count as clear cell, as enrolled."""
    hits = answer["data"]["hits"]
    if answer["data"]["pagination"]["total"] > len(hits):
        raise ValueError("the answer is incomplete")
    rows = {}
    for hit in hits:
        own = [
            diagnosis
            for diagnosis in hit.get("diagnoses") or []
            if str(diagnosis.get("classification_of_tumor") or "primary").lower() in {"primary", "not reported"}
        ]
        texts = sorted({str(diagnosis.get("primary_diagnosis") or "") for diagnosis in own})
        other = [text for text in texts if _NOT_CLEAR_CELL.search(text.lower())]
        found = (read_grade(_text(diagnosis.get("tumor_grade"))) for diagnosis in own)
        grades = sorted({str(grade) for grade in found if grade})
        why_not = None if len(grades) == 1 else Statement.of("no-grade")
        if len(grades) > 1:
            why_not = Statement.of("several-grades", grades=", ".join(grades))
        if other:
            why_not = Statement.of("not-clear-cell", histology=other[0])
        rows[compared_id(str(hit["submitter_id"]))] = PublicGrade(grades[0] if len(grades) == 1 else "", why_not, {})
    return rows


def _text(value: object) -> str:
    return "" if value is None else str(value)
