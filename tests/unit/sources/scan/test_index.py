"""A cohort planned from a table of series, without images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import InputError, RunError
from nephrograde.files import read_rows
from nephrograde.sources.scan.index import header_of_row, plan_index, read_index

if TYPE_CHECKING:
    from pathlib import Path

HEAD = (
    "PatientID,StudyInstanceUID,SeriesInstanceUID,SeriesNumber,StudyDescription,SeriesDescription,Modality,"
    "Manufacturer,instanceCount"
)


def index_of(folder: Path, *rows: str, head: str = HEAD, encoding: str = "utf-8") -> Path:
    path = folder / "index.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding=encoding)
    return path


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    return index_of(
        tmp_path,
        "KiTS-00001,1.1,1.1.9,1,CT abdomen,SCOUT,CT,SIEMENS,2",
        "KiTS-00001,1.1,1.1.1,2,CT abdomen,noncontrast,CT,SIEMENS,60",
        "KiTS-00001,1.1,1.1.2,3,CT abdomen,动脉期 5.0 mm,CT,SIEMENS,60",
        "KiTS-00001,1.1,1.1.3,4,CT abdomen,arterial 1.5 mm,CT,SIEMENS,200",
        "KiTS-00001,1.1,1.1.4,300,CT abdomen,Segmentation,SEG,QIICR,1",
        "KiTS-00000,1.0,1.0.1,2,CT abdomen,nephrographic phase,CT,GE,120",
        "KiTS-00002,1.2,1.2.1,2,slide,,SM,GE,1",
        encoding="gb18030",
    )


def test_plan_names_the_folders_of_the_download(index_path: Path, tmp_path: Path) -> None:
    result = plan_index(index_path, tmp_path / "plan")
    assert dict(result.n_scans) == {"np": 1, "up": 1, "cmp": 1}
    assert (result.n_patients, result.n_series) == (3, 7)
    rows = read_rows(result.table_path)
    assert [row["patient_id"] for row in rows] == ["KiTS-00000", "KiTS-00001"]
    assert rows[1]["cmp_image"] == "images/1.1.3"
    assert rows[1]["up_image"] == "images/1.1.1"
    assert rows[0]["up_image"] == ""
    series = {row["series_uid"]: row for row in read_rows(result.series_path)}
    assert len(series) == 7
    assert series["1.1.9"]["reason"] == "localiser"
    assert series["1.1.4"]["reason"] == "not-ct:modality=SEG"
    assert series["1.1.2"]["reason"].startswith("better-series")
    assert series["1.1.3"]["chosen"] == "yes"
    assert result.notes == (
        "index.csv was read as GB18030, which fits its text best.",
        "1 patient without any CT, not in the cohort table: KiTS-00002.",
    )
    assert not (tmp_path / "plan" / "cohort.key.csv").exists()


def test_plan_is_repeated_but_not_over_edits(index_path: Path, tmp_path: Path) -> None:
    first = plan_index(index_path, tmp_path / "plan")
    written = first.table_path.read_bytes()
    assert plan_index(index_path, tmp_path / "plan").table_path.read_bytes() == written
    first.table_path.write_text("patient_id\n", encoding="utf-8")
    with pytest.raises(RunError):
        plan_index(index_path, tmp_path / "plan")


def test_ids_of_a_hospital_become_pseudonyms(index_path: Path, tmp_path: Path) -> None:
    result = plan_index(index_path, tmp_path / "plan", keep_ids=False)
    assert [row["patient_id"] for row in read_rows(result.table_path)] == ["P0001", "P0002"]
    assert "KiTS" not in result.table_path.read_text(encoding="utf-8")
    assert "KiTS" in (tmp_path / "plan" / "cohort.key.csv").read_text(encoding="utf-8")


def test_grades_and_day_of_surgery_are_joined(tmp_path: Path) -> None:
    index_path = index_of(
        tmp_path,
        "A,1,1.1,arterial,60,2019-01-05",
        "A,2,2.1,arterial,60,2021-01-05",
        head="PatientID,StudyInstanceUID,SeriesInstanceUID,SeriesDescription,instanceCount,StudyDate",
    )
    grades_path = tmp_path / "grades.csv"
    grades_path.write_text("patient_id,isup_grade,surgery_date\nA,2,2020-01-01\nB,3,2020-01-01\n", encoding="utf-8")
    result = plan_index(index_path, tmp_path / "plan", grades_path=grades_path)
    (row,) = read_rows(result.table_path)
    assert (row["isup_grade"], row["cmp_image"]) == ("2", "images/1.1")
    assert "grades.csv has 1 row without scans: row 3." in result.notes


def test_missing_columns_and_doubled_series_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_index(index_of(tmp_path, "1.1", head="SeriesInstanceUID"))
    assert [problem.place.rpartition(" ")[2] for problem in caught.value.problems] == [
        "PatientID",
        "StudyInstanceUID",
        "SeriesDescription",
    ]
    head = "PatientID,StudyInstanceUID,SeriesInstanceUID,SeriesDescription"
    with pytest.raises(InputError) as caught:
        read_index(index_of(tmp_path, "A,1,1.1,x", "A,1,1.1,y", "A,1,../../etc,y", "A,1,,y", head=head))
    assert [problem.what.split()[0] for problem in caught.value.problems] == ["is", "has", "has"]


def test_rows_are_read_whatever_a_table_makes_of_them() -> None:
    header = header_of_row(
        {
            "seriesinstanceuid": "1.2",
            "SeriesNumber": 4.0,
            "instanceCount": float("nan"),
            "SliceThickness": "5",
            "ImageType": "ORIGINAL\\PRIMARY",
            "StudyDate": "2003-06-29",
            "AcquisitionTime": "90205.5",
            "BodyPartExamined": None,
        }
    )
    assert (header.series_uid, header.series_number, header.n_images, header.body_part) == ("1.2", 4, 0, "")
    assert (header.thickness_mm, header.image_type) == (5.0, "ORIGINAL\\PRIMARY")
    assert header.acquired_at is not None
    assert header.acquired_at.isoformat() == "2003-06-29T09:02:05.500000"
    assert header_of_row({"SeriesNumber": "x", "SeriesTime": "soon", "StudyDate": "never"}).acquired_at is None


def _times(folder: Path, *times: str) -> list[str]:
    head = "PatientID,StudyInstanceUID,SeriesInstanceUID,SeriesDescription,StudyDate,SeriesTime"
    rows = [f"A,1,1.{number},x,2024-01-31,{time}" for number, time in enumerate(times)]
    found, _ = read_index(index_of(folder, *rows, head=head))
    return [header.acquired_at.strftime("%H:%M:%S.%f") if header.acquired_at else "" for header in found]


def test_a_time_in_an_index_is_read_as_in_a_header(tmp_path: Path) -> None:
    assert _times(tmp_path, "1015", "101500", "10:15", "10") == ["10:15:00.000000"] * 3 + ["10:00:00.000000"]


def test_zeros_that_a_spreadsheet_dropped_are_put_back(tmp_path: Path) -> None:
    assert _times(tmp_path, "91500", "1015", "101500.25") == ["09:15:00.000000", "00:10:15.000000", "10:15:00.250000"]
    assert _times(tmp_path, "1015.5", "101500.5", "0.5") == ["00:10:15.500000", "10:15:00.500000", "00:00:00.500000"]


def test_a_day_of_an_index_is_written_as_in_a_header() -> None:
    texts = ("20030629", "2003-06-29", "2003/6/29", "2003.06.29", "20030629.0", "2003年6月29日", "2003-06-29 00:00:00")
    assert {header_of_row({"StudyDate": text}).study_date for text in texts} == {"20030629"}
    assert header_of_row({"StudyDate": "2003629"}).study_date == ""
