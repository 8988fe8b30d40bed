"""The study file of a scanned cohort: what it chooses for tables of several kinds, why, and that `check` accepts it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.cohort.split import draw_split
from nephrograde.cohort.table import read_cohort, read_table
from nephrograde.errors import InputError
from nephrograde.sources.choices import sentences
from nephrograde.sources.found_table import tables_without_images
from nephrograde.sources.template import write_template
from nephrograde.study.file import load_study

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nephrograde.study import Study

    Command = Callable[..., tuple[int, str, str]]

IMAGES = ("cmp_image", "up_image")


def write_table(folder: Path, rows: Sequence[Mapping[str, str]], *, encoding: str = "utf-8") -> Path:
    """Write rows as a scan does: a cohort table, and the index beside it."""
    headings = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(f'"{row.get(name, "")}"' for name in headings) for row in rows]
    table_path = folder / "cohort.csv"
    table_path.write_text("\n".join([",".join(headings), *lines]) + "\n", encoding=encoding)
    (folder / "cohort.scan.json").write_text("{}", encoding="utf-8")
    return table_path


def patients(n: int = 24, *, n_high: int | None = None, **cells: str) -> list[dict[str, str]]:
    """Rows with an image of two phases; `{k}` in a cell is the number of the patient."""
    n_high = n // 2 if n_high is None else n_high
    usual = {"cmp_image": "c{k}.nii.gz", "up_image": "u{k}.nii.gz"}
    return [
        {"patient_id": f"P{k:03}", "isup_grade": "3" if k < n_high else "2"}
        | {name: text.format(k=k) for name, text in (usual | cells).items()}
        for k in range(n)
    ]


def init(folder: Path) -> tuple[Study, str]:
    """Run `init`; return the study, after its table was read without a mistake, and what the file says was chosen."""
    written = write_template(folder)
    text = written.study_path.read_text(encoding="utf-8")
    return load_study(written.study_path), text.partition("# Chosen for")[2].partition("\n\n")[0]


def assert_can_be_split(study: Study) -> None:
    cohort, problems = read_cohort(study.cohort, study.split)
    assert problems == []
    assert cohort is not None
    split = draw_split(cohort, study.split)
    assert split.folds == study.split.folds


def arms(study: Study) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {arm.name: (arm.supervision.value, arm.phases) for arm in study.arm}


def test_masks_give_the_arms_of_the_paper(tmp_path: Path) -> None:
    write_table(tmp_path, patients(60, cmp_mask="m{k}.nii.gz", age_years="5{k}"))
    study, said = init(tmp_path)
    assert_can_be_split(study)
    assert list(arms(study).items())[:3] == [("weak-1", ("box", ())), ("weak-3", ("box", ())), ("strong", ("mask", ()))]
    assert "60 patients have a mask" in said
    assert "Arms see only" not in said
    assert "18 of 60 graded patients are tested (9 of high grade), 5 folds" in said
    assert "age_years are in the table" in said
    assert "Phases: cmp 60, up 60. Each has at least 5 patients of each grade." in said


def test_boxes_of_one_phase_give_weak_arms_of_that_phase(tmp_path: Path) -> None:
    write_table(tmp_path, patients(cmp_box="1,2,3;4,5,3 vox"))
    study, said = init(tmp_path)
    assert_can_be_split(study)
    assert arms(study) == {"weak-1": ("box", ("cmp",)), "weak-3": ("box", ("cmp",))}
    assert "too few a mask, so the strong arm is a comment" in said
    assert "Arms see only cmp:" in said
    assert '# name = "strong"' in Path(tmp_path, "study.toml").read_text(encoding="utf-8")


def test_masks_of_few_patients_do_not_make_a_strong_arm(tmp_path: Path) -> None:
    rows = patients(cmp_box="1,2,3;4,5,3 vox", up_box="1,2,3;4,5,3 vox")
    for row in rows[8:14]:
        row["cmp_mask"] = "m.nii.gz"
    write_table(tmp_path, rows)
    study, said = init(tmp_path)
    assert arms(study) == {"weak-1": ("box", ()), "weak-3": ("box", ())}
    assert "24 patients have a box" in said


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("cmp_point", "1,2,3 vox", {"weak-1": ("point", ("cmp",)), "weak-3": ("point", ("cmp",))}),
        ("cmp_slice", "3 vox", {"weak-1": ("slice", ("cmp",))}),
        ("centre", "A", {"none": ("none", ())}),
    ],
)
def test_cheaper_annotations_give_arms_of_their_level(
    tmp_path: Path, column: str, cell: str, expected: dict[str, Any]
) -> None:
    write_table(tmp_path, [row | {column: cell} for row in patients()])
    study, said = init(tmp_path)
    assert_can_be_split(study)
    assert arms(study) == expected
    assert "Arms: " in said


def test_a_table_that_names_no_images_is_named_beside_the_template(
    tmp_path: Path, nephrograde: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "队列.csv").write_text("病案号,核分级\nP1,3\n", encoding="utf-8")
    code, _, err = nephrograde("init", tmp_path)
    assert code == 0
    assert f"{tmp_path / '队列.csv'} is not used: none of its headings names images" in " ".join(err.split())
    assert not tables_without_images(tmp_path / "gone")


def test_chinese_headings_of_phases_are_found(tmp_path: Path) -> None:
    rows = patients(cmp_mask="m{k}.nii.gz")
    write_table(tmp_path, spelled(rows, cmp_image="皮髓质期图像", up_image="平扫_影像", cmp_mask="cmp_掩膜"))
    study, _ = init(tmp_path)
    assert study.cohort.columns == {"cmp_image": "皮髓质期图像", "up_image": "平扫_影像", "cmp_mask": "cmp_掩膜"}


def spelled(rows: Sequence[Mapping[str, str]], **headings: str) -> list[dict[str, str]]:
    """The rows with other headings, by standard name."""
    return [{headings.get(name, name): cell for name, cell in row.items()} for row in rows]


def test_headings_of_phases_are_found_as_people_spell_them(tmp_path: Path) -> None:
    rows = patients(cmp_mask="m{k}.nii.gz", Tumour_Mask="yes")
    table = write_table(tmp_path, spelled(rows, cmp_image="CMP Image", up_image="UP-image", cmp_mask="Cmp_Mask"))
    study, _ = init(tmp_path)
    assert study.cohort.phases == ("cmp", "up")
    assert study.cohort.columns == {"cmp_image": "CMP Image", "up_image": "UP-image", "cmp_mask": "Cmp_Mask"}
    assert arms(study)["strong"] == ("mask", ())
    cohort, problems = read_cohort(study.cohort, study.split)
    assert problems == []
    assert cohort is not None
    assert all(case.scans["cmp"].mask_path is not None for case in cohort.cases)
    assert table.read_text(encoding="utf-8").startswith('patient_id,isup_grade,"CMP Image"'.replace('"', ""))


def test_a_heading_in_the_usual_spelling_is_preferred(tmp_path: Path) -> None:
    write_table(tmp_path, patients(CMP_image="other{k}.nii.gz"))
    assert init(tmp_path)[0].cohort.columns == {}


def test_a_table_with_another_name_is_found_by_its_images(tmp_path: Path) -> None:
    write_table(tmp_path, patients()).rename(tmp_path / "kidneys.csv")
    (tmp_path / "cohort.scan.json").unlink()
    (tmp_path / "clinic.csv").write_text("patient_id,age\nP000,61\n", encoding="utf-8")
    study, _ = init(tmp_path)
    assert study.cohort.table == tmp_path / "kidneys.csv"
    assert not (tmp_path / "cohort.csv").exists()
    for name in ("study.toml", "columns.md"):
        (tmp_path / name).unlink()
    (tmp_path / "again.csv").write_bytes((tmp_path / "kidneys.csv").read_bytes())
    with pytest.raises(InputError, match=r"several cohort tables: again\.csv, kidneys\.csv"):
        init(tmp_path)


def test_a_cohort_in_an_old_workbook_is_named_and_no_template_written(tmp_path: Path) -> None:
    (tmp_path / "cohort.xls").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(64))
    with pytest.raises(InputError, match=r"cohort\.xls.*old \.xls workbook"):
        init(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.xls"]


def write_labels(folder: Path, reader: str, n: int = 24, beside: str = "cohort.annotations") -> None:
    (folder / beside).mkdir(exist_ok=True)
    (folder / beside / f"{reader}.jsonl").touch()
    rows = [f'P{k:03},"1,2,3 vox",none,7.5' for k in range(n)]
    text = "\n".join(["patient_id,cmp_point,cmp_mask,seconds", *rows])
    (folder / beside / f"{reader}.csv").write_text(text, encoding="utf-8")


def test_labels_of_a_reader_beside_the_table_are_used(tmp_path: Path) -> None:
    write_table(tmp_path, patients())
    write_labels(tmp_path, "li")
    study, said = init(tmp_path)
    assert study.cohort.annotations == tmp_path / "cohort.annotations" / "li.csv"
    assert arms(study) == {"weak-1": ("point", ("cmp",)), "weak-3": ("point", ("cmp",))}
    assert "Annotations: cohort.annotations/li.csv, with labels of 24 of 24 patients." in said
    cohort, problems = read_cohort(study.cohort, study.split)
    assert problems == []
    assert cohort is not None
    assert all(case.scans["cmp"].point is not None for case in cohort.cases)


@pytest.mark.parametrize("decided", ["consensus", "consensus-2026"])
def test_of_several_readers_the_consensus_is_used_or_none(tmp_path: Path, decided: str) -> None:
    write_table(tmp_path, patients())
    write_labels(tmp_path, "li")
    write_labels(tmp_path, "wang")
    study, said = init(tmp_path)
    assert study.cohort.annotations is None
    assert list(arms(study)) == ["none"]
    assert "there are several: cohort.annotations/li.csv, cohort.annotations/wang.csv. Name one" in said
    (tmp_path / "study.toml").unlink()
    (tmp_path / "columns.md").unlink()
    write_labels(tmp_path, decided, 20)
    study, said = init(tmp_path)
    assert study.cohort.annotations == tmp_path / "cohort.annotations" / f"{decided}.csv"
    assert f"Annotations: cohort.annotations/{decided}.csv, with labels of 20 of 24 patients." in said
    assert "not used: cohort.annotations/li.csv, cohort.annotations/wang.csv; the consensus replaces them." in said


def test_a_reader_without_a_label_of_the_table_is_named_and_the_other_is_used(tmp_path: Path) -> None:
    write_table(tmp_path, patients())
    write_labels(tmp_path, "li", 23)
    write_labels(tmp_path, "wang", 0)
    others = (tmp_path / "cohort.annotations" / "li.csv").read_text(encoding="utf-8").replace("P0", "Q0")
    (tmp_path / "cohort.annotations" / "zhao.csv").write_text(others, encoding="utf-8")
    study, said = init(tmp_path)
    assert study.cohort.annotations == tmp_path / "cohort.annotations" / "li.csv"
    assert "li.csv, with labels of 23 of 24 patients." in said
    assert "not used: cohort.annotations/wang.csv, cohort.annotations/zhao.csv; without a label of any patient" in said


def test_labels_in_another_folder_beside_the_table_are_found_by_the_journal(tmp_path: Path) -> None:
    write_table(tmp_path, patients())
    write_labels(tmp_path, "li", beside="marked")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "clinic.csv").write_text('patient_id,cmp_point\nP000,"1,2,3 vox"\n', encoding="utf-8")
    study, said = init(tmp_path)
    assert study.cohort.annotations == tmp_path / "marked" / "li.csv"
    assert "Annotations: marked/li.csv, with labels of 24 of 24 patients." in said
    assert list(arms(study)) == ["weak-1", "weak-3"]


def test_labels_that_cannot_be_read_are_named_in_the_study_for_check_to_explain(tmp_path: Path) -> None:
    write_table(tmp_path, patients())
    write_labels(tmp_path, "li")
    (tmp_path / "cohort.annotations" / "li.csv").write_bytes(b"patient_id,cmp_point\nP000,\xff\xfe\x00")
    study, said = init(tmp_path)
    assert study.cohort.annotations == tmp_path / "cohort.annotations" / "li.csv"
    assert "li.csv, with labels of 0 of 24 patients." in said
    assert read_cohort(study.cohort, study.split)[1]


def test_arms_that_are_comments_can_be_switched_on(tmp_path: Path) -> None:
    write_table(tmp_path, patients())
    _, said = init(tmp_path)
    assert "no tumour is marked" in said
    study_path = tmp_path / "study.toml"
    text = study_path.read_text(encoding="utf-8")
    blocks = [re.sub(r"(?m)^# ", "", one) if one.startswith("# [[arm]]") else one for one in text.split("\n\n")]
    study_path.write_text("\n\n".join(blocks), encoding="utf-8")
    assert list(arms(load_study(study_path))) == ["none", "weak-1", "weak-3", "strong", "frozen"]


@pytest.mark.parametrize(
    ("n", "n_high", "folds", "says_few"), [(300, 120, 5, False), (24, 12, 5, True), (12, 5, 4, True), (8, 3, 2, True)]
)
def test_folds_and_test_set_are_those_that_the_patients_allow(
    tmp_path: Path, n: int, n_high: int, folds: int, says_few: bool
) -> None:
    write_table(tmp_path, patients(n, n_high=n_high, cmp_mask="m{k}.nii.gz"))
    study, said = init(tmp_path)
    assert_can_be_split(study)
    assert study.split.folds == folds
    assert ("Few are tested" in said) == says_few
    assert (f"Folds: {folds} instead of 5" in said) == (folds != 5)
    assert study.cohort.phases == ("cmp", "up")


def test_too_few_of_a_grade_are_named(tmp_path: Path) -> None:
    write_table(tmp_path, patients(10, n_high=1, cmp_mask="m{k}.nii.gz"))
    study, said = init(tmp_path)
    assert "9 of low and 1 of high grade are too few" in said
    problems = read_cohort(study.cohort, study.split)[1]
    assert {problem.place.partition(".")[0] for problem in problems} == {"split"}


def test_without_grades_only_the_grades_are_missing(tmp_path: Path) -> None:
    rows = [{**row, "isup_grade": ""} for row in patients(cmp_mask="m{k}.nii.gz")]
    write_table(tmp_path, rows)
    study, said = init(tmp_path)
    assert "no grade is known yet" in said
    assert "Fill in the column isup_grade" in said
    assert list(arms(study)) == ["weak-1", "weak-3", "strong"]
    problems = read_cohort(study.cohort, study.split)[1]
    assert problems
    assert all("isup_grade" in problem.place for problem in problems)


def test_a_table_without_a_column_of_grades_is_told_so(tmp_path: Path, nephrograde: Command) -> None:
    rows = [{"patient_id": row["patient_id"], "fuhrman": "3", "cmp_image": row["cmp_image"]} for row in patients()]
    write_table(tmp_path, rows)
    code, out, err = nephrograde("init", tmp_path)
    assert code == 0
    assert "no column of WHO/ISUP grades was recognised. Add isup_grade, or name yours in columns" in out
    assert "Fill in the grades" not in err


def test_the_split_of_the_table_is_used(tmp_path: Path) -> None:
    rows = [
        row | {"split": "test" if k % 3 == 0 else "train"} for k, row in enumerate(patients(cmp_mask="m{k}.nii.gz"))
    ]
    write_table(tmp_path, rows)
    study, said = init(tmp_path)
    assert_can_be_split(study)
    assert study.split.column == "split"
    assert "names 8 of 24 graded patients for testing (4 of high grade), 5 folds" in said


def test_chinese_headings_in_gb18030(tmp_path: Path, nephrograde: Command) -> None:
    rows = [
        {
            "病案号": row["patient_id"],
            "核分级": f"{row['isup_grade']}级",
            "年龄": "61",
            "医院": "中山医院",
            **{one: row[one] for one in IMAGES},
        }
        for row in patients()
    ]
    table_path = write_table(tmp_path, rows, encoding="gb18030")
    code, out, err = nephrograde("init", tmp_path, "--lang", "zh")
    assert code == 0
    study = load_study(tmp_path / "study.toml")
    assert_can_be_split(study)
    headings = {"patient_id": "病案号", "isup_grade": "核分级", "age_years": "年龄", "centre": "医院"}
    assert study.cohort.columns == headings
    text = (tmp_path / "study.toml").read_text(encoding="utf-8")
    assert "# 为 cohort.csv 所做的选择，一行一项：" in text
    assert "监督组：没有肿瘤标注" in text
    assert "监督组：没有肿瘤标注" in out
    assert "gb18030" in err.casefold()
    assert read_table(table_path)[0]["医院"] == "中山医院"


@pytest.mark.parametrize(
    ("heading", "cell", "name"),
    [
        ("Age", "61", "age_years"),
        ("年龄", "６１", "age_years"),
        ("Age", "61 y", ""),
        ("size", "34", ""),
        ("性别", "男", "sex"),
    ],
)
def test_clinical_columns_are_recognised_where_they_are_sure(
    tmp_path: Path, heading: str, cell: str, name: str
) -> None:
    write_table(tmp_path, [row | {heading: cell} for row in patients()])
    study, said = init(tmp_path)
    assert_can_be_split(study)
    assert study.cohort.columns == ({name: heading} if name else {})
    assert (f"Clinical baseline: {name} are" in said) == bool(name)


def test_a_column_that_one_cell_keeps_out_is_named_with_the_cell(tmp_path: Path, nephrograde: Command) -> None:
    rows = [row | {"年龄": "61", "性别": "男"} for row in patients()]
    rows[1]["年龄"] = "六十一\n岁"
    write_table(tmp_path, rows)
    code, out, _ = nephrograde("init", tmp_path, "--lang", "zh")
    assert code == 0
    said = f"“年龄”未用作 age_years，因为 {len(rows)} 个单元格中有 1 个不是数字，例如第 3 行的“六十一 岁”"
    assert said in out
    assert said in (tmp_path / "study.toml").read_text(encoding="utf-8")
    assert load_study(tmp_path / "study.toml").cohort.columns == {"sex": "性别"}


def test_a_synthetic_cohort_stays_synthetic(tmp_path: Path) -> None:
    write_table(tmp_path, patients(synthetic="yes"))
    study, said = init(tmp_path)
    assert study.synthetic
    assert "generated by code" in said


def test_every_choice_can_be_said_in_both_languages() -> None:
    english, chinese = sentences()["en"], sentences()["zh"]
    assert list(english) == list(chinese)
    for what, sentence in english.items():
        assert set(re.findall(r"\{\w+\}", sentence)) == set(re.findall(r"\{\w+\}", chinese[what])), what


@pytest.mark.slow
def test_check_accepts_what_init_writes_without_masks(
    tmp_path: Path, tiny_cohort_dir: Path, nephrograde: Command
) -> None:
    """With masks, the guide for those who come from nnU-Net is followed to the same end."""
    rows = read_table(tiny_cohort_dir / "cohort.csv")
    rows = [
        *[row for row in rows if row["isup_grade"] < "3"][:4],
        *[row for row in rows if row["isup_grade"] > "2"][:3],
    ]
    wanted = ("patient_id", "isup_grade", "age_years")
    rows = [
        {name: row[name] for name in wanted} | {"cmp_image": str(tiny_cohort_dir / row["cmp_image"])} for row in rows
    ]
    write_table(tmp_path, rows)
    assert nephrograde("init", tmp_path)[0] == 0
    code, out, err = nephrograde(
        "check", tmp_path / "study.toml", "--set", "image.slice_px=32", "--out", tmp_path / "run"
    )
    assert code == 0, out + err
    assert out.splitlines()[-1] == "Ready: every model can be fitted."
