from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.calibration.benefit import (
    BenefitPoint,
    benefit_contributions,
    net_benefit_curve,
    with_bands,
)
from nephrograde.evaluation.performance.metrics import confusion
from nephrograde.evaluation.performance.resample import percentile_bounds, resampled_means
from nephrograde.evaluation.scores.scores import ModelScores


def test_net_benefit_of_ten_patients_by_hand() -> None:
    p_high = [0.1, 0.1, 0.2, 0.3, 0.4, 0.6, 0.3, 0.5, 0.7, 0.9]
    truths = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    points = {p.threshold: p for p in net_benefit_curve(p_high, truths, model="size", split="test", low=0.2, high=0.5)}
    # At 0.2: 4 true positives, 4 false alarms at 1/4 each; of all ten 4 and 6.
    assert points[0.2].net_benefit == pytest.approx((4 - 4 * 0.25) / 10)
    assert points[0.2].treat_all == pytest.approx((4 - 6 * 0.25) / 10)
    # At 0.5: 3 true positives, 1 false alarm that counts whole.
    assert points[0.5].net_benefit == pytest.approx((3 - 1) / 10)
    assert points[0.5].treat_all == pytest.approx((4 - 6) / 10)
    # At 0.3 the probabilities of 0.3 are called high.
    assert points[0.3].net_benefit == pytest.approx((4 - 3 * 3 / 7) / 10)
    assert points[0.31].net_benefit == pytest.approx((3 - 2 * 31 / 69) / 10)
    first = points[0.2]
    known = BenefitPoint("size", "test", 0.2, first.net_benefit, first.treat_all, 10, 4)
    assert repr(first) == repr(known)  # as text: since Python 3.13, objects with NaN are unequal


def test_every_point_agrees_with_the_counts_of_its_threshold() -> None:
    chance = np.random.default_rng(3)
    truths = chance.random(90) < 0.45
    p_high = np.round(np.clip(chance.normal(0.35 + 0.2 * truths, 0.2), 0, 1), 2)
    points = net_benefit_curve(p_high, truths, model="m", split="oof", low=0.05, high=0.6)
    assert len(points) == 56
    assert [p.threshold for p in points] == [round(0.05 + k / 100, 2) for k in range(56)]
    for point in points:
        counts = confusion(p_high, truths, threshold=point.threshold)
        weight = point.threshold / (1 - point.threshold)
        assert point.net_benefit == pytest.approx((counts.tp - weight * counts.fp) / 90, abs=1e-12)


def test_a_constant_prediction_calls_everyone_and_then_no_one() -> None:
    points = net_benefit_curve([0.3] * 4, [0, 0, 0, 1], model="m", split="test", low=0.1, high=0.5)
    for point in points:
        expected = point.treat_all if point.threshold <= 0.3 else 0.0
        assert point.net_benefit == pytest.approx(expected, abs=1e-15)
    assert points[15].treat_all == pytest.approx(0.0, abs=1e-15)  # at 0.25, the share of high grade


@pytest.mark.parametrize(("truth", "treat_all"), [(0, -0.25), (1, 1.0)])
def test_one_grade_has_a_curve(truth: int, treat_all: float) -> None:
    point = net_benefit_curve([0.1, 0.9], [truth] * 2, model="m", split="test", low=0.2, high=0.3)[0]
    assert (point.treat_all, point.n, point.n_high) == (treat_all, 2, 2 * truth)


def test_a_narrow_range_keeps_both_ends() -> None:
    points = net_benefit_curve([0.1, 0.9], [0, 1], model="m", split="test", low=0.2, high=0.201)
    assert [point.threshold for point in points] == [0.2, 0.201]


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.5), (0.5, 0.5), (0.6, 0.5), (0.2, 1.0), (-1.0, 0.5), (math.nan, 0.5), (0.2, math.nan)]
)
def test_a_range_must_run_upwards_within_0_and_1(low: float, high: float) -> None:
    with pytest.raises(ScoresError, match=r"are not a range\. Give two increasing values"):
        net_benefit_curve([0.1, 0.9], [0, 1], model="m", split="test", low=low, high=high)


def test_predictions_must_be_probabilities() -> None:
    for p_high, message in (([0.1, 1.5], "Prediction 2 is 1.5"), ([0.1, math.nan], "is nan"), ([], "shape|patient")):
        with pytest.raises(ScoresError, match=message):
            net_benefit_curve(p_high, [0, 1][: len(p_high)], model="m", split="test", low=0.2, high=0.5)


def test_contributions_average_to_the_net_benefit() -> None:
    chance = np.random.default_rng(4)
    truths, p_high = chance.random(90) < 0.45, chance.random(90).round(2)
    points = net_benefit_curve(p_high, truths, model="m", split="test", low=0.05, high=0.6)
    means = benefit_contributions(p_high, truths, thresholds=[p.threshold for p in points]).mean(axis=0)
    assert means.tolist() == pytest.approx([p.net_benefit for p in points], abs=1e-12)


def drawn(n: int, *, seed: int, decimals: int = 2) -> ModelScores:
    chance = np.random.default_rng(seed)
    truths = chance.random(n) < 0.45
    p_high = np.clip(0.3 * truths + 0.7 * chance.random(n), 0, 1).round(decimals)
    return ModelScores(tuple(f"P{k}" for k in range(n)), truths, p_high)


def curves_of(models: dict[str, ModelScores]) -> dict[str, tuple[BenefitPoint, ...]]:
    return {
        model: net_benefit_curve(one.p_high, one.is_high, model=model, split="test", low=0.2, high=0.4)
        for model, one in models.items()
    }


def test_bands_are_percentiles_of_the_mean_contributions_of_resamples() -> None:
    models = {"a": drawn(90, seed=1), "b": drawn(61, seed=2), "c": drawn(90, seed=3, decimals=1)}
    curves = curves_of(models)
    banded = with_bands(curves, models, replicates=301, seed=7, confidence=0.9)
    assert list(banded) == ["a", "b", "c"]
    for model, one in models.items():
        at = [point.threshold for point in curves[model]]
        contributions = benefit_contributions(one.p_high, one.is_high, thresholds=at)
        low, high = percentile_bounds(resampled_means(contributions, replicates=301, seed=7), confidence=0.9)
        assert [point.low for point in banded[model]] == pytest.approx(low.tolist(), abs=1e-12)
        assert [point.high for point in banded[model]] == pytest.approx(high.tolist(), abs=1e-12)
        assert [replace(p, low=0, high=0) for p in banded[model]] == [replace(p, low=0, high=0) for p in curves[model]]


def test_band_is_seeded_and_close_to_the_standard_error() -> None:
    models = {"m": drawn(400, seed=4, decimals=9)}
    points = curves_of(models)["m"]
    banded = with_bands({"m": points}, models, replicates=2000, seed=7, confidence=0.95)["m"]
    assert banded == with_bands({"m": points}, models, replicates=2000, seed=7, confidence=0.95)["m"]
    assert banded != with_bands({"m": points}, models, replicates=2000, seed=8, confidence=0.95)["m"]
    contributions = benefit_contributions(
        models["m"].p_high, models["m"].is_high, thresholds=[p.threshold for p in points]
    )
    errors = contributions.std(axis=0) / np.sqrt(400)
    widths = np.array([p.high - p.low for p in banded])
    assert np.abs(widths / (2 * 1.96 * errors) - 1).max() < 0.06
    assert all(p.low < p.net_benefit < p.high for p in banded)


def test_a_band_needs_a_resample() -> None:
    models = {"m": drawn(20, seed=4)}
    with pytest.raises(ScoresError, match="0 resamples of 20 patients"):
        with_bands(curves_of(models), models, replicates=0, seed=7, confidence=0.95)
