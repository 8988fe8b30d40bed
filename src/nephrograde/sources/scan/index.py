"""A cohort planned from a table of series metadata, before any image is downloaded."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.sheet import is_nothing, open_sheet
from nephrograde.sources.identity.revealing import tags_by_keyword
from nephrograde.sources.scan.choose import choose_series
from nephrograde.sources.scan.grades import NO_GRADES, Grades, read_grades
from nephrograde.sources.scan.paths import ScanPaths, claim_table, only_scan
from nephrograde.sources.scan.pseudonyms import Pseudonyms, gather_identities, name_persons
from nephrograde.sources.scan.tables import write_tables
from nephrograde.sources.scan.tally import Tally
from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.dicom.moment import read_day, read_moment, read_serial_day, restore_zeros
from nephrograde.volume.phase.recognise import recognise_phases

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from nephrograde.sheet import Sheet
    from nephrograde.sources.scan.tally import ScanResult
    from nephrograde.volume.phase.evidence import PhaseAnswer

NEEDED = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription")
"""Columns required for planning; all others may be missing."""

_TIMES = ("AcquisitionTime", "SeriesTime")
_UID = re.compile(r"\w(?:[\w-]|\.(?!\.)){0,63}")


def plan_index(
    index_path: Path,
    out_dir: Path,
    *,
    grades_path: Path | None = None,
    keep_ids: bool = True,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> ScanResult:
    """Plan a cohort from a table of series, such as one taken from the Imaging Data Commons.

    Writes ``cohort.csv``, which refers to images at ``images/<SeriesInstanceUID>``, to be downloaded later, and
    ``series.csv``.

    Args:
        index_path: CSV or XLSX, one row per series, with DICOM keywords as headings: ``PatientID,
            StudyInstanceUID, SeriesInstanceUID, SeriesDescription`` and, where known, ``SeriesNumber,
            StudyDescription, Modality, Manufacturer, instanceCount, StudyDate, ImageType, ConvolutionKernel,
            SliceThickness, BodyPartExamined`` and others.
        out_dir: Where to write the tables; created if missing.
        grades_path: A table to join, as for a folder.
        encoding: The encoding of both tables, if they are text files; None detects it.
        columns: Headings of the joined table by standard name, where they are not the usual ones.
        keep_ids: Keep the ids, as those of a public index identify nobody. Otherwise they become pseudonyms.

    Returns:
        What was planned.

    Raises:
        InputError: If a column is missing, or a series is listed in two rows.
        RunError: If ``cohort.csv`` has another origin, or was edited since.

    Source:
        Imaging Data Commons index for the column names.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "index.csv").write_text(
    ...     "PatientID,StudyInstanceUID,SeriesInstanceUID,SeriesDescription,Modality,instanceCount" + chr(10)
    ...     + "KiTS-00000,1.2,1.2.3,SCOUT,CT,2",
    ...     encoding="utf-8",
    ... )
    >>> dict(plan_index(folder / "index.csv", folder / "plan").reasons)
    {'localiser': 1}
    """
    paths = ScanPaths(out_dir / "cohort.csv")
    headers, notes = read_index(index_path, encoding)
    grades = read_grades(grades_path, encoding=encoding, columns=columns) if grades_path else NO_GRADES
    with only_scan(paths):
        result = _write_plan(paths, headers, grades, keep_ids=keep_ids)
    return replace(result, notes=(*notes, *result.notes))


def _write_plan(paths: ScanPaths, headers: list[SeriesHeader], grades: Grades, *, keep_ids: bool) -> ScanResult:
    claim_table(paths)
    names = Pseudonyms(paths.beside("key.csv"))
    identities = gather_identities(name_persons([headers], names, keep_ids=keep_ids))
    tally = Tally(grades, identities.people, paths)
    for person in name_persons([headers], names, keep_ids=keep_ids):
        known = grades.find(person.original_id)
        day = grades.surgery.get(known) if known else None
        surgery = {person.headers[0].patient_id: day} if day else {}
        choices = choose_series(recognise_series(person.headers), surgery=surgery)
        images = {choice.header.key: f"images/{choice.header.series_uid}" for choice in choices if choice.chosen}
        tally.add(person, choices, images, identities.identity(person.patient_id))
    names.write()
    write_tables(paths, tally.cohort_rows, tally.entries, carried=grades.columns)
    return tally.result(paths)


def recognise_series(headers: Iterable[SeriesHeader]) -> list[tuple[SeriesHeader, PhaseAnswer]]:
    """Determine the phase of every series, study by study.

    Args:
        headers: Series of any number of patients and studies.

    Returns:
        Each series with its phase, grouped by study.

    >>> [answer.phase for _, answer in recognise_series([SeriesHeader(series_uid="1", modality="OT")])]
    ['']
    """

    def study_of(header: SeriesHeader) -> tuple[str, str]:
        return header.patient_id, header.study_uid

    pairs: list[tuple[SeriesHeader, PhaseAnswer]] = []
    for _, members in groupby(sorted(headers, key=study_of), key=study_of):
        study = list(members)
        answers = recognise_phases(study)
        pairs += [(header, answers[header.key]) for header in study]
    return pairs


def read_index(index_path: Path, encoding: str | None = None) -> tuple[list[SeriesHeader], tuple[str, ...]]:
    """Read a table of series.

    Args:
        index_path: As for :func:`plan_index`.
        encoding: As for :func:`plan_index`.

    Returns:
        One header per series, ordered by patient and study; and how the table was read, where that was a choice.

    Raises:
        InputError: If a column of ``NEEDED`` is missing, a row lacks a UID, or a series is listed in two rows.
    """
    sheet = _open_index(index_path, encoding)
    return _headers_of(sheet), sheet.notes()


def _open_index(index_path: Path, encoding: str | None) -> Sheet:
    sheet, problems = open_sheet(index_path, encoding)
    if sheet is None or problems:
        raise InputError(problems)
    known = {heading.casefold() for heading in sheet.headings}
    if missing := [name for name in NEEDED if name.casefold() not in known]:
        places = [f"{index_path.name}, column {name}" for name in missing]
        raise InputError([Problem(place, "is missing", "Export the index with it.") for place in places])
    return sheet


def _headers_of(sheet: Sheet) -> list[SeriesHeader]:
    rows = [cells for _, cells in sheet.rows]
    headers = [header_of_row(row) for row in _with_whole_times(rows)]
    problems: list[Problem] = []
    seen: set[str] = set()
    for number, header in enumerate(headers, start=1):
        is_uid = _UID.fullmatch(header.series_uid) is not None
        if not is_uid or header.series_uid in seen:
            what = "is listed in two rows" if is_uid else "has no SeriesInstanceUID that could name a folder"
            problems.append(Problem(f"{sheet.name}, series {number}", what, "Keep one row per series."))
        seen.add(header.series_uid)
    if problems:
        raise InputError(problems)
    return sorted(headers, key=lambda header: (header.patient_id, header.study_uid))


def _with_whole_times(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Restore the leading zeros that a spreadsheet dropped from times."""
    whole = [dict(row) for row in rows]
    for heading in rows[0]:
        if heading.casefold() in {name.casefold() for name in _TIMES}:
            for row, time in zip(whole, restore_zeros([row[heading] for row in rows]), strict=True):
                row[heading] = time
    return whole


def header_of_row(row: Mapping[str, object]) -> SeriesHeader:
    r"""Make a series header from a row of an index.

    Args:
        row: Values by DICOM keyword, in any case; ``instanceCount`` is the number of images. None, NaN and unreadable
            numbers count as unknown.

    >>> header = header_of_row({"SeriesInstanceUID": "1.2", "SeriesDescription": "动脉期", "instanceCount": "120",
    ...                         "ImageType": "['ORIGINAL', 'PRIMARY', 'AXIAL']", "StudyDate": "2003-06-29"})
    >>> header.description, header.n_images, header.image_type, header.study_date
    ('动脉期', 120, 'ORIGINAL\\PRIMARY\\AXIAL', '20030629')
    """
    cells = {name.casefold(): _text(value) for name, value in row.items()}

    def cell(*names: str) -> str:
        return next((text for name in names if (text := cells.get(name.casefold(), ""))), "")

    number = _number(cell("SeriesNumber"))
    day = read_day(cell("StudyDate")) or read_serial_day(cell("StudyDate"))
    study_date = "" if day is None else day.isoformat().replace("-", "")
    return SeriesHeader(
        series_uid=cell("SeriesInstanceUID"),
        study_uid=cell("StudyInstanceUID"),
        patient_id=cell("PatientID"),
        sex=cell("PatientSex"),
        is_deidentified=cell("PatientIdentityRemoved").upper() == "YES",
        study_date=study_date,
        study_description=cell("StudyDescription"),
        series_number=None if number is None else int(number),
        description=cell("SeriesDescription"),
        protocol=cell("ProtocolName"),
        modality=cell("Modality").upper(),
        manufacturer=cell("Manufacturer"),
        kernel=cell("ConvolutionKernel"),
        image_type=_values(cell("ImageType")),
        sop_class=cell("SOPClassUID"),
        body_part=cell("BodyPartExamined"),
        acquired_at=read_moment(study_date, cell(*_TIMES)),
        bolus_agent=cell("ContrastBolusAgent"),
        n_images=int(_number(cell("instanceCount", "NumberOfSeriesRelatedInstances")) or 0),
        thickness_mm=_number(cell("SliceThickness")),
        revealed=tuple((tag, text) for name, tag in tags_by_keyword().items() if (text := cell(name))),
    )


def _text(value: object) -> str:
    text = str(value).strip()
    return "" if is_nothing(text) else text


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("1e9") else None


def _values(text: str) -> str:
    """ImageType in DICOM notation, from whatever a table made of its list."""
    parts = text.strip("[]()").replace("\\", ",").replace("/", ",").split(",")
    return "\\".join(part.strip(" '\"") for part in parts if part.strip(" '\""))
