"""The study file: what is read, and that all mistakes are reported at once with their location and remedy."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from pydantic import ValidationError

from nephrograde.errors import InputError, Problem
from nephrograde.study import FitSettings, Study, Window, restore_study
from nephrograde.study.file import evaluate_settings, load_study, salvage_study
from nephrograde.vocabulary import Supervision

SOUND = """
[cohort]
table = "tables/cohort.csv"
phases = ["cmp", "up"]
[[arm]]
name = "weak-1"
supervision = "box"
slices = 1
[[arm]]
name = "strong"
supervision = "mask"
"""


def study_at(folder: Path, text: str) -> Path:
    study_path = folder / "study.toml"
    study_path.write_text(text, encoding="utf-8")
    return study_path


def problems_of(folder: Path, text: str, *overrides: str) -> dict[str, Problem]:
    with pytest.raises(InputError) as caught:
        load_study(study_at(folder, text), overrides)
    return {problem.place: problem for problem in caught.value.problems}


def test_study_is_read_with_its_defaults(tmp_path: Path) -> None:
    study = load_study(study_at(tmp_path, SOUND))
    assert study.cohort.table == tmp_path / "tables" / "cohort.csv"
    assert study.cohort.outcome == "isup_grade"
    assert [(arm.name, arm.supervision, arm.dimensions) for arm in study.arm] == [
        ("weak-1", Supervision.BOX, 2),
        ("strong", Supervision.MASK, 3),
    ]
    assert study.split.folds == 5
    assert [model.id for model in study.models()] == ["weak-1-cmp", "weak-1-up", "strong-cmp", "strong-up"]


def test_bom_windows_separator_and_chinese_are_read(tmp_path: Path) -> None:
    text = SOUND.replace('"tables/cohort.csv"', r"'数据\队列.xlsx'").replace(
        "[[arm]]", "columns = { a = '病' }\n[[arm]]", 1
    )
    (tmp_path / "study.toml").write_text(text, encoding="utf-8-sig")
    study = load_study(tmp_path / "study.toml")
    assert study.cohort.table == tmp_path / "数据" / "队列.xlsx"
    assert study.cohort.columns == {"a": "病"}


def test_study_is_frozen(tmp_path: Path) -> None:
    study = load_study(study_at(tmp_path, SOUND))
    with pytest.raises(ValidationError, match="frozen"):
        study.name = "other"


def test_study_survives_its_lock_file(tmp_path: Path) -> None:
    study = load_study(study_at(tmp_path, SOUND), ("window.cmp={low=-100, high=200}", "arm.strong.fit={epochs=3}"))
    assert restore_study(json.loads(json.dumps(study.model_dump(mode="json")))) == study


def test_window_of_a_phase(tmp_path: Path) -> None:
    study_path = study_at(tmp_path, SOUND)
    assert load_study(study_path).window_of("up") == Window(low=-200, high=300)
    study = load_study(study_path, ("window.default={low=0, high=1}", "window.cmp={low=1, high=99, percentiles=true}"))
    assert study.window_of("up") == Window(low=0, high=1)
    assert study.window_of("cmp") == Window(low=1, high=99, percentiles=True)


def test_fit_of_an_arm_replaces_single_keys(tmp_path: Path) -> None:
    study = load_study(study_at(tmp_path, SOUND), ("fit.batch_size=4", "arm.strong.fit.epochs=7"))
    weak, strong = study.arm
    assert study.fit_of(weak) == FitSettings(batch_size=4)
    assert study.fit_of(strong) == FitSettings(batch_size=4, epochs=7)


def test_results_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    study_path = study_at(tmp_path, SOUND)
    study, other = load_study(study_path), load_study(study_path, ("fit.workers=3",))
    assert (study.fit.workers, other.fit.workers) == ("auto", 3)
    assert other.sealed() == study.sealed()
    assert [other.fit_of(arm).of_one_fit() for arm in other.arm] == [
        study.fit_of(arm).of_one_fit() for arm in study.arm
    ]
    assert "workers" not in study.fit.of_one_fit()


def test_levels_without_a_place_and_their_keys_are_read(tmp_path: Path) -> None:
    overrides = ("arm.strong.supervision=none", "arm.weak-1.supervision=slice", "arm.weak-1.neighbours=2")
    study = load_study(study_at(tmp_path, SOUND), (*overrides, "annotation.minutes.box=1.5", "annotation.error_mm=2"))
    assert [(arm.supervision, arm.dimensions, arm.neighbours) for arm in study.arm] == [
        (Supervision.SLICE, 2, 2),
        (Supervision.NONE, 3, 0),
    ]
    assert (study.annotation.error_mm, study.annotation.minutes) == (2.0, {Supervision.BOX: 1.5})
    assert restore_study(json.loads(json.dumps(study.model_dump(mode="json")))) == study
    assert load_study(study_at(tmp_path, SOUND), ("annotation.error_mm=readers",)).annotation.error_mm == "readers"


def test_weights_lie_beside_the_study_file(tmp_path: Path) -> None:
    weights = f'{{ path = "w/a.pt", sha256 = "{"0" * 64}" }}'
    overrides = (f"fit.weights_3d={weights}", f"arm.weak-1.fit={{ epochs = 2, weights_2d = {weights} }}")
    study = load_study(study_at(tmp_path, SOUND), overrides)
    weak, strong = study.arm
    in_2d, in_3d = study.fit_of(weak).weights_2d, study.fit_of(strong).weights_3d
    assert in_2d is not None
    assert in_3d is not None
    assert in_2d.path == in_3d.path == tmp_path / "w" / "a.pt"
    assert study.fit_of(weak).epochs == 2
    assert study.fit_of(strong).weights_2d is None


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("fit.epochs=2", ("fit", "epochs"), 2),
        ("fit.pooling=noisy-or", ("fit", "pooling"), "noisy-or"),
        (" name = of two words", ("name",), "of two words"),
        ("split.stratify=['centre']", ("split", "stratify"), ["centre"]),
        ("image.box_voxels=[96, 96, 64]", ("image", "box_voxels"), [96, 96, 64]),
        ("cohort.outcome=核分级", ("cohort", "outcome"), "核分级"),
    ],
)
def test_override(tmp_path: Path, override: str, key: tuple[str, ...], value: object) -> None:
    dumped = load_study(study_at(tmp_path, SOUND), (override,)).model_dump(mode="json")
    for part in key:
        dumped = dumped[part]
    assert dumped == value


def test_override_of_an_arm_goes_by_its_name(tmp_path: Path) -> None:
    assert load_study(study_at(tmp_path, SOUND), ("arm.weak-1.slices=3",)).arm[0].slices == 3


@pytest.mark.parametrize(
    ("override", "what", "remedy"),
    [
        ("fit.epochs", "is not key=value", "--set fit.epochs=2"),
        ("fit..epochs=2", "is not key=value", "--set fit.epochs=2"),
        ("arm.weak-9.slices=3", "nothing in the study file is called 'weak-9'", "arms are addressed by name"),
        ("name.first=3", "nothing in the study file is called 'name'", "Keys start with"),
        ("arm.slices=3", "names a list", "arm.weak-1.slices=3"),
    ],
)
def test_bad_override_is_named(tmp_path: Path, override: str, what: str, remedy: str) -> None:
    text = 'name = "x"\n' + SOUND
    problem = problems_of(tmp_path, text, override)[f"--set {override}"]
    assert problem.what == what
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("override", "place", "what", "remedy"),
    [
        ("fit.epoch=3", "fit.epoch", "unknown key", "Did you mean 'epochs'?"),
        ("fitt.epochs=3", "fitt", "unknown key", "Did you mean 'fit'?"),
        (
            "split.zzz=3",
            "split.zzz",
            "unknown key",
            "Known keys: column, folds, learning_curve, repeats, seed, stratify, test_fraction.",
        ),
        ("arm.strong.slise=3", "arm.strong.slise", "unknown key", "Did you mean 'slices'?"),
        ("arm.strong.fit.epoch=3", "arm.strong.fit.epoch", "unknown key", "Did you mean 'epochs'?"),
        ("window.cmp={low=0, high=1, hihg=2}", "window.cmp.hihg", "unknown key", "Did you mean 'high'?"),
        ("fit.weights_2d.pth='a'", "fit.weights_2d.pth", "unknown key", "Did you mean 'path'?"),
        ("window.cmp={low=0}", "window.cmp.high", "is missing", "nephrograde init"),
        ("split.folds='5'", "split.folds", "input should be a valid integer (got '5')", "without quotes"),
        ("split.folds=5.5", "split.folds", "input should be a valid integer (got 5.5)", "a whole number"),
        ("split.folds=1", "split.folds", "input should be greater than or equal to 2 (got 1)", "Correct"),
        ("fit.learning_rate='1e-4'", "fit.learning_rate", "input should be a valid number (got '1e-4')", "quotes"),
        ("fit.learning_rate=inf", "fit.learning_rate", "input should be a finite number (got inf)", "a number"),
        ("fit.balanced=1", "fit.balanced", "input should be a valid boolean (got 1)", "true or false"),
        ("cohort.outcome=3", "cohort.outcome", "input should be a valid string (got 3)", "in quotes"),
        ("cohort.phases='cmp'", "cohort.phases", "input should be a valid array (got 'cmp')", "a list"),
        ("cohort.phases=['CMP']", "cohort.phases item 1", "string should match pattern", "lower-case letters"),
        ("cohort.phases=['up', 'up']", "cohort.phases", "lists one phase twice", "Correct"),
        ("image.box_mm=[1, 2]", "image.box_mm item 3", "is missing", "Add it"),
        (
            "fit.pooling='median'",
            "fit.pooling",
            "'mean', 'max', 'log-sum-exp', 'noisy-or' or 'attention' (got 'median')",
            "Correct",
        ),
        ("window.pet={low=0, high=1}", "window.pet", "is not a phase of cohort.phases (cmp, up)", "Correct"),
        ("window.up={low=1, high=1}", "window.up", "low (1) must be below high (1)", "Correct"),
        ("window.up={low=-1, high=9, percentiles=true}", "window.up", "percentiles lie between 0 and 100", "Correct"),
        ("arm.strong.name='weak-1'", "arm.weak-1.name", "another arm has this name (got 'weak-1')", "Correct"),
        ("arm.strong.supervision='slice'", "arm.strong", 'supervision "slice" gives no place for a box', "Correct"),
        ("arm.strong.neighbours=1", "arm.strong", "neighbours are channels of a 2D network", "Correct"),
        ("annotation.error_mm='reader'", "annotation.error_mm", "is neither a number of mm", "Correct"),
        ("annotation.error_mm=-1", "annotation.error_mm", 'nor "readers" (got -1)', "Correct"),
        ("annotation.error_mm=true", "annotation.error_mm", 'nor "readers" (got True)', "Correct"),
        ("annotation.errors_mm=1", "annotation.errors_mm", "unknown key", "Did you mean 'error_mm'?"),
        ("fit.workers=0", "fit.workers", 'is neither a whole number from 1 to 1024 nor "auto" (got 0)', "Correct"),
        ("fit.workers=true", "fit.workers", 'nor "auto" (got True)', "Correct"),
        ("fit.workers=2.0", "fit.workers", 'nor "auto" (got 2.0)', "Correct"),
        ("fit.workers='all'", "fit.workers", "nor \"auto\" (got 'all')", "Correct"),
        ("arm.strong.fit.workers=2", "arm.strong.fit.workers", "of all arms together (got 2)", "Write it in [fit]"),
        ("annotation.minutes.box=-1", "annotation.minutes.box", "greater than or equal to 0", "Correct"),
        ("arm.strong.supervision='scribble'", "arm.strong.supervision", "'none', 'slice', 'point'", "Correct"),
        ("arm=3", "arm", "input should be a valid array (got 3)", "[[arm]]"),
        ("arm=['weak']", "arm.1", "object (got 'weak')", "Correct"),
        (
            "arm.strong.fit.weights_2d={path='a', sha256='b'}",
            "arm.strong.fit.weights_2d.sha256",
            "got 'b'",
            "sha256sum",
        ),
        ("cohort.table=5", "cohort.table", "input should be a valid string (got 5)", "in quotes"),
    ],
)
def test_every_kind_of_mistake(tmp_path: Path, override: str, place: str, what: str, remedy: str) -> None:
    problem = problems_of(tmp_path, SOUND, override)[place]
    assert what in problem.what
    assert remedy in problem.remedy


BAD = """
nmae = "x"
[cohort]
tabel = "c.csv"
phases = ["CMP", "np"]
[split]
folds = "5"
[[arm]]
name = "a"
supervision = "nothing"
fit = { epoch = 0 }
[[arm]]
name = "a"
supervision = "box"
slice = 0
[window.pet]
low = 1
[fit]
epochs = 2.5
[evaluat]
confidence = 2
"""


def test_all_mistakes_are_named_at_once_even_behind_misspelt_keys(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, BAD, "fit.seed=-1", "fit")
    assert set(problems) == {
        "--set fit",
        "nmae",
        "cohort.tabel",
        "cohort.phases item 1",
        "split.folds",
        "arm.a.supervision",
        "arm.a.fit.epoch",
        "arm.a.fit.epochs",
        "arm.a.name",
        "arm.a.slice",
        "arm.a.slices",
        "window.pet",
        "window.pet.high",
        "fit.epochs",
        "fit.seed",
        "evaluat",
        "evaluate.confidence",
    }


def test_what_is_left_is_salvaged_so_that_the_table_can_be_checked(tmp_path: Path) -> None:
    study, problems = salvage_study(study_at(tmp_path, BAD))
    assert problems
    assert study is not None
    assert study.cohort.table == tmp_path / "c.csv"
    assert study.cohort.phases == ("cmp", "np")
    assert study.split == Study.model_fields["split"].default


@pytest.mark.parametrize(
    ("override", "phases"),
    [
        ("cohort.phases='up'", ("up",)),
        ("cohort.phases=['UP', '皮', 'up', 'np']", ("up", "np")),
        ("cohort.phases=[]", None),
    ],
)
def test_phases_are_salvaged(tmp_path: Path, override: str, phases: tuple[str, ...] | None) -> None:
    study, problems = salvage_study(study_at(tmp_path, SOUND), (override,))
    assert all(problem.place.startswith("cohort.phases") for problem in problems)
    assert study is not None
    assert study.cohort.phases == (phases or ("cmp", "np", "up"))


@pytest.mark.parametrize("override", ["cohort.table=5", "cohort=5", "split=5", "image=5", "name=5"])
def test_faulty_section_is_replaced(tmp_path: Path, override: str) -> None:
    study, problems = salvage_study(study_at(tmp_path, SOUND), (override,))
    assert [problem.place for problem in problems] == [override.partition("=")[0]]
    assert (study is None) == override.startswith("cohort")


def test_two_models_of_one_name(tmp_path: Path) -> None:
    overrides = ("cohort.phases=['cmp', '1-cmp']", "arm.strong.name='weak'")
    problem = problems_of(tmp_path, SOUND, *overrides)["study file"]
    assert problem.what == "arm and phase give two models the same name: weak-1-cmp"


def test_file_that_is_no_study(tmp_path: Path) -> None:
    assert set(problems_of(tmp_path, "")) == {"cohort", "arm"}
    assert "is not TOML" in problems_of(tmp_path, "[cohort")[str(tmp_path / "study.toml")].what
    (tmp_path / "study.toml").write_bytes('name = "肾"'.encode("gb18030"))
    (problem,) = salvage_study(tmp_path / "study.toml")[1]
    assert problem.what == "is not UTF-8 text"
    assert salvage_study(tmp_path)[1][0].what == "is a folder, not a study file"
    with pytest.raises(InputError, match="no such file"):
        load_study(tmp_path / "none.toml")


def test_published_studies_load() -> None:
    studies_dir = Path(__file__).parents[3] / "studies"
    assert [path.name for path in studies_dir.glob("*.toml") if salvage_study(path)[1]] == []


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 50_000 + " = 1",
        "[a" + ".a" * 50_000 + "]",
        'a = 1\n"a"' + '."a"' * 50_000 + " = 1",
        "a = " + "[" * 100_000,
        "a = " + "{b = " * 100_000,
        "a = 1" + "\n" * 3_000_000,
    ],
)
def test_what_is_nested_too_deeply_is_refused_at_once(tmp_path, text):
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    tracemalloc.start()
    study, problems = salvage_study(tmp_path / "study.toml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert study is None
    assert "More than" in problems[0].what
    assert peak < 30_000_000


def test_dots_in_strings_numbers_and_comments_are_not_nested(tmp_path):
    dots = "." * 5_000
    text = f"# {dots}\ncohort.table = \"cohort{dots}\"\nname = '{dots}[[[['\n"
    (tmp_path / "study.toml").write_text(text + "x = [1.5, 2.5]\n", encoding="utf-8")
    assert not any("More than" in problem.what for problem in salvage_study(tmp_path / "study.toml")[1])


def test_an_override_is_not_nested_more_deeply_than_a_study(tmp_path):
    (tmp_path / "study.toml").write_text('cohort.table = "cohort.csv"\n', encoding="utf-8")
    deep = ("a" + ".a" * 50_000 + "=1", "fit.epochs=" + "[" * 100_000)
    for override in deep:
        assert salvage_study(tmp_path / "study.toml", (override,))[1]


def test_a_number_of_thousands_of_digits_is_no_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not TOML"):
        load_study(study_at(tmp_path, f"x = {'1' * 5000}"))


def test_the_primary_comparison_names_two_models_or_baselines_of_the_study(tmp_path: Path) -> None:
    study = load_study(study_at(tmp_path, f'{SOUND}[evaluate]\nprimary = ["weak-1-cmp", "size"]'))
    assert study.evaluate.primary == ("weak-1-cmp", "size")
    assert load_study(study_at(tmp_path, SOUND)).evaluate.primary is None
    problems = problems_of(tmp_path, f'{SOUND}[evaluate]\nprimary = ["weak-1-cpm", "radiomics"]')
    assert set(problems) == {"evaluate.primary item 1", "evaluate.primary item 2"}
    assert "did you mean weak-1-cmp?" in problems["evaluate.primary item 1"].what


@pytest.mark.parametrize(
    ("primary", "what"),
    [
        ('["weak-1-cmp", "weak-1-cmp"]', "is not two different models"),
        ('["weak-1-cmp"]', "is not two different models"),
        ('["weak-1-cmp", "weak-1-up", "strong-cmp"]', "is not two different models"),
        ('"weak-1-cmp"', "input should be a valid array"),
    ],
)
def test_a_primary_comparison_of_other_than_two_models_is_refused(tmp_path: Path, primary: str, what: str) -> None:
    problems = problems_of(tmp_path, f"{SOUND}[evaluate]\nprimary = {primary}")
    assert [place.startswith("evaluate.primary") for place in problems] == [True]
    assert what in next(iter(problems.values())).what


def test_a_score_table_takes_any_two_names() -> None:
    assert evaluate_settings(('evaluate.primary=["theirs", "ours"]',)).primary == ("theirs", "ours")
    with pytest.raises(InputError, match="is not two different models"):
        evaluate_settings(('evaluate.primary=["ours", "ours"]',))


def test_a_study_with_another_mistake_is_salvaged_although_it_names_a_primary_comparison(tmp_path: Path) -> None:
    text = SOUND.replace('supervision = "mask"', 'supervision = "masc"') + '[evaluate]\nprimary = ["strong-up", "size"]'
    study, problems = salvage_study(study_at(tmp_path, text))
    assert [problem.place for problem in problems] == ["arm.strong.supervision"]
    assert study is not None
