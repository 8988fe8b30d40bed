"""The tables that a scan writes, the file lists, and the hospital's table that is joined."""

from __future__ import annotations

import stat
import sys
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import InputError, RunError, VolumeError
from nephrograde.files import read_json, read_rows, sha256_of, write_json
from nephrograde.sources.scan.choose import Choice
from nephrograde.sources.scan.grades import read_grades
from nephrograde.sources.scan.lists import list_key, write_list
from nephrograde.sources.scan.paths import ScanPaths, claim_table
from nephrograde.sources.scan.tables import cohort_row, series_entry, write_skipped, write_tables
from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.dicom.series_list import SeriesList
from nephrograde.volume.phase.evidence import Evidence, PhaseAnswer
from nephrograde.volume.series_table import FORMAT, SERIES_COLUMNS, cells_of
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from pathlib import Path

SEEN = Evidence(
    Statement.of("words.found", words="动脉期", place="series description"),
    {"up": 0.1, "cmp": 1.0, "np": 0.1, "ep": 0.1},
)
ARTERIAL = Choice(
    SeriesHeader(
        series_uid="1.2", study_uid="1", description="动脉期 1mm", n_images=150, step_mm=1.25, thickness_mm=2.5
    ),
    PhaseAnswer("cmp", 0.9512, (SEEN,)),
    chosen=True,
    reason=Statement.of("only-series"),
)
SCOUT = Choice(
    SeriesHeader(series_uid="1.3", part="2"), PhaseAnswer("", 0.25, ()), chosen=False, reason=Statement.of("localiser")
)


def test_series_table_holds_every_series() -> None:
    cells = cells_of(series_entry("P0001", ARTERIAL))
    assert tuple(cells) == SERIES_COLUMNS
    assert cells == {
        "patient_id": "P0001",
        "study_uid": "1",
        "series_uid": "1.2",
        "part": "",
        "description": "动脉期 1mm",
        "slices": "150",
        "step_mm": "1.25",
        "thickness_mm": "2.5",
        "phase": "cmp",
        "probability": "0.951",
        "evidence": "words.found:words=动脉期;place=series description",
        "chosen": "yes",
        "reason": "only-series",
        "format": str(FORMAT),
    }
    assert (series_entry("P0001", SCOUT).description, series_entry("P0001", SCOUT).part) == ("[part 2]", "2")
    assert not series_entry("P0001", SCOUT).is_chosen


def test_cohort_table_holds_the_chosen(tmp_path: Path) -> None:
    row = cohort_row("P0001", [ARTERIAL, SCOUT], images={"1.2": "x/a.series"}, carried={"isup_grade": "3", "age": "61"})
    assert row is not None
    assert cohort_row("P0002", [SCOUT], images={}, carried={}) is None
    paths = ScanPaths(tmp_path / "cohort.csv")
    write_tables(paths, [row], [series_entry("P0001", ARTERIAL)], carried=("isup_grade", "age"))
    text = paths.table_path.read_text(encoding="utf-8")
    assert text == ("patient_id,isup_grade,age,up_image,cmp_image,np_image,ep_image\nP0001,3,61,,x/a.series,,\n")
    assert read_rows(tmp_path / "series.csv")[0]["description"] == "动脉期 1mm"


def test_edited_or_foreign_tables_are_not_overwritten(tmp_path: Path) -> None:
    paths = ScanPaths(tmp_path / "cohort.csv")
    claim_table(paths)
    write_tables(paths, [], [])
    claim_table(paths)
    paths.table_path.write_text("patient_id\nmine\n", encoding="utf-8")
    with pytest.raises(RunError, match="edited"):
        claim_table(paths)
    foreign = ScanPaths(tmp_path / "other.csv")
    foreign.table_path.write_text("x", encoding="utf-8")
    with pytest.raises(RunError, match="elsewhere"):
        claim_table(foreign)


def test_tables_of_an_older_format_are_renewed_and_those_of_a_newer_one_kept(tmp_path: Path) -> None:
    paths = ScanPaths(tmp_path / "cohort.csv")
    paths.table_path.write_text("patient_id\nP0001\n", encoding="utf-8")
    paths.series_path.write_text("patient_id,reason\nP0001,phase unknown\n", encoding="utf-8")
    tables = (paths.table_path, paths.series_path)
    state_path = tmp_path / "cohort.scan.json"
    write_json(state_path, {path.name: sha256_of(path) for path in tables})
    claim_table(paths)
    write_tables(paths, [], [series_entry("P0001", SCOUT)])
    assert read_json(state_path)["format"] == FORMAT
    write_json(state_path, read_json(state_path) | {"format": FORMAT + 1})
    with pytest.raises(RunError, match="pip install --upgrade"):
        claim_table(paths)


def test_lists_move_with_the_images_below_the_table(tmp_path: Path) -> None:
    (tmp_path / "导出").mkdir()
    (tmp_path / "导出" / "IM 1").write_bytes(b"slice")
    list_path = tmp_path / "cohort.series" / "P0001-cmp.series"
    write_list(list_path, [f"{tmp_path.as_posix()}/导出/IM 1"])
    moved_dir = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved_dir)
    with SeriesList(moved_dir / "cohort.series" / "P0001-cmp.series") as listed, listed.open(0) as stream:
        assert stream.read() == b"slice"
    moved_dir.rename(tmp_path)


def test_name_that_is_no_text_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(VolumeError) as caught:
        write_list(tmp_path / "s" / "a.series", ["/data/\udcff\udcfe"])
    assert caught.value.code == "path-encoding"
    assert len(list_key(["/data/\udcff\udcfe"])) == 64


def test_key_of_a_list_follows_its_files(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"1")
    lines = [f"{path}//b", f"{path}//c"]
    before = list_key(lines)
    assert before == list_key(lines) != list_key(lines[:1])
    path.write_bytes(b"22")
    assert list_key(lines) != before


def grades_of(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "grades.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_hospital_table_is_joined_by_the_id_of_the_scans(tmp_path: Path) -> None:
    text = "住院号,姓名,ISUP分级,手术日期,size_cm,影像号\n0012,张三,3,2020/3/5,4.1,77\n0013,李四,1,,2.2,78\n"
    grades = read_grades(grades_of(tmp_path, text, "gb18030"))
    assert grades.columns == ("isup_grade", "size_cm")
    assert grades.left_out == ("住院号", "姓名", "手术日期", "影像号")
    assert grades.rows["0012"] == (2, {"isup_grade": "3", "size_cm": "4.1"})
    assert grades.surgery == {"0012": date(2020, 3, 5)}
    assert [grades.find(text) for text in ("0012", " 0012", "12", "００１３", "14", "")] == [
        "0012",
        "0012",
        "0012",
        "0013",
        None,
        None,
    ]


def test_a_grade_that_equals_the_id_of_its_row_is_kept(tmp_path: Path) -> None:
    grades = read_grades(grades_of(tmp_path, "id,grade,size_cm\n1,3,4\n2,2,2\n3,3,5\n"))
    assert grades.columns == ("isup_grade", "size_cm")
    assert [cells["isup_grade"] for _, cells in grades.rows.values()] == ["3", "2", "3"]


@pytest.mark.parametrize("heading", ["WHO/ISUP核分级", "ISUP grade", "核级", "Nuclear Grade", "ISUP (name of reader)"])
def test_grades_are_found_under_the_headings_of_hospitals_and_said(tmp_path: Path, heading: str) -> None:
    grades = read_grades(grades_of(tmp_path, f"病案号,{heading}\nA7,3\n"))
    assert grades.rows["a7"][1] == {"isup_grade": "3"}
    assert grades.notes == (f"grades.csv: 病案号 as id, {heading} as grade.",)


def test_a_table_without_a_known_grade_column_is_said(tmp_path: Path) -> None:
    text = "patient_id,Fuhrman分级\nA7,3\n"
    assert any("recognised as the grade" in note for note in read_grades(grades_of(tmp_path, text)).notes)
    grades = read_grades(grades_of(tmp_path, text), columns={"isup_grade": "Fuhrman分级"})
    assert grades.rows["a7"][1] == {"isup_grade": "3"}
    with pytest.raises(InputError, match="no column 'Grad'"):
        read_grades(grades_of(tmp_path, text), columns={"isup_grade": "Grad"})


def test_a_second_column_that_could_be_the_grade_is_said(tmp_path: Path) -> None:
    grades = read_grades(grades_of(tmp_path, "patient_id,分级,ISUP分级\nA7,2,3\n"))
    assert grades.rows["a7"][1] == {"isup_grade": "3", "分级": "2"}
    assert any(note.startswith("分级 could be the grade as well") for note in grades.notes)


@pytest.mark.parametrize("cell", ["43895", "43895.5", "2020-03-05", "20200305"])
def test_day_numbers_of_excel_are_read_as_dates(tmp_path: Path, cell: str) -> None:
    grades = read_grades(grades_of(tmp_path, f"patient_id,surgery_date\nA7,{cell}\n"))
    assert grades.surgery == {"a7": date(2020, 3, 5)}
    assert any("numbers of days" in note for note in grades.notes) == cell.startswith("43895")


def test_grades_that_cannot_be_read_are_said_with_the_accepted_spellings(tmp_path: Path) -> None:
    grades = read_grades(grades_of(tmp_path, "patient_id,isup_grade\nA7,2-3\nA8,ISUP 2\nA9,\n"))
    (note,) = [note for note in grades.notes if "not one WHO/ISUP grade" in note]
    assert "row 2." in note
    assert "核分级：3级" in note


def test_column_that_repeats_the_ids_is_left_out(tmp_path: Path) -> None:
    grades = read_grades(grades_of(tmp_path, "patient_id,remark,isup_grade,grade\nA7,A7,2,low\nA8,,3,high\n"))
    assert grades.left_out == ("patient_id", "remark")
    assert grades.columns == ("isup_grade", "grade")


def test_ambiguous_zeros_are_refused(tmp_path):
    with pytest.raises(InputError) as refused:
        read_grades(grades_of(tmp_path, "patient_id,isup_grade\n012,2\n0012,3\n"))
    assert "row 2" in refused.value.problems[0].what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("number,isup_grade\nA7,2\n", "has no column with patient ids"),
        ("patient_id,isup_grade\nSECRET,2\nsecret,3\n", "row 3: repeats the id of row 2"),
        ("patient_id,surgery_date\nSECRET,03/04/2020\n", "row 2: column surgery_date is not a date"),
        ("patient_id,surgery_date\nSECRET,201112\n", "row 2: column surgery_date is not a date: six digits"),
        ("patient_id,surgery_date\nSECRET,20111\n", "row 2: column surgery_date is not a date"),
        ("patient_id,grade\n1.10101E+17,3\n", "row 2: has an id that Excel has shortened"),
        ("patient_id,surgery_date\nSECRET,2020-02-30\n", "row 2: column surgery_date is not a date"),
    ],
)
def test_unsound_table_is_named_by_row_not_by_patient(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        read_grades(grades_of(tmp_path, text))
    assert "secret" not in str(caught.value).lower()


def test_masks_have_columns_where_there_are_any(tmp_path: Path) -> None:
    drawn = SeriesHeader(series_uid="1.9", sop_class="1.2.840.10008.5.1.4.1.1.66.4")
    mask = Choice(drawn, PhaseAnswer("cmp", 0.9512, ()), chosen=True, reason=Statement.of("mask-taken", series="1.2"))
    cells = {"1.2": "x/a.series", "1.9": "x/a-mask.series"}
    row = cohort_row("P0001", [ARTERIAL, mask], images=cells, carried={})
    assert row is not None
    assert (row["cmp_image"], row["cmp_mask"]) == ("x/a.series", "x/a-mask.series")
    named = cohort_row("P0002", [ARTERIAL, mask], images=cells, carried={"cmp_mask": "mine.nii.gz"})
    assert named is not None
    assert named["cmp_mask"] == "mine.nii.gz"
    assert cohort_row("P0003", [mask], images=cells, carried={}) is None
    paths = ScanPaths(tmp_path / "cohort.csv")
    write_tables(paths, [row, {"patient_id": "P0004", "np_image": "x/b.series"}], [])
    assert list(read_rows(paths.table_path)[1]) == [
        "patient_id",
        "isup_grade",
        "up_image",
        "cmp_image",
        "np_image",
        "ep_image",
        "cmp_mask",
    ]


def test_table_of_what_was_passed_over_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "cohort.skipped.csv"
    assert write_skipped(path, iter([("empty file", "/x/a,b\n"), ("not a DICOM file", "/x/\udcc6")])) == path
    assert [row["path"] for row in read_rows(path)] == ["/x/a,b\n", "/x/\\udcc6"]
    assert sys.platform == "win32" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert write_skipped(path, iter([])) is None
    assert not path.exists()


def test_a_table_is_ours_until_the_scan_that_replaces_it_is_finished(tmp_path: Path) -> None:
    """A process can be killed between two renamings: each table is then the earlier one or the new one."""
    paths = ScanPaths(tmp_path / "cohort.csv")
    write_tables(paths, [{"patient_id": "P0001"}], [series_entry("P0001", ARTERIAL)])
    earlier = {path: path.read_bytes() for path in (paths.table_path, paths.series_path)}
    digests = {path.name: sha256_of(path) for path in earlier}
    write_tables(paths, [{"patient_id": "P0001"}, {"patient_id": "P0002"}], [])
    index = read_json(paths.beside("scan.json"))
    write_json(paths.beside("scan.json"), {**index, "replaces": digests})
    for path, content in earlier.items():
        later = path.read_bytes()
        path.write_bytes(content)
        claim_table(paths)
        path.write_bytes(content + b"edited")
        with pytest.raises(RunError, match="edited"):
            claim_table(paths)
        path.write_bytes(later)
    claim_table(paths)
