"""Differences of AUCs by fold: patients are compared only with patients of their own fold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nephrograde.evaluation.comparison.compare import Comparison, compare_models
from nephrograde.evaluation.comparison.equivalence import compare_equivalence
from nephrograde.evaluation.evaluation import evaluate_scores
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.stratified import fold_areas
from nephrograde.evaluation.performance.subgroup import estimate_subgroups
from nephrograde.evaluation.remarks import Caution
from nephrograde.evaluation.sample_size.power import patients_for_noninferiority
from nephrograde.evaluation.scores.scores import ModelScores, Score, Scores, SplitName
from nephrograde.study import EvaluateSettings

N, FOLDS = 60, 3
STREAM = np.random.default_rng(11)
TRUTHS = np.arange(N) % 5 < 2
NUMBERS = tuple(int(k) for k in STREAM.permutation(N) % FOLDS)
SHARED = STREAM.normal(size=N) + TRUTHS
A, B = (1 / (1 + np.exp(-(SHARED + 0.6 * STREAM.normal(size=N)))) for _ in range(2))
IDS = tuple(f"P{k:02}" for k in range(N))


def model(p_high: np.ndarray, folds: tuple[int | None, ...] = NUMBERS) -> ModelScores:
    return ModelScores(IDS, TRUTHS, p_high, folds)


def auc_row(a: ModelScores, b: ModelScores, split: SplitName = "oof") -> Comparison:
    return compare_models({"a": a, "b": b}, {"a": 0.5, "b": 0.5}, split=split)[0]


def test_the_difference_is_that_of_the_aucs_on_the_page() -> None:
    rows = [
        Score(patient, name, "oof", fold, bool(high), float(p))
        for name, p_high in (("a", A), ("b", B))
        for patient, fold, high, p in zip(IDS, NUMBERS, TRUTHS, p_high, strict=True)
    ]
    made = evaluate_scores(Scores(tuple(rows)), EvaluateSettings(bootstraps=100))
    aucs = {name: estimate.value for name, _, estimate in made.estimates if estimate.measure == "auc"}
    assert made.comparisons[0].difference == pytest.approx(aucs["a"] - aucs["b"], abs=1e-12)
    assert made.equivalences[0].difference == pytest.approx(aucs["a"] - aucs["b"], abs=1e-12)
    assert "mean of 3 folds" in made.comparisons[0].method


def test_levels_of_the_networks_do_not_matter() -> None:
    level = np.array([0.0, 0.3, 0.6])[list(NUMBERS)]
    plain, moved = auc_row(model(A), model(B)), auc_row(model(0.4 * A + level), model(B))
    assert (moved.difference, moved.p_value) == pytest.approx((plain.difference, plain.p_value), abs=1e-12)
    pooled = auc_row(model(0.4 * A + level), model(B), "test")
    assert pooled.difference < plain.difference - 0.05


def test_the_variance_by_hand() -> None:
    """The influence of every patient within the fold, averaged over folds with one divisor for all of them."""
    squares = {True: 0.0, False: 0.0}
    for fold in range(FOLDS):
        own = np.array(NUMBERS) == fold
        high, low = own & TRUTHS, own & ~TRUTHS
        above = {
            name: (p[high][:, None] > p[low][None]) + 0.5 * (p[high][:, None] == p[low][None])
            for name, p in (("a", A), ("b", B))
        }
        change = above["a"] - above["b"]
        squares[True] += ((change.mean(axis=1) - change.mean()) ** 2).sum() / (TRUTHS.sum() - FOLDS)
        squares[False] += ((change.mean(axis=0) - change.mean()) ** 2).sum() / ((~TRUTHS).sum() - FOLDS)
    by_fold = [
        (int((np.array(NUMBERS) == f)[TRUTHS].sum()), int((np.array(NUMBERS) == f)[~TRUTHS].sum()))
        for f in range(FOLDS)
    ]
    variance = sum(squares[True] / high + squares[False] / low for high, low in by_fold) / FOLDS**2
    row = auc_row(model(A), model(B))
    assert row.statistic == pytest.approx(row.difference / math.sqrt(variance), abs=1e-9)


def test_one_fold_is_delongs_test() -> None:
    one = (0,) * N
    by_fold, pooled = auc_row(model(A, one), model(B, one)), auc_row(model(A), model(B), "test")
    assert (by_fold.difference, by_fold.statistic) == pytest.approx((pooled.difference, pooled.statistic), abs=1e-10)
    both = np.stack([A, B])
    assert fold_areas(both, TRUTHS, one).covariance() == pytest.approx(place(both, TRUTHS).covariance(), abs=1e-12)


def test_models_that_rank_alike_within_folds_differ_by_nothing() -> None:
    row = auc_row(model(A), model(A**2))
    assert (row.difference, row.low, row.high, row.p_value) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    "folds", [((), ()), (NUMBERS, (None, *NUMBERS[1:])), (NUMBERS, tuple(2 - fold for fold in NUMBERS))]
)
def test_unknown_or_other_folds_are_pooled(folds: tuple[tuple[int | None, ...], tuple[int | None, ...]]) -> None:
    row = auc_row(model(A, folds[0]), model(B, folds[1]))
    pooled = auc_row(model(A), model(B), "test")
    assert (row.difference, row.p_value) == (pooled.difference, pooled.p_value)
    assert "mean of" not in row.method
    assert row.caution is Caution.NO_FOLDS


def test_folds_of_one_grade_are_pooled_if_all_are() -> None:
    folds = tuple(int(high) for high in TRUTHS)
    assert auc_row(model(A, folds), model(B, folds)).difference == auc_row(model(A), model(B), "test").difference


def test_verdicts_use_the_same_areas() -> None:
    (row,) = compare_equivalence({"a": model(A), "b": model(B)}, margin=0.05, split="oof")
    area = fold_areas(np.stack([A, B]), TRUTHS, NUMBERS).area(0)
    assert row.n_high == area.n_high == int(TRUTHS.sum())
    assert row.low < row.difference < row.high


def test_only_patients_of_folds_with_both_grades_are_counted() -> None:
    folds = tuple(9 if high and fold == 0 else fold for fold, high in zip(NUMBERS, TRUTHS, strict=True))
    left_out = sum(fold in {0, 9} for fold in folds)
    row = auc_row(model(A, folds), model(B, folds))
    (verdict,) = compare_equivalence({"a": model(A, folds), "b": model(B, folds)}, margin=0.2, split="oof")
    assert row.n == verdict.n == N - left_out
    assert verdict.n_high == sum(high and fold not in {0, 9} for fold, high in zip(folds, TRUTHS, strict=True))
    needed = patients_for_noninferiority(
        ((row.high - row.low) / 2 / 1.959963984540054) ** 2, row.n, margin=0.2, alpha=0.025
    )
    assert verdict.patients_needed == pytest.approx(needed, abs=1)


def test_subgroups_out_of_fold_say_that_they_are_pooled() -> None:
    groups = {"sex": {patient: "F" if k % 2 else "M" for k, patient in enumerate(IDS)}}
    options: Any = {"model": "a", "confidence": 0.95, "columns": ("sex",)}
    for split, caution in (("oof", Caution.POOLED), ("test", None)):
        rows = estimate_subgroups(model(A), groups, split=split, **options)
        assert [row.caution for row in rows] == [caution] * 2
