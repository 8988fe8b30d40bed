"""A study whose models are fitted again: with other folds, another seed, and on fewer patients."""

import shutil

import pytest
from tests.small_study import QUICK_FIT, small_study
from tests.without_report import run_alone

from nephrograde.cohort.stage import load_inputs, open_cohort
from nephrograde.errors import RunError
from nephrograde.files import read_rows
from nephrograde.fit.stage import keys_of_fits
from nephrograde.pipeline import evaluate_study, report_study
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import read_lock_file
from nephrograde.run.seal import read_seal

ONCE = small_study("repeated (synthetic)", fit=QUICK_FIT)
REPEATS = ("split.repeats=2", "split.learning_curve=[0.5]", "fit.repeats=2")
NAMES = {"folds-1", "share-0.5", "folds-1-share-0.5", "seed-1"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study_path(tiny_cohort_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repeated")
    shutil.copytree(tiny_cohort_dir, folder, dirs_exist_ok=True)
    (folder / "study.toml").write_text(ONCE, encoding="utf-8")
    return folder / "study.toml"


@pytest.fixture(scope="module")
def runs(study_path, tmp_path_factory):
    """The run of the study, and a copy of it that was continued with repeats."""
    once = RunFolder(tmp_path_factory.mktemp("runs") / "once")
    run_alone(load_inputs(study_path), once.run_dir)
    repeated = RunFolder(once.run_dir.with_name("repeated"))
    shutil.copytree(once.run_dir, repeated.run_dir)
    run_alone(load_inputs(study_path, REPEATS), repeated.run_dir, reason="repeats")
    return once, repeated


def test_repeats_leave_the_results_as_they_are(runs):
    once, repeated = runs
    for path in (once.scores_path, once.members_path, once.estimates_path, once.comparisons_path, once.split_path):
        assert (repeated.run_dir / path.relative_to(once.run_dir)).read_bytes() == path.read_bytes()
    for fold in once.folds():
        same = repeated.fold(fold.model, fold.number)
        assert same.card_path.stat().st_mtime_ns == fold.card_path.stat().st_mtime_ns  # not fitted again


def test_every_repeat_has_its_networks_and_scores(runs):
    once, repeated = runs
    assert {path.name for path in repeated.repeats_dir.iterdir()} == NAMES
    assert not once.repeats_dir.exists()
    rows = read_rows(repeated.repeats_scores_path)
    assert {row["repeat"] for row in rows} == NAMES
    first = {row["patient_id"]: row for row in read_rows(repeated.scores_path) if row["model"] == "weak-1-cmp"}
    for name in NAMES:
        own = {row["patient_id"]: row for row in rows if (row["repeat"], row["model"]) == (name, "weak-1-cmp")}
        assert own.keys() == first.keys()
        assert any(own[p]["p_high"] != first[p]["p_high"] for p in own)
        assert (any(own[p]["fold"] != first[p]["fold"] for p in own)) == name.startswith("folds-1")
    assert {row["repeat"] for row in rows if row["model"] == "size"} == NAMES - {"seed-1"}


def test_aucs_of_repeats_lead_back_to_the_scores(runs):
    _, repeated = runs
    rows = read_rows(repeated.repeats_path)
    assert {(row["drawing"], row["seed"], row["share"]) for row in rows} == {
        ("0", "0", "1.0"), ("1", "0", "1.0"), ("0", "1", "1.0"), ("0", "0", "0.5"), ("1", "0", "0.5"),
    }  # fmt: skip
    half, whole = (
        [int(row["n_learn"]) for row in rows if row["share"] == share and row["model"] == "size"]
        for share in ("0.5", "1.0")
    )
    assert max(half) < min(whole)
    scores = [row for row in read_rows(repeated.repeats_scores_path) if row["repeat"] == "seed-1"]
    tested = [row for row in scores if row["split"] == "test"]
    high = [float(row["p_high"]) for row in tested if row["is_high"] == "1"]
    low = [float(row["p_high"]) for row in tested if row["is_high"] == "0"]
    by_hand = sum((h > one) + 0.5 * (h == one) for h in high for one in low) / len(high) / len(low)
    (found,) = (float(row["auc"]) for row in rows if row["seed"] == "1" and row["split"] == "test")
    assert found == pytest.approx(by_hand)


def test_procedures_are_compared_only_with_two_drawings(runs):
    once, repeated = runs
    assert read_rows(once.procedures_path) == []
    pairs = {(row["model_a"], row["model_b"]) for row in read_rows(repeated.procedures_path)}
    assert ("weak-1-cmp", "size") in pairs
    assert len(pairs) == 6  # of four models


def test_a_repeat_that_lacks_a_network_is_refused_and_fitted_again(runs, study_path, tmp_path):
    _, repeated = runs
    run = RunFolder(tmp_path / "damaged")
    shutil.copytree(repeated.run_dir, run.run_dir)
    shutil.rmtree(run.fold("weak-1-cmp", 1, "seed-1").fold_dir)
    study = load_inputs(study_path, REPEATS)
    with pytest.raises(RunError, match=r"seed-1.*fold-1 is missing.*nephrograde fit"):
        evaluate_study(study, run)
    run_alone(study, run, reason=None)
    assert run.fold("weak-1-cmp", 1, "seed-1").is_whole()
    assert {row["split"] for row in read_rows(run.repeats_path)} == {"oof"}  # the test set stays closed


def test_a_new_seed_is_another_fit_and_repeats_are_not_part_of_any(study_path, runs):
    _, repeated = runs
    study = load_inputs(study_path, REPEATS)
    cohort, split = open_cohort(study, repeated)
    keys = keys_of_fits(study, cohort, split, repeated)
    assert len(set(keys.values())) == len(keys) == 2 * (1 + len(NAMES))
    assert not any(fold.startswith("seed-2") for fold in keys)


def test_a_finished_run_still_grades_when_only_repeats_are_asked_for(runs, study_path, tmp_path):
    once, _ = runs
    run = RunFolder(tmp_path / "asked")
    shutil.copytree(once.run_dir, run.run_dir)
    seal = read_seal(run)
    assert seal is not None
    open_cohort(load_inputs(study_path, REPEATS), run)  # as `check` does, or a run that is killed before it has fitted
    seal.check_study(read_lock_file(run))
    report_study(run)
    open_cohort(load_inputs(study_path, ("image.slice_mm=120.0",)), run)
    for use in (lambda: seal.check_study(read_lock_file(run)), lambda: report_study(run)):
        with pytest.raises(RunError, match="holds another study than the one that was evaluated"):
            use()
