"""The labels of a reader on the scans of a cohort: what they replace, what is refused and what is only noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.cohort.place import Box, Point, SlicePlace
from nephrograde.cohort.table import read_cohort
from nephrograde.errors import InputError
from nephrograde.study import CohortSettings, SplitSettings
from nephrograde.study.file import load_study

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.cohort.case import Cohort
    from nephrograde.errors import Problem

_HEADINGS = "patient_id,cmp_point,cmp_box,cmp_slice,cmp_mask,cmp_state,np_state,comment,seconds"


def study_of(folder: Path, *rows: str, headings: str = _HEADINGS) -> CohortSettings:
    table = ["patient_id,isup_grade,cmp_image,cmp_mask,cmp_point"]
    table += [f'P{i:02},{i % 4 + 1},{i}.nii.gz,{i}_mask.nii.gz,"0,0,{i} mm"' for i in range(20)]
    (folder / "cohort.csv").write_text("\n".join(table), encoding="utf-8")
    drawn = folder / "annotations"
    drawn.mkdir(exist_ok=True)
    (drawn / "li.csv").write_text("\n".join([headings, *rows]), encoding="utf-8")
    return CohortSettings(table=folder / "cohort.csv", phases=("cmp",), annotations=drawn)


def joined(settings: CohortSettings) -> Cohort:
    cohort, problems = read_cohort(settings, SplitSettings())
    assert problems == []
    assert cohort is not None
    return cohort


def refused(settings: CohortSettings) -> list[Problem]:
    cohort, problems = read_cohort(settings, SplitSettings())
    assert cohort is None
    return problems


def test_labels_replace_those_of_the_same_kind(tmp_path: Path) -> None:
    settings = study_of(
        tmp_path,
        'P00,"1,2,3 mm","1,2,3;4,5,6 mm",-10 mm,,,,,61.0',
        "P01,,,,li.masks/P01.nii.gz,,,,3",
        "P02,,,,,,,only a comment,3",
    )
    first, second, third = (case.scans["cmp"] for case in joined(settings).cases[:3])
    assert first.point == Point((1, 2, 3), "mm")
    assert first.box == Box((1, 2, 3), (4, 5, 6), "mm")
    assert first.slice_place == SlicePlace(-10, "mm")
    assert first.mask_path == tmp_path / "0_mask.nii.gz"
    assert second.mask_path == tmp_path / "annotations" / "li.masks" / "P01.nii.gz"
    assert second.point == Point((0, 0, 1), "mm")
    plain = joined(settings.model_copy(update={"annotations": None}))
    assert third == plain.cases[2].scans["cmp"]
    assert joined(settings).cases[3:] == plain.cases[3:]
    assert "4 labels on 2 scans; 2 replace" in joined(settings).notes[-1]


def test_a_refused_mask_is_taken_from_the_scan_and_other_empty_cells_are_not(tmp_path: Path) -> None:
    settings = study_of(tmp_path, "P00,,,,none,,,,2", "P01,,,,N/A,,,,2", "P02,,,,,,,,2")
    masks = [case.scans["cmp"].mask_path for case in joined(settings).cases[:3]]
    assert masks == [None, tmp_path / "1_mask.nii.gz", tmp_path / "2_mask.nii.gz"]
    assert "0 labels on 1 scans; 1 replace" in joined(settings).notes[-1]


@pytest.mark.parametrize("state", ["none", "unusable"])
def test_a_scan_with_a_state_keeps_no_label(tmp_path: Path, state: str) -> None:
    settings = study_of(tmp_path, f'P00,"1,2,3 mm",,,,{state},,,')
    scan = joined(settings).cases[0].scans["cmp"]
    assert (scan.state, scan.point, scan.mask_path) == (state, None, None)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ('P00,"1,2,3",,,,,,,', "li.csv row 2, column cmp_point"),
        ('P00,"1,2,nan mm",,,,,,,', "li.csv row 2, column cmp_point"),
        ('P00,,"1,2,3;1,2,9 mm",,,,,,', "li.csv row 2, column cmp_box"),
        ("P00,,,-10,,,,,", "li.csv row 2, column cmp_slice"),
        ("P00,,,,,maybe,,,", "li.csv row 2, column cmp_state"),
        (",,,,,none,,,", "li.csv row 2, column patient_id"),
        ("P00,,,,,,,,\nP00,,,,,,,,", "li.csv row 3, column patient_id"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_cell(tmp_path: Path, row: str, place: str) -> None:
    assert [problem.place for problem in refused(study_of(tmp_path, row))] == [place]


def test_mistakes_of_the_table_are_reported_with_those_of_the_annotations(tmp_path: Path) -> None:
    settings = study_of(tmp_path, 'P00,"1,2 mm",,,,,,,').model_copy(update={"outcome": "grade_of_isup"})
    places = [problem.place for problem in refused(settings)]
    assert len(places) > 1
    assert "li.csv row 2, column cmp_point" in places


def test_many_cells_of_one_kind_are_counted(tmp_path: Path) -> None:
    settings = study_of(tmp_path, *(f"P{i:02},,,9,,,,," for i in range(15)))
    problems = refused(settings)
    assert len(problems) == 11
    assert "15 in total" in problems[-1].what


def test_two_readers_need_a_choice(tmp_path: Path) -> None:
    settings = study_of(tmp_path, "P00,,,-10 mm,,,,,")
    (tmp_path / "annotations" / "chen.csv").write_text(_HEADINGS, encoding="utf-8")
    (problem,) = refused(settings)
    assert (problem.place, "chen, li" in problem.what) == ("cohort.annotations", True)
    chosen = settings.model_copy(update={"annotations": tmp_path / "annotations" / "li.csv"})
    assert joined(chosen).cases[0].scans["cmp"].slice_place == SlicePlace(-10, "mm")


@pytest.mark.parametrize("name", ["nothing.csv", "empty", "li.xlsx", "other.csv"])
def test_what_is_not_a_table_of_labels_is_refused(tmp_path: Path, name: str) -> None:
    settings = study_of(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "li.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    (tmp_path / "other.csv").write_text("id,cmp_point\n3,", encoding="utf-8")
    assert len(refused(settings.model_copy(update={"annotations": tmp_path / name}))) == 1


def test_labels_without_a_scan_are_remarks(tmp_path: Path) -> None:
    settings = study_of(tmp_path, "P00,,,-10 mm,,,,,", "P0,,,-10 mm,,,,,", "Z9,,,,,none,,,", "P01,,,,,,none,,")
    remarks = joined(settings).annotation_remarks
    assert [one.code for one in remarks] == ["annotation-unknown-patient", "annotation-unknown-phase"]
    assert "P0, Z9" in remarks[0].message
    assert "P0 for P00" in remarks[0].remedy


def test_annotations_of_another_cohort_are_refused(tmp_path: Path) -> None:
    (problem,) = refused(study_of(tmp_path, "Q1,,,-10 mm,,,,,"))
    assert problem.place == "li.csv"


def test_the_path_starts_from_the_study_file(tmp_path: Path) -> None:
    study_of(tmp_path, "P00,,,-10 mm,,,,,")
    text = 'cohort = { table = "cohort.csv", phases = ["cmp"], annotations = "annotations" }\n'
    text += 'arm = [{ name = "strong", supervision = "mask" }]'
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    study = load_study(tmp_path / "study.toml")
    assert study.cohort.annotations == tmp_path / "annotations"
    with pytest.raises(InputError) as error:
        load_study(tmp_path / "study.toml", ("cohort.annotations=3",))
    assert [problem.place for problem in error.value.problems] == ["cohort.annotations"]
