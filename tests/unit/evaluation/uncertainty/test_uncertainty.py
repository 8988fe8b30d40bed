from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import nephrograde as ng
from nephrograde.errors import RunError
from nephrograde.evaluation.calibration.recalibration import Way, learn_map
from nephrograde.evaluation.evaluation import evaluate_scores
from nephrograde.evaluation.ledger import read_ledger
from nephrograde.evaluation.performance.threshold import Threshold, choose_threshold
from nephrograde.evaluation.remarks import Caution, Reason, Rule
from nephrograde.evaluation.scores.score_table import row_of, write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.stage import evaluate_score_table
from nephrograde.evaluation.uncertainty.conformal import GradeSet, SetKind, conformal_cutoffs
from nephrograde.evaluation.uncertainty.cross_fit import DRAWN_FOLDS, draw_folds
from nephrograde.evaluation.uncertainty.new_patient import Certainty, learn_judge
from nephrograde.evaluation.uncertainty.referral import COVERAGES
from nephrograde.evaluation.uncertainty.uncertainty import Uncertainty, joined, uncertainty_of
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = EvaluateSettings(conformal_error=0.1)


def scores_of(n: int = 120, n_test: int = 40, *, folds: int | None = 4, seed: int = 1, high_every: int = 3) -> Scores:
    """One overconfident model, with folds of equal shares of both grades."""
    stream = np.random.default_rng(seed)
    rows = []
    for k in range(n + n_test):
        is_high = k % high_every == 0
        p_high = 1.0 / (1.0 + math.exp(-3.0 * (stream.normal() + 1.1 * (is_high - 0.6))))
        split, fold = ("oof", (k // high_every) % folds if folds else None) if k < n else ("test", None)
        rows.append(Score(f"P{k:03}", "m", split, fold, is_high, p_high))  # type: ignore[arg-type]
    return Scores(tuple(rows))


def estimate(scores: Scores, settings: EvaluateSettings = SETTINGS) -> Uncertainty:
    threshold = Threshold(0.5, Rule.YOUDEN, 9)
    return joined([uncertainty_of(scores, model, threshold, settings) for model in scores.models])


def shares(
    found: Uncertainty, split: str, kind: SetKind = SetKind.BY_CLASS
) -> dict[str, tuple[int | None, int | None]]:
    return {row.measure: (row.part, row.whole) for row in found.referrals if (row.split, row.kind) == (split, kind)}


def test_test_patients_get_what_all_out_of_fold_patients_teach() -> None:
    scores = scores_of()
    oof, new = scores.of("m", "oof"), scores.of("m", "test")
    found = [row for row in estimate(scores).patients if row.split == "test"]
    for way in Way:
        expected = learn_map(oof.p_high, oof.is_high, way).apply(new.p_high)
        assert [getattr(row, way.name.lower()) for row in found] == expected.tolist()
    cutoffs = conformal_cutoffs(oof.p_high, oof.is_high, error=0.1)
    assert [row.by_class for row in found] == [cutoffs.set_of(p_high) for p_high in new.p_high]


@pytest.mark.parametrize("way", list(Way))
def test_a_new_patient_is_judged_like_a_test_patient(way: Way) -> None:
    scores, settings = scores_of(), EvaluateSettings(recalibration=way.value)
    judge = learn_judge(scores.of("m", "oof"), settings)
    for row in estimate(scores, settings).patients:
        if row.split == "test":
            found = judge.judge(row.p_high)
            assert found.p_calibrated == pytest.approx(getattr(row, way.name.lower()), abs=1e-12)
            assert found.grade_set is row.by_class
            assert found.is_referred == (row.by_class in {GradeSet.BOTH, GradeSet.NONE})


def test_too_few_patients_teach_nothing_about_a_new_one() -> None:
    found = learn_judge(scores_of(n=8, n_test=0).of("m", "oof"), SETTINGS).judge(0.5)
    assert found == Certainty(None, None, None)


def test_out_of_fold_patients_get_what_the_other_folds_teach() -> None:
    scores = scores_of()
    oof = scores.of("m", "oof")
    others = np.array(oof.folds) != 2
    learnt = learn_map(oof.p_high[others], oof.is_high[others], "platt")
    expected = learnt.apply(oof.p_high[~others])
    assert [row.platt for row in estimate(scores).patients if row.fold == 2] == expected.tolist()


def test_no_outcome_enters_the_own_probability_or_set() -> None:
    scores = scores_of(n=90, n_test=0)
    before = {row.patient_id: row for row in estimate(scores).patients}
    changed = Scores(
        tuple(replace(row, is_high=not row.is_high) if row.patient_id == "P010" else row for row in scores.rows)
    )
    after = {row.patient_id: row for row in estimate(changed).patients}
    assert replace(after["P010"], is_high=before["P010"].is_high) == before["P010"]
    mates = [row.patient_id for row in before.values() if row.fold == before["P010"].fold]
    assert all(after[mate].platt == before[mate].platt for mate in mates)
    assert any(after[other].platt != row.platt for other, row in before.items())


def test_patients_of_a_drawn_fold_get_what_the_other_drawn_folds_teach() -> None:
    oof = scores_of(folds=None).of("m", "oof")
    folds = draw_folds(oof.is_high, DRAWN_FOLDS, np.random.default_rng(SETTINGS.seed))
    found = np.array([row.platt for row in estimate(scores_of(folds=None)).patients if row.split == "oof"])
    for fold in range(DRAWN_FOLDS):
        own = folds == fold
        learnt = learn_map(oof.p_high[~own], oof.is_high[~own], "platt")
        assert found[own].tolist() == learnt.apply(oof.p_high[own]).tolist()


def test_test_patients_do_not_change_the_out_of_fold_results() -> None:
    whole, without = estimate(scores_of()), estimate(scores_of().out_of_fold())
    # As text: since Python 3.13, objects with NaN are unequal.
    assert repr([row for row in whole.referrals if row.split == "oof"]) == repr(list(without.referrals))
    assert whole.cutoffs == without.cutoffs
    np.testing.assert_equal(
        [row.after for row in whole.recalibrations if row.split == "oof"], [row.after for row in without.recalibrations]
    )


def test_recalibration_helps_an_overconfident_model() -> None:
    found = {(row.way, row.measure): row for row in estimate(scores_of(600, 400)).recalibrations if row.split == "test"}
    for way in (Way.PLATT, Way.VENN_ABERS):
        slope, errors = found[way, "calibration_slope"], found[way, "brier"]
        assert abs(slope.after - 1) < abs(slope.before - 1)
        assert errors.difference == pytest.approx(errors.after - errors.before)
        assert errors.low < errors.difference < errors.high < 0


def test_the_counts_of_a_referral_add_up() -> None:
    found = shares(estimate(scores_of()), "test")
    referred = found["referred_both"][0] + found["referred_none"][0]  # type: ignore[operator]
    assert found["referred"] == (referred, 40)
    decided = found["sensitivity_decided"][1] + found["specificity_decided"][1]  # type: ignore[operator]
    assert decided == 40 - referred
    assert found["high_of_referred"][1] == referred
    wrong = found["errors_with_biopsy"][0]
    missed = found["sensitivity_decided"][1] - found["sensitivity_decided"][0]  # type: ignore[operator]
    alarms = found["specificity_decided"][1] - found["specificity_decided"][0]  # type: ignore[operator]
    assert wrong == missed + alarms
    assert found["sensitivity_with_biopsy"][1] - found["sensitivity_with_biopsy"][0] == missed  # type: ignore[operator]


def test_coverage_of_test_patients_has_an_exact_interval_and_what_to_expect() -> None:
    rows = [row for row in estimate(scores_of()).referrals if row.split == "test" and row.measure == "coverage_high"]
    by_class = next(row for row in rows if row.kind is SetKind.BY_CLASS)
    assert by_class.method.startswith("Clopper–Pearson")
    assert by_class.expected_low < 0.9 < by_class.expected_high
    assert by_class.low <= by_class.value <= by_class.high


def test_coverage_out_of_fold_has_no_interval() -> None:
    rows = [row for row in estimate(scores_of()).referrals if row.split == "oof"]
    bounded = {row.measure for row in rows if not math.isnan(row.low) or row.confidence is not None}
    assert bounded.isdisjoint(COVERAGES)
    assert bounded == {row.measure for row in rows}.difference(COVERAGES)
    assert all(row.value == row.part / row.whole for row in rows if row.measure in COVERAGES)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("rule", "caution"), [(Rule.YOUDEN, Caution.OPTIMISTIC), (Rule.SENSITIVITY, Caution.OPTIMISTIC), (Rule.FIXED, None)]
)
def test_errors_at_a_threshold_chosen_on_the_same_patients_are_optimistic(rule: Rule, caution: Caution | None) -> None:
    found = uncertainty_of(scores_of(), "m", Threshold(0.5, rule, 120, 0.9), SETTINGS).referrals
    cautions = {(row.split, row.measure): row.caution for row in found}
    assert cautions["oof", "errors"] is caution
    assert cautions["test", "errors"] is None
    assert cautions["oof", "errors_with_biopsy"] is Caution.CROSS_FITTED
    method = next(row.method for row in found if (row.split, row.measure) == ("oof", "errors"))
    assert ("chosen on these same patients: optimistic" in method) == (caution is not None)
    assert "cross-fitted" not in method


def test_the_change_of_scores_calibrated_on_the_same_patients_has_no_interval() -> None:
    threshold = Threshold(0.5, Rule.YOUDEN, 120)
    found = {
        (split, is_calibrated): next(
            row
            for row in uncertainty_of(scores_of(), "m", threshold, SETTINGS, is_calibrated=is_calibrated).recalibrations
            if row.split == split and row.measure == "brier"
        )
        for split in ("oof", "test")
        for is_calibrated in (False, True)
    }
    assert [math.isnan(row.low) for row in found.values()] == [False, True, False, False]
    assert len({row.difference for (split, _), row in found.items() if split == "oof"}) == 1


def test_the_networks_of_a_study_are_known_to_be_calibrated_on_their_patients_and_its_late_fusion_is_not() -> None:
    settings = EvaluateSettings(conformal_error=0.1, bootstraps=100)
    of_study = {"m": ("weak", "cmp")}
    for arms, fused, has_interval in ((None, (), True), (of_study, (), False), (of_study, ("m",), True)):
        rows = evaluate_scores(scores_of(), settings, arms=arms, fused=fused).uncertainty.recalibrations
        found = {row.split: math.isfinite(row.low) for row in rows if row.measure == "brier"}
        assert found == {"oof": has_interval, "test": True}


def test_unknown_folds_are_drawn_and_said() -> None:
    found = estimate(scores_of(folds=None))
    rows = [row for row in found.referrals if row.split == "oof" and row.measure != "errors"]
    assert all("drawn at random" in row.method for row in rows)
    assert {row.caution for row in rows} == {Caution.CROSS_FITTED}
    assert repr(estimate(scores_of(folds=None))) == repr(found)


def test_without_out_of_fold_rows_nothing_is_computed() -> None:
    scores = Scores(tuple(row for row in scores_of().rows if row.split == "test"))
    found = estimate(scores)
    for rows in (found.recalibrations, found.cutoffs, found.referrals):
        assert {row.reason for row in rows} == {Reason.NO_OUT_OF_FOLD}
    assert all(math.isnan(row.after) and not math.isnan(row.before) for row in found.recalibrations)
    assert {(row.by_class, row.marginal) for row in found.patients} == {(None, None)}


def test_three_patients_of_a_grade_are_too_few_for_sets_by_class() -> None:
    found = estimate(scores_of(n=60, n_test=20, high_every=20))
    assert {row.reason for row in found.recalibrations} == {Reason.TOO_FEW_PATIENTS}
    assert {row.reason for row in found.referrals if row.kind is SetKind.BY_CLASS} == {Reason.TOO_FEW_PATIENTS}
    assert {row.reason for row in found.referrals if row.kind is SetKind.MARGINAL} == {None}


def test_equal_scores_refer_everyone_and_recalibrate_no_one() -> None:
    scores = Scores(tuple(replace(row, p_high=0.3) for row in scores_of().rows))
    found = estimate(scores)
    assert {row.reason for row in found.recalibrations} == {Reason.PREDICTIONS_ALIKE}
    assert {row.by_class for row in found.patients} == {GradeSet.BOTH}
    assert shares(found, "test")["referred"] == (40, 40)
    nobody = {
        row.measure: row.reason for row in found.referrals if row.kind is SetKind.BY_CLASS and row.split == "test"
    }
    assert nobody["ppv_decided"] is Reason.NONE_CALLED_HIGH
    assert nobody["sensitivity_decided"] is Reason.NO_HIGH


@pytest.mark.parametrize("split", ["oof", "test"])
def test_one_grade_in_a_split_is_no_error(split: str) -> None:
    scores = scores_of()
    rows = [row for row in scores.rows if row.split != split or not row.is_high]
    found = estimate(Scores(tuple(rows)))
    assert {row.split for row in found.recalibrations} == {"oof", "test"}
    if split == "oof":
        assert {row.reason for row in found.cutoffs} == {Reason.ONE_GRADE}
    else:
        rows_high = [row for row in found.referrals if row.split == "test" and row.measure == "coverage_high"]
        assert {row.reason for row in rows_high} == {Reason.NO_HIGH}


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_tiny_tables_give_reasons(n: int) -> None:
    found = estimate(scores_of(n=n, n_test=2, folds=2, high_every=2))
    assert all(row.reason is not None for row in found.recalibrations)


def test_a_model_that_separates_the_grades_leaves_none_or_one() -> None:
    rows = [
        replace(row, p_high=0.9 - 0.001 * k % 0.1 if row.is_high else 0.1) for k, row in enumerate(scores_of().rows)
    ]
    found = estimate(Scores(tuple(rows)))
    assert GradeSet.BOTH not in {row.by_class for row in found.patients}


def test_new_keys_at_their_defaults_leave_what_an_evaluation_depends_on() -> None:
    assert {"recalibration", "conformal_error"}.isdisjoint(EvaluateSettings().of_evaluation())
    changed = EvaluateSettings(conformal_error=0.2).of_evaluation()
    assert changed["conformal_error"] == 0.2
    assert "recalibration" not in changed


def test_the_tables_are_written_read_and_sealed(tmp_path: Path) -> None:
    scores_path, run = tmp_path / "scores.csv", RunFolder(tmp_path / "run")
    write_scores(scores_of(), scores_path)
    evaluate_score_table(scores_path, run, settings=SETTINGS)
    expected = uncertainty_of(scores_of(), "m", choose_threshold(scores_of().of("m", "oof"), SETTINGS), SETTINGS)
    results = Results.read(run)
    assert repr(results.uncertainty) == repr(expected)  # NaN is not equal to itself
    run.referral_path.write_text(
        run.referral_path.read_text(encoding="utf-8").replace("0.9", "0.8", 1), encoding="utf-8"
    )
    with pytest.raises(RunError, match=r"referral\.csv"):
        Results.read(run)


def test_an_evaluation_without_these_tables_is_renewed_without_a_reason(tmp_path: Path) -> None:
    scores_path, run = tmp_path / "scores.csv", RunFolder(tmp_path / "run")
    write_scores(scores_of(), scores_path)
    evaluate_score_table(scores_path, run, settings=SETTINGS)
    assert len(read_ledger(run.run_dir)) == 1
    run.referral_path.unlink()
    evaluate_score_table(scores_path, run, settings=SETTINGS)
    assert len(read_ledger(run.run_dir)) == 1
    assert run.referral_path.exists()


def test_python_gets_the_same_tables() -> None:
    frame = pd.DataFrame([row_of(row) for row in scores_of().rows])
    found = ng.evaluate(frame, conformal_error=0.2)
    assert set(found.referral["error"]) == {0.2}
    assert found.recalibration.query("split == 'test' and measure == 'brier'")["way"].tolist() == list(Way)
    assert len(found.calibrated) == len(frame)
    assert found.conformal["kind"].tolist() == list(SetKind)
