"""The cohort table: what becomes a case, and that all mistakes are reported at once with their location."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from nephrograde.cohort.place import BOX_RULE, POINT_RULE, Box, Point, SlicePlace
from nephrograde.cohort.table import read_cohort, read_table, write_cases
from nephrograde.study import CohortSettings, SplitSettings

if TYPE_CHECKING:
    from nephrograde.cohort.case import Cohort
    from nephrograde.errors import Problem

Rows = list[dict[str, str]]


def rows_of(n_patients: int = 20, /, **columns: str) -> Rows:
    """Patients P00, P01, … with grades 1, 2, 3, 4, 1, … and one image each."""
    return [
        {
            "patient_id": f"P{i:02}",
            "isup_grade": str(i % 4 + 1),
            "cmp_image": f"images/{i}.nii.gz",
            **{name: text.format(i=i) for name, text in columns.items()},
        }
        for i in range(n_patients)
    ]


def table_at(folder: Path, rows: Rows) -> Path:
    table_path = folder / "cohort.csv"
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    table_path.write_text("\n".join(lines), encoding="utf-8")
    return table_path


def read(folder: Path, rows: Rows, *, split: SplitSettings | None = None, **settings: Any) -> Cohort:
    settings = {"phases": ("cmp",), **settings}
    cohort, problems = read_cohort(CohortSettings(table=table_at(folder, rows), **settings), split or SplitSettings())
    assert problems == []
    assert cohort is not None
    return cohort


def refuse(folder: Path, rows: Rows, *, split: SplitSettings | None = None, **settings: Any) -> list[Problem]:
    settings = {"phases": ("cmp",), **settings}
    cohort, problems = read_cohort(CohortSettings(table=table_at(folder, rows), **settings), split or SplitSettings())
    assert cohort is None
    assert problems
    return problems


def test_grades_three_and_four_are_high(tmp_path: Path) -> None:
    cases = read(tmp_path, rows_of()).cases
    assert [(case.grade, case.is_high) for case in cases[:4]] == [(1, False), (2, False), (3, True), (4, True)]
    assert cases[0].patient_id == "P00"


@pytest.mark.parametrize("third", ["3", "3.0", "G3", "g3", "III", "Ⅲ", "3级", "Ⅲ级", "三级", "Grade 3", "３"])
def test_spellings_of_grade_three(tmp_path: Path, third: str) -> None:
    rows = rows_of()
    rows[2]["isup_grade"] = third
    assert read(tmp_path, rows).cases[2].grade == 3


def test_column_of_zeros_and_ones_is_binary(tmp_path: Path) -> None:
    rows = rows_of(lung_metastasis="x")
    for i, row in enumerate(rows):
        row["lung_metastasis"] = ("0", "1.0")[i % 2]
    cases = read(tmp_path, rows, outcome="lung_metastasis").cases
    assert [(case.grade, case.is_high) for case in cases[:2]] == [(None, False), (None, True)]
    assert "isup_grade" in cases[0].clinical


def test_files_and_places_of_a_scan(tmp_path: Path) -> None:
    rows = rows_of(cmp_mask="", cmp_point="", cmp_box="", cmp_slice="")
    rows[0] |= {
        "cmp_image": r"影像\甲 乙\皮髓质期.nii.gz",
        "cmp_mask": "/data/mask.nii.gz",
        "cmp_point": "1，2，3 mm",
        "cmp_box": "1,2,3;4,5,3 vox",
        "cmp_slice": "41 vox",
    }
    cohort = read(tmp_path, rows)
    scan = cohort.cases[0].scans["cmp"]
    assert scan.image_path == tmp_path / "影像" / "甲 乙" / "皮髓质期.nii.gz"
    assert scan.mask_path == Path("/data/mask.nii.gz")
    assert scan.point == Point((1, 2, 3), "mm")
    assert scan.box == Box((1, 2, 3), (4, 5, 3), "vox")
    assert scan.slice_place == SlicePlace(41, "vox")
    assert cohort.cases[1].scans["cmp"].mask_path is None


def test_patient_without_a_phase_takes_part_in_the_others(tmp_path: Path) -> None:
    rows = rows_of(np_image="np/{i}.nii.gz")
    rows[0]["np_image"] = "N/A"
    rows[1]["cmp_image"] = ""
    cases = read(tmp_path, rows, phases=("cmp", "np")).cases
    assert list(cases[0].scans) == ["cmp"]
    assert list(cases[1].scans) == ["np"]
    assert list(cases[2].scans) == ["cmp", "np"]


def test_patients_without_any_scan_are_left_out(tmp_path: Path) -> None:
    rows = rows_of(np_image="np/{i}.nii.gz", ep_image="ep/{i}.nii.gz", size_cm="3.5")
    rows[3] |= {"cmp_image": "", "np_image": "N/A", "isup_grade": "", "size_cm": "unknown"}
    rows[6] |= {"cmp_image": "无", "np_image": ""}
    cohort = read(tmp_path, rows, phases=("cmp", "np"), split=SplitSettings(folds=2))
    assert cohort.without_scan == ("P03", "P06")
    assert [case.patient_id for case in cohort.cases] == [f"P{i:02}" for i in range(20) if i not in {3, 6}]


def test_cohort_is_that_of_the_table_without_the_rows_left_out(tmp_path: Path) -> None:
    rows = rows_of(split="train")
    for row in rows[::2]:
        row["split"] = "test"
    split = SplitSettings(column="split", folds=2)
    absent = {**rows[1], "patient_id": "X1", "cmp_image": "", "split": ""}
    (tmp_path / "with").mkdir()
    found = read(tmp_path / "with", [absent, *rows, {**absent, "patient_id": "X2"}], split=split)
    assert found.without_scan == ("X1", "X2")
    alone = read(tmp_path, rows, split=split)
    assert alone.without_scan == ()
    assert found.split_column == alone.split_column
    assert [case.patient_id for case in found.cases] == [case.patient_id for case in alone.cases]


def test_places_without_an_image_are_still_mistakes(tmp_path: Path) -> None:
    rows = rows_of(cmp_point="")
    rows[4] |= {"cmp_image": "", "cmp_point": "1,2,3 mm"}
    (problem,) = refuse(tmp_path, rows)
    assert problem.place == "cohort.csv row 6, column cmp_point"


def test_one_patient_in_two_rows_is_a_mistake_even_without_a_scan(tmp_path: Path) -> None:
    rows = rows_of()
    rows[7] |= {"patient_id": "P02", "cmp_image": ""}
    assert "cohort.csv row 9, column patient_id" in {problem.place for problem in refuse(tmp_path, rows)}


def test_cohort_in_which_nobody_has_a_scan_is_refused_with_the_other_mistakes(tmp_path: Path) -> None:
    rows = rows_of(np_image="")
    for row in rows:
        row["cmp_image"] = ""
    (alone,) = refuse(tmp_path, rows, phases=("cmp", "np"))
    assert (alone.place, alone.what) == (
        "cohort.csv, column cmp_image",
        "no patient has an image in any phase (cmp, np)",
    )
    rows[3]["isup_grade"] = "5"
    assert "cohort.csv row 5, column isup_grade" in {problem.place for problem in refuse(tmp_path, rows)}


def test_too_few_patients_are_counted_without_those_left_out(tmp_path: Path) -> None:
    rows = rows_of()
    for row in rows[4:]:
        row["cmp_image"] = ""
    assert all(problem.what.endswith("(without 16 who have no image)") for problem in refuse(tmp_path, rows))


def test_a_phase_with_too_few_patients_is_counted_like_the_classes(tmp_path: Path) -> None:
    rows = rows_of()
    for row in rows[:2]:
        row["cmp_image"] = ""
    for number, row in enumerate(rows):
        row["np_image"] = f"np/{number}.nii" if 2 <= number < 6 else ""
    found = [problem.what for problem in refuse(tmp_path, rows, phases=("cmp", "np"))]
    assert any(what.startswith("phase np: only 2 of ") for what in found)
    assert all(what.endswith("an image, for 5 folds (without 2 who have no image)") for what in found)
    rows[10]["isup_grade"] = "5"
    found = [one.what for one in refuse(tmp_path, rows, phases=("cmp", "np")) if one.place == "cohort.phases"]
    note = " (counted over the 17 patients whose row can be read) (without 2 who have no image)"
    assert found
    assert all(what.endswith(note) for what in found)


def test_clinical_columns_are_numbers_or_texts_throughout(tmp_path: Path) -> None:
    rows = rows_of(age_years="{i}", centre="0{i}", size_cm="3.5", ep_image="ep/{i}.nii", ep_mask="", note="")
    rows[0] |= {"size_cm": "nan", "age_years": "４９"}
    cohort = read(tmp_path, rows)
    assert cohort.clinical_columns == ("age_years", "centre", "size_cm", "note")
    assert cohort.cases[0].clinical == {"age_years": 49.0, "centre": "00"}
    assert cohort.cases[3].clinical == {"age_years": 3.0, "centre": "03", "size_cm": 3.5}


def test_headings_of_the_user(tmp_path: Path) -> None:
    rows = [
        dict(zip(("病案号", "核分级", "皮髓质期", "最大径（cm）", "分组"), row.values(), strict=True))
        for row in rows_of(size="2.5", centre="甲")
    ]
    columns = {"patient_id": "病案号", "isup_grade": "核 分级", "cmp_image": "皮髓质期", "size_cm": "最大径(cm)"}
    cohort = read(tmp_path, rows, columns=columns, split=SplitSettings(stratify=("分组",)))
    assert cohort.cases[0].clinical == {"size_cm": 2.5, "分组": "甲"}
    assert cohort.cases[2].grade == 3


def test_workbook_with_numeric_ids(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["patient_id", "isup_grade", "cmp_image"])
    for i in range(20):
        sheet.append([1001.0 + i, float(i % 4 + 1), f"{i}.nii.gz"])
    workbook.save(tmp_path / "队列.xlsx")
    settings = CohortSettings(table=tmp_path / "队列.xlsx", phases=("cmp",))
    cohort, problems = read_cohort(settings, SplitSettings())
    assert problems == []
    assert cohort is not None
    assert [case.patient_id for case in cohort.cases[:2]] == ["1001", "1002"]


def test_split_column_is_taken_from_the_table(tmp_path: Path) -> None:
    rows = rows_of(split="train")
    for row in rows[::3]:
        row["split"] = "Test"
    cohort = read(tmp_path, rows, split=SplitSettings(column="split", folds=2))
    assert cohort.split_column is not None
    assert [patient for patient, name in cohort.split_column.items() if name == "test"][:2] == ["P00", "P03"]
    assert "split" not in cohort.clinical_columns


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    rows = rows_of(cmp_point="1,2,3 mm", size_cm="3", split="train")
    rows[1]["isup_grade"] = "5"
    rows[2]["isup_grade"] = "high"
    rows[3]["isup_grade"] = ""
    rows[4]["patient_id"] = ""
    rows[5]["patient_id"] = "P00"
    rows[6]["patient_id"] = "1.10105E+17"
    rows[7]["cmp_point"] = "1,2,3"
    rows[8] |= {"cmp_image": "", "cmp_point": "", "isup_grade": "5"}  # left out, so the grade does not matter
    rows[9]["cmp_image"] = "images/./3.nii.gz"
    rows[10]["size_cm"] = "3,2 cm"
    rows[11]["split"] = "trian"
    rows[12]["cmp_image"] = ""
    for row in rows[13:]:
        row["split"] = "test"
    split = SplitSettings(column="split", stratify=("centre",))
    problems = refuse(tmp_path, rows, split=split, phases=("cmp", "np"))
    found = {(problem.place, problem.what) for problem in problems}
    assert {
        ("cohort.csv row 3, column isup_grade", "patient P01: grade 5 is not a WHO/ISUP grade"),
        ("cohort.csv row 4, column isup_grade", "patient P02: 'high' is not a grade"),
        ("cohort.csv row 5, column isup_grade", "patient P03: the outcome is empty"),
        ("cohort.csv row 6, column patient_id", "patient of row 6 has no patient_id"),
        ("cohort.csv row 7, column patient_id", "patient P00 is already in row 2"),
        (
            "cohort.csv row 8, column patient_id",
            "patient 1.10105E+17: Excel has shortened this number, and digits are lost",
        ),
        ("cohort.csv row 9, column cmp_point", "patient P07: '1,2,3' has no unit"),
        ("cohort.csv row 11, column cmp_image", "patient P09: this image is also that of patient P03, phase cmp"),
        ("cohort.csv row 12, column size_cm", "patient P10: '3,2 cm' is not a number"),
        ("cohort.csv row 13, column split", "patient P11: 'trian' is neither train nor test"),
        ("cohort.csv row 14, column cmp_point", "patient P12: '1,2,3 mm' is given, but cmp_image is empty"),
        ("cohort.csv, column np_image", "is missing, and cohort.phases names np"),
        ("split.stratify", "cohort.csv has no column 'centre'"),
    } <= found
    (folds,) = (problem for problem in problems if problem.place == "split.folds")
    assert "only 3 patients left for training are low" in folds.what
    assert "5 folds" in folds.what
    assert folds.what.endswith("(counted over the 13 patients whose row can be read) (without 2 who have no image)")
    assert not {problem.what for problem in problems if "P08" in problem.what}
    assert next(problem.remedy for problem in problems if "no unit" in problem.what) == POINT_RULE


def test_bad_box_carries_its_rule(tmp_path: Path) -> None:
    (problem,) = refuse(tmp_path, [*rows_of(cmp_box="1,2,3;4,5,3 vox")[:-1], rows_of(cmp_box="4 vox")[-1]])
    assert problem.remedy == BOX_RULE
    assert problem.place == "cohort.csv row 21, column cmp_box"


def test_same_mistake_in_many_rows_is_counted(tmp_path: Path) -> None:
    rows = rows_of(40)
    for row in rows[:13]:
        row["isup_grade"] = "9"
    problems = refuse(tmp_path, rows)
    assert len([problem for problem in problems if "grade 9" in problem.what]) == 10
    (summary,) = (problem for problem in problems if "more rows" in problem.what)
    assert (summary.place, summary.what) == ("cohort.csv, column isup_grade", "the same in 3 more rows, 13 in total")


def test_zero_among_grades_and_five_among_zeros(tmp_path: Path) -> None:
    rows = rows_of()
    rows[0]["isup_grade"] = "0"
    assert "grade 0 is not a WHO/ISUP grade" in refuse(tmp_path, rows)[0].what
    rows = rows_of()
    for i, row in enumerate(rows):
        row["isup_grade"] = str(i % 2)
    rows[3]["isup_grade"] = "5"
    assert "5 is neither 0 nor 1" in refuse(tmp_path, rows)[0].what


def test_absurd_number_is_a_mistake_not_a_crash(tmp_path: Path) -> None:
    rows = rows_of()
    rows[0]["isup_grade"] = "9" * 5000
    assert "is not a grade" in refuse(tmp_path, rows)[0].what


def test_one_class_only(tmp_path: Path) -> None:
    rows = rows_of()
    for row in rows:
        row["isup_grade"] = "2"
    (problem,) = refuse(tmp_path, rows)
    assert problem.place == "cohort.outcome"
    assert "of 20 patients none is high" in problem.what


def test_phase_that_too_few_of_a_class_have(tmp_path: Path) -> None:
    rows = rows_of(40, np_image="")
    for row in rows[:7]:
        row["np_image"] = f"np/{row['patient_id']}.nii.gz"
    problems = refuse(tmp_path, rows, phases=("cmp", "np"))
    assert [problem.place for problem in problems] == ["cohort.phases", "cohort.phases"]
    assert "phase np: only 3 of 20 patients who are high" in problems[1].what


def test_phase_that_nobody_has_is_named(tmp_path: Path) -> None:
    problems = refuse(tmp_path, rows_of(np_image=""), phases=("cmp", "np"))
    assert "phase np: only 0 of 10 patients" in problems[0].what


def test_table_without_patient_id_still_gets_its_other_mistakes_named(tmp_path: Path) -> None:
    rows = rows_of()
    rows[0]["isup_grade"] = "5"
    rows = [{"patient_nid" if name == "patient_id" else name: cell for name, cell in row.items()} for row in rows]
    problems = refuse(tmp_path, rows)
    assert problems[0].what == "is missing"
    assert "Did you mean 'patient_nid'?" in problems[0].remedy
    assert problems[1].what == "patient of row 2: grade 5 is not a WHO/ISUP grade"


def test_missing_outcome_lists_what_the_table_has(tmp_path: Path) -> None:
    (problem,) = refuse(tmp_path, rows_of(), outcome="术后病理")
    assert problem.place == "cohort.csv, column 术后病理"
    assert "The table has patient_id, isup_grade, cmp_image." in problem.remedy


def test_long_list_of_columns_is_cut(tmp_path: Path) -> None:
    (problem,) = refuse(tmp_path, rows_of(**{f"c{i}": "x" for i in range(30)}), outcome="术后病理")
    assert "and 13 more" in problem.remedy


def test_no_images_at_all_is_said_once(tmp_path: Path) -> None:
    rows = [{"patient_id": row["patient_id"], "isup_grade": row["isup_grade"]} for row in rows_of()]
    assert [problem.place for problem in refuse(tmp_path, rows)] == ["cohort.csv, column cmp_image"]


def test_headings_mapped_wrongly(tmp_path: Path) -> None:
    columns = {"patient_id": "病案号", "isup_grade": "Isup_grade", "size_cm": "d", "volume_ml": "d"}
    problems = refuse(tmp_path, rows_of(d="3"), columns=columns)
    assert [(problem.place, problem.what) for problem in problems] == [
        ("cohort.columns.patient_id", "cohort.csv has no column '病案号'"),
        ("cohort.columns.isup_grade", "cohort.csv has no column 'Isup_grade'"),
        ("cohort.columns.volume_ml", "names the column 'd', as cohort.columns.size_cm does"),
    ]
    assert problems[1].remedy == "Did you mean 'isup_grade'? Correct the heading."


def test_misspelt_mask_column_is_not_passed_over(tmp_path: Path) -> None:
    (problem,) = refuse(tmp_path, rows_of(cmp_msk="m.nii.gz", kidney_mask="", ep_image="e{i}", ep_mask="e"))
    assert problem.place == "cohort.csv, column cmp_msk"
    assert "'cmp_mask'" in problem.remedy


def test_column_with_our_own_name(tmp_path: Path) -> None:
    (problem,) = refuse(tmp_path, rows_of(grade="3"))
    assert problem.place == "cohort.csv, column grade"
    assert "isup_grade" in problem.what


def test_columns_that_the_split_cannot_use(tmp_path: Path) -> None:
    split = SplitSettings(column="groop", stratify=("isup_grade", "age_years", "centre"))
    problems = refuse(tmp_path, rows_of(age_years="{i}", centre="甲", group="train"), split=split)
    assert [(problem.place, problem.what) for problem in problems] == [
        ("split.column", "cohort.csv has no column 'groop'"),
        ("split.stratify", "'isup_grade' is not a clinical column"),
        ("split.stratify", "column age_years holds 20 different numbers"),
    ]
    assert "'group'" in problems[0].remedy


def test_unreadable_table_is_one_problem(tmp_path: Path) -> None:
    cohort, problems = read_cohort(CohortSettings(table=tmp_path / "none.csv"), SplitSettings())
    assert cohort is None
    assert [problem.what for problem in problems] == ["no such file"]


def test_cases_are_written_without_paths(tmp_path: Path) -> None:
    rows = rows_of(np_image="", size_cm="3.10", sex="男")
    rows[0] |= {"cmp_image": r"a\甲.nii.gz", "np_image": "/data/np.nii.gz", "size_cm": ""}
    for row in rows[1:]:
        row["np_image"] = f"np/{row['patient_id']}"
    write_cases(read(tmp_path, rows, phases=("cmp", "np")), tmp_path / "run" / "cases.csv")
    written = read_table(tmp_path / "run" / "cases.csv")
    assert written[0] == {
        "patient_id": "P00",
        "is_high": "0",
        "grade": "1",
        "size_cm": "",
        "sex": "男",
        "cmp_image": "1",
        "np_image": "1",
    }
    assert written[3]["is_high"] == "1"
    assert written[3]["size_cm"] == "3.1"


def test_cases_of_a_binary_outcome_have_no_grade(tmp_path: Path) -> None:
    rows = rows_of()
    for i, row in enumerate(rows):
        row["isup_grade"] = str(i % 2)
    rows[0]["cmp_image"] = "0.nii.gz"
    write_cases(read(tmp_path, rows), tmp_path / "cases.csv")
    assert [row["grade"] for row in read_table(tmp_path / "cases.csv")] == [""] * 20


def test_an_image_may_be_several_pictures_with_the_size_of_their_pixels(tmp_path: Path) -> None:
    rows = [f"P{i},{i % 4 + 1},a{i}.png; b{i}.png,{'0.78' if i else ''}" for i in range(40)]
    table_path = tmp_path / "cohort.csv"
    table_path.write_text("\n".join(["patient_id,isup_grade,cmp_image,cmp_pixel_mm", *rows]), encoding="utf-8")
    cohort, problems = read_cohort(CohortSettings(table=table_path, phases=("cmp",)), SplitSettings())
    assert cohort is not None, problems
    scans = [case.scans["cmp"] for case in cohort.cases]
    assert scans[3].image_paths == (tmp_path / "a3.png", tmp_path / "b3.png")
    assert (scans[0].pixel_mm, scans[3].pixel_mm) == (None, 0.78)
    assert cohort.clinical_columns == ()
    write_cases(cohort, tmp_path / "cases.csv")
    assert read_table(tmp_path / "cases.csv")[3]["cmp_image"] == "2"


@pytest.mark.parametrize("text", ["0", "-1", "0.8 mm", "nan?", "50"])
def test_a_pixel_size_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    rows = [f"P{i},{i % 4 + 1},a{i}.png,{text}" for i in range(40)]
    table_path = tmp_path / "cohort.csv"
    table_path.write_text("\n".join(["patient_id,isup_grade,cmp_image,cmp_pixel_mm", *rows]), encoding="utf-8")
    _, problems = read_cohort(CohortSettings(table=table_path, phases=("cmp",)), SplitSettings())
    assert problems[0].what == f"patient P0: '{text}' is not a pixel size"


def test_a_picture_of_two_patients_is_named(tmp_path: Path) -> None:
    rows = [f"P{i},{i % 4 + 1},a{i}.png;b{i // 2}.png" for i in range(40)]
    table_path = tmp_path / "cohort.csv"
    table_path.write_text("\n".join(["patient_id,isup_grade,cmp_image", *rows]), encoding="utf-8")
    _, problems = read_cohort(CohortSettings(table=table_path, phases=("cmp",)), SplitSettings())
    assert "also that of patient P0, phase cmp" in problems[0].what


@pytest.mark.parametrize("nothing", ["无", "None", "<NA>", "NULL", "－", "Ｎ／Ａ", "–"])
def test_a_cell_may_say_in_many_ways_that_there_is_nothing(tmp_path: Path, nothing: str) -> None:
    rows = rows_of()
    rows[0] |= {"cmp_mask": nothing, "size_cm": nothing, "necrosis": "有"}
    for row in rows[1:]:
        row |= {"cmp_mask": "m.nii.gz", "size_cm": "4", "necrosis": "无"}
    cases = read(tmp_path, rows).cases
    assert cases[0].scans["cmp"].mask_path is None
    assert "size_cm" not in cases[0].clinical
    assert [case.clinical["necrosis"] for case in cases[:2]] == ["有", "无"]


def test_usual_headings_of_hospitals_are_known_and_said(tmp_path: Path) -> None:
    renamed = {"patient_id": "病案号", "isup_grade": "WHO/ISUP核分级"}
    rows = [{renamed.get(name, name): cell for name, cell in row.items()} for row in rows_of()]
    cohort = read(tmp_path, rows)
    assert cohort.cases[0].patient_id == "P00"
    assert not {"病案号", "WHO/ISUP核分级"} & set(cohort.clinical_columns)
    assert cohort.notes == ("cohort.csv: 病案号 as patient_id, WHO/ISUP核分级 as isup_grade.",)


def test_a_column_of_another_grading_system_is_not_taken_for_the_grade(tmp_path: Path) -> None:
    rows = [{"Fuhrman分级" if name == "isup_grade" else name: cell for name, cell in row.items()} for row in rows_of()]
    assert any(problem.place.endswith("column isup_grade") for problem in refuse(tmp_path, rows))


def test_ids_that_differ_only_in_spelling_are_named(tmp_path: Path) -> None:
    rows = rows_of()
    rows[1]["patient_id"] = "p00"
    rows[2]["patient_id"] = "Ｐ00"
    problems = refuse(tmp_path, rows)
    assert [problem.what.split(" of row ")[0] for problem in problems] == [
        "patient p00 differs from patient P00",
        "patient Ｐ00 differs from patient P00",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("XO01", "X\u041e01"),
        ("X001", "Ｘ００１"),
        ("X001", "\u0425001"),
        ("X001", "x001"),
        ("00123", "123"),
        ("X001", "X1"),
        ("X001", "XO01"),
        ("X-001", "X–001"),
        ("X001", "X0\u00ad01"),
        ("X001", "X\u200e001"),
        ("X001", "X 001 "),
        ("X001", "X٠٠١"),
    ],
)
def test_ids_that_look_alike_are_no_two_patients(tmp_path: Path, first: str, second: str) -> None:
    rows = rows_of()
    rows[0]["patient_id"], rows[2]["patient_id"] = first, second
    (problem,) = refuse(tmp_path, rows)
    assert problem.place.startswith("cohort.csv row 4")
    assert "of row 2 only in how the id is written" in problem.what


@pytest.mark.parametrize(("first", "second"), [("X010", "X001"), ("1-11", "11-1"), ("A1", "B1"), ("X0011", "X0101")])
def test_ids_that_differ_in_more_are_two_patients(tmp_path: Path, first: str, second: str) -> None:
    rows = rows_of()
    rows[0]["patient_id"], rows[1]["patient_id"] = first, second
    assert {first, second} <= {case.patient_id for case in read(tmp_path, rows).cases}


def test_a_grade_of_an_older_system_is_refused_as_such(tmp_path: Path) -> None:
    rows = rows_of()
    for row, grade in zip(rows, ["WHO/ISUP (2016) 3级", "WHO 2004 grade 3", "Fuhrman 2", "III-IV"], strict=False):
        row["isup_grade"] = grade
    problems = refuse(tmp_path, rows)
    assert [problem.place.split(",")[0] for problem in problems] == [f"cohort.csv row {row}" for row in (3, 4, 5)]
    assert ["another system" in problem.what for problem in problems] == [True, True, False]


def test_the_remedy_of_a_grade_lists_its_spellings(tmp_path: Path) -> None:
    rows = rows_of()
    rows[0]["isup_grade"] = "2-3"
    (problem,) = refuse(tmp_path, rows)
    assert all(spelling in problem.remedy for spelling in ("ISUP 3", "核分级：3级", "G3", "III"))
