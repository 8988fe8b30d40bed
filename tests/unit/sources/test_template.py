"""The templates: they load, and their defaults, keys and columns agree with the code."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.cohort.table import read_cohort, read_table
from nephrograde.errors import InputError, RunError, WeightsError
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
    TuneSettings,
    Window,
)
from nephrograde.study.file import load_study
from nephrograde.study.tuning import spans_of

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
    text = write_template(folder).study_path.read_text(encoding="utf-8")
    return text, tomllib.loads(text)


def test_the_chinese_study_file_says_the_same_in_chinese(tmp_path: Path) -> None:
    english, values = written(tmp_path / "en")
    chinese = write_template(tmp_path / "zh", language="zh").study_path.read_text(encoding="utf-8")
    assert tomllib.loads(chinese) == values
    assert [line.partition("#")[0] for line in chinese.splitlines()] == [
        line.partition("#")[0] for line in english.splitlines()
    ]
    comments = [line.partition("# ")[2] for line in chinese.splitlines()]
    words = re.compile(r"[A-Za-z][a-z’'-]+(?:,? [A-Za-z][a-z’'-]+){2,}")
    assert not [comment for comment in comments if words.search(re.sub(r"nephrograde \w+ study.toml", "", comment))]
    for line, other in zip(english.splitlines(), chinese.splitlines(), strict=True):
        key = re.match(r"# (\w+) = ", line)
        assert key is None or other.startswith(key[0])
    assert write_template(tmp_path / "zh2", language="zh").study_path.read_text(encoding="utf-8") == chinese


def test_a_table_that_is_taken_up_is_described_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("病案号,核分级,cmp_image\nA,1,a.nii\nB,3,b.nii\n", encoding="utf-8")
    text = write_template(tmp_path, language="zh").study_path.read_text(encoding="utf-8")
    assert "有图像的患者：cmp 2" in text
    assert "patients with" not in text


def assert_defaults(table: dict[str, Any], text: str, kind: type[Section]) -> None:
    for key, field in kind.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if field.is_required():
            assert key in table
        elif default is None:
            assert re.search(rf"(?m)^# {key} = |^{key} = ", text), f"{key} is not explained"
        else:
            default = list(default) if isinstance(default, tuple) else default
            assert table[key] == default, key
            assert type(table[key]) is type(default), key


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_every_key_stands_at_its_default(tmp_path: Path, name: str) -> None:
    text, raw = written(tmp_path)
    section_text = re.split(r"(?m)^\[", text.partition(f"\n[{name}]")[2])[0]
    assert_defaults(raw[name], section_text, SECTIONS[name])


def test_keys_outside_the_sections_stand_at_their_defaults(tmp_path: Path) -> None:
    text, raw = written(tmp_path)
    assert set(raw) == set(Study.model_fields) - {"tune"}
    assert raw["name"] == Study.model_fields["name"].default
    assert raw["synthetic"] is Study.model_fields["synthetic"].default
    assert_defaults(raw["arm"][0], text, Arm)
    assert_defaults(raw["window"]["default"], text, Window)


def test_tuning_is_explained_and_off(tmp_path: Path) -> None:
    text, raw = written(tmp_path)
    assert "tune" not in raw
    table = text.partition("# [tune]")[2].partition("\n\n")[0]
    keys = tomllib.loads("\n".join(line[2:] for line in table.splitlines() if line.startswith("# ")))
    assert set(keys) == set(TuneSettings.model_fields)
    spans = spans_of(TuneSettings(), FitSettings(), AugmentSettings())
    for name in TuneSettings.model_fields:
        default = [spans[name].low, spans[name].high] if name in spans else getattr(TuneSettings(), name)
        assert keys[name] == (list(default) if isinstance(default, tuple) else default), name


def test_every_key_is_explained(tmp_path: Path) -> None:
    text, _ = written(tmp_path)
    first_arm_only = text.partition('name = "weak-3"')[0] + text.partition("[image]")[2]
    bare = [line for line in first_arm_only.splitlines() if re.match(r"\w+ = ", line) and "#" not in line]
    assert bare == []


def test_study_of_the_template_is_the_default_study(tmp_path: Path) -> None:
    study = load_study(write_template(tmp_path).study_path)
    for section, kind in SECTIONS.items():
        if section != "cohort":
            assert getattr(study, section) == kind()
    assert [(arm.name, arm.dimensions) for arm in study.arm] == [("weak-1", 2), ("weak-3", 2), ("strong", 3)]
    without_window = study.model_copy(update={"window": {}})
    assert study.window_of("cmp") == without_window.window_of("cmp")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("n", "package", "has_arm"),
    [(499, "there", True), (500, "there", False), (499, "absent", False), (40, "there", True), (39, "there", False)],
)
def test_a_small_cohort_gets_an_arm_of_a_frozen_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: Any, n: int, package: str, has_arm: bool
) -> None:
    rows = [f"P{k},{k % 4 + 1},{k}.nii.gz,{k}.mask.nii.gz" for k in range(n)]
    headings = "patient_id,isup_grade,cmp_image,cmp_mask"
    (tmp_path / "cohort.csv").write_text("\n".join([headings, *rows]), encoding="utf-8")
    asked = []

    def find(name: str, _folder: Path) -> None:
        asked.append(name)
        if package == "absent":
            raise WeightsError("pip install")

    monkeypatch.setattr("nephrograde.sources.template.find_encoder", find)
    study = load_study(write_template(tmp_path, language=language).study_path)
    assert [arm.name for arm in study.arm] == ["weak-1", "weak-3", "strong", *["frozen"] * has_arm]
    assert asked == ["efficientnet-lite0"] * (n in {40, 499})
    if has_arm:
        assert (study.arm[-1].dimensions, study.arm[-1].encoder) == (3, "efficientnet-lite0")


def test_table_of_the_template_lacks_nothing_but_patients(tmp_path: Path) -> None:
    study = load_study(write_template(tmp_path).study_path)
    _, problems = read_cohort(study.cohort, study.split)
    assert {problem.place for problem in problems} == {"split.folds", "split.test_fraction"}


def test_table_opens_in_excel_and_its_columns_are_explained(tmp_path: Path) -> None:
    table_path = write_template(tmp_path).table_path
    assert table_path.read_bytes().startswith(b"\xef\xbb\xbfpatient_id,")
    rows = read_table(table_path)
    assert [row["patient_id"] for row in rows] == ["P001", "P002"]
    page = (tmp_path / "columns.md").read_text(encoding="utf-8")
    for column in rows[0]:
        shown = re.sub(r"^(cmp|np|up)_", "<phase>_", column)
        assert f"- `{shown}`" in page
    for item in page.split("\n- `")[1:]:
        assert re.search(r"[\u4e00-\u9fff]", item.partition("\n\n")[0]), item


@pytest.mark.parametrize("name", ["study.toml", "columns.md"])
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


HEADINGS = "patient_id,isup_grade,up_image,cmp_image,np_image,ep_image"


def scanned(folder: Path, *, name: str = "cohort", headings: str = HEADINGS, n_late: int = 1) -> bytes:
    """Write a table as a scan writes it, with a late phase of a few patients; return its bytes."""
    rows = [f"P{k:04},{k % 4 + 1},u{k}.series,c{k}.series,,{f'e{k}.series' if k < n_late else ''}" for k in range(24)]
    table_path = folder / f"{name}.csv"
    table_path.write_text("\n".join([headings, *rows]), encoding="utf-8")
    (folder / f"{name}.scan.json").write_text("{}", encoding="utf-8")
    return table_path.read_bytes()


@pytest.mark.parametrize("name", ["cohort", "中山"])
def test_a_scanned_table_is_taken_up_and_stays_as_it_is(tmp_path: Path, name: str) -> None:
    before = scanned(tmp_path, name=name)
    written = write_template(tmp_path)
    assert written.found is not None
    assert written.found.n_images == {"cmp": 24, "up": 24, "ep": 1}
    assert (written.found.n_patients, written.found.n_graded, written.found.annotations) == (24, 24, ())
    assert written.found.left_out == ("ep",)
    study = load_study(written.study_path)
    assert study.cohort == CohortSettings(table=tmp_path / f"{name}.csv", phases=("cmp", "up"))
    assert read_cohort(study.cohort, study.split)[1] == []
    assert written.table_path.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"{name}.csv", f"{name}.scan.json", "columns.md", "study.toml"]
    )


@pytest.mark.parametrize(
    ("headings", "columns", "outcome"),
    [
        (HEADINGS.replace("isup_grade", "核分级").replace("patient_id", "病案号"),
         {"patient_id": "病案号", "isup_grade": "核分级"}, "isup_grade"),
        (HEADINGS.replace("isup_grade", "fuhrman_grade"), {}, "fuhrman_grade"),
        (HEADINGS.replace("isup_grade", 'WHO/ISUP'), {"isup_grade": "WHO/ISUP"}, "isup_grade"),
    ],
)  # fmt: skip
def test_headings_and_grades_of_a_table_are_taken_up(
    tmp_path: Path, headings: str, columns: dict[str, str], outcome: str
) -> None:
    scanned(tmp_path, headings=headings)
    study = load_study(write_template(tmp_path).study_path)
    assert (study.cohort.columns, study.cohort.outcome) == (columns, outcome)
    assert read_cohort(study.cohort, study.split)[1] == []


def test_every_phase_stays_where_none_has_enough_patients(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text(f"{HEADINGS}\nP1,3,u,c,,e\nP2,,u,,,", encoding="utf-8")
    found = write_template(tmp_path).found
    assert found is not None
    assert (found.phases, found.n_graded) == (("cmp", "up", "ep"), 1)


def test_a_table_without_grades_counts_patients(tmp_path: Path) -> None:
    rows = [f"P{k},,u{k},{f'c{k}' if k < 9 else ''},," for k in range(10)]
    (tmp_path / "cohort.csv").write_text("\n".join([HEADINGS, *rows]), encoding="utf-8")
    found = write_template(tmp_path).found
    assert found is not None
    assert (found.phases, found.left_out, found.n_graded) == (("up",), ("cmp",), 0)


def test_a_table_of_something_else_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError):
        write_template(tmp_path)
    (tmp_path / "cohort.csv").write_text("name,score\na,1", encoding="utf-8")
    with pytest.raises(InputError, match="names no image"):
        write_template(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]


def test_a_scan_that_chose_no_series_is_told_from_a_table_that_is_not_filled_in(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text(f"{HEADINGS}\n", encoding="utf-8")
    with pytest.raises(InputError, match="no rows"):
        write_template(tmp_path)
    (tmp_path / "cohort.scan.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"no series of any patient.*series\.csv.*--corrections"):
        write_template(tmp_path)


def test_two_scanned_tables_are_refused_by_name(tmp_path: Path) -> None:
    scanned(tmp_path, name="a")
    scanned(tmp_path, name="b")
    with pytest.raises(InputError, match=r"a\.csv, b\.csv"):
        write_template(tmp_path)
