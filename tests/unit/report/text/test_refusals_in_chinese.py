"""What a command refuses is said in Chinese where Chinese is asked for, whoever wrote the sentence."""

from __future__ import annotations

import re

import pytest

from nephrograde.errors import InputError
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import problem_in_words, told
from nephrograde.sources.scan.grades import parse_columns, read_grades
from nephrograde.study.file import salvage_study
from nephrograde.web.security import SHORTEST_PASSWORD

ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,}")


def refused(call, *given):
    with pytest.raises(InputError) as caught:
        call(*given)
    with speaking("zh"):
        return "\n".join(map(problem_in_words, caught.value.problems))


def test_options_of_a_joined_table(tmp_path):
    (tmp_path / "分级.csv").write_text("病案号,分级\n1,3\n", encoding="utf-8")
    assert "不是NAME=HEADING的形式" in refused(parse_columns, ["编号"])
    said = refused(lambda: read_grades(tmp_path / "分级.csv", columns={"isup_grade": "级别"}))
    assert "分级.csv没有列“级别”（表中有：病案号、分级）" in said


@pytest.mark.parametrize(
    "override", ["fit.epochs", "arm.slices=3", 'evaluate.primary=["weak-9", "size"]', 'evaluate.primary=["q", "size"]']
)
def test_settings_given_with_set(tmp_path, override):
    study = '[cohort]\ntable = "c.csv"\n[[arm]]\nname = "weak-1"\nsupervision = "box"\nslices = 1\n'
    (tmp_path / "s.toml").write_text(study, encoding="utf-8")
    (problem,) = salvage_study(tmp_path / "s.toml", (override,))[1]
    with speaking("zh"):
        said = problem_in_words(problem)
    assert not ENGLISH.search(said.replace("--set arm", "").replace(override, ""))


@pytest.mark.parametrize(
    "sentence",
    [
        "several readers have annotated: li, wang",
        "the page needs starlette, which is not installed",
        f"other machines can reach 10.1.1.1, and no password of {SHORTEST_PASSWORD} characters is given",
        "'li' is a reader, who would not be blind to the others any more",
        "10.1.1.1, port 80, cannot be opened (Address already in use). Choose another with --port.",
        "nope.pth cannot be read (No such file or directory). Check the path.",
        "Name one of: weak-1-cmp, weak-3-cmp.",
    ],
)
def test_sentences_of_other_rooms(sentence):
    with speaking("zh"):
        assert not ENGLISH.search(told(sentence))
