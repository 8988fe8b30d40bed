from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.equivalence import Equivalence, compare_equivalence, verdict_of
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.interval import paired_bounds, tail_beyond
from nephrograde.evaluation.remarks import Caution, Verdict
from nephrograde.evaluation.scores.scores import ModelScores


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


def test_the_tests_follow_from_both_intervals_and_their_correlation() -> None:
    models = drawn(150, 1.0, 1.2)
    row = compare_equivalence(models, margin=0.1)[0]
    placed = place(np.stack([model.p_high for model in models.values()]), models["m0"].is_high)
    a, b, covariance = placed.area(0), placed.area(1), float(placed.covariance()[0, 1])
    assert (row.low, row.high) == paired_bounds(a, b, covariance, z=1.959963984540054)
    assert row.p_a_not_worse == tail_beyond(a, b, covariance, limit=-0.1, level=0.025)
    assert row.p_b_not_worse == tail_beyond(b, a, covariance, limit=-0.1, level=0.025)
    assert row.p_equivalent == max(row.p_a_not_worse, row.p_b_not_worse)
    variance = placed.difference(0, 1)[1]
    assert row.detectable == pytest.approx((1.959963984540054 + 0.8416212335729143) * math.sqrt(variance), abs=1e-12)
    reach = 1.959963984540054 + 0.8416212335729143
    assert row.patients_needed == math.ceil(150 * variance * (reach / 0.1) ** 2)
    assert row.method == "MOVER of the intervals of both AUCs, two one-sided tests at 2.5 %, 95 % CI; test patients"


@pytest.mark.parametrize("gains", [(1.0, 1.0), (1.0, 1.3), (1.3, 1.0), (2.0, 0.5)])
def test_a_test_at_2_and_a_half_percent_is_the_95_percent_interval_on_the_right_side_of_the_margin(
    gains: tuple[float, float],
) -> None:
    models = drawn(400, *gains)
    for margin in (0.01, 0.03, 0.05, 0.1, 0.3):
        row = compare_equivalence(models, margin=margin)[0]
        assert (row.p_a_not_worse < 0.025) == (row.low > -margin)
        assert (row.p_b_not_worse < 0.025) == (row.high < margin)
        assert (row.p_equivalent < 0.025) == (-margin < row.low and row.high < margin)
        assert row.verdict is verdict_of(row.low, row.high, margin=margin)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.2, Verdict.BETTER),
        (0.001, 0.04, Verdict.BETTER),
        (0.0, 0.04, Verdict.EQUIVALENT),
        (-0.049, -0.001, Verdict.EQUIVALENT),
        (-0.049, 0.05, Verdict.NOT_WORSE),
        (-0.05, 0.04, Verdict.UNDECIDED),
        (-0.3, -0.05, Verdict.UNDECIDED),
        (-0.3, -0.051, Verdict.WORSE),
        (-0.3, 0.3, Verdict.UNDECIDED),
    ],
)
def test_the_interval_decides_the_verdict(low: float, high: float, verdict: Verdict) -> None:
    assert verdict_of(low, high, margin=0.05) is verdict


def of_counts(n_high: int, n_low: int, *gains: float) -> dict[str, ModelScores]:
    chance = np.random.default_rng(2)
    truths = np.arange(n_high + n_low) < n_high
    ids = tuple(f"P{k:04}" for k in range(truths.size))
    return {
        f"m{k}": ModelScores(ids, truths, norm.cdf(chance.normal(size=truths.size) + gain * truths - gain / 2))
        for k, gain in enumerate(gains)
    }


@pytest.mark.parametrize(
    ("n_high", "n_low", "gains", "verdict"),
    [
        (29, 400, (1.0, 0.9), Verdict.TOO_FEW),
        (400, 29, (1.0, 0.9), Verdict.TOO_FEW),
        (30, 30, (4.0, 0.0), Verdict.BETTER),
        (30, 280, (3.0, 3.1), Verdict.TOO_RARE),
        (280, 30, (3.0, 3.1), Verdict.TOO_RARE),
        (30, 280, (0.5, 0.4), Verdict.UNDECIDED),
        (60, 280, (3.0, 1.0), Verdict.BETTER),
    ],
)
def test_too_few_patients_of_a_grade_get_no_verdict_and_no_p(
    n_high: int, n_low: int, gains: tuple[float, float], verdict: Verdict
) -> None:
    row = compare_equivalence(of_counts(n_high, n_low, *gains), margin=0.05)[0]
    assert row.verdict is verdict
    numbers = (row.p_a_not_worse, row.p_b_not_worse, row.p_equivalent)
    assert [math.isnan(number) for number in numbers] == [verdict.is_withheld] * 3
    assert row.low < row.difference < row.high
    assert ("no verdict" in row.method) == verdict.is_withheld
    back = row.swapped()
    assert (back.verdict is verdict) == (verdict.is_withheld or verdict is Verdict.UNDECIDED)


def test_no_number_of_patients_is_named_where_the_models_are_clearly_unequal() -> None:
    # AUCs of about 0.82 and 0.32.
    row = compare_equivalence(of_counts(41, 51, 1.3, -0.65), margin=0.05)[0]
    assert (row.patients_needed, row.verdict) == (0, Verdict.BETTER)
    alike = compare_equivalence(of_counts(41, 51, 1.3, 1.3), margin=0.2)[0]
    assert abs(alike.difference) < 0.2
    assert alike.patients_needed > 10


def test_no_detectable_difference_above_1() -> None:
    a = scored({"A": 0.1, "B": 0.6, "C": 0.4, "D": 0.9}, "CD")
    b = scored({"A": 0.2, "B": 0.5, "C": 0.3, "D": 0.1}, "CD")
    row = compare_equivalence({"a": a, "b": b}, margin=0.1)[0]
    assert math.isnan(row.detectable)
    assert -1.0 <= row.low <= row.high <= 1.0
    assert row.verdict is Verdict.TOO_FEW


def test_an_auc_of_1_has_an_interval_of_the_difference_but_no_power() -> None:
    models = of_counts(40, 40, 1.0, 12.0)
    row = compare_equivalence(models, margin=0.05)[0]
    assert row.high < 0.0
    assert (row.caution, row.patients_needed, math.isnan(row.detectable)) == (Caution.PERFECT_AUC, 0, True)


def test_swapping_the_models_swaps_the_tests() -> None:
    models = drawn(150, 1.0, 1.2)
    there = compare_equivalence(models, margin=0.05)[0]
    back = compare_equivalence(dict(reversed(models.items())), margin=0.05)[0]
    assert (back.difference, back.low, back.high) == (-there.difference, -there.high, -there.low)
    assert (back.p_a_not_worse, back.p_b_not_worse) == pytest.approx((there.p_b_not_worse, there.p_a_not_worse))
    assert (back.p_equivalent, back.detectable) == pytest.approx((there.p_equivalent, there.detectable))
    assert back.patients_needed == there.patients_needed
    swapped = there.swapped()
    assert (swapped.model_a, swapped.model_b, swapped.verdict) == (back.model_a, back.model_b, back.verdict)
    assert (swapped.low, swapped.p_a_not_worse) == pytest.approx((back.low, back.p_a_not_worse))


def test_only_the_common_patients_count() -> None:
    models = drawn(100, 1.0, 1.2)
    kept = models["m1"].patient_ids[10:]
    part = {"m0": models["m0"], "m1": models["m1"].select(kept[::-1])}
    row = compare_equivalence(part, margin=0.05)[0]
    both = {model: patients.select(kept) for model, patients in models.items()}
    alone = compare_equivalence(both, margin=0.05)[0]
    assert row.p_equivalent == alone.p_equivalent
    assert row.n == 90
    assert "test patients that both models scored (10 of m0 and 0 of m1 dropped)" in row.method


def untested(row: Equivalence) -> bool:
    numbers = (row.low, row.high, row.p_a_not_worse, row.p_b_not_worse, row.p_equivalent, row.detectable)
    assert row.verdict is None
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
