"""A study built in code is refused with the same problems as a study file with the same mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nephrograde
from nephrograde.errors import InputError, Problem
from nephrograde.study import (
    Arm,
    AugmentSettings,
    CohortSettings,
    EvaluateSettings,
    FitSettings,
    ImageSettings,
    MaskSettings,
    Section,
    SplitSettings,
    Study,
    Window,
)
from nephrograde.study.file import load_study
from nephrograde.toml_text import read_toml

FILES = {
    "nothing": "",
    "no arm": 'cohort.table = "c.csv"',
    "one mistake in each part": """
        fold = 3
        [cohort]
        table = 3
        phases = ["cmp", "cmp"]
        [split]
        folds = 1
        [[arm]]
        name = "Weak 1"
        supervision = "slice"
        [image]
        slice_px = "large"
        [augment]
        shift = 2
        [fit]
        epoch = 0
        pooling = "median"
        weights_2d = { path = "w.pt", sha256 = "1" }
        [masks]
        tumour = "all"
        [evaluate]
        confidence = 95
    """,
    "an arm's own fit": """
        cohort.table = "c.csv"
        arm = [
            { name = "a", supervision = "mask", fit = { epochs = 2 } },
            { name = "b", supervision = "mask", fit = { epochz = 2, seed = -1, workers = 2 } },
        ]
    """,
    "parts that disagree": """
        cohort = { table = "c.csv", phases = ["cmp"] }
        arm = [{ name = "a", supervision = "mask" }, { name = "a", supervision = "box" }]
        window.np = { low = 0, high = 1 }
        evaluate.primary = ["a-np", "size"]
    """,
    "no tables": """
        cohort = 3
        arm = { name = "a", supervision = "mask" }
        fit = "fast"
    """,
}
PARTS: list[tuple[type[Section], dict[str, Any], str]] = [
    (CohortSettings, {"table": "c.csv", "phases": ["CMP"], "coding": 8}, "cohort"),
    (SplitSettings, {"folds": 1, "test_fraction": 2}, "split"),
    (ImageSettings, {"box_voxels": [1, 2], "slice_mm": 0}, "image"),
    (AugmentSettings, {"noise": 1, "rotate": 3}, "augment"),
    (FitSettings, {"epochs": 0, "weights_3d": {"path": "w.pt", "sha256": "1"}}, "fit"),
    (MaskSettings, {"tumours": "both", "label": ["x"]}, "masks"),
    (EvaluateSettings, {"margin": 0.5, "primary": ["a-cmp", "size"], "thresholds": 1}, "evaluate"),
    (Window, {"low": 1, "hihg": 2}, "window.default"),
]


def listed(problems: list[Problem]) -> list[tuple[str, str, str]]:
    return sorted((problem.place, problem.what, problem.remedy) for problem in problems)


def problems_of_file(folder: Path, text: str) -> list[tuple[str, str, str]]:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_study(folder / "study.toml")
    return listed(caught.value.problems)


def problems_in_code(kind: type[Section], given: dict[str, Any]) -> list[tuple[str, str, str]]:
    with pytest.raises(InputError) as caught:
        kind(**given)
    return listed(caught.value.problems)


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_a_study_has_the_problems_of_its_file(tmp_path: Path, text: str) -> None:
    assert problems_in_code(Study, read_toml(text)) == problems_of_file(tmp_path, text)


@pytest.mark.parametrize(("kind", "given", "table"), PARTS, ids=[table for *_, table in PARTS])
def test_a_part_has_the_problems_of_its_table(
    tmp_path: Path, kind: type[Section], given: dict[str, Any], table: str
) -> None:
    override = [
        f"{table}.{key}={value!r}".replace("{'path': ", "{path=").replace("'sha256': ", "sha256=")
        for key, value in given.items()
    ]
    (tmp_path / "study.toml").write_text('cohort.table="c.csv"\narm=[{name="a", supervision="mask"}]', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_study(tmp_path / "study.toml", tuple(override))
    assert problems_in_code(kind, given) == listed(caught.value.problems)


def test_an_arm_names_itself_and_the_keys_of_its_own_fit() -> None:
    given = {"name": "strong", "supervision": "mask", "fit": {"epochz": 3, "batch_size": 1}}
    places = [place for place, *_ in problems_in_code(Arm, given)]
    assert places == ["arm.strong.fit.batch_size", "arm.strong.fit.epochz"]
    assert [place for place, *_ in problems_in_code(Arm, {"supervision": "nothing"})] == [
        "arm.1.name",
        "arm.1.supervision",
    ]


def test_parts_that_are_objects_are_checked_against_each_other() -> None:
    arm, cohort = Arm(name="a", supervision="mask"), CohortSettings(table=Path("c.csv"), phases=("cmp",))  # type: ignore[arg-type]
    given = {"cohort": cohort, "arm": (arm, arm), "window": {"np": Window(low=0, high=1)}}
    assert [place for place, *_ in problems_in_code(Study, given)] == ["arm.a.name", "window.np"]


def test_a_value_that_no_file_can_hold_is_named() -> None:
    assert [place for place, *_ in problems_in_code(SplitSettings, {"column": Path("c")})] == ["split.column"]


def test_a_key_at_its_default_and_repeats_are_no_part_of_what_results_depend_on():
    ng: Any = nephrograde  # as people write it who run no type checker
    arm = ng.Arm(name="strong", supervision="mask", fit={"epochs": 3})
    study = ng.Study(cohort={"table": "c.csv"}, arm=[arm])
    content = str(study.sealed())
    assert "bootstraps" not in content
    again = ng.Study(
        cohort={"table": "c.csv"},
        arm=[ng.Arm(name="strong", supervision="mask", fit={"epochs": 3, "repeats": 2})],
        split={"repeats": 3, "learning_curve": (0.5,)},
        fit={"repeats": 2},
    )
    assert again.sealed() == study.sealed()
    other = ng.Study(cohort={"table": "c.csv"}, arm=[arm], fit={"seed": 7})
    assert other.sealed() != study.sealed()
