"""Tuning, from the command to the report: resumed after an interruption, inside the learning patients, and counted."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from tests.small_study import WEAK_ARM, small_study

from nephrograde.cohort.stage import load_inputs
from nephrograde.errors import FitError, InputError, RunError
from nephrograde.files import read_json, read_rows
from nephrograde.pipeline import evaluate_study, fit_study, prepare_study, tune_study
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from nephrograde.run.progress import Workload

pytestmark = [pytest.mark.slow, pytest.mark.needs("optuna")]
TUNE = "[tune]\ntrials = 2\nfolds = 2\nvalues = ['epochs', 'learning_rate', 'augmentation']\n"
FIT = 'epochs = 2\nwarmup_epochs = 0\nbatch_size = 4\npatience = 2\naccelerator = "cpu"\nworkers = 1\n'


@pytest.fixture(scope="module")
def prepared(tiny_cohort_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study and its prepared scans, in ``run``."""
    folder = tmp_path_factory.mktemp("tune")
    shutil.copytree(tiny_cohort_dir, folder / "cohort")
    study_path = folder / "cohort" / "study.toml"
    study_path.write_text(small_study("tuned (synthetic)", arms=WEAK_ARM, fit=FIT) + TUNE, encoding="utf-8")
    prepare_study(load_inputs(study_path), folder / "run")
    return folder


def records(run_dir: Path) -> dict[str, bytes]:
    return {
        path.relative_to(run_dir).as_posix(): path.read_bytes() for path in (run_dir / "tuning").rglob("fold-*.json")
    }


def watched(tell: Callable[[Workload], None]) -> Callable[[str, object], AbstractContextManager[Callable[[], None]]]:
    """A display of progress that passes the workload of the search on."""

    def show(name: str, work: object) -> AbstractContextManager[Callable[[], None]]:
        return nullcontext(lambda: tell(work) if name == "Tuning models" else None)  # type: ignore[arg-type]

    return show


def test_from_the_command_to_the_report(prepared: Path, tmp_path: Path, nephrograde) -> None:
    study_path, run_dir = prepared / "cohort" / "study.toml", tmp_path / "run"
    shutil.copytree(prepared / "run", run_dir)
    run = RunFolder(run_dir)
    study = load_inputs(study_path)
    with pytest.raises(RunError, match=r"is not tuned yet.*nephrograde tune"):
        fit_study(study, run_dir)

    def interrupt(work: Workload) -> None:
        if work.parts[0].done > 2.1:  # in the second of two trials, each of two inner folds
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_study(study, run_dir, progress=watched(interrupt))
    kept = read_json(run.tuning.record_path("weak-1-cmp", 0, ""))["trials"]
    assert len(kept) == 1
    with pytest.raises(RunError, match="1 of 2 trials are finished"):
        fit_study(study, run_dir)
    code, printed, told = nephrograde("tune", study_path, "--out", run_dir)
    assert code == 0
    shutil.copytree(prepared / "run", tmp_path / "whole")
    at_once = load_inputs(study_path, ("fit.workers=2",))
    assert len(tune_study(at_once, tmp_path / "whole", models=["weak-1-cmp"])) == 2
    assert "2 trials with 2 inner folds each, at most 6 networks" in told
    assert "finished already, and are kept: 1." in told
    assert "weak-1-cmp" in printed
    assert records(run_dir) == records(tmp_path / "whole")  # neither interruptions nor processes change a trial

    rows = read_rows(run.tuning.trials_path)
    assert len(rows) == 2 * 2
    assert [row["is_chosen"] for row in rows].count("1") == 2

    fit_study(study, run_dir)
    cards = [read_json(fold.card_path) for fold in run.folds()]
    assert len(cards) == 2
    for card in cards:
        best = next(row for row in rows if int(row["fold"]) == card["fold"] and row["is_chosen"] == "1")
        assert card["settings"]["fit"]["epochs"] == float(best["epochs"])
        assert card["settings"]["fit"]["learning_rate"] == float(best["learning_rate"])
        assert card["settings"]["augment"]["rotate_deg"] == pytest.approx(15 * float(best["augmentation"]))
        assert card["settings"]["chosen"]["trials"] == 2
    assert "weak-1-cmp" in evaluate_study(study, run_dir).read_text(encoding="utf-8")
    page = run.report.page_path().read_text(encoding="utf-8")
    assert 'id="tuning"' in page
    assert "4 trials in all (weak-1-cmp: 4)" in page

    with pytest.raises(RunError, match="was tuned for other patients, images or settings"):
        fit_study(load_inputs(study_path, ("augment.noise=0.1",)), run_dir)
    fit_study(load_inputs(study_path, ("fit.workers=2",)), run_dir)  # nothing to do


def test_what_cannot_be_tuned_is_refused_before_anything_is_fitted(prepared: Path) -> None:
    study = load_inputs(prepared / "cohort" / "study.toml")
    with pytest.raises(InputError, match="weak-9-cmp is not a model of the study"):
        tune_study(study, prepared / "run", models=["weak-9-cmp"])
    several = study.model_copy(update={"fit": study.fit.model_copy(update={"devices": 2})})
    with pytest.raises(FitError, match="several devices share each fit"):
        tune_study(several, prepared / "run")
    assert not (prepared / "run" / "tuning").exists()
