"""Regions and networks of one study are never fitted on or evaluated as those of another."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import RunError
from nephrograde.files import read_json
from nephrograde.pipeline import evaluate_study, fit_study, load_inputs, prepare_study
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.study import Study

OLDER = {"nephrograde": "0.0.1", "torch": "1.0"}


@pytest.fixture
def prepared(one_arm_dir: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A study file whose table a test may change, and a run with its scans prepared."""
    shutil.copytree(one_arm_dir / "cohort", tmp_path / "cohort")
    shutil.copytree(one_arm_dir / "prepared", tmp_path / "run")
    return tmp_path / "cohort" / "study.toml", tmp_path / "run"


def with_other_grade(study_path: Path) -> Study:
    table_path = study_path.with_name("cohort.csv")
    lines = table_path.read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index("isup_grade")
    cells = lines[1].split(",")
    cells[place] = "1" if cells[place] in {"3", "4"} else "3"
    table_path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]), encoding="utf-8")
    return load_inputs(study_path)


@pytest.mark.parametrize(
    "setting", ["image.slice_px=40", "image.slice_mm=120.0", "window.default={low=-100.0, high=200.0}"]
)
def test_regions_of_other_settings_are_refused(prepared: tuple[Path, Path], setting: str) -> None:
    study_path, run_dir = prepared
    lock = RunFolder(run_dir).study_lock_path.read_bytes()
    other = load_inputs(study_path, (setting,))
    for step in (fit_study, evaluate_study):
        with pytest.raises(RunError, match="were prepared with other settings"):
            step(other, run_dir)
    assert RunFolder(run_dir).study_lock_path.read_bytes() == lock
    assert not RunFolder(run_dir).models_dir.exists()


def test_regions_of_another_table_are_refused(prepared: tuple[Path, Path]) -> None:
    study_path, run_dir = prepared
    with pytest.raises(RunError, match="another cohort table"):
        fit_study(with_other_grade(study_path), run_dir)


@pytest.mark.slow
def test_networks_of_other_settings_or_grades_are_refused(prepared: tuple[Path, Path]) -> None:
    study_path, run_dir = prepared
    fit_study(load_inputs(study_path), run_dir)
    lock_path = RunFolder(run_dir).study_lock_path
    lock = lock_path.read_bytes()
    for setting in ("fit.seed=7", "fit.learning_rate=0.01", "augment.noise=0.3"):
        with pytest.raises(RunError, match=r"fitted with other settings, grades or regions: .*/fold-0 and \d+ more"):
            evaluate_study(load_inputs(study_path, (setting,)), run_dir)
        assert lock_path.read_bytes() == lock
    evaluate_study(load_inputs(study_path, ("evaluate.bootstraps=100",)), run_dir)
    changed = with_other_grade(study_path)
    prepare_study(changed, run_dir)
    with pytest.raises(RunError, match="fitted with other settings, grades"):
        evaluate_study(changed, run_dir, reason="a grade was corrected")


@pytest.mark.slow
def test_networks_of_earlier_versions_of_packages_can_be_evaluated(
    prepared: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study_path, run_dir = prepared
    study = load_inputs(study_path, ("fit.workers=1",))
    with monkeypatch.context() as patch:
        patch.setattr("nephrograde.fit.planned.versions", lambda: OLDER)
        fit_study(study, run_dir)
    assert evaluate_study(study, run_dir).is_file()
    (card_path, *_) = RunFolder(run_dir).models_dir.glob("*/fold-*/*card*.json")
    assert read_json(card_path)["versions"] == OLDER
