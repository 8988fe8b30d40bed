"""The templates: they load, and their defaults, keys and columns agree with the code."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.cohort.table import read_cohort, read_table
from nephrograde.errors import RunError
from nephrograde.sources.template import write_template
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
from nephrograde.study_file import load_study

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS: dict[str, type[Section]] = {
    "cohort": CohortSettings,
    "split": SplitSettings,
    "image": ImageSettings,
    "augment": AugmentSettings,
    "masks": MaskSettings,
    "fit": FitSettings,
    "evaluate": EvaluateSettings,
}


def written(folder: Path) -> tuple[str, dict[str, Any]]:
    text = write_template(folder)[0].read_text(encoding="utf-8")
    return text, tomllib.loads(text)


def assert_defaults(table: dict[str, Any], text: str, kind: type[Section]) -> None:
    for key, field in kind.model_fields.items():
        if field.is_required():
            assert key in table
        elif field.default is None:
            assert re.search(rf"(?m)^# {key} = |^{key} = ", text), f"{key} is not explained"
        else:
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert table[key] == default, key
            assert type(table[key]) is type(default), key


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_every_key_stands_at_its_default(tmp_path: Path, name: str) -> None:
    text, raw = written(tmp_path)
    section_text = re.split(r"(?m)^\[", text.partition(f"\n[{name}]")[2])[0]
    assert_defaults(raw[name], section_text, SECTIONS[name])


def test_keys_outside_the_sections_stand_at_their_defaults(tmp_path: Path) -> None:
    text, raw = written(tmp_path)
    assert set(raw) == set(Study.model_fields)
    assert raw["name"] == Study.model_fields["name"].default
    assert raw["synthetic"] is Study.model_fields["synthetic"].default
    assert_defaults(raw["arm"][0], text, Arm)
    assert_defaults(raw["window"]["default"], text, Window)


def test_every_key_is_explained(tmp_path: Path) -> None:
    text, _ = written(tmp_path)
    first_arm_only = text.partition('name = "weak-3"')[0] + text.partition("[image]")[2]
    bare = [line for line in first_arm_only.splitlines() if re.match(r"\w+ = ", line) and "#" not in line]
    assert bare == []


def test_study_of_the_template_is_the_default_study(tmp_path: Path) -> None:
    study = load_study(write_template(tmp_path)[0])
    for section, kind in SECTIONS.items():
        if section != "cohort":
            assert getattr(study, section) == kind()
    assert [(arm.name, arm.dimensions) for arm in study.arm] == [("weak-1", 2), ("weak-3", 2), ("strong", 3)]
    without_window = study.model_copy(update={"window": {}})
    assert study.window_of("cmp") == without_window.window_of("cmp")


def test_table_of_the_template_lacks_nothing_but_patients(tmp_path: Path) -> None:
    study = load_study(write_template(tmp_path)[0])
    _, problems = read_cohort(study.cohort, study.split)
    assert {problem.place for problem in problems} == {"split.folds", "split.test_fraction"}


def test_table_opens_in_excel_and_its_columns_are_explained(tmp_path: Path) -> None:
    _, table_path = write_template(tmp_path)
    assert table_path.read_bytes().startswith(b"\xef\xbb\xbfpatient_id,")
    rows = read_table(table_path)
    assert [row["patient_id"] for row in rows] == ["P001", "P002"]
    page = (tmp_path / "columns.md").read_text(encoding="utf-8")
    for column in rows[0]:
        shown = re.sub(r"^(cmp|np|up)_", "<phase>_", column)
        assert f"- `{shown}`" in page
    for item in page.split("\n- `")[1:]:
        assert re.search(r"[\u4e00-\u9fff]", item.partition("\n\n")[0]), item


@pytest.mark.parametrize("name", ["study.toml", "cohort.csv", "columns.md"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match=f"already contains {re.escape(name)}"):
        write_template(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="is a file"):
        write_template(tmp_path / "a")
