"""Cells that a spreadsheet would run are written as text, and read back as they were."""

import csv

import pytest

from nephrograde.files import read_rows, write_rows
from nephrograde.sheet import open_sheet
from nephrograde.spreadsheet.cells import as_read, as_written

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "=cmd|' /C calc'!A0",
    "－1",
    "＝1",
    "-12,4;3 mm",
    "-",
    "+",
]
PLAIN = ["", "P001", "-0.5", "+3", "-1e-7", "-.5", "a=b", "'", "it's", "1-2", "−3", -0.5, 3, None]
QUOTED = ["'=1", "''@a", "'-3"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_begins_with_an_apostrophe(text):
    assert as_written(text) == f"'{text}"


@pytest.mark.parametrize("cell", PLAIN)
def test_numbers_and_other_texts_stay(cell):
    assert as_written(cell) is cell


@pytest.mark.parametrize("text", [*FORMULAS, *QUOTED, *(cell for cell in PLAIN if isinstance(cell, str))])
def test_every_text_is_read_back_unchanged(text: str):
    assert as_read(str(as_written(text))) == text


def test_tables_are_safe_and_read_back_cell_by_cell(tmp_path):
    path = tmp_path / "table.csv"
    texts = [*FORMULAS, *QUOTED, "-0.5"]
    write_rows(path, ("=name", "value"), ({"=name": text, "value": -0.5} for text in texts))
    with path.open(encoding="utf-8", newline="") as stream:
        heading, *rows = csv.reader(stream)
    assert heading == ["'=name", "value"]
    for name, value in rows:
        assert name[0] not in "=+@\t\r"
        assert name[0] != "-" or float(name)
        assert value == "-0.5"
    assert [row["=name"] for row in read_rows(path)] == texts


def test_a_table_of_a_person_is_read_without_the_apostrophe(tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_text("patient_id,remark,'=x\nP1,'=1+1,-3\n", encoding="utf-8")
    sheet, problems = open_sheet(path)
    assert sheet is not None
    assert problems == []
    assert sheet.rows == ((2, {"patient_id": "P1", "remark": "=1+1", "=x": "-3"}),)
