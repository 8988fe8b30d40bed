"""The AUC over repeats, and the comparison of models over repeated cross-validation."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from nephrograde.cohort.repeat import Repeat
from nephrograde.cohort.split import Assignment, Split
from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.family import Family
from nephrograde.evaluation.comparison.repeats import (
    RepeatedAuc,
    Spread,
    compare_procedures,
    corrected_t,
    fold_aucs,
    spread_over,
)
from nephrograde.evaluation.remarks import Reason
from nephrograde.evaluation.scores.scores import Score, Scores

A = [0.80, 0.90, 0.70, 0.85]
B = [0.75, 0.80, 0.72, 0.79]


def rows_of(model, values, *, folds=2, seed=0, share=1.0, n=10, n_learn=10):
    return [
        RepeatedAuc(model, k // folds, seed, share, "oof", k % folds, value, n, n // 2, n_learn)
        for k, value in enumerate(values)
    ]


def test_the_corrected_test_by_hand():
    differences = [a - b for a, b in zip(A, B, strict=True)]
    (compared,) = compare_procedures([*rows_of("a", A), *rows_of("b", B)], confidence=0.95)
    variance = np.var(differences, ddof=1) * (1 / 4 + 10 / 10)
    t = np.mean(differences) / math.sqrt(variance)
    assert compared.difference == pytest.approx(0.0475)
    assert compared.statistic == pytest.approx(t)
    assert compared.p_value == pytest.approx(2 * stats.t.sf(t, 3))
    reach = stats.t.ppf(0.975, 3) * math.sqrt(variance)
    assert (compared.low, compared.high) == pytest.approx((0.0475 - reach, 0.0475 + reach))
    assert (compared.degrees, compared.folds, compared.drawings) == (3, 4, 2)


def test_without_correction_it_is_the_paired_t_test():
    t, p, _ = corrected_t([a - b for a, b in zip(A, B, strict=True)], ratio=0.0)
    expected = stats.ttest_rel(A, B)
    assert (t, p) == pytest.approx((expected.statistic, expected.pvalue))


def test_one_drawing_of_the_folds_compares_no_procedures():
    assert compare_procedures([*rows_of("a", A, folds=4), *rows_of("b", B, folds=4)], confidence=0.95) == ()


def test_other_seeds_and_shares_play_no_part():
    first = [*rows_of("a", A), *rows_of("b", B)]
    further = [*rows_of("a", [0.1] * 4, seed=1), *rows_of("b", [0.2] * 4, share=0.5)]
    assert compare_procedures([*further, *first], confidence=0.95) == compare_procedures(first, confidence=0.95)


def test_a_fold_of_one_grade_is_left_out_of_both_models():
    with_gap = rows_of("a", [math.nan, *A[1:]])
    (compared,) = compare_procedures([*with_gap, *rows_of("b", B)], confidence=0.95)
    assert (compared.folds, compared.degrees) == (3, 2)
    assert compared.difference == pytest.approx(np.mean(A[1:]) - np.mean(B[1:]))


@pytest.mark.parametrize(("values", "reason"), [(A, Reason.CONSTANT_DIFFERENCE), ([math.nan] * 4, Reason.ONE_GRADE)])
def test_what_cannot_be_tested_keeps_its_row_and_says_why(values, reason):
    (compared,) = compare_procedures([*rows_of("a", A), *rows_of("b", values)], confidence=0.95)
    assert compared.reason is reason
    assert math.isnan(compared.p_value)


def test_an_interval_stays_within_its_range():
    (compared,) = compare_procedures(
        [*rows_of("a", [1, 0.9, 1, 0.3]), *rows_of("b", [0, 0.1, 0, 0.2])], confidence=0.99
    )
    assert -1 <= compared.low < compared.difference < compared.high <= 1


def test_pairs_are_adjusted_within_their_family_and_the_primary_is_not():
    models = {"weak-cmp": A, "strong-cmp": B, "size": [0.6, 0.7, 0.65, 0.6]}
    rows = [row for model, values in models.items() for row in rows_of(model, values)]
    arms = {"weak-cmp": ("weak", "cmp"), "strong-cmp": ("strong", "cmp")}
    compared = compare_procedures(rows, confidence=0.95, arms=arms, primary=("weak-cmp", "strong-cmp"))
    assert [(row.family, row.family_size) for row in compared] == [
        (Family.PRIMARY, 1), (Family.BASELINE, 2), (Family.BASELINE, 2),
    ]  # fmt: skip
    assert compared[0].p_adjusted == compared[0].p_value
    low, high = sorted(row.p_value for row in compared[1:])
    assert sorted(row.p_adjusted for row in compared[1:]) == pytest.approx([2 * low, max(2 * low, high)])


def test_equal_differences_have_no_test():
    with pytest.raises(ScoresError) as refused:
        corrected_t([0.25, 0.25], ratio=1.0)
    assert refused.value.reason is Reason.CONSTANT_DIFFERENCE


def test_aucs_of_folds_and_of_the_test_patients():
    places = {f"T{k}": Assignment("train", k % 2) for k in range(8)} | {
        f"X{k}": Assignment("test", None) for k in (0, 1)
    }
    split = Split(places, idle=frozenset({"T7"}))
    p_high = {"T0": 0.1, "T2": 0.9, "T4": 0.6, "T6": 0.8, "T1": 0.2, "T3": 0.4, "T5": 0.3, "T7": 0.5}
    high = {"T2", "T6", "T3", "T7", "X1"}
    oof = [Score(p, "m", "oof", int(p[1]) % 2, p in high, value) for p, value in p_high.items()]
    test = [Score(p, "m", "test", None, p in high, 0.5 - 0.1 * (p in high)) for p in ("X0", "X1")]
    first, second, tested = fold_aucs(Scores((*oof, *test)), Repeat(drawing=2, share=0.75), split)
    assert (first.auc, second.auc, tested.auc) == (1.0, 1.0, 0.0)
    assert (first.n, first.n_high, first.n_learn, second.n_learn) == (4, 2, 3, 4)
    assert (first.drawing, first.share, first.fold, tested.fold, tested.split) == (2, 0.75, 0, None, "test")


def test_the_spread_over_seeds_is_that_of_the_mean_of_the_folds():
    rows = [*rows_of("m", [0.8, 0.9], seed=0), *rows_of("m", [0.6, 0.7], seed=1), *rows_of("m", [0.7, 0.9], seed=2)]
    other = RepeatedAuc("m", 1, 0, 1.0, "oof", 0, 0.1, 10, 5, 10)
    found = spread_over([*rows, other], split="oof", over="seed")
    values = [0.85, 0.65, 0.8]
    expected = Spread(float(np.mean(values)), float(np.std(values, ddof=1)), 0.65, 0.85, 3)
    assert found is not None
    assert astuple(found) == pytest.approx(astuple(expected))
    assert spread_over(rows, split="oof", over="drawing") is None
    assert spread_over(rows, split="test", over="seed") is None
