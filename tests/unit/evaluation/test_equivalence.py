from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.weightstats import zconfint

from nephrograde.errors import ScoresError
from nephrograde.evaluation.compare import compare_models
from nephrograde.evaluation.equivalence import Equivalence, compare_equivalence
from nephrograde.evaluation.scores import ModelScores


def scored(values: dict[str, float], high: str) -> ModelScores:
    return ModelScores(
        tuple(values), np.array([patient in high for patient in values]), np.array(list(values.values()), dtype=float)
    )


def drawn(n: int, *gains: float, seed: int = 4) -> dict[str, ModelScores]:
    """Models that share much of their noise; the gain is how well they separate."""
    chance = np.random.default_rng(seed)
    truths = chance.random(n) < 0.45
    ids = tuple(f"P{k:04}" for k in range(n))
    shared = chance.normal(size=n)
    return {
        f"m{k}": ModelScores(ids, truths, norm.cdf(shared + 0.7 * chance.normal(size=n) + gain * truths - 0.5))
        for k, gain in enumerate(gains)
    }


def test_the_tests_follow_from_the_difference_and_its_error_by_hand() -> None:
    a = scored({"A": 0.1, "B": 0.6, "C": 0.4, "D": 0.9}, "CD")
    b = scored({"A": 0.2, "B": 0.3, "C": 0.6, "D": 0.5}, "CD")
    row = compare_equivalence({"a": a, "b": b}, margin=0.1)[0]
    error = math.sqrt(1 / 8)
    assert (row.difference, row.n, row.n_high, row.margin) == (-0.25, 4, 2, 0.1)
    assert row.low == pytest.approx(-0.25 - 1.6448536269514722 * error, abs=1e-12)
    assert row.high == pytest.approx(-0.25 + 1.6448536269514722 * error, abs=1e-12)
    assert row.p_a_not_worse == pytest.approx(norm.sf((-0.25 + 0.1) / error), abs=1e-12)
    assert row.p_b_not_worse == pytest.approx(norm.sf((0.25 + 0.1) / error), abs=1e-12)
    assert row.p_equivalent == row.p_a_not_worse
    assert row.detectable == pytest.approx((1.959963984540054 + 0.8416212335729143) * error, abs=1e-12)
    assert row.patients_needed == math.ceil(4 * (1 / 8) * ((1.6448536269514722 + 0.8416212335729143) / 0.1) ** 2)
    expected = (
        "paired DeLong, two one-sided tests at 5 %, 90 % CI; test patients; one AUC is exactly 0 or 1: unreliable"
    )
    assert row.method == expected


@pytest.mark.parametrize("gains", [(1.0, 1.0), (1.0, 1.3), (1.3, 1.0), (2.0, 0.5)])
def test_a_test_at_5_percent_is_the_90_percent_interval_on_the_right_side_of_the_margin(
    gains: tuple[float, float],
) -> None:
    models = drawn(400, *gains)
    for margin in (0.01, 0.03, 0.05, 0.1, 0.3):
        row = compare_equivalence(models, margin=margin)[0]
        assert (row.p_a_not_worse < 0.05) == (row.low > -margin)
        assert (row.p_b_not_worse < 0.05) == (row.high < margin)
        assert (row.p_equivalent < 0.05) == (-margin < row.low and row.high < margin)


def test_the_interval_is_that_of_the_paired_comparison_at_90_percent() -> None:
    models = drawn(150, 1.0, 1.2, 0.4)
    tested = compare_equivalence(models, margin=0.05, split="oof")
    compared = compare_models(models, dict.fromkeys(models, 0.5), split="oof", confidence=0.9)
    for row, other in zip(tested, (c for c in compared if c.measure == "auc"), strict=True):
        assert (row.model_a, row.model_b, row.n) == (other.model_a, other.model_b, other.n)
        assert (row.difference, row.low, row.high) == (other.difference, other.low, other.high)
        assert row.method.endswith("oof patients")


def test_swapping_the_models_swaps_the_tests() -> None:
    models = drawn(150, 1.0, 1.2)
    there = compare_equivalence(models, margin=0.05)[0]
    back = compare_equivalence(dict(reversed(models.items())), margin=0.05)[0]
    assert (back.difference, back.low, back.high) == (-there.difference, -there.high, -there.low)
    assert (back.p_a_not_worse, back.p_b_not_worse) == pytest.approx((there.p_b_not_worse, there.p_a_not_worse))
    assert (back.p_equivalent, back.detectable) == pytest.approx((there.p_equivalent, there.detectable))
    assert back.patients_needed == there.patients_needed


def test_normal_interval_as_statsmodels() -> None:
    models = drawn(150, 1.0, 1.2)
    row = compare_equivalence(models, margin=0.05)[0]
    error = (row.high - row.low) / 2 / norm.ppf(0.95)
    # zconfint of two values whose mean and standard error are those of the difference.
    theirs = zconfint([row.difference - error, row.difference + error], alpha=0.1)
    assert (row.low, row.high) == pytest.approx(theirs, abs=1e-12)


def test_only_the_common_patients_count() -> None:
    models = drawn(60, 1.0, 1.2)
    kept = models["m1"].patient_ids[10:]
    part = {"m0": models["m0"], "m1": models["m1"].select(kept[::-1])}
    row = compare_equivalence(part, margin=0.05)[0]
    both = {model: patients.select(kept) for model, patients in models.items()}
    alone = compare_equivalence(both, margin=0.05)[0]
    assert row.p_equivalent == alone.p_equivalent
    assert row.n == 50
    assert "test patients that both models scored (10 of m0 and 0 of m1 dropped)" in row.method


def untested(row: Equivalence) -> bool:
    numbers = (row.low, row.high, row.p_a_not_worse, row.p_b_not_worse, row.p_equivalent, row.detectable)
    return all(math.isnan(number) for number in numbers) and row.patients_needed == 0


@pytest.mark.parametrize(
    ("a", "b", "difference", "reason"),
    [
        ({"A": 0.1, "B": 0.6, "C": 0.4}, {"A": 0.1, "B": 0.6, "C": 0.4}, 0.0, "a single common patient of one grade"),
        ({"A": 0.1, "C": 0.4}, {"B": 0.1, "D": 0.4}, math.nan, "no common patients"),
        ({"A": 0.1, "B": 0.4}, {"A": 0.1, "B": 0.4}, math.nan, "all common patients are low grade"),
        ({"C": 0.1, "D": 0.4}, {"C": 0.1, "D": 0.4}, math.nan, "all common patients are high grade"),
        (
            {"A": 0.1, "B": 0.6, "C": 0.4, "D": 0.9},
            {"A": 0.2, "B": 0.5, "C": 0.3, "D": 0.8},
            0.0,
            "both models rank the patients alike, and so no variance",
        ),
        (
            {"A": 0.1, "B": 0.2, "C": 0.8, "D": 0.9},
            {"A": 0.9, "B": 0.8, "C": 0.2, "D": 0.1},
            1.0,
            "the difference is the same in every patient",
        ),
    ],
)
def test_a_pair_without_a_variance_keeps_its_row_and_says_why(
    a: dict[str, float], b: dict[str, float], difference: float, reason: str
) -> None:
    row = compare_equivalence({"a": scored(a, "CD"), "b": scored(b, "CD")}, margin=0.05)[0]
    assert untested(row)
    assert row.difference == pytest.approx(difference, abs=0, nan_ok=True)
    assert row.method.startswith(f"not computed: {reason}")
    assert "test patients" in row.method


@pytest.mark.parametrize("margin", [0.0, -0.05, 1.0, math.nan])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(ScoresError, match="The margin is"):
        compare_equivalence(drawn(20, 1.0, 1.0), margin=margin)


def test_models_that_disagree_on_a_truth_are_refused() -> None:
    with pytest.raises(ScoresError, match="is_high differs between models a and b"):
        compare_equivalence({"a": scored({"A": 0.1}, "A"), "b": scored({"A": 0.1}, "")}, margin=0.05)


def test_one_model_has_no_pair() -> None:
    assert compare_equivalence(drawn(20, 1.0), margin=0.05) == ()
