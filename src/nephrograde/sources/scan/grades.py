"""The hospital's own patient table, joined to the scans by the id that both contain."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.cohort.grade import SPELLINGS, read_grade
from nephrograde.cohort.headings import HEADINGS, headings_like, standard_headings
from nephrograde.cohort.ids import compared_id, is_shortened, similar_forms
from nephrograde.errors import InputError, Problem
from nephrograde.sheet import clean_heading, is_blank, open_sheet
from nephrograde.sources.scan.carried import is_identifying, is_known
from nephrograde.volume.dicom.moment import read_day, read_serial_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from nephrograde.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Grades:
    """What a table says about patients, by the id in their scans.

    Attributes:
        name: The table's file name.
        rows: Row number as shown by a spreadsheet and the cells to carry over, by normalized id.
        columns: The columns to carry over, ``isup_grade`` first: those with a known meaning and those asked for.
        surgery: Day of surgery, by normalized id.
        left_out: Headings that would identify a patient or reveal the day of surgery; they are not carried over.
        unknown: Other headings that are not carried over, as their meaning is unknown.
        notes: How the table was read: its encoding, the columns that were used, dates written as numbers, and grades
            that cannot be read.
        forms: Row number by the forms of its id that similar ids share.
        table_dir: The folder of the table, from which its relative paths start; None if there is no table.
    """

    name: str
    rows: Mapping[str, tuple[int, Mapping[str, str]]]
    columns: tuple[str, ...]
    surgery: Mapping[str, date]
    left_out: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    forms: Mapping[str, int] = field(default_factory=dict)
    table_dir: Path | None = None

    def find(self, original_id: str) -> str | None:
        """Find the id under which the table lists a patient; None if it does not.

        Args:
            original_id: As in the headers. Leading zeros, which spreadsheets drop, may be missing.
        """
        exact = compared_id(original_id)
        if exact in self.rows:
            return exact
        alike = [known for known in self.rows if known.lstrip("0") == exact.lstrip("0") != ""]
        return alike[0] if len(alike) == 1 else None

    def row_like(self, original_id: str) -> int | None:
        """Return the number of a row whose id nearly is that of a patient whom the table does not list.

        Args:
            original_id: As in the headers.
        """
        return next((self.forms[form] for form in sorted(similar_forms(original_id)) if form in self.forms), None)


NO_GRADES = Grades("", {}, ("isup_grade",), {}, ())
"""Used when no table is joined: the column is left empty, to be filled in."""


def read_grades(grades_path: Path, *, encoding: str | None = None, columns: Mapping[str, str] | None = None) -> Grades:
    """Read a patient table to join to a scan.

    Args:
        grades_path: CSV or XLSX. Columns: ``patient_id`` (the id in the headers of the scans), ``isup_grade``,
            ``surgery_date`` (year first, or a day number of Excel) and any others; the first three may have their usual
            headings, see ``cohort.headings``.
        encoding: The encoding of a text file; None detects it.
        columns: Headings by the names that their columns get: standard names, where the headings are not the usual
            ones, and further columns to carry over.

    Returns:
        The rows. Only the grade, columns whose heading is known to describe a tumour or a patient, and those in
        ``columns`` are carried over.

    Raises:
        InputError: If it is not a table, has no id column, lists an id twice, contains a day of surgery that cannot
            be read, or if ``columns`` names a column that identifies patients. The message names rows, not patients.

    >>> import pathlib, tempfile
    >>> grades_path = pathlib.Path(tempfile.mkdtemp()) / "grades.csv"
    >>> lines = ["病案号,姓名,分级,手术日期,age_years", "0012,张三,3,2020年3月5日,61"]
    >>> _ = grades_path.write_text(chr(10).join(lines), encoding="utf-8")
    >>> grades = read_grades(grades_path)
    >>> grades.columns, grades.left_out, grades.rows["0012"][1]["isup_grade"], grades.surgery["0012"].isoformat()
    (('isup_grade', 'age_years'), ('病案号', '姓名', '手术日期'), '3', '2020-03-05')
    >>> grades.find("12"), grades.find("13"), grades.notes
    ('0012', None, ('grades.csv: 病案号 as id, 分级 as grade, 手术日期 as day of surgery.',))
    """
    sheet, problems = open_sheet(grades_path, encoding)
    if sheet is None or problems:
        raise InputError(problems)
    heading_of = _standard_headings(sheet, columns or {})
    name_of = {heading: name for name, heading in heading_of.items()}
    day_heading = heading_of.get("surgery_date")
    _refuse_identifying(sheet, heading_of)
    wanted = set(heading_of.values())
    left_out = tuple(heading for heading in sheet.headings if _is_left_out(heading, sheet, heading_of))
    unknown = tuple(
        heading for heading in sheet.headings if heading not in {*left_out, *wanted} and not is_known(heading)
    )
    kept = {one: name_of.get(one, one) for one in sheet.headings if one not in left_out and one not in unknown}
    patients = _read_patients(sheet, kept, id_heading=heading_of["patient_id"], day_heading=day_heading)
    others = [name for name in kept.values() if name != "isup_grade"]
    cell_notes = _cell_notes(sheet.name, patients.rows, day_heading, patients.serial_rows)
    return Grades(
        name=sheet.name,
        rows=patients.rows,
        columns=("isup_grade", *others),
        surgery=patients.surgery,
        left_out=left_out,
        unknown=unknown,
        notes=(*_column_notes(sheet, heading_of), *cell_notes),
        forms=patients.forms,
        table_dir=grades_path.parent,
    )


def parse_columns(texts: Sequence[str], keep: Sequence[str] = ()) -> dict[str, str]:
    """Read headings as given on the command line.

    Args:
        texts: Each ``NAME=HEADING``; several may be separated by commas.
        keep: Headings of columns that are carried over under the same name.

    Raises:
        InputError: If a text has another form, or names a column twice, or a column to keep identifies patients.

    >>> parse_columns(["patient_id=病案号,isup_grade=核分级"], ["prior therapy"])
    {'patient_id': '病案号', 'isup_grade': '核分级', 'prior therapy': 'prior therapy'}
    """
    heading_of: dict[str, str] = {}
    for text in texts:
        for part in re.split(r",(?=[^,=]+=)", text):
            name, sign, heading = (one.strip() for one in part.partition("="))
            if not (name and sign and heading) or name in heading_of:
                what = "names a column twice" if name in heading_of else "is not NAME=HEADING"
                remedy = (
                    "Write it like --columns isup_grade=核分级; NAME is patient_id, isup_grade, "
                    "surgery_date or any other."
                )
                raise InputError([Problem(f"--columns {text}", what, remedy)])
            heading_of[name] = heading
    for heading in map(clean_heading, keep):
        if not is_known(heading) and is_identifying(heading):
            what = f"the column {heading} may identify patients, and is not carried over"
            remedy = "Leave it out, or rename it if it identifies nobody."
            raise InputError([Problem(f"--keep {heading}", what, remedy)])
        if heading not in heading_of.values():
            heading_of.setdefault(heading, heading)
    return heading_of


def _standard_headings(sheet: Sheet, columns: Mapping[str, str]) -> dict[str, str]:
    """Find the heading of each standard column: as named by the user, as it is called here, or under a usual name."""
    heading_of = {}
    problems = []
    for name, heading in columns.items():
        if clean_heading(heading) in sheet.headings:
            heading_of[name] = clean_heading(heading)
        else:
            what = f"{sheet.name} has no column '{heading}' (it has {', '.join(sheet.headings[:20])})"
            problems.append(Problem(_option(name, heading), what, "Correct the heading."))
    further = {name: heading for name, heading in heading_of.items() if name == heading and name not in HEADINGS}
    heading_of = standard_headings(
        sheet.headings, {name: heading for name, heading in heading_of.items() if name not in further}
    )
    heading_of |= {name: heading for name, heading in further.items() if heading not in heading_of.values()}
    if not problems and "patient_id" not in heading_of:
        what = f"has no column with patient ids (the table has {', '.join(sheet.headings[:20])})"
        problems.append(
            Problem(sheet.name, what, "Name it patient_id, or say which it is: --columns patient_id=HEADING.")
        )
    if problems:
        raise InputError(problems)
    return heading_of


def _refuse_identifying(sheet: Sheet, heading_of: Mapping[str, str]) -> None:
    """Refuse further columns that the user named and that identify patients."""
    remedy = "Leave it out, or rename it if it identifies nobody."
    problems = [
        Problem(_option(name, heading), f"the column {heading} may identify patients, and is not carried over", remedy)
        for name, heading in heading_of.items()
        if name not in HEADINGS and _is_left_out(heading, sheet, heading_of)
    ]
    if problems:
        raise InputError(problems)


def _option(name: str, heading: str) -> str:
    """How the user named a column on the command line."""
    return f"--keep {heading}" if name == heading else f"--columns {name}={heading}"


def _is_left_out(heading: str, sheet: Sheet, heading_of: Mapping[str, str]) -> bool:
    """Whether a column may identify a patient; the grade never does."""
    if heading == heading_of.get("isup_grade"):
        return False
    if heading in {heading_of["patient_id"], heading_of.get("surgery_date")}:
        return True
    if not is_known(heading) and is_identifying(heading):
        return True
    ids = [(cells[heading], cells[heading_of["patient_id"]]) for _, cells in sheet.rows if cells[heading]]
    same = [cell for cell, patient in ids if cell == patient]
    # A size of 3 beside the patient 3 is a coincidence, unless it happens in most rows.
    is_id = any(len(cell) > 3 or not cell.isdecimal() for cell in same) and not is_known(heading)
    return is_id or len(same) > len(ids) / 2


@dataclass(frozen=True, slots=True)
class _Patients:
    """The rows of a table; rows, surgery and forms are those of :class:`Grades`.

    Attributes:
        serial_rows: Numbers of the rows whose day of surgery is a day number of Excel.
    """

    rows: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    surgery: dict[str, date] = field(default_factory=dict)
    forms: dict[str, int] = field(default_factory=dict)
    serial_rows: list[int] = field(default_factory=list)


def _read_patients(sheet: Sheet, kept: Mapping[str, str], *, id_heading: str, day_heading: str | None) -> _Patients:
    """Read the rows, with the columns to carry over under their names; refuse ids and days that cannot be used."""
    found = _Patients()
    problems = []
    for number, cells in sheet.rows:
        patient = compared_id(cells[id_heading])
        place = f"{sheet.name} row {number}"
        if fault := _id_fault(patient, found.rows, found.forms):
            problems.append(Problem(place, *fault))
            continue
        found.forms.update(dict.fromkeys(similar_forms(patient), number))
        found.rows[patient] = (number, {name: cells[heading] for heading, name in kept.items()})
        if day_heading and not is_blank(cells[day_heading]):
            day = read_day(cells[day_heading])
            if day is None and (day := read_serial_day(cells[day_heading], sheet.day_zero)):
                found.serial_rows.append(number)
            if day is None:
                problems.append(_day_problem(place, day_heading, cells[day_heading]))
            else:
                found.surgery[patient] = day
    if problems:
        raise InputError(problems)
    return found


def _id_fault(patient: str, rows: Mapping[str, tuple[int, object]], forms: Mapping[str, int]) -> tuple[str, str] | None:
    remedy = "Give every patient one row, with the id used in the scans."
    if not patient:
        return "has no id", remedy
    if patient in rows:
        return f"repeats the id of row {rows[patient][0]}, perhaps in other letters", remedy
    if is_shortened(patient):
        return (
            "has an id that Excel has shortened, and digits are lost",
            "Format the column as text, and enter it again.",
        )
    if numbers := [forms[form] for form in sorted(similar_forms(patient)) if form in forms]:
        return f"has an id that differs from that of row {numbers[0]} in zeros or letters that look alike", remedy
    return None


def _day_problem(place: str, heading: str, cell: str) -> Problem:
    is_short = re.fullmatch(r"\d{6}", unicodedata.normalize("NFKC", cell).strip()) is not None
    why = ": six digits may be year, month and day in any order" if is_short else ""
    remedy = "Write the year first and with four digits, such as 2020-03-05."
    return Problem(place, f"column {heading} is not a date{why}", remedy)


def _column_notes(sheet: Sheet, heading_of: Mapping[str, str]) -> list[str]:
    notes = [*sheet.notes("Another can be named with --encoding.")]
    words = {"patient_id": "id", "isup_grade": "grade", "surgery_date": "day of surgery"}
    used = ", ".join(f"{heading_of[name]} as {word}" for name, word in words.items() if name in heading_of)
    notes.append(f"{sheet.name}: {used}.")
    for name, word in words.items():
        others = [one for one in headings_like(name, sheet.headings) if one not in heading_of.values()]
        if others and name in heading_of:
            notes.append(f"{', '.join(others)} could be the {word} as well; choose with --columns {name}=HEADING.")
    if "isup_grade" not in heading_of:
        notes.append(
            f"No column of {sheet.name} was recognised as the grade, so isup_grade is empty. Name it with --columns "
            f"isup_grade=HEADING; the table has {', '.join(sheet.headings[:20])}."
        )
    return notes


def _cell_notes(
    name: str, rows: Mapping[str, tuple[int, Mapping[str, str]]], day_heading: str | None, serial_rows: Sequence[int]
) -> list[str]:
    notes = []
    if serial_rows:
        notes.append(
            f"{name}: {len(serial_rows)} cells of {day_heading}, the first in row {serial_rows[0]}, are numbers of "
            "days, as Excel writes dates in cells that are not formatted as dates; they were read as dates."
        )
    unread = [
        number
        for number, cells in rows.values()
        if not is_blank(grade := cells.get("isup_grade", "")) and grade != "0" and read_grade(grade) is None
    ]
    if unread:
        notes.append(
            f"{name}: the grade of {len(unread)} rows is not one WHO/ISUP grade: row "
            f"{', '.join(map(str, unread[:10]))}{' …' if len(unread) > 10 else ''}. Accepted are {SPELLINGS}."
        )
    return notes
