"""The rows of a cohort table: ids and outcomes, and a collection of the mistakes found in them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.cohort.grade import SPELLINGS, is_of_other_system, read_grade
from nephrograde.cohort.ids import is_shortened, similar_forms
from nephrograde.errors import Problem
from nephrograde.sheet import is_blank, is_nothing

if TYPE_CHECKING:
    from nephrograde.cohort.columns import Columns

_LISTED = 10  # rows listed individually per kind of mistake
_WHOLE = re.compile(r"(\d{1,3})(?:[.,]0*)?")
_GRADE_REMEDY = f"Write one WHO/ISUP grade from 1 to 4, such as {SPELLINGS}; or 0 and 1 in the whole column."
_OTHER_REMEDY = (
    "Have these tumours graded by WHO/ISUP, or remove the rows; the grades of Fuhrman and of WHO 2004 differ."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number as shown in Excel, and its cells by standard name.

    >>> row = Row(2, {"patient_id": "P1", "cmp_mask": "N/A"})
    >>> row.label, row.cell("cmp_mask"), row.cell("cmp_box")
    ('P1', '', '')
    """

    number: int
    cells: dict[str, str]

    @property
    def label(self) -> str:
        """The patient's id, or else the row number."""
        return self.cells.get("patient_id") or f"of row {self.number}"

    def cell(self, column: str) -> str:
        """Return the text of a cell; empty if the column is missing or the cell marks a missing value."""
        text = self.cells.get(column, "")
        return "" if is_nothing(text) else text

    def answer(self, column: str) -> str:
        """Return the text of a clinical cell, where "none" and 无 are answers; empty if nothing was entered."""
        text = self.cells.get(column, "")
        return "" if is_blank(text) else text


@dataclass(slots=True)
class Faults:
    """The mistakes in the rows; a mistake that occurs in many rows is listed ten times and then counted.

    >>> from nephrograde.cohort.columns import Columns
    >>> faults = Faults(Columns("cohort.csv", {"sex": "性别"}, None, None, (), ()))
    >>> faults.add(Row(7, {"patient_id": "P1"}), "sex", what=": what it is", remedy="What to do.")
    >>> print(*faults.problems())
    cohort.csv row 7, column 性别: patient P1: what it is. What to do.
    """

    columns: Columns
    found: dict[tuple[str, str], list[Problem]] = field(default_factory=dict)

    def add(self, row: Row, column: str, *, what: str, remedy: str) -> None:
        """Record a mistake; mistakes with the same column and remedy count as the same."""
        place = f"{self.columns.table_name} row {row.number}, column {self.columns.heading(column)}"
        self.found.setdefault((column, remedy), []).append(Problem(place, f"patient {row.label}{what}", remedy))

    def problems(self) -> list[Problem]:
        """Return all mistakes, grouped by kind."""
        listed = []
        for (column, remedy), same in self.found.items():
            listed += same[:_LISTED]
            if len(same) > _LISTED:
                place = f"{self.columns.table_name}, column {self.columns.heading(column)}"
                what = f"the same in {len(same) - _LISTED} more rows, {len(same)} in total"
                listed.append(Problem(place, what, remedy))
        return listed


def check_ids(rows: list[Row], faults: Faults) -> None:
    """Record patients without an id, with a shortened id, or in two rows, be they spelt alike or not.

    Args:
        rows: The table; without a column patient_id there is nothing to check.
        faults: Collects the mistakes.

    >>> from nephrograde.cohort.columns import Columns
    >>> faults = Faults(Columns("cohort.csv", {}, None, None, (), ()))
    >>> check_ids([Row(2, {"patient_id": "P1"}), Row(3, {"patient_id": "P1"})], faults)
    >>> faults.problems()[0].what
    'patient P1 is already in row 2'
    """
    first_row: dict[str, int] = {}
    spelt: dict[str, str] = {}
    for row in rows:
        patient = row.cells.get("patient_id")
        if patient is None:
            return
        forms = similar_forms(patient)
        others = [spelt[form] for form in sorted(forms) if form in spelt]
        if not patient:
            faults.add(row, "patient_id", what=" has no patient_id", remedy="Give every patient an id.")
        elif is_shortened(patient):
            what = ": Excel has shortened this number, and digits are lost"
            faults.add(row, "patient_id", what=what, remedy="Format the column as text, and enter the ids again.")
        elif patient in first_row:
            what = f" is already in row {first_row[patient]}"
            faults.add(row, "patient_id", what=what, remedy="Keep one row per patient.")
        elif others:
            what = f" differs from patient {others[0]} of row {first_row[others[0]]} only in how the id is written"
            faults.add(row, "patient_id", what=what, remedy="Write each id in one way, or give two patients two ids.")
        first_row.setdefault(patient, row.number)
        for form in forms:
            spelt.setdefault(form, patient)


def read_outcomes(rows: list[Row], outcome: str | None, faults: Faults) -> dict[str, tuple[bool, int | None]]:
    """Read the true class of every patient: a WHO/ISUP grade, of which 3 and 4 are high, or 0 and 1.

    See :func:`~nephrograde.cohort.grade.read_grade` for the accepted spellings of a grade. A column with 0 and without
    2, 3 and 4 is read as 0/1.

    Args:
        rows: The table.
        outcome: The column's name, None if the table has no such column.
        faults: Collects the mistakes.

    Returns:
        (is_high, grade) by patient, for those that can be read; the grade is None for 0/1.

    Source:
        The paper defines high as grade 3–4.

    >>> from nephrograde.cohort.columns import Columns
    >>> columns = Columns("cohort.csv", {}, "isup_grade", None, (), ())
    >>> read_outcomes([Row(2, {"patient_id": "P1", "isup_grade": "Ⅲ级"})], "isup_grade", Faults(columns))
    {'P1': (True, 3)}
    """
    if outcome is None:
        return {}
    values = {row.number: _as_number(row.cell(outcome)) for row in rows}
    is_binary = 0 in values.values() and not {2, 3, 4} & set(values.values())
    truths: dict[str, tuple[bool, int | None]] = {}
    for row in rows:
        text, value = row.cell(outcome), values[row.number]
        if not text:
            faults.add(row, outcome, what=": the outcome is empty", remedy="Fill it in or remove the row.")
        elif value is None and is_of_other_system(text):
            faults.add(row, outcome, what=f": '{text}' is a grade of another system", remedy=_OTHER_REMEDY)
        elif value is None:
            faults.add(row, outcome, what=f": '{text}' is not a grade", remedy=_GRADE_REMEDY)
        elif is_binary and value in {0, 1}:
            truths[row.label] = (value == 1, None)
        elif is_binary:
            faults.add(row, outcome, what=f": {value} is neither 0 nor 1", remedy=_GRADE_REMEDY)
        elif 1 <= value <= 4:
            truths[row.label] = (value >= 3, value)
        else:
            faults.add(row, outcome, what=f": grade {value} is not a WHO/ISUP grade", remedy=_GRADE_REMEDY)
    return truths


def _as_number(text: str) -> int | None:
    """Read a grade, or else a whole number, such as the 0 of a 0/1 column."""
    match = _WHOLE.fullmatch(unicodedata.normalize("NFKC", text).strip())
    return read_grade(text) or (int(match[1]) if match else None)
