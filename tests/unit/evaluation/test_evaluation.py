from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.errors import RunError, ScoresError
from nephrograde.evaluation.comparison.compare import Comparison
from nephrograde.evaluation.evaluation import Evaluation, evaluate_scores, write_statistics
from nephrograde.evaluation.performance.bootstrap import bootstrap_aucs
from nephrograde.evaluation.performance.threshold import Threshold, youden_threshold
from nephrograde.evaluation.remarks import Caution, Reason, Rule
from nephrograde.evaluation.scores.scores import Score, Scores, SplitName
from nephrograde.evaluation.tables import read_estimates, read_table
from nephrograde.run.folder import RunFolder
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.evaluation.performance.metrics import Estimate

SETTINGS = EvaluateSettings()


def table(models: tuple[str, ...] = ("weak-1-cmp", "size"), splits: tuple[SplitName, ...] = ("oof", "test")) -> Scores:
    chance = np.random.default_rng(2)
    rows = [
        Score(f"{split}-{k:02}", model, split, k % 5 if split == "oof" else None, k % 2 == 0, float(p))
        for model in models
        for split in splits
        for k, p in enumerate(np.clip((np.arange(40) % 2 == 0) * 0.3 + chance.random(40), 0, 1))
    ]
    return Scores(tuple(rows))


def estimate_of(evaluation: Evaluation, model: str, split: str, measure: str) -> Estimate:
    return next(e for m, s, e in evaluation.estimates if (m, s, e.measure) == (model, split, measure))


def test_every_model_and_split_has_every_measure() -> None:
    evaluation = evaluate_scores(table(), SETTINGS)
    counts = ["tp", "fp", "tn", "fn"]
    shares = ["accuracy", "sensitivity", "specificity", "ppv", "npv"]
    quality = ["brier", "calibration_intercept", "calibration_slope", "ece"]
    areas = ["auc", "auc_bootstrap", "auc_delong"]
    by_split = {"oof": ["auc", "auc_bootstrap", "auc_ledell", "auc_pooled", "auc_delong"], "test": areas}
    others = [*shares, *counts, *quality, "threshold"]
    expected = [
        (model, split, measure)
        for model in ("weak-1-cmp", "size")
        for split, first in by_split.items()
        for measure in [*first, *others]
    ]
    assert [(model, split, e.measure) for model, split, e in evaluation.estimates] == expected


def test_the_threshold_comes_from_the_oof_rows_and_is_frozen() -> None:
    scores = table()
    oof = scores.of("size", "oof")
    evaluation = evaluate_scores(scores, SETTINGS)
    threshold = evaluation.thresholds["size"]
    assert threshold == Threshold(youden_threshold(oof.p_high, oof.is_high), Rule.YOUDEN, 40)
    row = estimate_of(evaluation, "size", "test", "threshold")
    assert (row.value, row.n, row.n_high, row.method) == (threshold.value, 40, 20, "youden: out-of-fold predictions")

    other_test = tuple(
        Score(r.patient_id, r.model, r.split, r.fold, r.is_high, 1 - r.p_high if r.split == "test" else r.p_high)
        for r in scores.rows
    )
    assert evaluate_scores(Scores(other_test), SETTINGS).thresholds == evaluation.thresholds


def test_counts_and_shares_agree_and_name_the_threshold() -> None:
    scores = table()
    evaluation = evaluate_scores(scores, SETTINGS)
    tp, fp, tn, fn = (estimate_of(evaluation, "size", "test", name).value for name in ("tp", "fp", "tn", "fn"))
    assert tp + fn == tn + fp == 20
    found = estimate_of(evaluation, "size", "test", "sensitivity")
    assert found.value == tp / 20
    threshold = evaluation.thresholds["size"]
    assert found.note == f"{int(tp)} of 20; threshold {threshold.value:.4g} (youden on out-of-fold predictions, n = 40)"
    assert estimate_of(evaluation, "size", "test", "accuracy").value == (tp + tn) / 40


def test_oof_calls_are_said_to_be_optimistic() -> None:
    evaluation = evaluate_scores(table(), SETTINGS)
    assert "chosen on these same patients: optimistic" in estimate_of(evaluation, "size", "oof", "accuracy").note
    assert "optimistic" not in estimate_of(evaluation, "size", "test", "accuracy").note
    assert "optimistic" not in estimate_of(evaluation, "size", "oof", "auc").note
    assert estimate_of(evaluation, "size", "oof", "accuracy").caution is Caution.OPTIMISTIC
    assert estimate_of(evaluation, "size", "test", "accuracy").caution is None


def test_models_are_compared_on_the_test_patients() -> None:
    rows = evaluate_scores(table(), SETTINGS).comparisons
    assert [row.measure for row in rows] == ["auc", "accuracy", "sensitivity", "specificity"]
    assert all("; test patients" in row.method for row in rows)


def test_without_test_rows_models_are_compared_out_of_fold() -> None:
    rows = evaluate_scores(table(splits=("oof",)), SETTINGS).comparisons
    assert all("; oof patients" in row.method for row in rows)


def test_a_foreign_table_without_oof_rows_is_read_at_one_half_and_says_so() -> None:
    evaluation = evaluate_scores(table(splits=("test",)), SETTINGS)
    assert evaluation.thresholds["size"] == Threshold(0.5, Rule.FIXED, 0, caution=Caution.NO_OUT_OF_FOLD)
    assert "threshold 0.5 (fixed: no out-of-fold rows)" in estimate_of(evaluation, "size", "test", "accuracy").note
    row = estimate_of(evaluation, "size", "test", "threshold")
    assert (row.value, row.n, row.method) == (0.5, 0, "fixed: no out-of-fold rows")


def test_one_grade_in_a_split_leaves_rows_without_numbers() -> None:
    scores = table()
    kept = tuple(row for row in scores.rows if row.split == "oof" or not row.is_high)
    evaluation = evaluate_scores(Scores(kept), SETTINGS)
    lost = estimate_of(evaluation, "size", "test", "auc")
    assert math.isnan(lost.value)
    assert (lost.reason, lost.is_reliable) == (Reason.ONE_GRADE, False)
    assert lost.method == "not computed: All 20 patients are low grade. An AUC needs patients of both grades."
    assert math.isnan(estimate_of(evaluation, "size", "test", "sensitivity").value)
    assert not math.isnan(estimate_of(evaluation, "size", "test", "specificity").value)
    assert not math.isnan(estimate_of(evaluation, "size", "oof", "auc").value)


def test_one_grade_out_of_fold_gives_no_threshold() -> None:
    scores = table()
    kept = tuple(row for row in scores.rows if row.split == "test" or not row.is_high)
    threshold = evaluate_scores(Scores(kept), SETTINGS).thresholds["size"]
    assert threshold == Threshold(0.5, Rule.FIXED, 20, caution=Caution.OUT_OF_FOLD_ONE_GRADE)


def test_a_model_without_test_rows_stays_in_the_comparisons() -> None:
    scores = table()
    kept = tuple(row for row in scores.rows if (row.model, row.split) != ("size", "test"))
    rows = evaluate_scores(Scores(kept), SETTINGS).comparisons
    assert [row.reason for row in rows] == [Reason.NO_COMMON_PATIENTS] * 4


def test_one_model_has_nothing_to_be_compared_with() -> None:
    assert evaluate_scores(table(models=("size",)), SETTINGS).comparisons == ()


def test_confidence_comes_from_the_study() -> None:
    evaluation = evaluate_scores(table(), EvaluateSettings(confidence=0.9))
    assert estimate_of(evaluation, "size", "test", "auc").method == "DeLong on the logit scale, 90 % CI"
    assert estimate_of(evaluation, "size", "test", "accuracy").method == "Wilson score, 90 % CI"
    assert evaluation.comparisons[0].method.startswith("paired DeLong, 90 % CI")


@pytest.mark.parametrize(("is_high", "there", "other"), [(True, "high", "low"), (False, "low", "high")])
def test_one_grade_in_the_whole_table_is_refused(is_high: bool, there: str, other: str) -> None:
    rows = tuple(Score(name, "m", "test", None, is_high, 0.5) for name in "AB")
    with pytest.raises(ScoresError, match=f"All patients .* are {there} grade. Add patients of {other} grade."):
        evaluate_scores(Scores(rows), SETTINGS)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(ScoresError, match="no rows"):
        evaluate_scores(Scores(()), SETTINGS)


def test_tables_come_back_digit_for_digit_and_are_written_alike_twice(tmp_path: Path) -> None:
    scores = Scores(tuple(row for row in table().rows if row.model == "size" or row.split == "oof" or not row.is_high))
    evaluation = evaluate_scores(scores, SETTINGS)
    texts = []
    for run in (RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")):
        write_statistics(evaluation, run)
        estimates = read_estimates(run.estimates_path)
        comparisons = read_table(Comparison, run.comparisons_path)
        assert repr(estimates) == repr(evaluation.estimates)
        assert repr(comparisons) == repr(evaluation.comparisons)
        texts.append([path.read_bytes() for path in (run.estimates_path, run.comparisons_path)])
        evaluation = evaluate_scores(scores, SETTINGS)
    assert texts[0] == texts[1]
    header, *lines = texts[0][0].decode().splitlines()
    assert header == (
        "model,split,measure,value,low,high,n,n_high,method,note,confidence,replicates,part,whole,rule,rule_value,"
        "reason,caution,caution_value,is_reliable"
    )
    assert any(line.startswith("weak-1-cmp,test,auc,,,,20,0,not computed") for line in lines)
    header = texts[0][1].decode().splitlines()[0]
    assert header == (
        "model_a,model_b,measure,difference,low,high,statistic,p_value,p_adjusted,n,method,confidence,family,family_size,"
        "only_a,only_b,dropped_a,dropped_b,reason,caution,is_reliable"
    )
    assert b"nan" not in texts[0][0] + texts[0][1]


def test_a_missing_or_damaged_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere\.csv is missing"):
        read_estimates(tmp_path / "nowhere.csv")
    damaged_path = tmp_path / "damaged.csv"
    damaged_path.write_text("model,split\nsize,test\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"damaged\.csv is damaged"):
        read_estimates(damaged_path)
    damaged_path.write_text("model_a,n\nsize,x\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"damaged\.csv is damaged"):
        read_table(Comparison, damaged_path)


def test_a_model_that_gives_everyone_the_same_probability_is_said_to_be_constant() -> None:
    rows = tuple(Score(r.patient_id, r.model, r.split, r.fold, r.is_high, 0.4) for r in table().rows)
    evaluation = evaluate_scores(Scores(rows), SETTINGS)
    for measure in ("auc", "auc_bootstrap"):
        row = estimate_of(evaluation, "size", "test", measure)
        assert (row.value, row.caution, row.is_reliable) == (0.5, Caution.CONSTANT_SCORES, False)
    varied = estimate_of(evaluate_scores(table(), SETTINGS), "size", "test", "auc")
    assert varied.caution is not Caution.CONSTANT_SCORES


def test_every_model_has_its_own_bootstrap_interval() -> None:
    scores = table(("a", "b", "c"))
    evaluation = evaluate_scores(scores, SETTINGS)
    intervals = set()
    for split in ("oof", "test"):
        for model in scores.models:
            found = estimate_of(evaluation, model, split, "auc_bootstrap")
            alone = bootstrap_aucs({model: scores.of(model, split)}, replicates=SETTINGS.bootstraps, seed=SETTINGS.seed)
            assert (found.value, found.low, found.high) == (alone[model].value, alone[model].low, alone[model].high)
            intervals.add((found.low, found.high))
    assert len(intervals) == 6


def test_the_number_of_threads_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {"sex": {row.patient_id: "FM"[k % 2] for k, row in enumerate(table().rows)}}
    settings = EvaluateSettings(bootstraps=100, subgroups=("sex",))
    asked: list[int] = []

    def three() -> int:
        asked.append(3)
        return 3

    monkeypatch.setattr("nephrograde.threads.usable_processors", three)
    found = []
    for many in (1, 10**9):
        monkeypatch.setattr("nephrograde.evaluation.evaluation._MANY_ROWS", many)
        evaluation = evaluate_scores(table(("a", "b", "c")), settings, groups)
        patients = tuple(evaluation.uncertainty.patients)
        found.append(repr((replace(evaluation, uncertainty=replace(evaluation.uncertainty, patients=())), patients)))
    assert asked == [3]
    assert found[0] == found[1]
