"""What a study asks of its cohort beyond the table itself: the four grades, and the columns that an arm joins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.small_study import small_study

from nephrograde.cohort.stage import load_inputs, open_cohort
from nephrograde.errors import InputError
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import problem_in_words
from nephrograde.run.folder import RunFolder
from nephrograde.study.file import load_study

if TYPE_CHECKING:
    from pathlib import Path

ORDINAL = '[[arm]]\nname = "weak-1"\nsupervision = "box"\nslices = 1\nhead = "ordinal"\n'


def study_at(folder: Path, grades: list[int], *, arms: str = ORDINAL) -> Path:
    """Write a study whose patients have these grades in turn."""
    rows = [f"P{i:02},{grades[i % len(grades)]},images/{i}.nii.gz" for i in range(24)]
    (folder / "cohort.csv").write_text("\n".join(["patient_id,核分级,cmp_image", *rows]), encoding="utf-8")
    text = small_study("study", arms=arms).replace("[split]", 'columns = { isup_grade = "核分级" }\n[split]')
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder / "study.toml"


def test_all_four_grades_serve_an_ordinal_head(tmp_path: Path) -> None:
    assert load_inputs(study_at(tmp_path, [1, 2, 3, 4])).arm[0].head == "ordinal"


@pytest.mark.parametrize("grades", [[0, 1], [1, 2, 3], [2, 3]])
def test_a_cohort_without_one_of_the_grades_is_refused_with_the_column(tmp_path: Path, grades: list[int]) -> None:
    path = study_at(tmp_path, grades)
    with pytest.raises(InputError) as caught:
        load_inputs(path)
    assert [problem.place for problem in caught.value.problems] == ["cohort.csv, column 核分级"]
    with pytest.raises(InputError):
        open_cohort(load_study(path), RunFolder.at(tmp_path / "run"))
    binary = ORDINAL.replace("ordinal", "binary")
    assert load_inputs(study_at(tmp_path, grades, arms=binary)).arm[0].head == "binary"


@pytest.mark.parametrize("column", ["hb", "isup_grade", "cmp_image", "patient_id"])
def test_values_that_are_joined_have_to_be_clinical_columns(tmp_path: Path, column: str) -> None:
    joined = ORDINAL + f'phases = ["cmp"]\nfusion = "intermediate"\nclinical = ["age", "{column}"]\n'
    path = study_at(tmp_path, [1, 2, 3, 4], arms=joined)
    table = tmp_path / "cohort.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([f"{header},age", *(f"{row},61" for row in rows)]), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_inputs(path)
    assert [str(problem) for problem in caught.value.problems] == [
        f"arm.weak-1.clinical: '{column}' is not a clinical column. The clinical columns of cohort.csv are age."
    ]
    with speaking("zh"):
        assert not re.search("[a-z] [a-z]", problem_in_words(caught.value.problems[0]))
    with pytest.raises(InputError):
        open_cohort(load_study(path), RunFolder.at(tmp_path / "run"))
