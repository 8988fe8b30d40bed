"""Tables as hospitals export them: all encodings, delimiters and quirks give the same rows."""

from __future__ import annotations

import datetime
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nephrograde.cohort.table import read_table
from nephrograde.errors import InputError
from nephrograde.sheet import clean_heading, open_sheet

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    {"病案号": "1001", "分级": "3", "图像": "影像/甲 乙.nii.gz"},
    {"病案号": "1002", "分级": "2", "图像": "b,c.nii.gz"},
]


def as_text(delimiter: str) -> str:
    rows = [list(ROWS[0]), *(list(row.values()) for row in ROWS)]
    return "\r\n".join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) for row in rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_text_in_any_encoding_and_delimiter(tmp_path: Path, encoding: str, delimiter: str) -> None:
    table_path = tmp_path / "队列 表.csv"
    table_path.write_bytes(as_text(delimiter).encode(encoding))
    assert read_table(table_path) == ROWS


@pytest.mark.parametrize("above", ["", "2024 年队列\r\n", "a title\r\n\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_is_that_of_the_headings_below_a_title_and_over_two_lines(
    tmp_path: Path, delimiter: str, above: str
) -> None:
    text = above + as_text(delimiter).replace("病案号", '"病案\n号"', 1)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    assert read_table(tmp_path / "a.csv") == ROWS


def test_separator_hint_of_excel_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=;\r\npatient_id;note, long, and longer\r\nP1;x\r\n", encoding="utf-8")
    assert read_table(tmp_path / "a.csv") == [{"patient_id": "P1", "note, long, and longer": "x"}]


def test_stray_spaces_blank_rows_and_unnamed_columns(tmp_path: Path) -> None:
    text = '\n , ,,\n" patient_id\n ",\u3000size\n(cm),,\nP1\u200b,  3.2\xa0,,a note\n,,,\n\nP2,4,,\n,,,\n'
    (tmp_path / "a.csv").write_text(text.replace("\u3000size\n(cm)", '"\u3000size\n(cm)"'), encoding="utf-8")
    sheet, problems = open_sheet(tmp_path / "a.csv")
    assert problems == []
    assert sheet is not None
    assert sheet.headings == ("patient_id", "size (cm)")
    assert sheet.rows == (
        (4, {"patient_id": "P1", "size (cm)": "3.2"}),
        (7, {"patient_id": "P2", "size (cm)": "4"}),
    )


def test_short_rows_are_filled_up(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tb\tc\n1\n", encoding="utf-8")
    assert read_table(tmp_path / "a.tsv") == [{"a": "1", "b": "", "c": ""}]


def workbook_at(table_path: Path, rows: list[list[object]]) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = "空"
    hidden = workbook.create_sheet("隐藏")
    hidden.append(["wrong"])
    hidden.sheet_state = "hidden"
    data = workbook.create_sheet("数据")
    for row in rows:
        data.append(row)
    data["A4"].number_format = "000000"
    workbook.save(table_path)


def test_workbook_cells_look_as_on_the_screen(tmp_path: Path) -> None:
    table_path = tmp_path / "队列.xlsx"
    workbook_at(
        table_path,
        [
            [" 病案\n号 ", "size_cm", "date", "is_male", "note", None, None],
            [1001.0, 0.1 + 0.2, datetime.datetime(2021, 3, 4), True, "  甲 ", None, None],
            [None, None, None, None, None, None, None],
            [1234, 4.25, datetime.datetime(2021, 3, 4, 5, 6), False, None, None, "beside the table"],
            ["A-7", 1e14, datetime.date(2020, 1, 2), None, "x", None, None],
            [None, "   ", None, None, None, None, None],
        ],
    )
    sheet, problems = open_sheet(table_path)
    assert problems == []
    assert sheet is not None
    keys = ("病案号", "size_cm", "date", "is_male", "note")
    assert sheet.rows == (
        (2, dict(zip(keys, ("1001", "0.3", "2021-03-04", "TRUE", "甲"), strict=True))),
        (4, dict(zip(keys, ("001234", "4.25", "2021-03-04 05:06:00", "FALSE", ""), strict=True))),
        (5, dict(zip(keys, ("A-7", "100000000000000", "2020-01-02", "", "x"), strict=True))),
    )


def test_kind_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "export.xls").write_text("patient_id\tgrade\nP1\t3\n", encoding="utf-8")
    assert read_table(tmp_path / "export.xls") == [{"patient_id": "P1", "grade": "3"}]


def problem_of(table_path: Path) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        read_table(table_path)
    (problem,) = caught.value.problems
    assert table_path.name in problem.place
    return problem.what, problem.remedy


@pytest.mark.parametrize(
    ("name", "content", "what", "remedy"),
    [
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "old .xls", "save it as .xlsx"),
        ("a.xls", b"\n<html><table></table></html>", "web page", "save it as .xlsx"),
        ("a.xlsx", b"PK\x03\x04broken", "not a readable .xlsx", "save it as .xlsx"),
        ("a.csv", b"\xff\x00\x81\x00", "neither a workbook nor text", "CSV UTF-8"),
        ("a.csv", b"\xff\xfeabc", "neither a workbook nor text", "CSV UTF-8"),
        ("a.csv", b"a,b\n1,\x81\x20\xff\n", "neither a workbook nor text", "CSV UTF-8"),
        ("a.csv", b'a,b\n"1,2\n', "misplaced quote near line 2", "CSV UTF-8"),
        ("a.csv", b"", "the table is empty", "row of headings"),
        ("a.csv", b" ,,\n\n", "the table is empty", "row of headings"),
        ("a.csv", b"a,b\n,\n", "headings but no rows", "one row per patient"),
        ("a.csv", b"a,b,a\n1,2,3\n", "'a' is used for 2 columns", "all but one"),
        ("a.csv", b"a,b\n1,10,20,30 mm\n", "has 4 cells under 2 headings", "'20' is left over"),
    ],
)
def test_unreadable_table_is_named(tmp_path: Path, name: str, content: bytes, what: str, remedy: str) -> None:
    (tmp_path / name).write_bytes(content)
    found_what, found_remedy = problem_of(tmp_path / name)
    assert what in found_what
    assert remedy in found_remedy


def test_empty_workbook_is_named(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    assert problem_of(tmp_path / "a.xlsx")[0] == "the table is empty"


def test_missing_file_names_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("a\n1\n", encoding="utf-8")
    assert problem_of(tmp_path / "cohrt.csv") == ("no such file", "Did you mean 'cohort.csv'?")
    assert "paths in a study file start" in problem_of(tmp_path / "xyz.txt")[1]
    assert "There is no folder" in problem_of(tmp_path / "gone" / "cohort.csv")[1]


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    assert problem_of(tmp_path)[0] == "is a folder, not a table"


def test_row_numbers_stay_right_around_several_lines_in_one_cell(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,"two\nlines"\n\n3,x\n', encoding="utf-8")
    sheet, _ = open_sheet(tmp_path / "a.csv")
    assert sheet is not None
    assert [number for number, _ in sheet.rows] == [2, 4]


def test_heading_is_compared_half_width() -> None:
    assert clean_heading("肿瘤 大小（ｃｍ）\ufeff") == "肿瘤大小(cm)"


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(alphabet="a1\"'=,;\t\r\n病\u2028 ", max_size=60).map(str.encode))
@example(b"sep=\r\n\r\na,b")
@example(b'sep="\r\na,b')
@example(b"a" * 140_000 + b",b\n1,2\n")
@example(b"PK\x03\x04")
def test_no_content_breaks_the_reader(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    sheet, problems = open_sheet(tmp_path / "a.csv")
    assert problems or (sheet is not None and sheet.rows)


ENCODED = [
    ("gb18030", "病案号,核分级\n1001,3"),
    ("gb18030", "姓名\n张三"),
    ("gb18030", "编号,备注\n1,左肾透明细胞癌"),
    ("cp950", "病歷號,姓名,分級\n1,王小明,3"),
    ("cp950", "性別,年齡\n男,63"),
    ("cp932", "患者ID,氏名\n1,山田太郎"),
    ("cp932", "患者番号,カナ\n1,ﾔﾏﾀﾞ ﾀﾛｳ"),
    ("cp949", "환자번호,이름\n1,김철수"),
    ("cp1252", "name,größe\nMüller,3"),
    ("cp1252", "prénom,âge\nHélène,63"),
    ("cp1252", "nombre,tamaño\nJosé,3"),
    ("cp1252", "køn,ålder\n1,2"),
    ("cp1252", "tumor size (cm²),age\n±3,4"),
    ("cp1250", "imię,płeć,wiek\nŁukasz,M,3"),
    ("cp1250", "věk,příjmení\n63,Dvořák"),
    ("cp1250", "név,nő\n1,2"),
    ("cp1250", "vârstă,bărbat\n1,2"),
    ("cp1250", "id,name\n1,Kőszegi Ilona"),
    ("cp1250", "id,name\n1,Vasile Crăciun"),
    ("cp1252", "id,nome\n1,João Simões"),
    ("iso8859_2", "imię,płeć,wiek\nśrednica,ślad,3"),
    ("cp1254", "adı,soyadı,yaş\nAyşe,Yılmaz,63"),
    ("cp1251", "пациент,степень\nИванов,3"),
    ("cp1253", "όνομα,ηλικία\nΓιώργος,3"),
    ("cp1253", "name\nΠαπαδόπουλος"),
    ("koi8_u", "пациент,степень\nИванов,Щербаков"),
    ("koi8_u", "name\nИванов"),
    ("cp866", "пациент,степень\nИванов,3"),
    ("iso8859_5", "пациент,степень\nИванов,3"),
    ("mac_cyrillic", "пациент,степень\nИванов,3"),
    ("cp1255", "שם,גיל\nאברהם כהן,63"),
    ("cp1256", "العمر,درجة\nمحمد علي,3"),
    ("cp874", "ชาย,อายุ\nสมชาย,63"),
    ("cp1257", "lytis,amžius\nŠarūnas,63"),
    ("euc_jp", "患者ID,グレード\n山田太郎,3"),
    ("iso2022_jp", "患者ID,氏名\n1,山田太郎"),
    ("mac_roman", "name,größe\nMüller,3"),
]


@pytest.mark.parametrize(("encoding", "text"), ENCODED, ids=[text.split("\n", 1)[0] for _, text in ENCODED])
def test_encoding_is_told_by_the_plausibility_of_the_text_and_said(tmp_path: Path, encoding: str, text: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    sheet, problems = open_sheet(tmp_path / "a.csv")
    assert problems == []
    assert sheet is not None
    assert sheet.headings == tuple(map(clean_heading, text.split("\n", maxsplit=1)[0].split(",")))
    assert ",".join(sheet.rows[0][1].values()) == text.split("\n")[1]
    assert sheet.note.startswith("was read as ")


def test_named_encoding_is_used_and_not_remarked_upon(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("imię\nŁ".encode("cp1250"))
    sheet, _ = open_sheet(tmp_path / "a.csv", "cp1252")
    assert sheet is not None
    assert (sheet.headings, sheet.note) == (("imiê",), "")
    assert "not an encoding" in open_sheet(tmp_path / "a.csv", "latin-99")[1][0].what
    assert "UTF-8" in open_sheet(tmp_path / "a.csv", "utf-8-sig")[1][0].what


@pytest.mark.parametrize(
    "raw",
    [
        "id,name\n1,\x1b$XMüller".encode(),  # shifts to an alphabet that is not there
        "id,name\n1,Mül\x01ler".encode("cp1252"),
        "id,name\n1,Hélène Noël\n2,Jérôme Noël\n3,prénom".encode("cp437"),
    ],
)
def test_a_text_of_no_language_is_refused_with_the_remedy(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(raw)
    sheet, problems = open_sheet(tmp_path / "a.csv")
    assert sheet is None, sheet
    assert "--encoding" in problems[0].remedy


def test_utf8_with_a_null_byte_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("病案号,核分级\n1,\0ISUP 2级\n".encode())
    sheet, problems = open_sheet(tmp_path / "a.csv")
    assert sheet is None
    assert "neither a workbook nor text" in problems[0].what


def test_utf8_needs_no_note_and_damaged_utf8_is_no_other_encoding(tmp_path: Path) -> None:
    text = "病案号,姓名,分级\n1001,张三,3\n1002,李四,2"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    sheet, _ = open_sheet(tmp_path / "a.csv")
    assert sheet is not None
    assert sheet.note == ""
    raw = text.encode()
    (tmp_path / "a.csv").write_bytes(raw[:-6] + b"\xe5\xbc" + raw[-6:])
    sheet, problems = open_sheet(tmp_path / "a.csv")
    assert sheet is None
    assert "damaged character, the first in line 3" in problems[0].what


def test_cells_whose_content_is_not_in_the_workbook_are_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["patient_id", "isup_grade", "size_cm"], [110101199003071234, 3, "=4+0.5"], ["P2", "#REF!", 3.1]):
        sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    _, problems = open_sheet(tmp_path / "t.xlsx")
    assert {problem.place: problem.what.split(" ", 2)[1:] for problem in problems} == {
        "t.xlsx cell A2": ["a", "number of more than 15 digits, of which a spreadsheet keeps 15"],
        "t.xlsx cell C2": ["a", "formula whose result is not in the file"],
        "t.xlsx cell B3": ["the", "error #REF!"],
    }
    assert "1101" not in str(problems)


def write_rows_of_xml(table_path: Path, rows: str) -> None:
    """Write a workbook whose sheet ends in the given rows."""
    book = openpyxl.Workbook(write_only=True)
    book.create_sheet().append(["patient_id", "isup_grade"])
    book.save(table_path)
    with zipfile.ZipFile(table_path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet_name = "xl/worksheets/sheet1.xml"
    members[sheet_name] = members[sheet_name].replace(b"</sheetData>", f"{rows}</sheetData>".encode())
    with zipfile.ZipFile(table_path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.slow
def test_a_stray_cell_far_from_the_table_costs_nothing(tmp_path: Path) -> None:
    rows = '<row r="2"><c r="A2"><v>7</v></c></row><row r="150000"><c r="XFD150000"><v>1</v></c></row>'
    write_rows_of_xml(tmp_path / "t.xlsx", rows)
    tracemalloc.start()
    sheet, _ = open_sheet(tmp_path / "t.xlsx")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sheet is not None
    assert [number for number, _ in sheet.rows] == [2, 150000]
    assert peak < 20_000_000


FAR_BELOW = '<row r="99999999999"><c r="A1"><v>1</v></c></row>'
FAR_RIGHT = "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 401))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [FAR_BELOW, FAR_RIGHT], ids=["below", "right"])
def test_a_sheet_that_spans_more_cells_than_patients_could_fill_is_refused(tmp_path: Path, rows: str) -> None:
    write_rows_of_xml(tmp_path / "t.xlsx", rows)
    sheet, problems = open_sheet(tmp_path / "t.xlsx")
    assert sheet is None
    assert "spans more than" in problems[0].what


def test_a_workbook_that_would_unpack_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b"a")
    raw = bytearray((tmp_path / "t.xlsx").read_bytes())
    place = raw.rindex(b"PK\x01\x02") + 24
    raw[place : place + 4] = (2_000_000_000).to_bytes(4, "little")
    (tmp_path / "t.xlsx").write_bytes(bytes(raw))
    assert "2.0 GB" in open_sheet(tmp_path / "t.xlsx")[1][0].what


@pytest.mark.slow
def test_damage_far_below_the_beginning_is_named(tmp_path: Path) -> None:
    rows = "".join(f"患者{number},3\n" for number in range(170_000))
    (tmp_path / "t.csv").write_bytes(f"patient_id,isup_grade\n{rows}".encode() + b"\xe6\x82,2\n")
    sheet, problems = open_sheet(tmp_path / "t.csv")
    assert sheet is None
    assert "170002" in problems[0].what
