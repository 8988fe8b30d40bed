"""Workbooks as hospitals keep them: several sheets, titles and merged cells; nothing is taken for what it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import problem_in_words, told
from nephrograde.sheet import open_sheet
from nephrograde.spreadsheet.sheets import merged_downwards
from nephrograde.terminal import print_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nephrograde.errors import Problem
    from nephrograde.sheet import Sheet

HEADINGS = ["病案号", "姓名", "分级"]
ROWS = [["P1", "王", "Ⅲ级"], ["P2", "李", "Ⅰ级"], ["P3", "张", "Ⅱ级"]]


def opened(
    folder: Path,
    sheets: dict[str, list[list[Any]]],
    *,
    hide: str = "",
    hide_rows: Sequence[int] = (),
    merge: str = "",
) -> tuple[Sheet, list[Problem]]:
    book = openpyxl.Workbook()
    for empty in book.worksheets:
        book.remove(empty)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        if title == hide:
            sheet.sheet_state = "hidden"
    for number in hide_rows:
        book.worksheets[0].row_dimensions[number].hidden = True
    if merge:
        book.worksheets[0].merge_cells(merge)
    book.save(folder / "队列.xlsx")
    sheet, problems = open_sheet(folder / "队列.xlsx")
    assert sheet is not None
    return sheet, problems


def test_a_first_sheet_of_notes_is_passed_over(tmp_path):
    sheet, problems = opened(tmp_path, {"说明": [["由泌尿外科提供"], ["2024年"]], "数据": [HEADINGS, *ROWS]})
    assert problems == []
    assert (sheet.title, sheet.headings, len(sheet.rows)) == ("数据", ("病案号", "姓名", "分级"), 3)
    assert sheet.notes() == ()


def test_another_table_that_is_not_read_is_named(tmp_path):
    sheet, problems = opened(tmp_path, {"数据": [HEADINGS, *ROWS], "代码": [["代码", "含义"], ["1", "男"]]})
    assert problems == []
    assert sheet.title == "数据"
    with speaking("zh"):
        assert [*map(told, sheet.notes())] == [
            "队列.xlsx读取的是工作表“数据”，不是“代码”。如应读取另一个工作表，请将其移到最前。"
        ]


def test_two_sheets_of_patients_are_refused_rather_than_half_of_them_left_out(tmp_path):
    sheets = {"2023": [["肾癌登记表"], HEADINGS, *ROWS[:2]], "2024": [[*HEADINGS, "备注"], *ROWS[2:]]}
    _, problems = opened(tmp_path, sheets)
    assert [problem.what for problem in problems] == ["has several sheets with the same headings, '2023' and '2024'"]
    assert opened(tmp_path, sheets, hide="2023")[1] == []
    with speaking("zh"):
        assert "有几个表头相同的工作表：“2023”和“2024”" in problem_in_words(problems[0])


def test_a_title_above_the_headings_is_no_heading(tmp_path):
    sheet, problems = opened(tmp_path, {"a": [["2024年肾癌患者登记表"], HEADINGS, *ROWS]}, merge="A1:C1")
    assert problems == []
    assert sheet.headings == ("病案号", "姓名", "分级")
    assert [number for number, _ in sheet.rows] == [3, 4, 5]
    (tmp_path / "a.csv").write_text("登记表,,\n病案号,姓名,分级\nP1,王,3\n", encoding="utf-8")
    plain = open_sheet(tmp_path / "a.csv")[0]
    assert plain is not None
    assert plain.rows == ((3, {"病案号": "P1", "姓名": "王", "分级": "3"}),)


def test_one_heading_above_a_row_of_numbers_is_a_heading(tmp_path):
    (tmp_path / "a.csv").write_text("patient_id\nP1,2,3\n", encoding="utf-8")
    sheet, problems = open_sheet(tmp_path / "a.csv")
    assert sheet is not None
    assert sheet.headings == ("patient_id",)
    assert "has 3 cells under 1 headings" in problems[0].what


@pytest.mark.parametrize(
    ("merge", "place", "what"),
    [
        ("C2:C4", "队列.xlsx cells C2:C4", "holds one value for several rows, in merged cells"),
        ("A1:A2", "队列.xlsx cells A1:A2", "holds a heading in several rows, in merged cells"),
    ],
)
def test_a_grade_that_is_shown_for_three_patients_and_stored_for_one_is_named(tmp_path, merge, place, what):
    _, problems = opened(tmp_path, {"a": [HEADINGS, *ROWS]}, merge=merge)
    assert [(problem.place, problem.what) for problem in problems] == [(place, what)]


def test_rows_that_a_filter_hides_are_read_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("nephrograde.spreadsheet.sheets._CHUNK_BYTES", 7)  # tags are found where chunks meet
    sheet, problems = opened(tmp_path, {"a": [HEADINGS, *ROWS]}, hide_rows=(3, 4, 9))  # row 9 is empty
    assert problems == []
    assert len(sheet.rows) == 3
    assert sheet.notes() == (
        "队列.xlsx was read with its hidden rows (2, the first of them row 3). Delete those that should not take part.",
    )
    with speaking("zh"):
        assert told(sheet.notes()[0]) == "队列.xlsx中隐藏的行也已读取（共2行，首行为第3行）。请删除不应参与的行。"


def test_cells_merged_beside_each_other_or_without_a_value_lose_nothing(tmp_path):
    assert opened(tmp_path, {"a": [HEADINGS, *ROWS, ["注：仅供研究"]]}, merge="A5:C5")[1] == []
    assert opened(tmp_path, {"a": [HEADINGS, *ROWS]}, merge="D2:D4")[1] == []
    beside = [HEADINGS, *([*row, "核对"] for row in ROWS)]
    assert opened(tmp_path, {"a": beside}, merge="D2:D4")[1] == []  # no heading: the column is not read


def test_merged_cells_are_found_where_chunks_meet(tmp_path, monkeypatch):
    monkeypatch.setattr("nephrograde.spreadsheet.sheets._CHUNK_BYTES", 7)
    opened(tmp_path, {"a": [HEADINGS, *ROWS]}, merge="C2:C4")
    book = openpyxl.load_workbook(tmp_path / "队列.xlsx", read_only=True)
    assert [merged.name for merged in merged_downwards(book.worksheets[0])] == ["C2:C4"]


def test_chinese_in_a_cell_is_wrapped_rather_than_cut_off(capsys):
    print_rows(("模型", "AUC"), [("弱监督" + "很长的警告" * 40, "0.5")])
    assert "".join(capsys.readouterr().out.split()).count("告") == 40
