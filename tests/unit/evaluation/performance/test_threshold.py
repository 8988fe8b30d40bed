from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.metrics import Confusion, confusion
from nephrograde.evaluation.performance.threshold import (
    Threshold,
    choose_threshold,
    cost_threshold,
    sensitivity_threshold,
    specificity_threshold,
    youden_threshold,
)
from nephrograde.evaluation.remarks import Caution, Rule
from nephrograde.evaluation.scores.scores import ModelScores
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Callable

# Ten patients, low and high, in the order of their scores 0.05, 0.15, … 0.95.
SCORES = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]
TRUTHS = [0, 0, 1, 0, 1, 0, 1, 0, 1, 1]


def test_youden_lies_half_way_between_neighbours() -> None:
    assert youden_threshold([0.0, 0.25, 0.75, 1.0], [0, 0, 1, 1]) == 0.5


def test_of_equal_youden_thresholds_the_most_sensitive_is_taken() -> None:
    p_high, is_high = [0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]
    assert youden_threshold(p_high, is_high) == pytest.approx(0.15)
    assert confusion(p_high, is_high, threshold=0.15).fn == 0


@pytest.mark.parametrize("p_high", [[0.5, 0.5, 0.5, 0.5], [0.8, 0.9, 0.1, 0.2]])
def test_where_no_threshold_helps_everyone_is_called_high(p_high: list[float]) -> None:
    threshold = youden_threshold(p_high, [0, 0, 1, 1])
    assert threshold == 0.0
    assert confusion(p_high, [0, 0, 1, 1], threshold=threshold) == Confusion(tp=2, fp=2, tn=0, fn=0)


def test_a_threshold_between_neighbouring_floats_still_parts_them() -> None:
    below = 0.5
    above = float(np.nextafter(below, 1.0))
    threshold = youden_threshold([below, above], [0, 1])
    assert confusion([below, above], [0, 1], threshold=threshold) == Confusion(tp=1, fp=0, tn=1, fn=0)


@pytest.mark.parametrize(
    ("target", "threshold"),
    [(1.0, 0.2), (0.81, 0.2), (0.8, 0.4), (0.6, 0.6), (0.5, 0.6), (0.4, 0.8), (0.2, 0.9), (0.01, 0.9)],
)
def test_sensitivity_threshold_is_the_highest_that_reaches_the_target(target: float, threshold: float) -> None:
    assert sensitivity_threshold(SCORES, TRUTHS, target=target) == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("target", "threshold"), [(0.01, 0.1), (0.2, 0.1), (0.4, 0.2), (0.6, 0.4), (0.8, 0.6), (0.9, 0.8), (1.0, 0.8)]
)
def test_specificity_threshold_is_the_lowest_that_reaches_the_target(target: float, threshold: float) -> None:
    assert specificity_threshold(SCORES, TRUTHS, target=target) == pytest.approx(threshold)


def test_a_share_that_is_the_target_reaches_it() -> None:
    # 0.55 · 20 is 11.000000000000002: eleven of twenty are enough all the same.
    p_high = [k / 100 for k in range(40)]
    assert confusion(
        p_high, [1] * 20 + [0] * 20, threshold=sensitivity_threshold(p_high, [1] * 20 + [0] * 20, target=0.55)
    ) == Confusion(tp=11, fp=20, tn=0, fn=9)
    assert confusion(
        p_high, [0] * 20 + [1] * 20, threshold=specificity_threshold(p_high, [0] * 20 + [1] * 20, target=0.55)
    ) == Confusion(tp=20, fp=9, tn=11, fn=0)


def test_a_sensitivity_that_only_calling_everyone_high_reaches_gives_zero() -> None:
    assert sensitivity_threshold([0.2, 0.6, 0.8], [1, 0, 1], target=0.9) == 0.0
    assert sensitivity_threshold([0.5, 0.5, 0.5], [1, 0, 1], target=0.1) == 0.0


@pytest.mark.parametrize("largest", [0.75, 1.0, 3.5])
def test_a_specificity_that_only_calling_no_one_high_reaches_gives_a_finite_threshold(largest: float) -> None:
    p_high, truths = [0.1, 0.5, largest], [0, 1, 0]
    threshold = specificity_threshold(p_high, truths, target=0.9)
    assert largest < threshold <= max(1.0, math.nextafter(largest, math.inf))
    assert confusion(p_high, truths, threshold=threshold) == Confusion(tp=0, fp=0, tn=2, fn=1)


def test_all_tied_scores_call_everyone_or_no_one() -> None:
    assert specificity_threshold([0.5] * 4, [0, 1, 0, 1], target=0.1) == 1.0
    assert cost_threshold([0.5] * 4, [0, 1, 0, 1], cost_ratio=2.0) == 0.0
    assert cost_threshold([0.5] * 4, [0, 1, 0, 1], cost_ratio=0.5) == 1.0


def test_cost_threshold_weighs_missed_against_false_alarms() -> None:
    # Costs at 0, 0.1, 0.2, …: fp falls 5 4 3 3 2 2 1 1 0 0 0, fn rises 0 0 0 1 1 2 2 3 3 4 5.
    assert cost_threshold(SCORES, TRUTHS, cost_ratio=1.0) == pytest.approx(0.2)
    assert cost_threshold(SCORES, TRUTHS, cost_ratio=0.4) == pytest.approx(0.8)
    assert cost_threshold(SCORES, TRUTHS, cost_ratio=100.0) == pytest.approx(0.2)
    assert cost_threshold([0.1, 0.2, 0.9], [1, 0, 0], cost_ratio=0.1) == 1.0


def test_of_equally_cheap_thresholds_the_most_sensitive_is_taken() -> None:
    assert cost_threshold([0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1], cost_ratio=1.0) == pytest.approx(0.3)
    # 3 · 0.1 is 0.30000000000000004, and still as cheap as what 0.3 false alarms would be.
    assert cost_threshold([0.2, 0.4, 0.6], [1, 0, 1], cost_ratio=1.0) == 0.0


@pytest.mark.parametrize("ratio", ["0.1", "0.3", "1", "2.5", "7"])
def test_no_other_threshold_costs_less(ratio: str) -> None:
    chance = np.random.default_rng(8)
    for _ in range(20):
        truths = np.append(chance.random(28) < 0.4, [True, False])
        p_high = np.round(chance.random(30), 1)

        def cost(threshold: float, p_high: Any = p_high, truths: Any = truths) -> Fraction:
            counts = confusion(p_high, truths, threshold=threshold)
            return counts.fp + Fraction(ratio) * counts.fn

        chosen = cost_threshold(p_high, truths, cost_ratio=float(ratio))
        others = {other: cost(other) for other in [0.0, 1.1, *(k / 10 + 0.05 for k in range(10))]}
        assert cost(chosen) == min(others.values())
        assert not any(value == cost(chosen) for other, value in others.items() if other < chosen - 0.051)


@pytest.mark.parametrize(
    "choose",
    [
        youden_threshold,
        lambda p, y: sensitivity_threshold(p, y, target=0.9),
        lambda p, y: specificity_threshold(p, y, target=0.9),
        lambda p, y: cost_threshold(p, y, cost_ratio=1.0),
    ],
)
def test_every_rule_needs_both_grades_and_finite_scores(choose: Callable[[Any, Any], float]) -> None:
    for truth in (0, 1):
        with pytest.raises(ScoresError, match=r"needs patients of both grades\. Add the missing grade\."):
            choose([0.5, 0.6], [truth, truth])
    with pytest.raises(ScoresError, match="Prediction 2 is nan"):
        choose([0.5, math.nan], [0, 1])
    with pytest.raises(ScoresError, match="No patient"):
        choose([], [])
    counts = confusion([0.3, 0.6], [0, 1], threshold=choose([0.3, 0.6], [0, 1]))
    assert counts == Confusion(tp=1, fp=0, tn=1, fn=0)


@pytest.mark.parametrize("target", [0.0, -0.5, 1.1, math.nan, math.inf])
def test_a_target_must_be_a_share(target: float) -> None:
    with pytest.raises(ScoresError, match=r"The target sensitivity is .*\. Give a number above 0"):
        sensitivity_threshold([0.3, 0.6], [0, 1], target=target)
    with pytest.raises(ScoresError, match=r"The target specificity is .*\. Give a number above 0"):
        specificity_threshold([0.3, 0.6], [0, 1], target=target)


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.nan, math.inf])
def test_a_cost_ratio_must_be_a_positive_number(ratio: float) -> None:
    with pytest.raises(ScoresError, match=r"The cost ratio is .*\. Give a number above 0"):
        cost_threshold([0.3, 0.6], [0, 1], cost_ratio=ratio)


def oof(truths: list[int]) -> ModelScores:
    ids = tuple(f"P{k}" for k in range(len(truths)))
    return ModelScores(ids, np.array(truths, dtype=bool), np.array(SCORES[: len(truths)]))


@pytest.mark.parametrize(
    ("settings", "value", "rule", "text"),
    [
        (EvaluateSettings(), 0.2, (Rule.YOUDEN, None), "youden"),
        (
            EvaluateSettings(threshold="sensitivity", threshold_target=0.8),
            0.4,
            (Rule.SENSITIVITY, 0.8),
            "sensitivity ≥ 0.8",
        ),
        (
            EvaluateSettings(threshold="specificity", threshold_target=0.75),
            0.6,
            (Rule.SPECIFICITY, 0.75),
            "specificity ≥ 0.75",
        ),
        (
            EvaluateSettings(threshold="cost", cost_ratio=0.4),
            0.8,
            (Rule.COST, 0.4),
            "cost, missed:false alarm 0.4:1",
        ),
    ],
)
def test_the_rule_of_the_study_is_followed_and_named(
    settings: EvaluateSettings, value: float, rule: tuple[Rule, float | None], text: str
) -> None:
    chosen = choose_threshold(oof(TRUTHS), settings)
    assert (chosen.rule, chosen.rule_value, chosen.n, chosen.caution) == (*rule, 10, None)
    assert chosen.value == pytest.approx(value)
    assert str(chosen) == f"threshold {value:g} ({text} on out-of-fold predictions, n = 10)"


@pytest.mark.parametrize("name", ["youden", "sensitivity", "specificity", "cost"])
def test_without_both_grades_out_of_fold_the_threshold_is_fixed(name: Any) -> None:
    settings = EvaluateSettings(threshold=name)
    assert choose_threshold(oof([]), settings) == Threshold(0.5, Rule.FIXED, 0, caution=Caution.NO_OUT_OF_FOLD)
    for truth in (0, 1):
        chosen = choose_threshold(oof([truth] * 3), settings)
        assert str(chosen) == "threshold 0.5 (fixed: out-of-fold rows of one grade only)"
