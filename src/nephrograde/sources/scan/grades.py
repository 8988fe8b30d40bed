"""The hospital's own patient table, joined to the scans by the id that both contain."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.sheet import open_sheet
from nephrograde.volume.dicom.moment import read_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

_SYNONYMS = {
    "patient_id": {"patient_id", "patientid", "id", "病案号", "病历号", "住院号", "患者编号", "患者id", "病人id"},
    "isup_grade": {
        "isup_grade",
        "isup",
        "grade",
        "who/isup",
        "who/isup_grade",
        "isup分级",
        "who/isup分级",
        "分级",
        "核分级",
    },
    "surgery_date": {
        "surgery_date",
        "date_of_surgery",
        "operation_date",
        "手术日期",
        "手术时间",
        "data_operacji",
        "op_datum",
    },
}
_IDENTIFYING = re.compile(
    r"name|surname|birth|dob|address|phone|mobile|accession|passport|ssn|mrn|姓名|名字|出生|生日|身份证|电话|手机|地址|住址"
    r"|病案号|病历号|住院号|检查号|影像号|nazwisko|imię|imie|urodzenia|pesel|adres|telefon|geburt|vorname|anschrift"
)


@dataclass(frozen=True, slots=True)
class Grades:
    """What a table says about patients, by the id in their scans.

    Attributes:
        name: The table's file name.
        rows: Row number as shown by a spreadsheet and the cells to carry over, by normalized id.
        columns: The columns to carry over, ``isup_grade`` first.
        surgery: Day of surgery, by normalized id.
        left_out: Headings that would identify a patient or reveal the day of surgery; they are not carried over.
    """

    name: str
    rows: Mapping[str, tuple[int, Mapping[str, str]]]
    columns: tuple[str, ...]
    surgery: Mapping[str, date]
    left_out: tuple[str, ...]

    def find(self, original_id: str) -> str | None:
        """Find the id under which the table lists a patient; None if it does not.

        Args:
            original_id: As in the headers. Leading zeros, which spreadsheets drop, may be missing.
        """
        exact = _compared(original_id)
        if exact in self.rows:
            return exact
        alike = [known for known in self.rows if known.lstrip("0") == exact.lstrip("0") != ""]
        return alike[0] if len(alike) == 1 else None


NO_GRADES = Grades("", {}, ("isup_grade",), {}, ())
"""Used when no table is joined: the column is left empty, to be filled in."""


def read_grades(grades_path: Path) -> Grades:
    """Read a patient table to join to a scan.

    Args:
        grades_path: CSV or XLSX. Columns: ``patient_id`` (the id in the headers of the scans), ``isup_grade``,
            ``surgery_date`` (year first) and any others; the first three may have their usual Chinese headings.

    Returns:
        The rows. Columns that contain ids, names, dates of birth, addresses or the day of surgery are not carried
        over.

    Raises:
        InputError: If it is not a table, has no id column, lists an id twice, or contains a day of surgery that cannot
            be read. The message names rows, not patients.

    >>> import pathlib, tempfile
    >>> grades_path = pathlib.Path(tempfile.mkdtemp()) / "grades.csv"
    >>> lines = ["病案号,姓名,分级,手术日期,age_years", "0012,张三,3,2020年3月5日,61"]
    >>> _ = grades_path.write_text(chr(10).join(lines), encoding="utf-8")
    >>> grades = read_grades(grades_path)
    >>> grades.columns, grades.left_out, grades.rows["0012"][1]["isup_grade"], grades.surgery["0012"].isoformat()
    (('isup_grade', 'age_years'), ('病案号', '姓名', '手术日期'), '3', '2020-03-05')
    >>> grades.find("12"), grades.find("13")
    ('0012', None)
    """
    sheet, problems = open_sheet(grades_path)
    if sheet is None or problems:
        raise InputError(problems)
    name_of = known_names(sheet.headings)
    id_heading = next((heading for heading, name in name_of.items() if name == "patient_id"), None)
    if id_heading is None:
        what = f"has no column with patient ids (the table has {', '.join(sheet.headings[:20])})"
        raise InputError([Problem(sheet.name, what, "Name it patient_id.")])
    holds_ids = {
        heading
        for _, cells in sheet.rows
        for heading in cells
        if cells[heading] and cells[heading] == cells[id_heading]
    }
    day_heading = next((heading for heading, name in name_of.items() if name == "surgery_date"), None)
    left_out = tuple(
        heading
        for heading in sheet.headings
        if heading in holds_ids
        or heading == day_heading
        or _IDENTIFYING.search(heading.casefold())
        or heading.endswith("_image")
    )
    kept = {heading: name for heading, name in name_of.items() if heading not in left_out}
    rows: dict[str, tuple[int, dict[str, str]]] = {}
    surgery: dict[str, date] = {}
    for number, cells in sheet.rows:
        patient = _compared(cells[id_heading])
        place = f"{sheet.name} row {number}"
        if not patient or patient in rows:
            what = f"repeats the id of row {rows[patient][0]}" if patient else "has no id"
            problems.append(Problem(place, what, "Give every patient one row, with the id used in the scans."))
            continue
        rows[patient] = (number, {name: cells[heading] for heading, name in kept.items()})
        if day_heading and cells[day_heading]:
            day = read_day(cells[day_heading])
            if day is None:
                problems.append(Problem(place, f"column {day_heading} is not a date", "Write it as 2020-03-05."))
            else:
                surgery[patient] = day
    if problems:
        raise InputError(problems)
    others = [name for name in kept.values() if name != "isup_grade"]
    return Grades(sheet.name, rows, ("isup_grade", *others), surgery, left_out)


def known_names(headings: Sequence[str]) -> dict[str, str]:
    """Return the standard name for every heading; if two headings mean the same, the second keeps its own.

    Args:
        headings: The headings of a table.

    >>> known_names(["病案号", "核分级", "age_years"])
    {'病案号': 'patient_id', '核分级': 'isup_grade', 'age_years': 'age_years'}
    """
    names: dict[str, str] = {}
    for heading in headings:
        folded = heading.casefold().replace(" ", "_")
        known = next((name for name, synonyms in _SYNONYMS.items() if folded in synonyms), heading)
        names[heading] = heading if known in names.values() else known
    return names


def _compared(patient_id: str) -> str:
    return unicodedata.normalize("NFKC", patient_id).strip().casefold()
