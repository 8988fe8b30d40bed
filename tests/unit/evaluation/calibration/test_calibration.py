from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit, logit

from nephrograde.errors import ScoresError
from nephrograde.evaluation.calibration.calibration import (
    CalibrationPoint,
    brier,
    calibration_curve,
    calibration_intercept,
    calibration_slope,
    expected_calibration_error,
)
from nephrograde.evaluation.calibration.logistic import CLIP, fit_logistic

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.evaluation.performance.metrics import Estimate

Z = 1.959963984540054
MEASURES: list[Callable[..., Estimate]] = [brier, calibration_intercept, calibration_slope, expected_calibration_error]
ONE_GRADE = "not computed: patients of one grade only"
SEPARATED = "not computed: the predictions separate the grades without error, and the slope is infinite"


def drawn(n: int, *, slope: float = 1.0, shift: float = 0.0, seed: int = 4) -> tuple[Any, Any]:
    """Predictions whose truths have ``slope`` times their log odds plus ``shift``."""
    chance = np.random.default_rng(seed)
    log_odds = chance.normal(0.0, 1.5, n)
    return expit(log_odds), chance.random(n) < expit(slope * log_odds + shift)


def curve(p_high: npt.ArrayLike, is_high: npt.ArrayLike, confidence: float = 0.95) -> tuple[CalibrationPoint, ...]:
    return calibration_curve(p_high, is_high, model="size", split="test", confidence=confidence)


def test_brier_by_hand_and_as_scikit_learn() -> None:
    from sklearn.metrics import brier_score_loss

    p_high, truths = [0.1, 0.4, 0.7, 1.0], [0, 1, 0, 1]
    errors = [0.01, 0.36, 0.49, 0.0]
    mean = sum(errors) / 4
    made = brier(p_high, truths)
    reach = Z * math.sqrt(sum((e - mean) ** 2 for e in errors) / 3 / 4)
    assert made.value == pytest.approx(mean, abs=1e-15)
    assert [made.low, made.high] == pytest.approx([0.0, mean + reach])
    assert (made.measure, made.n, made.n_high, made.note) == ("brier", 4, 2, "")
    assert made.method == "mean squared error, normal 95 % CI from the patients' squared errors"
    p_high, truths = drawn(90)
    assert brier(p_high, truths).value == pytest.approx(brier_score_loss(truths, p_high), abs=1e-15)


def test_brier_interval_covers_as_often_as_it_says() -> None:
    chance = np.random.default_rng(6)
    p = chance.beta(2, 3, (400, 90))
    truths = chance.random(p.shape) < p
    # The expected score of probabilities that are true: E p (1 − p) = ab / ((a + b)(a + b + 1)).
    expected = 2 * 3 / (5 * 6)
    made = [brier(row, truth, confidence=0.9) for row, truth in zip(p, truths, strict=True)]
    covered = sum(e.low <= expected <= e.high for e in made) / 400
    assert 0.86 < covered < 0.94


def test_brier_without_spread_or_with_one_patient_says_that_its_interval_is_none() -> None:
    made = brier([0.5, 0.5, 0.5], [0, 1, 1])
    assert (made.low, made.value, made.high) == (0.25, 0.25, 0.25)
    assert made.note == "interval unreliable: the error is the same in every patient"
    made = brier([0.25], [1])
    assert made.value == 0.5625
    assert math.isnan(made.low)
    assert math.isnan(made.high)
    assert made.note == "no interval: one patient"


def test_intercept_of_a_constant_is_the_gap_of_log_odds() -> None:
    # Three of four are high grade, 0.5 was said: log(3) too low. Variance 1 / (4 · 3/4 · 1/4).
    made = calibration_intercept([0.5] * 4, [0, 1, 1, 1])
    assert made.value == pytest.approx(math.log(3), abs=1e-9)
    reach = Z * math.sqrt(4 / 3)
    assert [made.low, made.high] == pytest.approx([math.log(3) - reach, math.log(3) + reach])
    assert made.method == "logistic model with the log odds as offset, Wald 95 % CI"
    assert (made.n, made.n_high, made.note) == (4, 3, "")


def test_slope_of_two_groups_is_the_ratio_of_log_odds() -> None:
    # 0.2 was said to ten with 3 high, 0.6 to ten with 7 high: the observed log odds lie on a line through both.
    made = calibration_slope([0.2] * 10 + [0.6] * 10, [1] * 3 + [0] * 7 + [1] * 7 + [0] * 3)
    distance = logit(0.6) - logit(0.2)
    assert made.value == pytest.approx(2 * logit(0.7) / distance, abs=1e-8)
    reach = Z * math.sqrt(2 / (10 * 0.21)) / distance
    assert [made.low, made.high] == pytest.approx([made.value - reach, made.value + reach])
    assert made.method == "logistic model of the log odds, Wald 95 % CI"


def test_intercept_and_slope_agree_with_statsmodels_logit() -> None:
    import statsmodels.api as sm

    p_high, truths = drawn(90, slope=0.7, shift=0.4)
    x = logit(p_high)
    slope = sm.Logit(truths.astype(float), sm.add_constant(x)).fit(disp=0)
    made = calibration_slope(p_high, truths, confidence=0.9)
    low, high = slope.conf_int(alpha=0.1)[1]
    assert [made.low, made.value, made.high] == pytest.approx([low, slope.params[1], high], abs=1e-6)
    intercept = sm.Logit(truths.astype(float), np.ones(90), offset=x).fit(disp=0)
    made = calibration_intercept(p_high, truths, confidence=0.9)
    low, high = intercept.conf_int(alpha=0.1)[0]
    assert [made.low, made.value, made.high] == pytest.approx([low, intercept.params[0], high], abs=1e-6)


def test_what_the_truths_were_drawn_with_is_found_again() -> None:
    p_high, truths = drawn(20_000, slope=0.5, shift=0.0)
    assert calibration_slope(p_high, truths).value == pytest.approx(0.5, abs=0.05)
    p_high, truths = drawn(20_000, shift=0.8)
    assert calibration_intercept(p_high, truths).value == pytest.approx(0.8, abs=0.06)
    assert calibration_slope(p_high, truths).value == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("make", [calibration_intercept, calibration_slope])
def test_probabilities_of_0_and_1_are_moved_inwards_and_counted(make: Callable[..., Estimate]) -> None:
    p_high, truths = [0.0, 0.2, 0.6, 0.4, 0.7, 1.0, 1.0], [0, 1, 0, 0, 1, 1, 0]
    made = make(p_high, truths)
    assert math.isfinite(made.value)
    assert made.note == "3 probabilities of 0 or 1 moved inwards by 1e-06"
    moved = make(np.clip(p_high, CLIP, 1 - CLIP), truths)
    assert (moved.low, moved.value, moved.high, moved.note) == (made.low, made.value, made.high, "")


@pytest.mark.parametrize(
    ("p_high", "truths"),
    [
        ([0.0] * 50 + [1.0] * 50, [1] + [0] * 49 + [1] * 50),
        ([1e-300, 0.5, 0.7, 0.2], [0, 1, 0, 1]),
        ([0.0] * 999 + [1.0], [0] * 998 + [1, 0]),
        ([0.0] * 5 + [1.0] * 5, [1] * 5 + [0] * 5),
        ([0.0] * 10, [0, 1] * 5),
    ],
)
def test_intercept_of_calls_like_0_and_1_is_the_root_of_its_equation(p_high: list[float], truths: list[int]) -> None:
    made = calibration_intercept(p_high, truths)
    x = logit(np.clip(p_high, CLIP, 1 - CLIP))
    assert expit(x + made.value).sum() == pytest.approx(sum(truths), abs=1e-6)
    assert made.low < made.value < made.high


@pytest.mark.parametrize(
    ("p_high", "truths", "reason"),
    [
        ([0.2, 0.4], [1, 1], ONE_GRADE),
        ([0.2], [0], ONE_GRADE),
        ([0.5] * 6, [0, 1] * 3, "not computed: all predictions are alike"),
        ([0.0, 1e-9, 0.0, 1e-8], [0, 1, 1, 0], "not computed: all predictions are alike"),
        ([0.2, 0.8], [0, 1], SEPARATED),
        ([0.2, 0.8], [1, 0], SEPARATED),
        ([0.1, 0.2, 0.3, 0.3, 0.4], [0, 0, 0, 1, 1], SEPARATED),
        ([0.1, 0.2, 0.3, 0.3, 0.4], [1, 1, 1, 0, 0], SEPARATED),
    ],
)
def test_a_slope_that_does_not_exist_has_a_reason_and_no_curve(
    p_high: list[float], truths: list[int], reason: str
) -> None:
    made = calibration_slope(p_high, truths)
    assert all(math.isnan(value) for value in (made.value, made.low, made.high))
    assert (made.method, made.n, made.n_high) == (reason, len(truths), sum(truths))
    assert curve(p_high, truths) == ()


def test_one_grade_has_no_intercept_but_a_brier_score_and_an_ece() -> None:
    for truth in (0, 1):
        made = calibration_intercept([0.2, 0.4], [truth, truth])
        assert math.isnan(made.value)
        assert made.method == ONE_GRADE
    assert brier([0.2, 0.4], [1, 1]).value == pytest.approx((0.64 + 0.36) / 2)
    assert expected_calibration_error([0.2, 0.4], [1, 1]).value == pytest.approx((0.8 + 0.6) / 2)


def test_a_fit_that_does_not_converge_is_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    import statsmodels.api as sm

    p_high, truths = drawn(40)

    def fail(*_: Any, **__: Any) -> Any:
        raise np.linalg.LinAlgError

    # Data whose fit has one coefficient and does not converge are not known.
    monkeypatch.setattr(sm.GLM, "fit", fail)
    for made in (calibration_intercept(p_high, truths), calibration_slope(p_high, truths)):
        assert math.isnan(made.value)
        assert made.method == "not computed: the logistic model did not converge"
    assert curve(p_high, truths) == ()


@pytest.mark.parametrize("start", [30.0, 800.0])
def test_a_fit_that_stops_before_the_solution_is_no_fit(start: float) -> None:
    _, truths = drawn(40)
    column = np.ones((40, 1))
    assert fit_logistic(column, truths, start=1.0) is not None
    assert fit_logistic(column, truths, start=start) is None  # there, every probability is 1 with rounding errors


def test_ece_by_hand() -> None:
    # Bins [0, 0.1), [0.3, 0.4), [0.9, 1]: gaps 0.05, |0.65 − 1| over two and |1.9 − 1| over two.
    made = expected_calibration_error([0.05, 0.3, 0.35, 0.9, 1.0], [0, 0, 1, 0, 1])
    assert made.value == pytest.approx((0.05 + 0.35 + 0.9) / 5)
    assert (made.measure, made.method, made.note) == ("ece", "10 bins of equal width", "unstable at small n")
    assert math.isnan(made.low)
    assert expected_calibration_error([0.1, 0.9], [0, 1], bins=1).value == pytest.approx(0.0)
    with pytest.raises(ScoresError, match=r"0 bins\. Give at least 1"):
        expected_calibration_error([0.1], [0], bins=0)


def test_ece_agrees_with_the_bins_of_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve as sklearn_curve

    p_high, truths = drawn(500)
    observed, predicted = sklearn_curve(truths, p_high, n_bins=10)
    counts = np.histogram(p_high, bins=10, range=(0, 1))[0]
    expected = float((np.abs(observed - predicted) * counts[counts > 0]).sum() / 500)
    assert expected_calibration_error(p_high, truths).value == pytest.approx(expected, abs=1e-12)


def test_the_curve_of_two_probabilities_runs_through_what_was_observed() -> None:
    points = curve([0.2] * 10 + [0.6] * 10, [1] * 3 + [0] * 7 + [1] * 7 + [0] * 3)
    assert len(points) == 51
    first, last = points[0], points[-1]
    assert (first.model, first.split, first.predicted, last.predicted) == ("size", "test", 0.2, 0.6)
    assert [first.observed, last.observed] == pytest.approx([0.3, 0.7])
    reach = Z / math.sqrt(10 * 0.21)
    assert [last.low, last.high] == pytest.approx(expit(logit(0.7) + np.array([-reach, reach])))


@pytest.mark.parametrize(("n", "places"), [(90, [0.1, 0.5, 0.9]), (300, [0.05, 0.275, 0.5, 0.725, 0.95])])
def test_the_band_is_that_of_the_same_spline_fitted_by_statsmodels(n: int, places: list[float]) -> None:
    import statsmodels.api as sm

    p_high, truths = drawn(n, slope=0.7)
    x = logit(p_high)
    *inner, before, last = np.quantile(x, places)

    def basis(values: Any) -> Any:
        def cubed(knot: float) -> Any:
            return np.maximum(values - knot, 0) ** 3

        bends = [
            cubed(knot)
            - cubed(before) * (last - knot) / (last - before)
            + cubed(last) * (before - knot) / (last - before)
            for knot in inner
        ]
        return np.column_stack([np.ones(len(values)), values, *bends])

    fit = sm.GLM(truths.astype(float), basis(x), family=sm.families.Binomial()).fit(tol=1e-10, tol_criterion="params")
    points = curve(p_high, truths, confidence=0.9)
    theirs = fit.get_prediction(basis(logit([p.predicted for p in points]))).summary_frame(alpha=0.1)
    np.testing.assert_allclose([p.observed for p in points], theirs["mean"], atol=1e-6)
    np.testing.assert_allclose([p.low for p in points], theirs["mean_ci_lower"], atol=1e-6)
    np.testing.assert_allclose([p.high for p in points], theirs["mean_ci_upper"], atol=1e-6)


def test_the_curve_is_a_straight_line_of_the_log_odds_beyond_its_outer_knots() -> None:
    # The outer knots, at 5 % and 95 % of 400 patients, lie at 0.3 and 0.7, and between them the grades run in waves.
    p_high = np.concatenate([np.linspace(0.02, 0.28, 20), np.linspace(0.3, 0.7, 360), np.linspace(0.72, 0.98, 20)])
    truths = np.random.default_rng(0).random(400) < 0.5 + 0.4 * np.sin(5 * np.pi * p_high)
    x, y = (logit([getattr(p, name) for p in curve(p_high, truths)]) for name in ("predicted", "observed"))
    slopes = np.diff(y) / np.diff(x)
    for outside in (x < logit(0.29), x > logit(0.71)):
        there = slopes[outside[1:] & outside[:-1]]
        assert there.size > 10
        np.testing.assert_allclose(there, there[0], atol=1e-9)
    assert np.ptp(slopes) > 1


@pytest.mark.parametrize("n", [20, 90, 300])
def test_the_curve_of_a_calibrated_model_has_the_diagonal_in_its_band(n: int) -> None:
    inside = []
    for seed in range(30):
        points = curve(*drawn(n, seed=seed))
        assert all(0 <= p.low <= p.observed <= p.high <= 1 for p in points)
        assert [p.predicted for p in points] == sorted(p.predicted for p in points)
        inside += [p.low <= p.predicted <= p.high for p in points[10:41]]
    assert np.mean(inside) > 0.88


def test_five_knots_follow_a_bend_that_a_line_misses() -> None:
    chance = np.random.default_rng(2)
    p_high = chance.random(4000)
    truth = 0.5 + 0.35 * np.sin(2 * np.pi * p_high)
    points = curve(p_high, chance.random(4000) < truth)
    inner = [p for p in points if 0.05 < p.predicted < 0.95]
    assert max(abs(p.observed - (0.5 + 0.35 * math.sin(2 * math.pi * p.predicted))) for p in inner) < 0.12


def test_where_the_spline_has_no_finite_fit_a_line_takes_its_place() -> None:
    # High grade at both ends only: a curve can separate the grades, a line cannot.
    p_high, truths = np.linspace(0.05, 0.95, 20), [1] * 5 + [0] * 10 + [1] * 5
    points = curve(p_high, truths)
    assert {round(p.observed, 6) for p in points} == {0.5}


@pytest.mark.parametrize("decimals", [0, 1])
def test_few_distinct_probabilities_have_a_curve(decimals: int) -> None:
    p_high, truths = drawn(90)
    points = curve(np.round(p_high, decimals), truths)
    assert len(points) == 51
    assert all(math.isfinite(value) for p in points for value in (p.low, p.observed, p.high))


def test_knots_without_patients_between_them_leave_a_line() -> None:
    # 36 of 40 share one probability: the three knots fall together.
    points = curve([0.1, 0.1] + [0.5] * 36 + [0.9, 0.9], [0, 1] * 20)
    assert {round(p.observed, 6) for p in points} == {0.5}


def test_terms_that_are_one_and_the_same_leave_a_line() -> None:
    # Two probabilities with a middle quantile between them: the spline has no term of its own.
    p_high, truths = [0.2] * 5 + [0.6] * 5, [0, 0, 0, 0, 1, 1, 1, 1, 1, 0]
    points = curve(p_high, truths)
    x = np.array([logit(p.predicted) for p in points])
    line = logit(0.2) + (logit(0.8) - logit(0.2)) * (x - x[0]) / (x[-1] - x[0])
    np.testing.assert_allclose(logit([p.observed for p in points]), line, atol=1e-8)


@pytest.mark.parametrize("make", [*MEASURES, curve])
def test_what_is_no_probability_or_no_patient_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(ScoresError, match=r"2 is 1\.5, which is not a probability\. Give values from 0 to 1"):
        make([0.5, 1.5], [0, 1])
    with pytest.raises(ScoresError, match=r"Prediction 1 is -0\.1, which is not a probability"):
        make([-0.1, 0.5], [0, 1])
    with pytest.raises(ScoresError, match="Prediction 1 is nan"):
        make([math.nan, 0.5], [0, 1])
    with pytest.raises(ScoresError, match="No patient"):
        make([], [])


@pytest.mark.slow
def test_extreme_and_tied_predictions_never_end_in_another_error() -> None:
    chance = np.random.default_rng(9)
    for k in range(150):
        n = int(chance.integers(2, 30))
        p_high = expit(chance.normal(0.0, (1, 5, 200)[k % 3], n))
        p_high = np.round(p_high, 1) if k % 2 else p_high
        truths = chance.random(n) < (0.1, 0.5)[k % 2]
        for make in MEASURES:
            made = make(p_high, truths)
            assert math.isfinite(made.value) or made.method.startswith("not computed: ")
        for point in curve(p_high, truths):
            assert 0 <= point.low <= point.observed <= point.high <= 1


def test_a_hundred_thousand_patients_come_near_the_truth() -> None:
    p_high, truths = drawn(100_000)
    points = curve(p_high, truths)
    assert calibration_slope(p_high, truths).value == pytest.approx(1.0, abs=0.03)
    assert max(abs(p.observed - p.predicted) for p in points) < 0.03
