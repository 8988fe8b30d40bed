"""How ``scan`` reads the tables that are joined to it: named columns, encodings, and what it says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.cli import main
from nephrograde.errors import InputError
from nephrograde.files import read_rows
from nephrograde.sources.scan.grades import parse_columns
from nephrograde.sources.scan.index import plan_index

if TYPE_CHECKING:
    from pathlib import Path

INDEX = (
    "PatientID,StudyInstanceUID,SeriesInstanceUID,SeriesDescription,Modality,instanceCount,StudyDate\n"
    "P0002,1.2,1.2.1,arterial,CT,90,43890\np0002,1.3,1.3.1,arterial,CT,90,2020-02-01\n"
)


def index_at(folder: Path) -> Path:
    (folder / "index.csv").write_text(INDEX, encoding="utf-8")
    return folder / "index.csv"


def test_columns_and_encoding_are_named_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "grades.csv").write_bytes("numer,złośliwość\nP0002,ISUP 3\n".encode("cp1250"))
    options = ["--columns", "patient_id=numer,isup_grade=złośliwość", "--encoding", "cp1250"]
    table = str(tmp_path / "grades.csv")
    main_ok(["scan", "--index", str(index_at(tmp_path)), "--out", str(tmp_path / "plan"), "--table", table, *options])
    assert {row["isup_grade"] for row in read_rows(tmp_path / "plan" / "cohort.csv")} == {"ISUP 3"}
    assert "numer as id, złośliwość as grade" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [["--corrections", "c.csv"], ["--keep-ids"], ["--organs", "masks"], ["--workers", "2"], ["--look", "all"]],
    ids=lambda options: options[0],
)
def test_options_that_need_the_images_are_refused_with_an_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scan", "--index", str(index_at(tmp_path)), "--out", str(tmp_path / "plan"), *options])
    assert ended.value.code == 2
    assert f"{options[0]}: has no effect with --index" in capsys.readouterr().err
    assert not (tmp_path / "plan").exists()


def main_ok(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code


def test_a_detected_encoding_and_a_row_joined_twice_are_said(tmp_path: Path) -> None:
    (tmp_path / "grades.csv").write_bytes("病歷號,分級\nP0002,三級\n".encode("big5"))
    result = plan_index(index_at(tmp_path), tmp_path / "plan", grades_path=tmp_path / "grades.csv")
    assert any("was read as Big5" in note for note in result.notes)
    assert any(note.startswith("Row 2 of grades.csv was joined to 2 patients") for note in result.notes)


@pytest.mark.parametrize("text", ["isup_grade", "=x", "a=", "a=b,a=c"])
def test_columns_that_name_no_heading_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_columns([text])
