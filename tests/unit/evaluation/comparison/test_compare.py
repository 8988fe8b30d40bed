from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy.stats import binomtest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.compare import Comparison, compare_models
from nephrograde.evaluation.comparison.family import Family, holm
from nephrograde.evaluation.performance.paired_shares import share_difference_interval
from nephrograde.evaluation.scores.scores import ModelScores

HALF = {"a": 0.5, "b": 0.5, "c": 0.5}


def scored(values: dict[str, float], high: str) -> ModelScores:
    return ModelScores(
        tuple(values), np.array([patient in high for patient in values]), np.array(list(values.values()), dtype=float)
    )


def row_of(rows: tuple[Comparison, ...], measure: str, a: str = "a", b: str = "b") -> Comparison:
    return next(row for row in rows if (row.measure, row.model_a, row.model_b) == (measure, a, b))


A = scored({"A": 0.1, "B": 0.6, "C": 0.4, "D": 0.9}, "CD")
B = scored({"A": 0.2, "B": 0.3, "C": 0.6, "D": 0.5}, "CD")


def test_every_pair_of_models_is_compared_on_every_measure() -> None:
    rows = compare_models({"a": A, "b": B, "c": A}, HALF)
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    measures = ["auc", "accuracy", "sensitivity", "specificity"]
    assert [(row.measure, (row.model_a, row.model_b)) for row in rows] == [(m, p) for m in measures for p in pairs]


def test_paired_delong_by_hand() -> None:
    row = row_of(compare_models({"a": A, "b": B}, HALF), "auc")
    # Placements: high 1/2, 1 against 1, 1; low 1, 1/2 against 1, 1. Each difference has variance 1/8.
    assert row.difference == -0.25
    assert row.statistic == pytest.approx(-0.25 / math.sqrt(1 / 8), abs=1e-12)
    assert row.p_value == pytest.approx(math.erfc(0.25 / math.sqrt(1 / 8) / math.sqrt(2)), abs=1e-12)
    reach = 1.959963984540054 * math.sqrt(1 / 8)
    assert (row.low, row.high) == pytest.approx((-0.25 - reach, -0.25 + reach), abs=1e-12)
    assert row.n == 4
    assert row.method == "paired DeLong, 95 % CI; test patients; one AUC is exactly 0 or 1: unreliable"


def test_the_split_and_the_confidence_are_said() -> None:
    row = row_of(compare_models({"a": A, "b": A}, HALF, split="oof", confidence=0.9), "auc")
    pooled = "pooled: folds are not known, not the same, or none has both grades"
    assert row.method == f"paired DeLong, 90 % CI; oof patients; {pooled}; both models rank the patients alike"
    assert (row.difference, row.low, row.high, row.statistic, row.p_value) == (0.0, 0.0, 0.0, 0.0, 1.0)


def test_patients_are_paired_by_id_and_the_dropped_ones_are_counted() -> None:
    other = scored({"D": 0.5, "X": 0.1, "C": 0.6, "Y": 0.7, "A": 0.2, "Z": 0.2, "B": 0.3}, "CDY")
    more = compare_models({"a": A, "b": other}, HALF)
    plain = compare_models({"a": A, "b": B}, HALF)
    assert [row.p_value for row in more] == [row.p_value for row in plain]
    assert "test patients that both models scored (0 of a and 3 of b dropped)" in more[0].method
    reordered = compare_models({"a": A, "b": other.select(("D", "C", "B", "A"))}, HALF)
    assert reordered == plain
    assert compare_models({"a": A.select(("B", "D", "A", "C")), "b": B}, HALF) == plain


def test_mcnemar_counts_the_patients_on_whom_the_models_disagree() -> None:
    chance = np.random.default_rng(5)
    truths = chance.random(80) < 0.5
    ids = tuple(f"P{k}" for k in range(80))
    a, b = (ModelScores(ids, truths, chance.random(80)) for _ in range(2))
    rows = compare_models({"a": a, "b": b}, {"a": 0.4, "b": 0.7})
    everyone = np.ones(80, dtype=bool)
    for measure, counted in (("accuracy", everyone), ("sensitivity", truths), ("specificity", ~truths)):
        right_a = ((a.p_high >= 0.4) == truths)[counted]
        right_b = ((b.p_high >= 0.7) == truths)[counted]
        only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
        row = row_of(rows, measure)
        assert row.difference == pytest.approx(right_a.mean() - right_b.mean(), abs=1e-12)
        assert row.p_value == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, abs=1e-12)
        assert row.statistic == min(only_a, only_b)
        assert row.n == right_a.size
        assert (row.only_a, row.only_b) == (only_a, only_b)
        assert (row.low, row.high) == share_difference_interval(only_a, only_b, right_a.size)
        assert -1 < row.low < row.difference < row.high < 1


def test_accuracy_takes_in_both_grades() -> None:
    a = scored({"A": 0.9, "B": 0.1, "C": 0.9, "D": 0.9, "E": 0.9}, "CDE")
    b = scored({"A": 0.1, "B": 0.9, "C": 0.1, "D": 0.1, "E": 0.1}, "CDE")
    row = row_of(compare_models({"a": a, "b": b}, HALF), "accuracy")
    # a alone is right on B, C, D and E, b alone on A: 4 against 1, p = 2 · (1 + 5) / 2⁵.
    assert (row.difference, row.n, row.statistic) == (0.6, 5, 1.0)
    assert row.p_value == pytest.approx(0.375, abs=1e-12)
    assert (row.only_a, row.only_b) == (4, 1)


def test_two_models_that_never_disagree_have_p_1() -> None:
    for measure in ("accuracy", "sensitivity"):
        row = row_of(compare_models({"a": A, "b": A}, HALF), measure)
        assert (row.difference, row.p_value) == (0.0, 1.0)


def test_six_models_of_20_000_patients_need_no_matrix_of_patients_by_patients() -> None:
    chance = np.random.default_rng(7)
    truths = chance.random(20_000) < 0.4
    ids = tuple(f"P{k:06}" for k in range(20_000))
    models = {f"m{k}": ModelScores(ids, truths, chance.random(20_000) / 2 + truths * 0.1) for k in range(6)}
    tracemalloc.start()
    try:
        rows = compare_models(models, dict.fromkeys(models, 0.3))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(rows) == 4 * 15
    assert all(0 <= row.p_value <= row.p_adjusted <= 1 for row in rows)
    assert peak_bytes < 20_000 * 8_000  # high by low patients would be 8,000 × 12,000, one byte each or more


def test_holm_works_within_each_measure() -> None:
    chance = np.random.default_rng(11)
    truths = chance.random(120) < 0.5
    ids = tuple(f"P{k}" for k in range(120))
    models = {
        name: ModelScores(ids, truths, np.clip(truths * gain + chance.random(120), 0, 1))
        for name, gain in (("a", 0.0), ("b", 0.2), ("c", 0.9))
    }
    rows = compare_models(models, HALF)
    for measure in ("auc", "accuracy", "sensitivity", "specificity"):
        family = [row for row in rows if row.measure == measure]
        ordered = sorted(family, key=lambda row: row.p_value)
        expected = np.minimum(np.maximum.accumulate([(3 - k) * row.p_value for k, row in enumerate(ordered)]), 1)
        assert [row.p_adjusted for row in ordered] == pytest.approx(expected.tolist(), abs=1e-12)


def test_holm_of_nothing() -> None:
    assert holm([]) == []
    assert [math.isnan(p) for p in holm([math.nan, 0.5])] == [True, False]


@pytest.mark.parametrize(
    ("b", "reasons"),
    [
        (scored({"X": 0.5, "Y": 0.6}, "X"), ("no common patients",) * 4),
        (scored({"A": 0.5, "B": 0.6}, ""), ("all common patients are low", "", "no common patients of high grade", "")),
        (
            scored({"C": 0.5, "D": 0.6}, "CD"),
            ("all common patients are high", "", "", "no common patients of low grade"),
        ),
    ],
)
def test_a_pair_that_cannot_be_compared_keeps_its_row_and_says_why(b: ModelScores, reasons: tuple[str, ...]) -> None:
    rows = compare_models({"a": A, "b": b, "c": A}, HALF)
    for measure, reason in zip(("auc", "accuracy", "sensitivity", "specificity"), reasons, strict=True):
        row = row_of(rows, measure)
        assert math.isnan(row.p_value) == bool(reason)
        assert row.method.startswith(f"not computed: {reason}" if reason else "exact McNemar")
        assert math.isnan(row.p_adjusted) == bool(reason)
    whole = row_of(rows, "auc", "a", "c")
    assert whole.p_adjusted == whole.p_value == 1.0


def test_a_single_patient_of_a_grade_gives_a_difference_without_a_test() -> None:
    a = scored({"A": 0.1, "B": 0.6, "C": 0.5}, "C")
    b = scored({"A": 0.7, "B": 0.6, "C": 0.5}, "C")
    row = row_of(compare_models({"a": a, "b": b}, HALF), "auc")
    assert row.difference == 0.5
    assert math.isnan(row.p_value)
    assert "a single common patient of one grade" in row.method


def test_auc_1_against_auc_0_gives_a_difference_without_a_test() -> None:
    right = scored({"A": 0.1, "B": 0.2, "C": 0.8, "D": 0.9}, "CD")
    wrong = scored({"A": 0.9, "B": 0.8, "C": 0.2, "D": 0.1}, "CD")
    row = row_of(compare_models({"a": right, "b": wrong}, HALF), "auc")
    assert row.difference == 1.0
    assert math.isnan(row.statistic)
    assert "its variance 0" in row.method


def test_models_that_disagree_on_the_truth_are_refused() -> None:
    other = scored({"A": 0.1, "B": 0.6, "C": 0.4, "D": 0.9}, "D")
    with pytest.raises(ScoresError, match="Patient C: is_high differs between models a and b"):
        compare_models({"a": A, "b": other}, HALF)


ARMS = {f"{arm}-{phase}": (arm, phase) for arm in ("weak", "strong") for phase in ("cmp", "np")}


def five_models() -> dict[str, ModelScores]:
    chance = np.random.default_rng(3)
    truths = np.arange(60) % 2 == 0
    ids = tuple(f"P{k:02}" for k in range(60))
    found = {name: ModelScores(ids, truths, np.clip(truths * 0.3 + chance.random(60), 0, 1)) for name in ARMS}
    return found | {"size": ModelScores(ids, truths, chance.random(60))}


def test_p_is_adjusted_within_the_pairs_that_ask_the_same_question() -> None:
    models = five_models()
    rows = compare_models(models, dict.fromkeys(models, 0.5), arms=ARMS)
    asked = {(row.model_a, row.model_b): row.family for row in rows if row.measure == "auc"}
    assert asked["weak-cmp", "strong-cmp"] is Family.SUPERVISION
    assert asked["weak-cmp", "weak-np"] is Family.PHASE
    assert asked["strong-np", "size"] is Family.BASELINE
    assert asked["weak-cmp", "strong-np"] is Family.OTHER
    for measure in ("auc", "accuracy", "sensitivity", "specificity"):
        for family, size in ((Family.SUPERVISION, 2), (Family.PHASE, 2), (Family.BASELINE, 4), (Family.OTHER, 2)):
            members = [row for row in rows if (row.measure, row.family) == (measure, family)]
            assert [row.family_size for row in members] == [size] * size
            assert [row.p_adjusted for row in members] == holm([row.p_value for row in members])


def test_the_primary_comparison_is_tested_alone_and_its_other_measures_are_secondary() -> None:
    models = five_models()
    rows = compare_models(models, dict.fromkeys(models, 0.5), arms=ARMS, primary=("strong-cmp", "weak-cmp"))
    primary = [row for row in rows if row.family is Family.PRIMARY]
    assert [(row.model_a, row.model_b, row.measure) for row in primary] == [("weak-cmp", "strong-cmp", "auc")]
    assert primary[0].p_adjusted == primary[0].p_value
    assert primary[0].family_size == 1
    other = row_of(rows, "auc", "weak-np", "strong-np")
    assert (other.family, other.family_size) == (Family.SUPERVISION, 1)
    assert row_of(rows, "sensitivity", "weak-cmp", "strong-cmp").family is Family.SUPERVISION
